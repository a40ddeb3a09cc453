//! What admins do for people: a way to another password, and the consent of a guardian.

use crate::api::Api;
use crate::description::problems;
use crate::extract::{Admin, Json};
use crate::problem::{Problem, ProblemCode};
use crate::time::rfc3339;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a guardian consents to.
const GUARDIAN: &str = "guardian";

problems!(OfPerson: ANY, BODY, USER, ADMIN; NoAccount);

/// Whom it is for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ForAccount)]
pub struct ForAccountBody {
    /// The name of the account.
    #[schema(example = "alice")]
    name: String,
}

/// A one-time code.
#[derive(Serialize, ToSchema)]
#[schema(as = MadePasswordReset)]
pub struct MadeReset {
    /// What the person types, or the end of the path that it is sent to. It is shown this once.
    code: String,
    /// Where it is used.
    #[schema(example = "/api/v1/password-resets/7K3M-Q0ZD-1HXV-9E2T-4B6C-8FGA")]
    path: String,
    /// When it ends.
    #[schema(format = DateTime)]
    expires_at: String,
}

/// Makes a one-time code with which somebody gives the account another password within a day. One that was made before
/// holds no more.
#[utoipa::path(
    post, path = "/admin/password-resets", tag = "admin", operation_id = "add_password_reset",
    request_body = ForAccountBody, security(("access_token" = [])),
    responses((status = 201, description = "The code, which is shown this once.", body = MadeReset), OfPerson),
)]
pub async fn reset_password(
    State(api): State<Api>,
    Admin(admin): Admin,
    Json(body): Json<ForAccountBody>,
) -> Result<(StatusCode, axum::Json<MadeReset>), Problem> {
    let (by, now) = (admin.actor(), api.now());
    let made = api.ask(move |directory| directory.add_password_reset(&body.name, by, now));
    let (_, code, expires_at) = made.await.map_err(at_the_name)?;
    let code = code.reveal();
    let path = format!("/api/v1/password-resets/{code}");
    Ok((StatusCode::CREATED, axum::Json(MadeReset { code, path, expires_at: rfc3339(expires_at) })))
}

/// Records that a guardian consents to the account of somebody under 14. What was recorded already stays as it is.
#[utoipa::path(
    post, path = "/admin/guardian-consents", tag = "admin", operation_id = "record_guardian_consent",
    request_body = ForAccountBody, security(("access_token" = [])),
    responses((status = 204, description = "It is recorded, with who has recorded it."), OfPerson),
)]
pub async fn consent(
    State(api): State<Api>,
    Admin(admin): Admin,
    Json(body): Json<ForAccountBody>,
) -> Result<StatusCode, Problem> {
    let (by, now) = (admin.actor(), api.now());
    let given = api.ask(move |directory| directory.give_consent(&body.name, GUARDIAN, by, now));
    given.await.map_err(at_the_name)?;
    Ok(StatusCode::NO_CONTENT)
}

fn at_the_name(problem: Problem) -> Problem {
    match problem.code {
        ProblemCode::NoAccount => problem.at("/name"),
        _ => problem,
    }
}
