//! Accounts, as admins see and change them.

use crate::api::Api;
use crate::core::{AccountState, Ended};
use crate::description::problems;
use crate::extract::{Admin, IfMatch, Json, PathOf, Query, entity_tag};
use crate::problem::{Problem, ProblemCode};
use crate::routes::paging::{limit, no_cursor};
use crate::routes::shown::{FOR_EVER_WORD, ShownAccount, ShownRole};
use crate::time::parse_rfc3339;
use axum::extract::State;
use axum::http::header::ETAG;
use axum::response::{IntoResponse, Response};
use madang_directory::{Account, Amendment, BanChange, FOR_EVER, Forbidden, ListCursor};
use madang_model::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

problems!(OfAccount: ANY, PATH, USER, ADMIN; NoAccount);
problems!(OfAccounts: ANY, QUERY, USER, ADMIN; BadValue);
problems!(OfAmend: ANY, PATH, BODY, USER, ADMIN; NoAccount, IfMatchMissing, ChangedMeanwhile, LastAdmin, BadValue);

/// What is looked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AccountsQuery {
    /// The beginning of a name or display name, or first consonants of Korean syllables; all accounts without it.
    #[serde(default)]
    prefix: String,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// Accounts of a page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<u16>,
}

/// A part of a list of accounts.
#[derive(Serialize, ToSchema)]
#[schema(as = AdminAccountPage)]
pub struct ShownAccounts {
    /// In the order of their names. There may be fewer than were asked for, though others follow.
    items: Vec<ShownAccount>,
    /// What to ask for the next part; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

/// Accounts, all or those whose name or display name begins so.
#[utoipa::path(
    get, path = "/admin/accounts", tag = "admin", operation_id = "list_accounts", params(AccountsQuery),
    security(("access_token" = [])),
    responses((status = 200, description = "A part of them.", body = ShownAccounts), OfAccounts),
)]
pub async fn find(
    State(api): State<Api>,
    _admin: Admin,
    Query(query): Query<AccountsQuery>,
) -> Result<axum::Json<ShownAccounts>, Problem> {
    let limit = limit(query.limit)?;
    let cursor = query.cursor.as_deref().map(ListCursor::parse).transpose().map_err(|_| no_cursor())?;
    let page = api.ask(move |directory| directory.search(&query.prefix, cursor.as_ref(), limit)).await?;
    let now = api.now();
    Ok(axum::Json(ShownAccounts {
        items: page.accounts.iter().map(|account| ShownAccount::of(account, now)).collect(),
        next: page.next.map(|next| next.as_str().to_owned()),
    }))
}

fn answer(account: &Account, now: Timestamp) -> Response {
    ([(ETAG, entity_tag(account))], axum::Json(ShownAccount::of(account, now))).into_response()
}

/// An account.
#[utoipa::path(
    get, path = "/admin/accounts/{name}", tag = "admin", operation_id = "get_account",
    params(("name" = String, Path, description = "The name of the account.")), security(("access_token" = [])),
    responses((status = 200, description = "The account.", body = ShownAccount,
        headers(("etag" = String, description = "Its state, for If-Match."))), OfAccount),
)]
pub async fn get(
    State(api): State<Api>,
    _admin: Admin,
    PathOf(name): PathOf<String>,
) -> Result<Response, Problem> {
    let account = api.ask(move |directory| directory.account(&name)).await?;
    Ok(answer(&account, api.now()))
}

/// What is changed of an account; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AccountChange)]
pub struct AccountChangeBody {
    /// What it may do.
    #[serde(default, deserialize_with = "crate::routes::present")]
    #[schema(nullable = false)]
    role: Option<ShownRole>,
    /// Until when it cannot log in (RFC 3339), or `forever`; `null` lets it in again. A ban ends its sessions.
    #[serde(default, deserialize_with = "crate::routes::nullable")]
    #[schema(value_type = Option<String>, example = "2030-01-01T00:00:00Z")]
    banned_until: Option<Option<String>>,
    /// Until when it posts nowhere (RFC 3339), or `forever`; `null` lets it post again.
    #[serde(default, deserialize_with = "crate::routes::nullable")]
    #[schema(value_type = Option<String>, example = "forever")]
    chat_banned_until: Option<Option<String>>,
    /// Why, for the audit log and for whoever is banned: at most 500 characters.
    #[serde(default)]
    reason: String,
}

/// Changes an account: everything that is given, or nothing. The last admin who can log in stays one.
#[utoipa::path(
    patch, path = "/admin/accounts/{name}", tag = "admin", operation_id = "change_account",
    params(("name" = String, Path, description = "The name of the account."),
        ("If-Match" = String, Header, description = "The ETag of what was read, or *.")),
    request_body = AccountChangeBody, security(("access_token" = [])),
    responses((status = 200, description = "The account as it is now.", body = ShownAccount,
        headers(("etag" = String, description = "Its state, for If-Match."))), OfAmend),
)]
pub async fn change(
    State(api): State<Api>,
    Admin(admin): Admin,
    condition: IfMatch,
    PathOf(name): PathOf<String>,
    Json(body): Json<AccountChangeBody>,
) -> Result<Response, Problem> {
    let (by, now) = (admin.actor(), api.now());
    let amendment = Amendment {
        role: body.role.map(Into::into),
        ban: ban_change(body.banned_until, "/banned_until", now)?,
        chat_ban: ban_change(body.chat_banned_until, "/chat_banned_until", now)?,
        reason: body.reason,
    };
    let is_banned = matches!(amendment.ban, BanChange::Set(_));
    let asked = name.clone();
    let current = api.ask(move |directory| directory.account(&asked)).await?;
    let expected = condition.expected(&current)?;
    let account = api.ask(move |directory| directory.amend(&name, expected, amendment, by, now)).await?;
    api.account_changed(AccountState::Present(account.clone())).await;
    if is_banned {
        api.forget_proof(account.id);
        api.end_sessions(account.id, Ended::All).await;
    }
    Ok(answer(&account, now))
}

fn ban_change(
    given: Option<Option<String>>,
    pointer: &'static str,
    now: Timestamp,
) -> Result<BanChange, Problem> {
    let Some(given) = given else { return Ok(BanChange::Stays) };
    let Some(text) = given else { return Ok(BanChange::Ends) };
    let until = if text == FOR_EVER_WORD { Some(FOR_EVER) } else { parse_rfc3339(&text) };
    match until.filter(|until| *until > now) {
        Some(until) => Ok(BanChange::Set(Forbidden { until, reason: String::new() })),
        None => Err(Problem::new(
            ProblemCode::BadValue,
            "the end of a ban is a time after now (RFC 3339), or forever",
            "차단이 끝나는 때는 지금보다 뒤의 시각(RFC 3339)이거나 forever입니다",
        )
        .at(pointer)),
    }
}
