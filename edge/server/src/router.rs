//! What is served.

use crate::link::Core;
use crate::problem::EdgeProblem;
use axum::body::Body;
use axum::http::Response;
use axum::{Extension, Router};

/// The router of an edge: that of the handlers, whose requests have the [`Core`] as an extension.
pub fn router(handlers: Router, core: Core) -> Router {
    handlers.layer(Extension(core))
}

/// A router without handlers: every path is answered with a problem document.
pub fn nothing() -> Router {
    Router::new().fallback(not_found)
}

async fn not_found() -> Response<Body> {
    EdgeProblem::NotFound.response()
}
