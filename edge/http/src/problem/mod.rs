//! Problem documents (RFC 9457): what is answered instead of what was asked for.
//!
//! A handler answers a [`Problem`]; the outermost layer ([`document::speak`]) puts it into the words of the request's
//! language. So a code is decided where the fault is found, and the words in one place.

mod code;
mod document;
mod mistakes;
mod page;

pub use code::ProblemCode;
pub use document::{FieldProblem, ProblemDocument, speak};
pub use page::explain;

use crate::language::Words;
use crate::time::rfc3339;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use madang_directory::FOR_EVER;
use madang_model::Timestamp;
use std::borrow::Cow;
use std::time::Duration;

/// A value of the request that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WrongValue {
    /// Where it is: a JSON pointer into the body (RFC 6901), or `?name` for a parameter of the query.
    pub pointer: Cow<'static, str>,
    /// What is wrong with it.
    pub code: &'static str,
}

/// What is wrong with a request, or with the server.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What kind.
    pub code: ProblemCode,
    /// The value at fault, and the remedy.
    pub detail: Box<Words>,
    /// After how long the same request may be answered.
    pub retry_after: Option<Duration>,
    /// The end of what forbids it; `None` if there is none.
    pub until: Option<Timestamp>,
    /// The values at fault.
    pub errors: Vec<WrongValue>,
    /// A cookie that is taken back.
    pub cookie: Option<HeaderValue>,
}

impl Problem {
    /// With its words.
    pub fn new(code: ProblemCode, english: impl Into<String>, korean: impl Into<String>) -> Problem {
        Problem {
            code,
            detail: Box::new(Words::new(english, korean)),
            retry_after: None,
            until: None,
            errors: Vec::new(),
            cookie: None,
        }
    }

    /// With what its code says alone.
    pub fn plain(code: ProblemCode) -> Problem {
        use crate::language::Language::{English, Korean};
        Problem::new(code, code.about(English), code.about(Korean))
    }

    /// Of the value at this place.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<Cow<'static, str>>) -> Problem {
        self.errors.push(WrongValue { pointer: pointer.into(), code: self.code.as_str() });
        self
    }

    /// To be tried again after this long.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Problem {
        self.retry_after = Some(wait);
        self
    }

    /// Forbidden until then; [`FOR_EVER`] is no end.
    #[must_use]
    pub fn until(mut self, end: Timestamp) -> Problem {
        self.until = (end != FOR_EVER).then_some(end);
        self
    }

    /// With a cookie.
    #[must_use]
    pub fn with_cookie(mut self, cookie: HeaderValue) -> Problem {
        self.cookie = Some(cookie);
        self
    }

    fn until_text(&self) -> Option<String> {
        self.until.map(rfc3339)
    }
}

/// How a client proves who it is (RFC 9110, section 11.6.1; RFC 6750, section 3).
fn challenge(code: ProblemCode) -> HeaderValue {
    HeaderValue::from_static(match code {
        ProblemCode::TokenInvalid | ProblemCode::TokenExpired => {
            "Bearer realm=\"madang\", error=\"invalid_token\""
        }
        _ => "Bearer realm=\"madang\"",
    })
}

impl IntoResponse for Problem {
    /// Without words: [`speak`] has the language.
    fn into_response(mut self) -> Response {
        let mut response = self.code.status().into_response();
        let headers = response.headers_mut();
        if let Some(cookie) = self.cookie.take() {
            headers.append(header::SET_COOKIE, cookie);
        }
        if self.code.status() == axum::http::StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, challenge(self.code));
        }
        if let Some(wait) = self.retry_after {
            // Whole seconds, rounded up: who comes back earlier is refused again (RFC 9110, section 10.2.3).
            let seconds = wait.as_millis().div_ceil(1_000);
            headers
                .insert(header::RETRY_AFTER, HeaderValue::from(u64::try_from(seconds).unwrap_or(u64::MAX)));
        }
        response.extensions_mut().insert(self);
        response
    }
}
