//! REST under `/api/v1`: accounts, sessions and tokens, as far as they need only the directory.
//!
//! [`router()`] is everything that is served over HTTP; the process below it accepts connections and puts a [`Client`] into
//! the extensions of each request. What the core must know at once goes through the trait [`AccountEvents`]. Read `router.rs`,
//! `gate.rs` and `routes/` first, then `api.rs` and what it holds.

mod api;
mod client;
mod cookies;
mod core;
mod description;
mod extract;
mod gate;
mod language;
mod passwords;
pub mod problem;
mod rates;
mod router;
mod routes;
mod settings;
mod store;
mod table;
pub mod testing;
mod time;
pub mod tokens;

#[cfg(test)]
mod tests;

pub use crate::core::{AccountEvents, AccountState, Acknowledged, CoreAway, Ended};
pub use api::{Api, Parts};
pub use client::Client;
pub use extract::{BODY_BYTES_MAX, DEPTH_MAX};
pub use language::{Language, Words};
pub use passwords::{GUESS_WAIT_MAX, PASSWORDS_WAITING_MAX, PROOF_TIME_US, PasswordLoad};
pub use rates::Policy;
pub use router::{openapi, router};
pub use settings::{PlainPasswords, Settings, SignUp, UserSearch};
pub use time::{WallClock, system_clock};
