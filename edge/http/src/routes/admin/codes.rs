//! Codes to sign up with.

use crate::api::Api;
use crate::description::problems;
use crate::extract::{Admin, Json, PathOf, Query};
use crate::problem::{Problem, ProblemCode};
use crate::routes::paging::{cursor_of, limit, number_of};
use crate::routes::shown::ShownActor;
use crate::time::{parse_rfc3339, rfc3339};
use axum::extract::State;
use axum::http::StatusCode;
use madang_directory::SignUpCodeInfo;
use madang_model::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// How long a code holds where nothing is said: 30 days, in microseconds.
const TIME_US: i64 = 30 * 24 * 60 * 60 * 1_000_000;

problems!(OfCodes: ANY, QUERY, USER, ADMIN;);
problems!(OfNewCode: ANY, BODY, USER, ADMIN; BadValue, TooManyCodes);
problems!(OfRemoval: ANY, PATH, USER, ADMIN; NoCode);

/// A code to sign up with, but for the code itself.
#[derive(Serialize, ToSchema)]
#[schema(as = SignUpCode)]
pub struct ShownCode {
    /// Never used for another code.
    id: i64,
    /// What it is for; may be empty.
    note: String,
    /// How many accounts may be made with it.
    uses_max: i64,
    /// How many were made.
    uses: i64,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// By whom.
    created_by: ShownActor,
    /// When it ends.
    #[schema(format = DateTime)]
    expires_at: String,
}

impl From<&SignUpCodeInfo> for ShownCode {
    fn from(info: &SignUpCodeInfo) -> ShownCode {
        ShownCode {
            id: info.id,
            note: info.note.clone(),
            uses_max: info.uses_max,
            uses: info.uses,
            created_at: rfc3339(info.created_at),
            created_by: info.created_by.into(),
            expires_at: rfc3339(info.expires_at),
        }
    }
}

/// A part of the list of codes.
#[derive(Serialize, ToSchema)]
#[schema(as = SignUpCodePage)]
pub struct ShownCodes {
    /// Those that hold, the oldest first.
    items: Vec<ShownCode>,
    /// What to ask for the next part; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

/// Which part is asked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CodesQuery {
    /// The `next` of the page before.
    cursor: Option<String>,
    /// Codes of a page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<u16>,
}

/// Codes to sign up with that hold. What somebody types is shown once, when a code is made.
#[utoipa::path(
    get, path = "/admin/sign-up-codes", tag = "admin", operation_id = "list_sign_up_codes", params(CodesQuery),
    security(("access_token" = [])),
    responses((status = 200, description = "A part of them.", body = ShownCodes), OfCodes),
)]
pub async fn list(
    State(api): State<Api>,
    _admin: Admin,
    Query(query): Query<CodesQuery>,
) -> Result<axum::Json<ShownCodes>, Problem> {
    let (limit, now) = (limit(query.limit)?, api.now());
    let after = number_of(query.cursor.as_deref())?;
    let codes = api.ask(move |directory| directory.sign_up_codes(after.unwrap_or(0), limit, now)).await?;
    let last = codes.last().filter(|_| codes.len() == limit);
    let next = last.map(|last| cursor_of(last.id));
    Ok(axum::Json(ShownCodes { items: codes.iter().map(ShownCode::from).collect(), next }))
}

/// A code that is made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSignUpCode)]
pub struct NewCodeBody {
    /// How many accounts may be made with it.
    #[schema(minimum = 1, maximum = 10_000, example = 30)]
    uses: i64,
    /// When it ends (RFC 3339), within a year; in 30 days if nothing is said.
    #[serde(default, deserialize_with = "crate::routes::present")]
    #[schema(nullable = false, format = DateTime)]
    expires_at: Option<String>,
    /// What it is for.
    #[serde(default)]
    #[schema(example = "class 3", max_length = 500)]
    note: String,
}

/// A code that was made.
#[derive(Serialize, ToSchema)]
#[schema(as = MadeSignUpCode)]
pub struct MadeCode {
    /// What somebody types. It is shown this once.
    #[schema(example = "7K3M-Q0ZD-1HXV")]
    code: String,
    /// What is known of it.
    info: ShownCode,
}

/// Makes a code with which people sign up where `accounts.sign_up` is `code`.
#[utoipa::path(
    post, path = "/admin/sign-up-codes", tag = "admin", operation_id = "add_sign_up_code",
    request_body = NewCodeBody, security(("access_token" = [])),
    responses((status = 201, description = "The code, which is shown this once.", body = MadeCode), OfNewCode),
)]
pub async fn add(
    State(api): State<Api>,
    Admin(admin): Admin,
    Json(body): Json<NewCodeBody>,
) -> Result<(StatusCode, axum::Json<MadeCode>), Problem> {
    let (by, now) = (admin.actor(), api.now());
    let expires_at = match &body.expires_at {
        Some(text) => parse_rfc3339(text).ok_or_else(|| {
            Problem::new(
                ProblemCode::BadValue,
                "expires_at is no time; write it as in RFC 3339",
                "expires_at이 시각이 아닙니다. RFC 3339의 형식으로 쓰십시오",
            )
            .at("/expires_at")
        })?,
        None => Timestamp(now.0.saturating_add(TIME_US)),
    };
    let made =
        api.ask(move |directory| directory.add_sign_up_code(&body.note, (body.uses, expires_at), by, now));
    let (info, code) = made.await?;
    Ok((StatusCode::CREATED, axum::Json(MadeCode { code: code.reveal(), info: ShownCode::from(&info) })))
}

/// Withdraws a code: it holds no more. Accounts that were made with it stay.
#[utoipa::path(
    delete, path = "/admin/sign-up-codes/{id}", tag = "admin", operation_id = "remove_sign_up_code",
    params(("id" = i64, Path, description = "The number of the code.")), security(("access_token" = [])),
    responses((status = 204, description = "It holds no more."), OfRemoval),
)]
pub async fn remove(
    State(api): State<Api>,
    Admin(admin): Admin,
    PathOf(id): PathOf<i64>,
) -> Result<StatusCode, Problem> {
    let (by, now) = (admin.actor(), api.now());
    api.ask(move |directory| directory.remove_sign_up_code(id, by, now)).await?;
    Ok(StatusCode::NO_CONTENT)
}
