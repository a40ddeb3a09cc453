//! Problem documents (RFC 9457): answers of the edge itself, about requests that reach no handler.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, Response, StatusCode};
use std::time::Duration;

/// A problem that the edge itself has with a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EdgeProblem {
    /// There is nothing at this path.
    NotFound,
    /// There are more headers than [`crate::bounds::HEADERS_MAX`].
    HeadTooLong,
    /// The body is longer than [`crate::bounds::BODY_BYTES_MAX`].
    BodyTooLong,
    /// The body did not come in time.
    BodyTooLate,
    /// As many requests are under way as may.
    Busy,
}

impl EdgeProblem {
    fn status(self) -> StatusCode {
        match self {
            EdgeProblem::NotFound => StatusCode::NOT_FOUND,
            EdgeProblem::HeadTooLong => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            EdgeProblem::BodyTooLong => StatusCode::PAYLOAD_TOO_LARGE,
            EdgeProblem::BodyTooLate => StatusCode::REQUEST_TIMEOUT,
            EdgeProblem::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What programs go by. It never changes.
    pub fn code(self) -> &'static str {
        match self {
            EdgeProblem::NotFound => "not-found",
            EdgeProblem::HeadTooLong => "head-too-long",
            EdgeProblem::BodyTooLong => "body-too-long",
            EdgeProblem::BodyTooLate => "body-too-late",
            EdgeProblem::Busy => "busy",
        }
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            EdgeProblem::NotFound => ("Not found", "there is nothing at this path"),
            EdgeProblem::HeadTooLong => ("Head too long", "there are more than 64 headers; send fewer"),
            EdgeProblem::BodyTooLong => ("Body too long", "the body is longer than 1 MiB; send less at once"),
            EdgeProblem::BodyTooLate => ("Body too late", "the body did not come in time; send it again"),
            EdgeProblem::Busy => ("Busy", "too many requests are under way; try again in a moment"),
        }
    }

    /// After which time it may be gone by itself.
    fn retry_after(self) -> Option<Duration> {
        (self == EdgeProblem::Busy).then_some(Duration::from_secs(1))
    }

    /// The answer.
    pub fn response(self) -> Response<Body> {
        let (status, (title, detail), code) = (self.status(), self.words(), self.code());
        let number = status.as_u16();
        let retry = self
            .retry_after()
            .map_or_else(String::new, |wait| format!(",\"retry_after_ms\":{}", wait.as_millis()));
        // All of these are words of this file, without anything that JSON would escape.
        let text = format!(
            "{{\"type\":\"/problems/{code}\",\"title\":\"{title}\",\"status\":{number},\"detail\":\"{detail}\",\"code\":\"{code}\"{retry}}}\n"
        );
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(wait) = self.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        }
        response
    }
}
