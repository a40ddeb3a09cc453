//! Accounts, credentials, sessions, service keys and the audit log: SQL behind plain functions.
//!
//! [`Directory`] has all of them, each documented with its mistakes. Read [`sql`] first, then `directory.rs`, `names.rs`
//! and `accounts/`. What [`upkeep`] has is for operators.

mod accounts;
mod audit;
mod consent;
mod directory;
mod error;
mod location;
mod names;
mod one_time_code;
mod password;
mod password_resets;
mod search;
mod secret;
mod service_keys;
mod sessions;
mod sign_up_codes;
pub mod sql;
mod threads;
pub mod upkeep;

#[cfg(test)]
mod tests;

pub use accounts::{
    Account, AccountPage, Amendment, BanChange, Credential, DISPLAY_NAME_CHARS_MAX, Forbidden, ListCursor,
    NewAccount, Restriction, Role,
};
pub use audit::{Actor, AuditEntry, AuditPage, REASON_CHARS_MAX, Target};
pub use consent::Consent;
pub use directory::Directory;
pub use error::{Cause, DirectoryError, FOR_EVER, Mistake, Unavailable, Weakness};
pub use location::{Location, SQLITE_FILE};
pub use one_time_code::OneTimeCode;
pub use password::{PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN};
pub use password_resets::{RESET_TIME_US, ResetCode};
pub use service_keys::{KEYS_MAX, KeySecret, OVERLAP_US_MAX, ServiceKey};
pub use sessions::{IDLE_US_MAX, RefreshToken, Renewed, SESSIONS_MAX, Session};
pub use sign_up_codes::{CODE_TIME_US_MAX, CODE_USES_MAX, SIGN_UP_CODES_MAX, SignUpCode, SignUpCodeInfo};
pub use sql::SqliteOpening;
pub use threads::{ANSWER_TIME_MAX, DirectoryLoad, READERS, READS_WAITING_MAX, WRITES_WAITING_MAX};
