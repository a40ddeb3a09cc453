//! A problem as it is sent.

use super::{Problem, ProblemCode};
use crate::language::Language;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

/// The media type of a problem document.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// What is wrong (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// A page that explains the code.
    #[schema(example = "/problems/name-taken")]
    pub r#type: String,
    /// What is wrong, in some words of the request's language.
    pub title: String,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// The value at fault, and the remedy.
    pub detail: String,
    /// What is wrong, for programs: it never changes its meaning, and is the same in every language.
    #[schema(example = "name-taken")]
    pub code: String,
    /// Milliseconds after which the same request may be answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0)]
    pub retry_after_ms: Option<u64>,
    /// The end of what forbids it (RFC 3339); absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    pub until: Option<String>,
    /// The values at fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FieldProblem>,
}

/// A value of the request that is wrong.
#[derive(Serialize, ToSchema)]
pub struct FieldProblem {
    /// A JSON pointer into the body (RFC 6901), or `?name` for a parameter of the query.
    #[schema(example = "/password")]
    pub pointer: String,
    /// What is wrong with it.
    pub code: String,
}

impl ProblemDocument {
    fn of(problem: &Problem, language: Language) -> ProblemDocument {
        let code = problem.code;
        let retry_after_ms =
            problem.retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        let errors = problem.errors.iter().map(|wrong| FieldProblem {
            pointer: wrong.pointer.clone().into_owned(),
            code: wrong.code.to_owned(),
        });
        ProblemDocument {
            r#type: type_of(code),
            title: code.title(language).to_owned(),
            status: code.status().as_u16(),
            detail: problem.detail.spoken(language).to_owned(),
            code: code.as_str().to_owned(),
            retry_after_ms,
            until: problem.until_text(),
            errors: errors.collect(),
        }
    }
}

/// The URI of a kind of problem: the page that explains it.
fn type_of(code: ProblemCode) -> String {
    format!("/problems/{}", code.as_str())
}

/// The layer that puts a problem into the words of the request's language.
pub async fn speak(request: Request, next: Next) -> Response {
    let language = Language::of(request.headers());
    let mut response = next.run(request).await;
    let Some(problem) = response.extensions_mut().remove::<Problem>() else { return response };
    let document = ProblemDocument::of(&problem, language);
    let body = serde_json::to_vec(&document).expect("texts and numbers are JSON");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
    headers.append(header::VARY, HeaderValue::from_static("accept-language"));
    *response.body_mut() = Body::from(body);
    response
}
