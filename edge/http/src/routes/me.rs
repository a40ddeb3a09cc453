//! One's own account.

use super::shown::ShownMe;
use crate::api::{Api, Device};
use crate::cookies;
use crate::core::{AccountState, Ended};
use crate::description::problems;
use crate::extract::{IfMatch, Json, User, entity_tag};
use crate::gate::Meter;
use crate::problem::{Problem, ProblemCode};
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{ETAG, SET_COOKIE};
use axum::response::{IntoResponse, Response};
use madang_directory::Account;
use madang_model::Timestamp;
use serde::Deserialize;
use utoipa::ToSchema;

/// How old the session may be that deletes its account, in microseconds: an access token that was lost does not do.
const FRESH_US: i64 = 10 * 60 * 1_000_000;

problems!(OfMe: ANY, USER;);
problems!(OfChange: ANY, BODY, USER; DisplayNameInvalid, IfMatchMissing, ChangedMeanwhile, NoAccount);
problems!(OfDelete: ANY, USER; FreshLoginNeeded, LastAdmin, NoAccount);
problems!(OfPassword: ANY, BODY, USER, PASSWORD; WrongCredentials, TooManyGuesses, PasswordWeak, PasswordsDiffer,
    NoAccount);

fn answer(account: &Account, now: Timestamp) -> Response {
    ([(ETAG, entity_tag(account))], axum::Json(ShownMe::of(account, now))).into_response()
}

/// The account that asks.
#[utoipa::path(
    get, path = "/me", tag = "me", operation_id = "get_me", security(("access_token" = [])),
    responses((status = 200, description = "The account.", body = ShownMe,
        headers(("etag" = String, description = "Its state, for If-Match."))), OfMe),
)]
pub async fn get(State(api): State<Api>, user: User) -> Response {
    answer(&user.account, api.now())
}

/// What is changed of one's own account; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MeChange)]
pub struct MeChangeBody {
    /// What is shown beside the name: 1 to 64 visible characters.
    #[serde(default, deserialize_with = "super::present")]
    #[schema(nullable = false)]
    display_name: Option<String>,
}

/// Changes the account that asks.
#[utoipa::path(
    patch, path = "/me", tag = "me", operation_id = "change_me", request_body = MeChangeBody,
    params(("If-Match" = String, Header, description = "The ETag of what was read, or *.")),
    security(("access_token" = [])),
    responses((status = 200, description = "The account as it is now.", body = ShownMe,
        headers(("etag" = String, description = "Its state, for If-Match."))), OfChange),
)]
pub async fn change(
    State(api): State<Api>,
    user: User,
    condition: IfMatch,
    Json(body): Json<MeChangeBody>,
) -> Result<Response, Problem> {
    let expected = condition.expected(&user.account)?;
    let mut account = user.account;
    if let Some(given) = body.display_name {
        let name = account.handle.clone();
        let changed = api.ask(move |directory| directory.set_display_name(&name, expected, &given)).await;
        account = changed.map_err(|problem| match problem.code {
            ProblemCode::DisplayNameInvalid => problem.at("/display_name"),
            _ => problem,
        })?;
        api.account_changed(AccountState::Present(account.clone())).await;
    }
    Ok(answer(&account, api.now()))
}

/// Deletes the account that asks, and all that is known of it. Its messages stay, and nobody has its name again.
///
/// The session must have been opened within the last ten minutes.
#[utoipa::path(
    delete, path = "/me", tag = "me", operation_id = "delete_me", security(("access_token" = [])),
    responses((status = 204, description = "It is deleted."), OfDelete),
)]
pub async fn delete(State(api): State<Api>, meter: Meter, user: User) -> Result<Response, Problem> {
    let now = api.now();
    if now.0.saturating_sub(user.session.created_at.0) > FRESH_US {
        return Err(Problem::plain(ProblemCode::FreshLoginNeeded));
    }
    let (name, by) = (user.account.handle.clone(), user.actor());
    let account = api.ask(move |directory| directory.delete(&name, "", by, now)).await?;
    api.forget_proof(account.id);
    api.end_sessions(account.id, Ended::All).await;
    api.account_changed(AccountState::Deleted(account.id)).await;
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookies::forget(&meter.client))]).into_response())
}

/// Another password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PasswordChange)]
pub struct PasswordBody {
    /// The password that the account has.
    #[schema(format = Password)]
    current: String,
    /// The one that it is to have.
    #[schema(format = Password, min_length = 8, max_length = 1_024)]
    new: String,
    /// The same again.
    #[schema(format = Password, min_length = 8, max_length = 1_024)]
    confirm: String,
}

/// Changes the password of the account that asks. All its other sessions end, with their connections.
#[utoipa::path(
    put, path = "/me/password", tag = "me", operation_id = "change_password", request_body = PasswordBody,
    security(("access_token" = [])),
    responses((status = 204, description = "It is changed."), OfPassword),
)]
pub async fn change_password(
    State(api): State<Api>,
    meter: Meter,
    user: User,
    Json(body): Json<PasswordBody>,
) -> Result<StatusCode, Problem> {
    api.expect_private(&meter.client)?;
    let name = user.account.handle.clone();
    let checked = api.check_password(&name, &body.current, Device::LoggedIn, &meter.client).await;
    checked.map_err(|problem| match problem.code {
        ProblemCode::WrongCredentials => problem.at("/current"),
        _ => problem,
    })?;
    let (by, now, kept) = (user.actor(), api.now(), Some(user.session.id));
    let changed = api.compute(move |directory| {
        directory.set_password_keeping(&name, (&body.new, &body.confirm), kept, "", by, now)
    });
    changed.await.map_err(|problem| match problem.code {
        ProblemCode::PasswordWeak => problem.at("/new"),
        ProblemCode::PasswordsDiffer => problem.at("/confirm"),
        _ => problem,
    })?;
    api.forget_proof(user.account.id);
    api.end_sessions(user.account.id, Ended::AllBut(user.session.id)).await;
    Ok(StatusCode::NO_CONTENT)
}
