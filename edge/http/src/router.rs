//! The router: all routes, their description, and the layers around them.

use crate::api::Api;
use crate::description::schemas;
use crate::gate::admit;
use crate::problem::{Problem, ProblemCode, explain, speak};
use crate::rates::{RATE_LIMIT, RATE_LIMIT_POLICY};
use crate::routes;
use crate::settings::Settings;
use axum::Router;
use axum::http::header::{
    ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_MATCH, LOCATION,
    RETRY_AFTER,
};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::time::Duration;
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::SwaggerUi;

/// How long a browser remembers what pages of another origin may ask.
const PREFLIGHT_TIME: Duration = Duration::from_secs(600);
/// The page of the description loads its own scripts and styles, and nothing from elsewhere.
const DOCS_POLICY: &str = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; \
                           frame-ancestors 'none'";

/// What the description begins with.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Madang",
        description = "Accounts and sessions. Every refusal is a problem document (RFC 9457): `code` says what is wrong, for \
                       programs; `detail` says it in the language of `Accept-Language` (ko, en).",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    servers((url = "/")),
    tags(
        (name = "accounts", description = "Signing up, and another password."),
        (name = "sessions", description = "Logging in, and staying so."),
        (name = "me", description = "One's own account."),
        (name = "users", description = "Others."),
        (name = "admin", description = "What admins do."),
    ),
)]
struct Description;

/// Everything that is served over HTTP, for whoever accepts connections: it puts a [`crate::Client`] into the extensions
/// of each request.
pub fn router(api: Api) -> Router {
    let (routes, description) = described();
    let docs = Router::from(SwaggerUi::new("/api/docs").url("/api/openapi.json", description));
    let docs = docs.layer(map_response(|mut response: Response| async {
        if response.status() == StatusCode::NOT_FOUND {
            return Problem::plain(ProblemCode::NotFound).into_response();
        }
        let policy = HeaderValue::from_static(DOCS_POLICY);
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
        response
    }));
    let cors = cors(api.settings());
    routes
        .merge(docs)
        .route("/problems/{code}", get(explain))
        .fallback(|| async { Problem::plain(ProblemCode::NotFound) })
        .method_not_allowed_fallback(|| async { Problem::plain(ProblemCode::MethodNotAllowed) })
        .layer(from_fn_with_state(api.clone(), admit))
        .layer(from_fn(speak))
        .layer(cors)
        .with_state(api)
}

/// The description of all routes: OpenAPI 3.1.
pub fn openapi() -> utoipa::openapi::OpenApi {
    described().1
}

fn described() -> (Router<Api>, utoipa::openapi::OpenApi) {
    let all = OpenApiRouter::with_openapi(Description::openapi()).nest("/api/v1", routes::all());
    let (routes, mut description) = all.split_for_parts();
    let components = description.components.get_or_insert_default();
    components.schemas.extend(schemas());
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("The `access_token` of POST /api/v1/sessions."))
        .build();
    components.add_security_scheme("access_token", SecurityScheme::Http(bearer));
    let key = ApiKeyValue::with_description("X-Api-Key", "A key of `madang key add`.");
    components.add_security_scheme("api_key", SecurityScheme::ApiKey(ApiKey::Header(key)));
    (routes, description)
}

/// Which pages of other origins may ask (the Fetch standard, section 3.2).
fn cors(settings: &Settings) -> CorsLayer {
    let origins = settings.origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            AUTHORIZATION,
            CONTENT_TYPE,
            ACCEPT_LANGUAGE,
            IF_MATCH,
            HeaderName::from_static("x-api-key"),
        ])
        .expose_headers([ETAG, LOCATION, RETRY_AFTER, RATE_LIMIT.clone(), RATE_LIMIT_POLICY.clone()])
        .max_age(PREFLIGHT_TIME)
}
