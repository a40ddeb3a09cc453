//! Logging in, and staying so.

use super::shown::{ShownMe, ShownSession};
use crate::api::{Api, Device};
use crate::cookies;
use crate::core::Ended;
use crate::description::problems;
use crate::extract::{AdminOrService, Json, PathOf, User};
use crate::gate::Meter;
use crate::problem::{Problem, ProblemCode};
use crate::rates::Policy;
use crate::tokens::ACCESS_TIME;
use axum::extract::State;
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use madang_directory::{DirectoryError, Mistake, RefreshToken, Renewed};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a service needs to end the sessions of others.
const END_SCOPE: &str = "sessions:write";

problems!(OfLogIn: ANY, BODY, PASSWORD; WrongCredentials, Banned, TooManyGuesses, OriginNotAllowed, NoAccount);
problems!(OfRefresh: ANY, BODY; LoginNeeded, SessionEnded, TokenReused, Banned, OriginNotAllowed);
problems!(OfSessions: ANY, USER;);
problems!(OfEnd: ANY, PATH, USER; NoSession);
problems!(OfEndAll: ANY, PATH, USER, ADMIN, SERVICE; NoAccount);

/// Where a refresh token goes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum RefreshPlace {
    /// Into a cookie that scripts cannot read: for pages.
    #[default]
    Cookie,
    /// Into the body: for programs.
    Body,
}

/// What somebody logs in with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LogIn)]
pub struct LogInBody {
    /// The name of the account.
    #[schema(example = "alice")]
    name: String,
    /// Its password.
    #[schema(format = Password, example = "four quiet green lamps")]
    password: String,
    /// What the device calls itself, for the list of sessions.
    #[serde(default)]
    #[schema(example = "laptop")]
    device: Option<String>,
    /// Where the refresh token goes.
    #[serde(default)]
    refresh: RefreshPlace,
    /// A refresh token that this device has of the same account: then it does not wait for what others have guessed. A page
    /// has it in its cookie.
    #[serde(default)]
    refresh_token: Option<String>,
}

/// A session that was opened or renewed.
#[derive(Serialize, ToSchema)]
#[schema(as = OpenSession)]
pub struct SessionOpened {
    /// For `Authorization: Bearer`.
    access_token: String,
    /// How it is sent: `Bearer`.
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds for which the access token holds.
    #[schema(minimum = 1, maximum = 900)]
    expires_in: u64,
    /// What renews the session next, once; only where it was asked for in the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    refresh_token: Option<String>,
    /// The number of the session.
    session: i64,
    /// Whose it is.
    account: ShownMe,
}

/// Logs in with a name and a password.
#[utoipa::path(
    post, path = "/sessions", tag = "sessions", operation_id = "log_in", request_body = LogInBody, security(()),
    responses((status = 201, description = "The session was opened.", body = SessionOpened,
        headers(("location" = String, description = "The session, to end it."),
            ("set-cookie" = String, description = "The refresh token, for pages."))), OfLogIn),
)]
pub async fn log_in(
    State(api): State<Api>,
    meter: Meter,
    uri: Uri,
    headers: HeaderMap,
    Json(body): Json<LogInBody>,
) -> Result<Response, Problem> {
    api.expect_private(&meter.client)?;
    if body.refresh == RefreshPlace::Cookie {
        cookies::expect_own_page(&headers, &uri, api.settings())?;
    }
    let known = body.refresh_token.as_deref().and_then(RefreshToken::parse);
    let known = known.or_else(|| cookies::refresh_token(&headers));
    meter.take(Policy::LogIn)?;
    let device = known.map_or(Device::Unknown, Device::Shows);
    let account = api.check_password(&body.name, &body.password, device, &meter.client).await?;
    let (device, now) = (body.device.unwrap_or_default(), api.now());
    let opened = api.ask(move |directory| directory.open_session(&account.handle, &device, now)).await?;
    for ended in &opened.ended {
        api.end_sessions(opened.account.id, Ended::One(*ended)).await;
    }
    let location = format!("/api/v1/me/sessions/{}", opened.id);
    let location = HeaderValue::from_str(&location).expect("a number is visible");
    let mut response = answer(&api, &meter, StatusCode::CREATED, &opened, body.refresh);
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

fn answer(api: &Api, meter: &Meter, status: StatusCode, renewed: &Renewed, place: RefreshPlace) -> Response {
    let now = api.now();
    let opened = SessionOpened {
        access_token: api.keyring().sign(renewed.account.id, renewed.id, now),
        token_type: "Bearer",
        expires_in: ACCESS_TIME.as_secs(),
        refresh_token: (place == RefreshPlace::Body).then(|| renewed.token.reveal()),
        session: renewed.id,
        account: ShownMe::of(&renewed.account, now),
    };
    let mut response = (status, axum::Json(opened)).into_response();
    if place == RefreshPlace::Cookie {
        response.headers_mut().append(SET_COOKIE, cookies::keep(&renewed.token, &meter.client));
    }
    response
}

/// What renews a session, of a program.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Refresh)]
pub struct RefreshBody {
    /// The newest refresh token of the session. Each is used once: the answer has the next.
    #[serde(default)]
    refresh_token: Option<String>,
}

/// Renews a session: with the refresh token in the body, or in the cookie of a page.
///
/// A refresh token is used once. One that is used again ends its session, as somebody else may have it.
#[utoipa::path(
    post, path = "/sessions/refresh", tag = "sessions", operation_id = "refresh_session",
    request_body(content = Option<RefreshBody>), security(()),
    responses((status = 200, description = "The session was renewed.", body = SessionOpened,
        headers(("set-cookie" = String, description = "The next refresh token, for pages."))), OfRefresh),
)]
pub async fn refresh(
    State(api): State<Api>,
    meter: Meter,
    uri: Uri,
    headers: HeaderMap,
    body: Option<Json<RefreshBody>>,
) -> Result<Response, Problem> {
    let (token, place) = match body.and_then(|Json(body)| body.refresh_token) {
        Some(text) => (RefreshToken::parse(&text), RefreshPlace::Body),
        None => match cookies::refresh_token(&headers) {
            Some(token) => {
                cookies::expect_origin(&headers, &uri, api.settings())?;
                (Some(token), RefreshPlace::Cookie)
            }
            None => {
                return Err(Problem::new(
                    ProblemCode::LoginNeeded,
                    "no refresh token was sent; send refresh_token in the body, or log in",
                    "갱신 토큰이 없습니다. 본문에 refresh_token을 보내거나 로그인하십시오",
                ));
            }
        },
    };
    let token = token.ok_or_else(|| Problem::from(Mistake::SessionEnded))?;
    let now = api.now();
    let renewed = api.ask(move |directory| match directory.renew_session(&token, now) {
        Ok(renewed) => Ok(Ok(renewed)),
        Err(DirectoryError::Mistake(mistake)) => Ok(Err(mistake)),
        Err(error) => Err(error),
    });
    match renewed.await? {
        Ok(renewed) => Ok(answer(&api, &meter, StatusCode::OK, &renewed, place)),
        Err(mistake) => {
            if let Mistake::TokenReused { account, session } = mistake {
                api.end_sessions(account, Ended::One(session)).await;
            }
            let problem = Problem::from(mistake);
            Err(match place {
                RefreshPlace::Cookie => problem.with_cookie(cookies::forget(&meter.client)),
                RefreshPlace::Body => problem,
            })
        }
    }
}

/// The sessions of an account.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionList)]
pub struct ShownSessions {
    /// The one used last first; there are at most 64.
    items: Vec<ShownSession>,
}

/// The sessions of the account that asks.
#[utoipa::path(
    get, path = "/me/sessions", tag = "sessions", operation_id = "list_sessions", security(("access_token" = [])),
    responses((status = 200, description = "All of them.", body = ShownSessions), OfSessions),
)]
pub async fn list(State(api): State<Api>, user: User) -> Result<axum::Json<ShownSessions>, Problem> {
    let (now, name) = (api.now(), user.account.handle);
    let sessions = api.ask(move |directory| directory.sessions(&name, now)).await?;
    let items = sessions.iter().map(|session| ShownSession::of(session, user.session.id)).collect();
    Ok(axum::Json(ShownSessions { items }))
}

/// Ends a session of the account that asks, with its connections: the one that asks logs out so.
#[utoipa::path(
    delete, path = "/me/sessions/{id}", tag = "sessions", operation_id = "end_session",
    params(("id" = i64, Path, description = "The number of the session.")), security(("access_token" = [])),
    responses((status = 204, description = "It has ended.",
        headers(("set-cookie" = String, description = "Where the session that asks ends: a page forgets its token."))), OfEnd),
)]
pub async fn end(
    State(api): State<Api>,
    meter: Meter,
    user: User,
    PathOf(id): PathOf<i64>,
) -> Result<Response, Problem> {
    let name = user.account.handle.clone();
    if !api.ask(move |directory| directory.end_session(&name, id)).await? {
        return Err(Problem::new(
            ProblemCode::NoSession,
            format!("there is no session {id} of this account; GET /api/v1/me/sessions lists them"),
            format!("이 계정에는 세션 {id}이(가) 없습니다. GET /api/v1/me/sessions로 볼 수 있습니다"),
        ));
    }
    api.end_sessions(user.account.id, Ended::One(id)).await;
    let mut response = StatusCode::NO_CONTENT.into_response();
    if id == user.session.id {
        response.headers_mut().append(SET_COOKIE, cookies::forget(&meter.client));
    }
    Ok(response)
}

/// Ends all sessions of an account, with their connections: for services (`sessions:write`) and admins.
#[utoipa::path(
    delete, path = "/users/{name}/sessions", tag = "sessions", operation_id = "end_sessions_of",
    params(("name" = String, Path, description = "The name of the account.")),
    security(("access_token" = []), ("api_key" = [])),
    responses((status = 204, description = "They have ended."), OfEndAll),
)]
pub async fn end_all(
    State(api): State<Api>,
    who: AdminOrService,
    PathOf(name): PathOf<String>,
) -> Result<StatusCode, Problem> {
    who.expect_scope(END_SCOPE)?;
    let (by, now) = (who.actor(), api.now());
    let account = api.ask(move |directory| {
        let account = directory.account(&name)?;
        directory.end_all_sessions(&account.handle, by, now)?;
        Ok(account.id)
    });
    api.end_sessions(account.await?, Ended::All).await;
    Ok(StatusCode::NO_CONTENT)
}
