//! Sessions: what a device that has logged in keeps, and how it is renewed.
//!
//! A refresh token is used once: each use gives the next. The directory keeps the hash of the newest only. A token of the
//! session that is not the newest was used before, by its owner or by a thief, and nobody knows which: the session ends.

use crate::accounts::{self, Account};
use crate::audit::{Act, Actor, Target};
use crate::directory::{Directory, next_number};
use crate::error::{DirectoryError, Mistake};
use crate::secret::{SECRET_BYTES, copied, copyable, hash, random};
use crate::sql::{Database, Row, Value};
use madang_model::{Text, Timestamp};
use std::fmt;

/// What a refresh token begins with, so that people and scanners know what was lost.
const TOKEN_START: &str = "mdr_";
/// Bytes that find a session; only its holders know them, so that nobody else can end it.
const SELECTOR_BYTES: usize = 16;
/// A session that was not used for so long has ended: 30 days, in microseconds.
pub const IDLE_US_MAX: i64 = 30 * 24 * 60 * 60 * 1_000_000;
/// Sessions of an account; the one that was not used for longest ends for another.
pub const SESSIONS_MAX: usize = 64;
/// The longest name of a device, in characters; it is cut.
const DEVICE_CHARS_MAX: usize = 64;

/// A secret that renews a session once. It is never shown but to its holder.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    selector: Vec<u8>,
    secret: Vec<u8>,
}

impl RefreshToken {
    fn new(selector: Vec<u8>) -> RefreshToken {
        RefreshToken { selector, secret: random::<SECRET_BYTES>().to_vec() }
    }

    /// As a caller gives it; `None` if it is none.
    pub fn parse(text: &str) -> Option<RefreshToken> {
        let bytes = copied(text.strip_prefix(TOKEN_START)?)?;
        let (selector, secret) = bytes.split_at_checked(SELECTOR_BYTES)?;
        let is_whole = secret.len() == SECRET_BYTES;
        is_whole.then(|| RefreshToken { selector: selector.to_vec(), secret: secret.to_vec() })
    }

    /// For its holder.
    pub fn reveal(&self) -> String {
        format!("{TOKEN_START}{}", copyable(&[&self.selector[..], &self.secret].concat()))
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken(…)")
    }
}

/// A session of an account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// Never used for another one.
    pub id: i64,
    /// What the device calls itself.
    pub device: String,
    /// When it logged in.
    pub created_at: Timestamp,
    /// When it was renewed last.
    pub used_at: Timestamp,
}

/// A session that was opened or renewed.
#[derive(Clone, Debug)]
pub struct Renewed {
    /// Whose.
    pub account: Account,
    /// The session.
    pub id: i64,
    /// What renews it next.
    pub token: RefreshToken,
    /// Sessions of the account that ended for it: those that had expired, and the oldest of too many.
    pub ended: Vec<i64>,
}

impl Directory {
    /// Opens a session for an account whose password was checked.
    ///
    /// # Errors
    /// [`Mistake::NoAccount`], [`Mistake::Banned`], as both may have changed since; and what the environment refuses.
    pub fn open_session(&self, name: &str, device: &str, now: Timestamp) -> Result<Renewed, DirectoryError> {
        let device =
            Text::sanitise(device).map(|text| text.chars().take(DEVICE_CHARS_MAX).collect::<String>());
        let device = device.unwrap_or_default();
        let wanted = self.wanted(name);
        self.write(move |database| {
            let account = wanted.expect(database)?;
            account.may_log_in(now)?;
            let ended = make_room(database, account.id, now)?;
            let token = RefreshToken::new(random::<SELECTOR_BYTES>().to_vec());
            let id = next_number(database, "session")?;
            let sql = "INSERT INTO sessions (id, account, selector, token_hash, device, created_at, used_at) \
                       VALUES ($1, $2, $3, $4, $5, $6, $6)";
            let values: [Value; 6] = [
                id.into(),
                account.id.into(),
                hash(&token.selector).into(),
                hash(&token.secret).into(),
                device.into(),
                now.0.into(),
            ];
            database.query(sql, &values)?;
            Ok(Renewed { account, id, token, ended })
        })
    }

    /// Renews a session by its token, and gives the next token.
    ///
    /// # Errors
    /// [`Mistake::SessionEnded`], [`Mistake::TokenReused`], [`Mistake::Banned`]; and what the environment refuses: then the
    /// session may have been renewed, and its holder has lost it.
    pub fn renew_session(&self, token: &RefreshToken, now: Timestamp) -> Result<Renewed, DirectoryError> {
        let token = token.clone();
        // What ends a session is to hold, though the answer is a mistake.
        self.write(move |database| renew(database, &token, now)).and_then(|renewed| Ok(renewed?))
    }

    /// The account of a session, as long as both are there and it may log in: what stands behind an access token.
    ///
    /// # Errors
    /// [`Mistake::SessionEnded`], [`Mistake::Banned`], and what the environment refuses.
    pub fn session_of(
        &self,
        account: i64,
        session: i64,
        now: Timestamp,
    ) -> Result<(Account, Session), DirectoryError> {
        self.read(move |database| {
            let sql = format!(
                "SELECT {}, s.id, s.device, s.created_at, s.used_at FROM sessions s \
                 JOIN accounts a ON a.id = s.account WHERE s.id = $1 AND s.account = $2 AND s.used_at > $3",
                accounts::COLUMNS
            );
            let rows = database.query(&sql, &[session.into(), account.into(), oldest(now).into()])?;
            let row = rows.first().ok_or(Mistake::SessionEnded)?;
            let account = accounts::read(row)?;
            account.may_log_in(now)?;
            Ok((account, session_at(row, accounts::COLUMN_COUNT)?))
        })
    }

    /// The number of the account whose session a refresh token would renew now; the token is not used by it.
    ///
    /// # Errors
    /// What the environment refuses.
    pub fn account_of_token(
        &self,
        token: &RefreshToken,
        now: Timestamp,
    ) -> Result<Option<i64>, DirectoryError> {
        let token = token.clone();
        self.read(move |database| {
            let sql = "SELECT account FROM sessions WHERE selector = $1 AND token_hash = $2 AND used_at > $3";
            let values = [hash(&token.selector).into(), hash(&token.secret).into(), oldest(now).into()];
            database.query(sql, &values)?.first().map(|row| row.number(0)).transpose()
        })
    }

    /// The sessions of an account, the one used last first.
    ///
    /// # Errors
    /// [`Mistake::NoAccount`], and what the environment refuses.
    pub fn sessions(&self, name: &str, now: Timestamp) -> Result<Vec<Session>, DirectoryError> {
        let wanted = self.wanted(name);
        self.read(move |database| {
            let account = wanted.expect(database)?;
            let sql = "SELECT id, device, created_at, used_at FROM sessions WHERE account = $1 AND used_at > $2 \
                       ORDER BY used_at DESC, id DESC";
            let rows = database.query(sql, &[account.id.into(), oldest(now).into()])?;
            rows.iter().map(|row| session_at(row, 0)).collect()
        })
    }

    /// Ends a session of an account. Says whether there was one.
    ///
    /// # Errors
    /// [`Mistake::NoAccount`], and what the environment refuses.
    pub fn end_session(&self, name: &str, id: i64) -> Result<bool, DirectoryError> {
        let wanted = self.wanted(name);
        self.write(move |database| {
            let account = wanted.expect(database)?;
            let sql = "DELETE FROM sessions WHERE account = $1 AND id = $2 RETURNING id";
            Ok(!database.query(sql, &[account.id.into(), id.into()])?.is_empty())
        })
    }

    /// Ends all sessions of an account, for whoever may. Returns how many.
    ///
    /// # Errors
    /// [`Mistake::NoAccount`], and what the environment refuses.
    pub fn end_all_sessions(&self, name: &str, by: Actor, now: Timestamp) -> Result<usize, DirectoryError> {
        let wanted = self.wanted(name);
        self.write(move |database| {
            let account = wanted.expect(database)?;
            let ended = accounts::end_sessions(database, account.id, None)?;
            if ended > 0 {
                let (act, target) = ("account.end-sessions", Target::Account(account.id));
                let details = ended.to_string();
                Act { by, act, target, reason: "", details: &details, at: now }.log(database)?;
            }
            Ok(ended)
        })
    }
}

/// A session from the columns of a row that begin with this one.
fn session_at(row: &Row, first: usize) -> Result<Session, DirectoryError> {
    Ok(Session {
        id: row.number(first)?,
        device: row.text(first + 1)?.to_owned(),
        created_at: Timestamp(row.number(first + 2)?),
        used_at: Timestamp(row.number(first + 3)?),
    })
}

fn oldest(now: Timestamp) -> i64 {
    now.0.saturating_sub(IDLE_US_MAX)
}

/// Ends what has expired, and the oldest of too many. Returns their numbers.
fn make_room(database: &mut dyn Database, account: i64, now: Timestamp) -> Result<Vec<i64>, DirectoryError> {
    let sql = "DELETE FROM sessions WHERE account = $1 AND used_at <= $2 RETURNING id";
    let mut ended = database.query(sql, &[account.into(), oldest(now).into()])?;
    let sql = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE account = $1 \
               ORDER BY used_at DESC, id DESC LIMIT 1000 OFFSET $2) RETURNING id";
    let kept = i64::try_from(SESSIONS_MAX - 1).unwrap_or(i64::MAX);
    ended.extend(database.query(sql, &[account.into(), kept.into()])?);
    ended.iter().map(|row| row.number(0)).collect()
}

fn renew(
    database: &mut dyn Database,
    token: &RefreshToken,
    now: Timestamp,
) -> Result<Result<Renewed, Mistake>, DirectoryError> {
    let columns = accounts::COLUMNS;
    let sql = format!(
        "SELECT {columns}, s.id, s.token_hash, s.used_at FROM sessions s JOIN accounts a ON a.id = s.account \
         WHERE s.selector = $1"
    );
    let rows = database.query(&sql, &[hash(&token.selector).into()])?;
    let Some(row) = rows.first() else { return Ok(Err(Mistake::SessionEnded)) };
    let first = accounts::COLUMN_COUNT;
    let (account, id) = (accounts::read(row)?, row.number(first)?);
    let end = |database: &mut dyn Database| {
        database.query("DELETE FROM sessions WHERE id = $1", &[id.into()]).map(drop)
    };
    if row.number(first + 2)? <= oldest(now) {
        end(database)?;
        return Ok(Err(Mistake::SessionEnded));
    }
    // Hashes of secrets that nobody guesses: the time of the comparison says nothing.
    if row.text(first + 1)? != hash(&token.secret) {
        end(database)?;
        let (target, details) = (Target::Account(account.id), format!("session {id}"));
        let act = "session.token-reused";
        Act { by: Actor::Visitor, act, target, reason: "", details: &details, at: now }.log(database)?;
        return Ok(Err(Mistake::TokenReused { account: account.id, session: id }));
    }
    if let Err(banned) = account.may_log_in(now) {
        end(database)?;
        return Ok(Err(banned));
    }
    let next = RefreshToken::new(token.selector.clone());
    let sql = "UPDATE sessions SET token_hash = $2, used_at = $3 WHERE id = $1";
    database.query(sql, &[id.into(), hash(&next.secret).into(), now.0.into()])?;
    Ok(Ok(Renewed { account, id, token: next, ended: Vec::new() }))
}
