//! Signing up.

use super::shown::ShownMe;
use crate::api::Api;
use crate::core::AccountState;
use crate::description::problems;
use crate::extract::{Json, Query, User};
use crate::gate::Meter;
use crate::language::Language;
use crate::problem::{Problem, ProblemCode};
use crate::rates::Policy;
use crate::settings::SignUp;
use axum::extract::State;
use axum::http::header::{CONTENT_LANGUAGE, LOCATION, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use madang_directory::{Actor, DirectoryError, NewAccount, Role, SignUpCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

problems!(OfSignUp: ANY, BODY, PASSWORD, ADMIN, USER; SignUpClosed, SignUpCodeNeeded, SignUpCodeInvalid, NameInvalid,
    NameTaken, NameConfusable, DisplayNameInvalid, PasswordWeak, PasswordsDiffer);
problems!(OfAvailable: ANY, QUERY;);

/// What somebody signs up with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAccount)]
pub struct SignUpBody {
    /// The unique name, which never changes: 1 to 32 letters and digits of any script, and `- _ .`.
    #[schema(example = "alice", min_length = 1, max_length = 32)]
    name: String,
    /// The password: 8 characters to 1,024 bytes, of which common ones are refused.
    #[schema(format = Password, min_length = 8, max_length = 1_024, example = "four quiet green lamps")]
    password: String,
    /// The same again.
    #[schema(format = Password, min_length = 8, max_length = 1_024, example = "four quiet green lamps")]
    password_confirm: String,
    /// What is shown beside the name; the name itself if nothing is said.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 64)]
    display_name: Option<String>,
    /// The code that an admin has given, where one is needed.
    #[serde(default)]
    sign_up_code: Option<String>,
}

/// Makes an account.
///
/// Who may is decided by `accounts.sign_up`: anyone, whoever has a code, admins, or nobody.
#[utoipa::path(
    post, path = "/accounts", tag = "accounts", operation_id = "sign_up", request_body = SignUpBody,
    security((), ("access_token" = [])),
    responses((status = 201, description = "The account was made.", body = ShownMe,
        headers(("location" = String, description = "The account, as others see it."))), OfSignUp),
)]
pub async fn sign_up(
    State(api): State<Api>,
    meter: Meter,
    user: Option<User>,
    Json(body): Json<SignUpBody>,
) -> Result<Response, Problem> {
    let by = may_sign_up(&api, user.as_ref())?;
    let code = match (api.settings().sign_up, by) {
        (SignUp::Code, Actor::Visitor) => Some(code_of(body.sign_up_code.as_deref())?),
        _ => None,
    };
    api.expect_private(&meter.client)?;
    meter.take(Policy::SignUp)?;
    let now = api.now();
    let made = api.compute(move |directory| {
        let new = NewAccount {
            name: &body.name,
            password: &body.password,
            password_again: &body.password_confirm,
            display_name: body.display_name.as_deref(),
            role: Role::User,
        };
        match &code {
            Some(code) => directory.sign_up_with(code, new, by, now),
            None => directory.sign_up(new, by, now),
        }
    });
    let account = made.await.map_err(at_its_value)?;
    api.account_changed(AccountState::Present(account.clone())).await;
    let location = HeaderValue::from_str(&super::path_of_user(&account.handle)).expect("it is escaped");
    Ok((StatusCode::CREATED, [(LOCATION, location)], axum::Json(ShownMe::of(&account, now))).into_response())
}

fn may_sign_up(api: &Api, user: Option<&User>) -> Result<Actor, Problem> {
    let admin = user.filter(|user| user.account.role == Role::Admin).map(User::actor);
    match (api.settings().sign_up, admin, user) {
        (SignUp::Closed, ..) => Err(Problem::plain(ProblemCode::SignUpClosed)),
        (_, Some(admin), _) => Ok(admin),
        (SignUp::Open | SignUp::Code, None, _) => Ok(Actor::Visitor),
        (SignUp::Admin, None, Some(_)) => Err(Problem::plain(ProblemCode::AdminOnly)),
        (SignUp::Admin, None, None) => Err(Problem::plain(ProblemCode::LoginNeeded)),
    }
}

fn code_of(given: Option<&str>) -> Result<SignUpCode, Problem> {
    let given = given.ok_or_else(|| Problem::plain(ProblemCode::SignUpCodeNeeded).at("/sign_up_code"))?;
    let code = SignUpCode::parse(given);
    code.ok_or_else(|| Problem::plain(ProblemCode::SignUpCodeInvalid).at("/sign_up_code"))
}

/// Says which value of the body it is.
fn at_its_value(problem: Problem) -> Problem {
    match problem.code {
        ProblemCode::NameInvalid | ProblemCode::NameTaken | ProblemCode::NameConfusable => {
            problem.at("/name")
        }
        ProblemCode::PasswordWeak => problem.at("/password"),
        ProblemCode::PasswordsDiffer => problem.at("/password_confirm"),
        ProblemCode::DisplayNameInvalid => problem.at("/display_name"),
        ProblemCode::SignUpCodeInvalid => problem.at("/sign_up_code"),
        _ => problem,
    }
}

/// A name that somebody would like to have.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AvailableQuery {
    /// The name.
    name: String,
}

/// Whether an account could have a name.
#[derive(Serialize, ToSchema)]
pub struct Availability {
    /// The name, as it was given.
    name: String,
    /// Whether an account could have it.
    available: bool,
    /// Why not: `name-taken`, `name-confusable` or `name-invalid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    code: Option<&'static str>,
    /// The same in words of the request's language.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    detail: Option<String>,
}

/// Says whether an account could have a name.
#[utoipa::path(
    get, path = "/accounts/available", tag = "accounts", operation_id = "is_name_available", params(AvailableQuery),
    security(()),
    responses((status = 200, description = "Whether it could, and why not.", body = Availability), OfAvailable),
)]
pub async fn is_available(
    State(api): State<Api>,
    meter: Meter,
    headers: HeaderMap,
    Query(AvailableQuery { name }): Query<AvailableQuery>,
) -> Result<Response, Problem> {
    meter.take(Policy::Names)?;
    let asked = name.clone();
    let mistake = api.ask(move |directory| match directory.is_available(&asked) {
        Ok(()) => Ok(None),
        Err(DirectoryError::Mistake(mistake)) => Ok(Some(mistake)),
        Err(error) => Err(error),
    });
    let problem = mistake.await?.map(Problem::from);
    let language = Language::of(&headers);
    let answer = Availability {
        name,
        available: problem.is_none(),
        code: problem.as_ref().map(|problem| problem.code.as_str()),
        detail: problem.map(|problem| problem.detail.spoken(language).to_owned()),
    };
    let headers = [
        (CONTENT_LANGUAGE, HeaderValue::from_static(language.tag())),
        (VARY, HeaderValue::from_static("accept-language")),
    ];
    Ok((headers, axum::Json(answer)).into_response())
}
