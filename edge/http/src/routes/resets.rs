//! Another password for whoever has lost the old one.

use crate::api::Api;
use crate::core::Ended;
use crate::description::problems;
use crate::extract::{Json, PathOf};
use crate::gate::Meter;
use crate::problem::{Problem, ProblemCode};
use crate::rates::Policy;
use axum::extract::State;
use axum::http::StatusCode;
use madang_directory::ResetCode;
use serde::Deserialize;
use utoipa::ToSchema;

problems!(OfReset: ANY, PATH, BODY, PASSWORD; CodeGone, PasswordWeak, PasswordsDiffer);

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PasswordReset)]
pub struct ResetBody {
    /// The password: 8 characters to 1,024 bytes, of which common ones are refused.
    #[schema(format = Password)]
    password: String,
    /// The same again.
    #[schema(format = Password)]
    password_confirm: String,
}

/// Gives the account of a one-time code another password. All its sessions end.
#[utoipa::path(
    post, path = "/password-resets/{code}", tag = "accounts", operation_id = "reset_password",
    params(("code" = String, Path, description = "The code that an admin has given.")), request_body = ResetBody,
    security(()),
    responses((status = 204, description = "It has the new password, and the code is used up."), OfReset),
)]
pub async fn reset(
    State(api): State<Api>,
    meter: Meter,
    PathOf(code): PathOf<String>,
    Json(body): Json<ResetBody>,
) -> Result<StatusCode, Problem> {
    api.expect_private(&meter.client)?;
    meter.take(Policy::Codes)?;
    let code = ResetCode::parse(&code).ok_or_else(|| Problem::plain(ProblemCode::CodeGone))?;
    let now = api.now();
    let reset = api.compute(move |directory| {
        directory.reset_password(&code, (&body.password, &body.password_confirm), now)
    });
    let account = reset.await.map_err(|problem| match problem.code {
        ProblemCode::PasswordWeak => problem.at("/password"),
        ProblemCode::PasswordsDiffer => problem.at("/password_confirm"),
        _ => problem,
    })?;
    api.forget_proof(account.id);
    api.end_sessions(account.id, Ended::All).await;
    Ok(StatusCode::NO_CONTENT)
}
