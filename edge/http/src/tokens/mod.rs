//! Access tokens: JSON Web Tokens (RFC 7519) of our own, signed with HMAC-SHA-256 and valid for minutes.

mod access;
mod file;
mod key;
mod keyring;

pub use access::{ACCESS_TIME, AccessToken, TokenFault};
pub use file::{KeyFileError, TOKEN_KEYS_FILE};
pub use keyring::{Keyring, PREVIOUS_TIME, rotate};
