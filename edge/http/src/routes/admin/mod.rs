//! What admins do.

mod accounts;
mod codes;
mod log;
mod people;

use crate::api::Api;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// All routes below `/admin`.
pub fn all() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(accounts::find))
        .routes(routes!(accounts::get, accounts::change))
        .routes(routes!(codes::list, codes::add))
        .routes(routes!(codes::remove))
        .routes(routes!(log::read))
        .routes(routes!(people::reset_password))
        .routes(routes!(people::consent))
}
