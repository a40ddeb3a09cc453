//! Parts of the path, and parameters of the query.

use crate::problem::{Problem, ProblemCode, WrongValue};
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use std::borrow::Cow;

/// The longest words of a parser that are shown, in characters.
const WORDS_CHARS_MAX: usize = 200;

/// The parts of the path that stand for something.
#[derive(Clone, Copy, Debug)]
pub struct PathOf<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(PathOf(value)),
            Err(rejection) => {
                let words = shown(&rejection.body_text());
                Err(Problem::new(
                    ProblemCode::PathInvalid,
                    format!("{words}; /api/openapi.json describes the path"),
                    format!("경로가 올바르지 않습니다({words}). 경로의 형식은 /api/openapi.json에 있습니다"),
                ))
            }
        }
    }
}

/// The parameters behind the `?`. Unknown ones are refused: a misspelt one would have no effect.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match axum::extract::Query::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(value)) => Ok(Query(value)),
            Err(rejection) => Err(refused(&rejection.body_text())),
        }
    }
}

fn refused(words: &str) -> Problem {
    let words = shown(words.strip_prefix("Failed to deserialize query string: ").unwrap_or(words));
    let mut problem = Problem::new(
        ProblemCode::QueryInvalid,
        format!("{words}; /api/openapi.json describes the parameters"),
        format!("질의 매개변수가 올바르지 않습니다({words}). 매개변수는 /api/openapi.json에 있습니다"),
    );
    // `unknown field `x``, or `limit: invalid digit`.
    let quoted = words.split('`').nth(1);
    let named = quoted.or_else(|| words.split_once(": ").map(|(name, _)| name));
    if let Some(name) = named {
        let code = match () {
            () if words.contains("missing field") => "required",
            () if words.contains("unknown field") => "unknown",
            () if words.contains("duplicate field") => "repeated",
            () => "invalid",
        };
        problem.errors.push(WrongValue { pointer: Cow::Owned(format!("?{name}")), code });
    }
    problem
}

impl Problem {
    /// A parameter of the query has not the form that it needs.
    pub fn parameter(name: &str, allowed: &str, allowed_korean: &str) -> Problem {
        let mut problem = Problem::new(
            ProblemCode::QueryInvalid,
            format!("the parameter {name} is not right: {allowed}"),
            format!("매개변수 {name}이(가) 올바르지 않습니다. {allowed_korean}"),
        );
        problem.errors.push(WrongValue { pointer: Cow::Owned(format!("?{name}")), code: "invalid" });
        problem
    }
}

fn shown(words: &str) -> String {
    words.chars().filter(|c| !c.is_control()).take(WORDS_CHARS_MAX).collect()
}
