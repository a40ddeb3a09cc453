//! The audit log: who did what to whom, why and when. It is only added to, in the transaction of the act itself.

use crate::directory::{Directory, next_number};
use crate::error::{DirectoryError, Mistake};
use crate::sql::{Database, Row, Value};
use madang_model::{Text, Timestamp};

/// Entries of a page, at most.
pub const PAGE_MAX: usize = 100;
/// The longest reason, in characters.
pub const REASON_CHARS_MAX: usize = 500;

/// Who acts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Actor {
    /// Whoever runs commands on the server's machine.
    Operator,
    /// An account.
    Account(i64),
    /// A program, by its key.
    Service(i64),
    /// Nobody who is known: who signs up.
    Visitor,
}

impl Actor {
    /// As it is stored.
    pub fn stored(self) -> (&'static str, i64) {
        match self {
            Actor::Operator => ("operator", 0),
            Actor::Account(id) => ("account", id),
            Actor::Service(id) => ("service", id),
            Actor::Visitor => ("visitor", 0),
        }
    }

    /// As it was stored.
    ///
    /// # Errors
    /// If nothing of ours was.
    pub fn read(row: &Row, kind: usize, id: usize) -> Result<Actor, DirectoryError> {
        let number = row.number(id)?;
        match row.text(kind)? {
            "operator" => Ok(Actor::Operator),
            "account" => Ok(Actor::Account(number)),
            "service" => Ok(Actor::Service(number)),
            "visitor" => Ok(Actor::Visitor),
            other => Err(row.damaged(format!("'{other}' is nobody who acts"))),
        }
    }
}

/// Whom or what an act is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// An account, by its number: its name is not kept when it is deleted.
    Account(i64),
    /// A service key.
    Key(i64),
    /// A code to sign up with.
    SignUpCode(i64),
}

impl Target {
    /// As it is stored and shown: what kind, and its number.
    pub fn stored(self) -> (&'static str, i64) {
        match self {
            Target::Account(id) => ("account", id),
            Target::Key(id) => ("key", id),
            Target::SignUpCode(id) => ("sign-up-code", id),
        }
    }
}

/// An entry of the audit log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditEntry {
    /// 1, 2, 3 …: later entries have higher numbers.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What: `account.ban`, `key.add` …
    pub act: String,
    /// Whom.
    pub target: Target,
    /// Why, as it was given; may be empty.
    pub reason: String,
    /// What else belongs to the act: until when, which role.
    pub details: String,
}

/// A part of the audit log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditPage {
    /// The newest first.
    pub entries: Vec<AuditEntry>,
    /// What to ask for the part before; `None` at the beginning of the log.
    pub next: Option<i64>,
}

/// What somebody does, for the log.
#[derive(Clone, Copy, Debug)]
pub struct Act<'a> {
    /// Who.
    pub by: Actor,
    /// What.
    pub act: &'static str,
    /// Whom.
    pub target: Target,
    /// Why.
    pub reason: &'a str,
    /// What else belongs to it.
    pub details: &'a str,
    /// When.
    pub at: Timestamp,
}

impl Act<'_> {
    /// Adds it to the log.
    ///
    /// # Errors
    /// Those of the database.
    pub fn log(&self, database: &mut dyn Database) -> Result<(), DirectoryError> {
        let id = next_number(database, "audit")?;
        let (actor_kind, actor) = self.by.stored();
        let (target_kind, target) = self.target.stored();
        let sql = "INSERT INTO audit_log (id, at, actor_kind, actor, act, target_kind, target, reason, details) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        let values: [Value; 9] = [
            id.into(),
            self.at.0.into(),
            actor_kind.into(),
            actor.into(),
            self.act.into(),
            target_kind.into(),
            target.into(),
            self.reason.into(),
            self.details.into(),
        ];
        database.query(sql, &values).map(drop)
    }
}

/// A reason in the form that is stored; empty where none was given.
///
/// # Errors
/// If it is too long.
pub fn reason(given: &str) -> Result<String, Mistake> {
    let text = Text::sanitise(given).map(|text| text.trim().to_owned()).unwrap_or_default();
    if text.chars().count() > REASON_CHARS_MAX {
        return Err(Mistake::BadValue {
            what: "the reason",
            found: "given".to_owned(),
            allowed: format!("it has at most {REASON_CHARS_MAX} characters"),
        });
    }
    Ok(text)
}

impl Directory {
    /// A part of the audit log: entries before `before`, or the newest ones.
    ///
    /// # Errors
    /// What the environment refuses.
    pub fn audit(&self, before: Option<i64>, limit: usize) -> Result<AuditPage, DirectoryError> {
        let limit = limit.clamp(1, PAGE_MAX);
        let before = before.unwrap_or(i64::MAX);
        self.read(move |database| {
            let sql = "SELECT id, at, actor_kind, actor, act, target_kind, target, reason, details FROM audit_log \
                       WHERE id < $1 ORDER BY id DESC LIMIT $2";
            let limit_rows = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = database.query(sql, &[before.into(), limit_rows.into()])?;
            let entries = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
            let is_full = entries.len() == limit;
            let next = entries.last().map(|last| last.id).filter(|last| is_full && *last > 1);
            Ok(AuditPage { entries, next })
        })
    }
}

fn read(row: &Row) -> Result<AuditEntry, DirectoryError> {
    let target = row.number(6)?;
    Ok(AuditEntry {
        id: row.number(0)?,
        at: Timestamp(row.number(1)?),
        actor: Actor::read(row, 2, 3)?,
        act: row.text(4)?.to_owned(),
        target: match row.text(5)? {
            "account" => Target::Account(target),
            "key" => Target::Key(target),
            "sign-up-code" => Target::SignUpCode(target),
            other => return Err(row.damaged(format!("'{other}' is nothing that is acted on"))),
        },
        reason: row.text(7)?.to_owned(),
        details: row.text(8)?.to_owned(),
    })
}
