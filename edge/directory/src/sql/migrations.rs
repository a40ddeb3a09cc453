//! The tables, and how those of an older program become them.
//!
//! **Invariant:** a migration only adds, and is never changed once it was released: the release before reads and writes
//! what a later one has made.

use super::{Access, Database, transaction};
use crate::error::{Cause, DirectoryError, Unavailable};

/// The statements of a version.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// 1, 2, 3 …
    pub version: i64,
    /// Divided by `;`. `TEXT_BY_BYTES` is text that is ordered by its bytes.
    pub statements: &'static str,
}

/// All there are, in rising order.
pub const MIGRATIONS: &[Migration] =
    &[Migration { version: 1, statements: VERSION_1 }, Migration { version: 2, statements: VERSION_2 }];

/// A table.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// All its columns.
    pub columns: &'static [&'static str],
    /// How many of them, from the first, are the key.
    pub key_columns: usize,
}

const fn table(name: &'static str, columns: &'static [&'static str], key_columns: usize) -> Table {
    Table { name, columns, key_columns }
}

/// Every table, with those that refer to it behind it: what is copied, and what is counted.
pub const TABLES: &[Table] = &[
    table("settings", &["name", "value"], 1),
    table("counters", &["name", "value"], 1),
    table(
        "accounts",
        &[
            "id",
            "handle",
            "display_name",
            "role",
            "created_at",
            "banned_until",
            "ban_reason",
            "chat_banned_until",
            "chat_ban_reason",
        ],
        1,
    ),
    table("name_claims", &["claim", "kind", "account"], 1),
    table("search_names", &["account", "kind", "folded", "initials"], 2),
    table("credentials", &["account", "password", "changed_at"], 1),
    table("sessions", &["id", "account", "selector", "token_hash", "device", "created_at", "used_at"], 1),
    table(
        "service_keys",
        &[
            "id",
            "name",
            "scopes",
            "prefix",
            "secret_hash",
            "created_at",
            "rotated_at",
            "old_secret_hash",
            "old_secret_until",
        ],
        1,
    ),
    table(
        "audit_log",
        &["id", "at", "actor_kind", "actor", "act", "target_kind", "target", "reason", "details"],
        1,
    ),
    table(
        "consents",
        &["id", "account", "purpose", "given_at", "given_by_kind", "given_by", "withdrawn_at"],
        1,
    ),
    table(
        "sign_up_codes",
        &[
            "id",
            "code_hash",
            "note",
            "uses_max",
            "uses",
            "created_at",
            "created_by_kind",
            "created_by",
            "expires_at",
        ],
        1,
    ),
    table(
        "password_resets",
        &["account", "code_hash", "created_at", "created_by_kind", "created_by", "expires_at"],
        1,
    ),
];

const VERSION_1: &str = "
CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('account', 0), ('session', 0), ('key', 0), ('audit', 0), ('consent', 0);
CREATE TABLE accounts (
    id BIGINT PRIMARY KEY,
    handle TEXT NOT NULL,
    display_name TEXT NOT NULL,
    role TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    banned_until BIGINT,
    ban_reason TEXT NOT NULL,
    chat_banned_until BIGINT,
    chat_ban_reason TEXT NOT NULL
);
CREATE INDEX accounts_by_role ON accounts (role) WHERE role = 'admin';
CREATE TABLE name_claims (
    claim TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    account BIGINT
);
CREATE INDEX name_claims_by_account ON name_claims (account);
CREATE TABLE search_names (
    account BIGINT NOT NULL REFERENCES accounts (id),
    kind TEXT NOT NULL,
    folded TEXT_BY_BYTES NOT NULL,
    initials TEXT_BY_BYTES NOT NULL,
    PRIMARY KEY (account, kind)
);
CREATE INDEX search_names_by_folded ON search_names (folded, account, kind);
CREATE INDEX search_names_by_initials ON search_names (initials, account, kind);
CREATE TABLE credentials (
    account BIGINT PRIMARY KEY REFERENCES accounts (id),
    password TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE TABLE sessions (
    id BIGINT PRIMARY KEY,
    account BIGINT NOT NULL REFERENCES accounts (id),
    selector TEXT NOT NULL UNIQUE,
    token_hash TEXT NOT NULL,
    device TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL
);
CREATE INDEX sessions_by_account ON sessions (account, used_at);
CREATE TABLE service_keys (
    id BIGINT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    prefix TEXT NOT NULL,
    secret_hash TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    rotated_at BIGINT,
    old_secret_hash TEXT UNIQUE,
    old_secret_until BIGINT
);
CREATE TABLE audit_log (
    id BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor BIGINT NOT NULL,
    act TEXT NOT NULL,
    target_kind TEXT NOT NULL,
    target BIGINT NOT NULL,
    reason TEXT NOT NULL,
    details TEXT NOT NULL
);
CREATE INDEX audit_log_by_target ON audit_log (target_kind, target, id);
CREATE TABLE consents (
    id BIGINT PRIMARY KEY,
    account BIGINT NOT NULL REFERENCES accounts (id),
    purpose TEXT NOT NULL,
    given_at BIGINT NOT NULL,
    given_by_kind TEXT NOT NULL,
    given_by BIGINT NOT NULL,
    withdrawn_at BIGINT
);
CREATE INDEX consents_by_account ON consents (account)
";

/// Codes to sign up with, and to reset a password with. A program of version 1 that deletes an account knows nothing of
/// its reset code, which goes with it all the same.
const VERSION_2: &str = "
INSERT INTO counters (name, value) VALUES ('sign-up-code', 0);
CREATE TABLE sign_up_codes (
    id BIGINT PRIMARY KEY,
    code_hash TEXT NOT NULL UNIQUE,
    note TEXT NOT NULL,
    uses_max BIGINT NOT NULL,
    uses BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by_kind TEXT NOT NULL,
    created_by BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE TABLE password_resets (
    account BIGINT PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    code_hash TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    created_by_kind TEXT NOT NULL,
    created_by BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
)
";

/// Brings the tables up to the last of `migrations`, each in a transaction of its own. Returns the version.
///
/// # Errors
/// If a later program has made the tables, or the database refuses.
pub fn migrate(
    database: &mut dyn Database,
    place: &str,
    migrations: &[Migration],
) -> Result<i64, DirectoryError> {
    let known = migrations.last().map_or(0, |last| last.version);
    if !database.has_table("versions")? {
        transaction(database, Access::Write, |database| {
            database.batch("CREATE TABLE IF NOT EXISTS versions (version BIGINT PRIMARY KEY)")
        })?;
    }
    // Where there is nothing to do, nothing is written: a directory that is locked or full is read all the same.
    if version(database)? == known {
        return Ok(known);
    }
    loop {
        let version = transaction(database, Access::Write, |database| {
            let found = version(database)?;
            let Some(next) = migrations.iter().find(|migration| migration.version > found) else {
                return Ok(found);
            };
            let text = format!("TEXT {}", database.collation_by_bytes());
            database.batch(&next.statements.replace("TEXT_BY_BYTES", &text))?;
            database.query("INSERT INTO versions (version) VALUES ($1)", &[next.version.into()])?;
            Ok(next.version)
        })?;
        if version > known {
            let said =
                format!("a later madang has made it (version {version}; this one knows up to {known})");
            let place = place.to_owned();
            return Err(DirectoryError::Unavailable(Unavailable { place, cause: Cause::LaterVersion, said }));
        }
        if version == known {
            return Ok(version);
        }
    }
}

/// The version of the tables; 0 before the first.
fn version(database: &mut dyn Database) -> Result<i64, DirectoryError> {
    database.query("SELECT coalesce(max(version), 0) FROM versions", &[])?[0].number(0)
}
