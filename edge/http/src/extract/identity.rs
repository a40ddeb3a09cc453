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

/// What a request says of who asks, checked as far as that needs no directory. The outermost layers have it put into the
/// request's extensions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Presented {
    /// No access token.
    Nothing,
    /// An access token of ours.
    Token(AccessToken),
    /// Something else in its place.
    Fault(TokenFault),
}

impl Presented {
    /// What these headers say.
    pub fn of(api: &Api, headers: &HeaderMap, now: Timestamp) -> Presented {
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let (Some(first), second) = (given.next(), given.next()) else { return Presented::Nothing };
        let token = first.to_str().ok().and_then(|text| text.split_once(' '));
        let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        match (token, second) {
            (Some((_, token)), None) => match api.keyring().check(token.trim(), now) {
                Ok(token) => Presented::Token(token),
                Err(fault) => Presented::Fault(fault),
            },
            _ => Presented::Fault(TokenFault::Invalid),
        }
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
        let presented = parts.extensions.get::<Presented>().copied();
        let presented = presented.unwrap_or_else(|| Presented::of(api, &parts.headers, now));
        let token = match presented {
            Presented::Token(token) => token,
            Presented::Nothing => return Err(Problem::plain(ProblemCode::LoginNeeded)),
            Presented::Fault(TokenFault::Expired) => return Err(Problem::plain(ProblemCode::TokenExpired)),
            Presented::Fault(TokenFault::Invalid) => return Err(Problem::plain(ProblemCode::TokenInvalid)),
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
        let mut given = parts.headers.get_all(&API_KEY).iter();
        let Some(first) = given.next() else {
            let Admin(user) = Admin::from_request_parts(parts, api).await?;
            return Ok(AdminOrService::Admin(user));
        };
        let secret = first.to_str().ok().and_then(KeySecret::parse).filter(|_| given.next().is_none());
        let secret = secret.ok_or_else(|| Problem::plain(ProblemCode::KeyInvalid))?;
        let now = api.now();
        let key = api.ask(move |directory| match directory.check_key(&secret, now) {
            Ok(key) => Ok(Some(key)),
            Err(DirectoryError::Mistake(Mistake::NoKey)) => Ok(None),
            Err(error) => Err(error),
        });
        key.await?.map(AdminOrService::Service).ok_or_else(|| Problem::plain(ProblemCode::KeyInvalid))
    }
}
