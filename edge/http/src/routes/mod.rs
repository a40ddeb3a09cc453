//! The routes below `/api/v1`.
//!
//! A handler is thin: it takes the request apart, asks the directory, tells the core, and shows the answer.

mod accounts;
mod admin;
mod me;
mod paging;
mod resets;
mod sessions;
mod shown;
mod users;

use crate::api::Api;
use serde::{Deserialize, Deserializer};
use std::fmt::Write;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// All of them.
pub fn all() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(accounts::sign_up))
        .routes(routes!(accounts::is_available))
        .routes(routes!(resets::reset))
        .routes(routes!(sessions::log_in))
        .routes(routes!(sessions::refresh))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::end))
        .routes(routes!(sessions::end_all))
        .routes(routes!(me::get, me::change, me::delete))
        .routes(routes!(me::change_password))
        .routes(routes!(users::get))
        .routes(routes!(users::find))
        .merge(admin::all())
}

/// The path of an account, as others see it.
fn path_of_user(name: &str) -> String {
    let mut path = "/api/v1/users/".to_owned();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                path.push(char::from(byte))
            }
            _ => {
                let _ = write!(path, "%{byte:02X}");
            }
        }
    }
    path
}

/// A value that may be left out, but is not `null`.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A value that may be left out, and may be `null`, which is something else.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}
