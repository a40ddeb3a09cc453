//! What is served: the one place where handlers are mounted.

use crate::link::Core;
use crate::problem::EdgeProblem;
use axum::body::Body;
use axum::http::Response;
use axum::{Extension, Router};

/// The router of an edge: that of the handlers, whose requests have the [`Core`] as an extension. What no handler knows
/// is a problem document of its own.
pub fn router(handlers: Router, core: Core) -> Router {
    handlers.fallback(not_found).layer(Extension(core))
}

async fn not_found() -> Response<Body> {
    EdgeProblem::NotFound.response()
}
