//! Who asks.

use crate::api::Api;
use crate::problem::{Problem, ProblemCode};
use crate::tokens::{AccessToken, TokenFault};
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use madang_directory::{Account, Actor, DirectoryError, KeySecret, Mistake, Role, ServiceKey, Session};
use madang_model::Timestamp;

/// The header of a service's key.
static API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What a request says of who asks. A layer around all routes has it put into the request's extensions.
#[derive(Clone, Debug)]
pub struct Presented {
    /// The access token, checked as far as that needs no directory; `None` without one.
    pub token: Option<Result<AccessToken, TokenFault>>,
    /// The service of the key; `None` without a key, an error for one that no service has.
    pub key: Option<Result<ServiceKey, NoSuchKey>>,
}

/// No service has the key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoSuchKey;

impl Presented {
    /// What these headers say.
    ///
    /// # Errors
    /// What the directory refuses when it is asked for a key.
    pub async fn of(api: &Api, headers: &HeaderMap) -> Result<Presented, Problem> {
        let now = api.now();
        let token = only(headers, &AUTHORIZATION).map(|given| {
            let (scheme, token) = given.and_then(|text| text.split_once(' ')).ok_or(TokenFault::Invalid)?;
            match scheme.eq_ignore_ascii_case("bearer") {
                true => api.keyring().check(token.trim(), now),
                false => Err(TokenFault::Invalid),
            }
        });
        let key = match only(headers, &API_KEY) {
            Some(given) => Some(service_of(api, given.and_then(KeySecret::parse), now).await?),
            None => None,
        };
        Ok(Presented { token, key })
    }
}

/// What a header says that is there once; `Some(None)` if it is there otherwise.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<Option<&'h str>> {
    let mut given = headers.get_all(name).iter();
    let first = given.next()?;
    Some(first.to_str().ok().filter(|_| given.next().is_none()))
}

async fn service_of(
    api: &Api,
    secret: Option<KeySecret>,
    now: Timestamp,
) -> Result<Result<ServiceKey, NoSuchKey>, Problem> {
    let Some(secret) = secret else { return Ok(Err(NoSuchKey)) };
    let found = api.ask(move |directory| match directory.check_key(&secret, now) {
        Ok(key) => Ok(Ok(key)),
        Err(DirectoryError::Mistake(Mistake::NoKey)) => Ok(Err(NoSuchKey)),
        Err(error) => Err(error),
    });
    found.await
}

/// What a request was found to say by the layer around all routes.
async fn presented(parts: &Parts, api: &Api) -> Result<Presented, Problem> {
    match parts.extensions.get::<Presented>() {
        Some(presented) => Ok(presented.clone()),
        None => Presented::of(api, &parts.headers).await,
    }
}

/// Somebody who has logged in, and may still.
#[derive(Clone, Debug)]
pub struct User {
    /// The account.
    pub account: Account,
    /// The session.
    pub session: Session,
}

impl User {
    /// As the audit log names it.
    pub fn actor(&self) -> Actor {
        Actor::Account(self.account.id)
    }
}

impl FromRequestParts<Api> for User {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let now = api.now();
        let token = match presented(parts, api).await?.token {
            Some(Ok(token)) => token,
            None => return Err(Problem::plain(ProblemCode::LoginNeeded)),
            Some(Err(TokenFault::Expired)) => return Err(Problem::plain(ProblemCode::TokenExpired)),
            Some(Err(TokenFault::Invalid)) => return Err(Problem::plain(ProblemCode::TokenInvalid)),
        };
        // A token says who it was; whether the session is still there, and what the account may do, is asked each time.
        let (account, session) =
            api.ask(move |directory| directory.session_of(token.account, token.session, now)).await?;
        Ok(User { account, session })
    }
}

/// A token that may be left out, and is right if it is there.
impl axum::extract::OptionalFromRequestParts<Api> for User {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Option<Self>, Problem> {
        match <User as FromRequestParts<Api>>::from_request_parts(parts, api).await {
            Ok(user) => Ok(Some(user)),
            Err(problem) if problem.code == ProblemCode::LoginNeeded => Ok(None),
            Err(problem) => Err(problem),
        }
    }
}

/// An admin.
#[derive(Clone, Debug)]
pub struct Admin(pub User);

impl FromRequestParts<Api> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let user = <User as FromRequestParts<Api>>::from_request_parts(parts, api).await?;
        match user.account.role {
            Role::Admin => Ok(Admin(user)),
            Role::User => Err(Problem::plain(ProblemCode::AdminOnly)),
        }
    }
}

/// An admin, or a service whose key it is.
#[derive(Clone, Debug)]
pub enum AdminOrService {
    /// An admin.
    Admin(User),
    /// A service.
    Service(ServiceKey),
}

impl AdminOrService {
    /// As the audit log names it.
    pub fn actor(&self) -> Actor {
        match self {
            AdminOrService::Admin(user) => user.actor(),
            AdminOrService::Service(key) => Actor::Service(key.id),
        }
    }

    /// A service needs this scope; an admin may everything.
    ///
    /// # Errors
    /// [`ProblemCode::ScopeMissing`].
    pub fn expect_scope(&self, scope: &str) -> Result<(), Problem> {
        match self {
            AdminOrService::Service(key) if !key.scopes.iter().any(|has| has == scope) => Err(Problem::new(
                ProblemCode::ScopeMissing,
                format!(
                    "the key {} lacks the scope {scope}; an operator gives it with `madang key add`",
                    key.name
                ),
                format!(
                    "키 {}에 권한 범위 {scope}이(가) 없습니다. 운영자가 `madang key add`로 줄 수 있습니다",
                    key.name
                ),
            )),
            _ => Ok(()),
        }
    }
}

impl FromRequestParts<Api> for AdminOrService {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        match presented(parts, api).await?.key {
            Some(Ok(key)) => Ok(AdminOrService::Service(key)),
            Some(Err(NoSuchKey)) => Err(Problem::plain(ProblemCode::KeyInvalid)),
            None => {
                Admin::from_request_parts(parts, api).await.map(|Admin(user)| AdminOrService::Admin(user))
            }
        }
    }
}
