//! Keys of programs: a secret, of which the hash is stored; what it may do (scopes); the beginning of the names of rooms
//! that are its own (prefix).

use crate::audit::{Act, Actor, Target};
use crate::directory::{Directory, next_number};
use crate::error::{DirectoryError, Mistake};
use crate::secret::{SECRET_BYTES, copied, copyable, hash, random};
use crate::sql::{Database, Row, Value};
use madang_model::{RoomName, Timestamp, UserName};
use std::fmt;

/// What a secret begins with, so that people and scanners know what was lost.
const SECRET_START: &str = "mdk_";
/// Keys that there may be.
pub const KEYS_MAX: usize = 1_000;
/// Scopes of a key.
const SCOPES_MAX: usize = 32;
/// The longest scope, and the longest prefix, in characters.
const WORD_CHARS_MAX: usize = 32;
/// How long an old secret may hold beside the new one: a week, in microseconds.
pub const OVERLAP_US_MAX: i64 = 7 * 24 * 60 * 60 * 1_000_000;

/// The secret of a key, which is known only when it is made.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySecret([u8; SECRET_BYTES]);

impl KeySecret {
    fn new() -> KeySecret {
        KeySecret(random())
    }

    /// As a program gives it; `None` if it is none.
    pub fn parse(text: &str) -> Option<KeySecret> {
        let bytes = copied(text.strip_prefix(SECRET_START)?)?;
        bytes.try_into().ok().map(KeySecret)
    }

    /// For its owner.
    pub fn reveal(&self) -> String {
        format!("{SECRET_START}{}", copyable(&self.0))
    }
}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret(…)")
    }
}

/// A key of a program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServiceKey {
    /// Never used for another one.
    pub id: i64,
    /// What it is called.
    pub name: String,
    /// What it may do: `rooms:write` …
    pub scopes: Vec<String>,
    /// What the names of its own rooms begin with, with the dot at its end; empty for none.
    pub prefix: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its secret was changed last.
    pub rotated_at: Option<Timestamp>,
    /// Until when the secret before holds, too.
    pub old_secret_until: Option<Timestamp>,
}

impl Directory {
    /// Makes a key.
    ///
    /// # Errors
    /// What is wrong with name, scopes or prefix; [`Mistake::KeyTaken`], [`Mistake::PrefixTaken`]; and what the
    /// environment refuses.
    pub fn add_key(
        &self,
        name: &str,
        scopes: &[String],
        prefix: &str,
        by: Actor,
        now: Timestamp,
    ) -> Result<(ServiceKey, KeySecret), DirectoryError> {
        let name = UserName::parse(name).map_err(Mistake::NameInvalid)?.canonical();
        let scopes = checked_scopes(scopes)?;
        let prefix = checked_prefix(prefix)?;
        self.write(move |database| {
            for key in keys(database)? {
                if key.name == name {
                    return Err(Mistake::KeyTaken(name).into());
                }
                let is_overlapping = key.prefix.starts_with(&prefix) || prefix.starts_with(&key.prefix);
                if !prefix.is_empty() && !key.prefix.is_empty() && is_overlapping {
                    return Err(Mistake::PrefixTaken { prefix, other: key.name }.into());
                }
            }
            let (id, secret) = (next_number(database, "key")?, KeySecret::new());
            let sql = "INSERT INTO service_keys (id, name, scopes, prefix, secret_hash, created_at) \
                       VALUES ($1, $2, $3, $4, $5, $6)";
            let values: [Value; 6] = [
                id.into(),
                name.as_str().into(),
                scopes.join(" ").into(),
                prefix.as_str().into(),
                hash(&secret.0).into(),
                now.0.into(),
            ];
            database.query(sql, &values)?;
            let details = format!("{name}: {} {prefix}", scopes.join(" "));
            let target = Target::Key(id);
            Act { by, act: "key.add", target, reason: "", details: details.trim(), at: now }.log(database)?;
            let (rotated_at, old_secret_until) = (None, None);
            let key = ServiceKey { id, name, scopes, prefix, created_at: now, rotated_at, old_secret_until };
            Ok((key, secret))
        })
    }

    /// All keys, by their names.
    ///
    /// # Errors
    /// What the environment refuses.
    pub fn keys(&self) -> Result<Vec<ServiceKey>, DirectoryError> {
        self.read(keys)
    }

    /// Gives a key another secret. The one before holds for `overlap_us` microseconds more, so that programs can change.
    ///
    /// # Errors
    /// [`Mistake::NoKey`], an overlap that is too long; and what the environment refuses.
    pub fn rotate_key(
        &self,
        name: &str,
        overlap_us: i64,
        by: Actor,
        now: Timestamp,
    ) -> Result<(ServiceKey, KeySecret), DirectoryError> {
        if !(0..=OVERLAP_US_MAX).contains(&overlap_us) {
            let (found, allowed) = ("is too long".to_owned(), "it is a week at most".to_owned());
            return Err(Mistake::BadValue { what: "the overlap", found, allowed }.into());
        }
        let name = UserName::parse(name).map_err(|_| Mistake::NoKey)?.canonical();
        self.write(move |database| {
            let secret = KeySecret::new();
            let until = now.0.saturating_add(overlap_us);
            let sql = "UPDATE service_keys SET old_secret_hash = secret_hash, old_secret_until = $3, \
                       secret_hash = $2, rotated_at = $4 WHERE name = $1 RETURNING id";
            let values = [name.as_str().into(), hash(&secret.0).into(), until.into(), now.0.into()];
            let rows = database.query(sql, &values)?;
            let id = rows.first().ok_or(Mistake::NoKey)?.number(0)?;
            let (target, details) = (Target::Key(id), name.as_str());
            Act { by, act: "key.rotate", target, reason: "", details, at: now }.log(database)?;
            let key = keys(database)?.into_iter().find(|key| key.id == id).ok_or(Mistake::NoKey)?;
            Ok((key, secret))
        })
    }

    /// Removes a key: its secret holds no more.
    ///
    /// # Errors
    /// [`Mistake::NoKey`], and what the environment refuses.
    pub fn remove_key(
        &self,
        name: &str,
        reason: &str,
        by: Actor,
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        let reason = crate::audit::reason(reason)?;
        let name = UserName::parse(name).map_err(|_| Mistake::NoKey)?.canonical();
        self.write(move |database| {
            let rows = database
                .query("DELETE FROM service_keys WHERE name = $1 RETURNING id", &[name.as_str().into()])?;
            let id = rows.first().ok_or(Mistake::NoKey)?.number(0)?;
            let (target, details) = (Target::Key(id), name.as_str());
            Act { by, act: "key.remove", target, reason: &reason, details, at: now }.log(database)
        })
    }

    /// The key of a secret.
    ///
    /// # Errors
    /// [`Mistake::NoKey`], and what the environment refuses.
    pub fn check_key(&self, secret: &KeySecret, now: Timestamp) -> Result<ServiceKey, DirectoryError> {
        let hash = hash(&secret.0);
        self.read(move |database| {
            let sql = format!(
                "SELECT {COLUMNS} FROM service_keys WHERE secret_hash = $1 \
                 OR (old_secret_hash = $1 AND old_secret_until > $2)"
            );
            let rows = database.query(&sql, &[hash.into(), now.0.into()])?;
            rows.first().map(read).transpose()?.ok_or_else(|| Mistake::NoKey.into())
        })
    }
}

const COLUMNS: &str = "id, name, scopes, prefix, created_at, rotated_at, old_secret_until";

fn keys(database: &mut dyn Database) -> Result<Vec<ServiceKey>, DirectoryError> {
    let sql = format!("SELECT {COLUMNS} FROM service_keys ORDER BY name LIMIT {KEYS_MAX}");
    database.query(&sql, &[])?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<ServiceKey, DirectoryError> {
    Ok(ServiceKey {
        id: row.number(0)?,
        name: row.text(1)?.to_owned(),
        scopes: row.text(2)?.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect(),
        prefix: row.text(3)?.to_owned(),
        created_at: Timestamp(row.number(4)?),
        rotated_at: row.optional_number(5)?.map(Timestamp),
        old_secret_until: row.optional_number(6)?.map(Timestamp),
    })
}

fn checked_scopes(scopes: &[String]) -> Result<Vec<String>, Mistake> {
    let is_word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let is_scope = |scope: &str| {
        let chars_fit = scope.len() <= WORD_CHARS_MAX;
        chars_fit && scope.split_once(':').is_some_and(|(what, may)| is_word(what) && is_word(may))
    };
    let allowed = format!("a key has 1 to {SCOPES_MAX}, each two words of a-z and - like rooms:write");
    let bad = |found: &str| Mistake::BadValue {
        what: "the scope",
        found: format!("'{}'", found.escape_debug().take(80).collect::<String>()),
        allowed: allowed.clone(),
    };
    if let Some(wrong) = scopes.iter().find(|scope| !is_scope(scope)) {
        return Err(bad(wrong));
    }
    let mut scopes = scopes.to_vec();
    scopes.sort();
    scopes.dedup();
    if scopes.is_empty() || scopes.len() > SCOPES_MAX { Err(bad("")) } else { Ok(scopes) }
}

fn checked_prefix(prefix: &str) -> Result<String, Mistake> {
    // What a room of it is called is a name.
    let is_fit =
        prefix.ends_with('.') && !prefix.starts_with('.') && prefix.chars().count() <= WORD_CHARS_MAX;
    let room = RoomName::parse(&format!("{prefix}x")).ok().filter(|_| is_fit);
    match room {
        _ if prefix.is_empty() => Ok(String::new()),
        Some(room) if room.as_str() == format!("{prefix}x") && prefix.to_lowercase() == prefix => {
            Ok(prefix.to_owned())
        }
        _ => Err(Mistake::BadValue {
            what: "the prefix",
            found: format!("'{}'", prefix.escape_debug().take(80).collect::<String>()),
            allowed: format!(
                "it is the beginning of a room's name in lower case, with a dot at its end, like game1., of at most \
                 {WORD_CHARS_MAX} characters"
            ),
        }),
    }
}
