//! Bans.

use super::credentials::end_sessions;
use super::roles::expect_another_admin;
use super::{Account, Forbidden, Role};
use crate::audit::{Act, Actor, Target};
use crate::directory::Directory;
use crate::error::{DirectoryError, FOR_EVER, Mistake};
use crate::sql::{Database, Value};
use madang_model::Timestamp;

/// What is forbidden.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Restriction {
    /// To log in. All sessions end.
    LogIn,
    /// To post.
    Chat,
}

impl Directory {
    /// Forbids something until a time, or [`FOR_EVER`]; what was forbidden before no longer counts.
    ///
    /// # Errors
    /// [`Mistake::NoAccount`], [`Mistake::LastAdmin`], a time that is over; and what the environment refuses.
    pub fn forbid(
        &self,
        name: &str,
        what: Restriction,
        forbidden: &Forbidden,
        by: Actor,
        now: Timestamp,
    ) -> Result<Account, DirectoryError> {
        forbidden_until(forbidden.until, now)?;
        let until = forbidden.until;
        let reason = crate::audit::reason(&forbidden.reason)?;
        let wanted = self.wanted(name);
        self.write(move |database| {
            let mut account = wanted.expect(database)?;
            forbid(database, &mut account, what, Forbidden { until, reason }, by, now)?;
            Ok(account)
        })
    }

    /// Allows it all again: both kinds of bans end. Says whether there was one.
    ///
    /// # Errors
    /// [`Mistake::NoAccount`], and what the environment refuses.
    pub fn unban(&self, name: &str, reason: &str, by: Actor, now: Timestamp) -> Result<bool, DirectoryError> {
        let reason = crate::audit::reason(reason)?;
        let wanted = self.wanted(name);
        self.write(move |database| {
            let account = wanted.expect(database)?;
            if account.ban_at(now).is_none() && account.chat_ban_at(now).is_none() {
                return Ok(false);
            }
            let sql = "UPDATE accounts SET banned_until = $2, ban_reason = '', chat_banned_until = $2, \
                       chat_ban_reason = '' WHERE id = $1";
            database.query(sql, &[account.id.into(), Value::Nothing])?;
            let target = Target::Account(account.id);
            Act { by, act: "account.unban", target, reason: &reason, details: "", at: now }.log(database)?;
            Ok(true)
        })
    }
}

/// A time at which a ban may end.
pub(super) fn forbidden_until(until: Timestamp, now: Timestamp) -> Result<(), Mistake> {
    if until > now {
        return Ok(());
    }
    let (found, allowed) = ("is over".to_owned(), "give a time after now".to_owned());
    Err(Mistake::BadValue { what: "the end of the ban", found, allowed })
}

/// Forbids something to an account.
pub(super) fn forbid(
    database: &mut dyn Database,
    account: &mut Account,
    what: Restriction,
    forbidden: Forbidden,
    by: Actor,
    now: Timestamp,
) -> Result<(), DirectoryError> {
    if what == Restriction::LogIn && account.role == Role::Admin {
        expect_another_admin(database, account, now)?;
    }
    let sql = match what {
        Restriction::LogIn => "UPDATE accounts SET banned_until = $2, ban_reason = $3 WHERE id = $1",
        Restriction::Chat => "UPDATE accounts SET chat_banned_until = $2, chat_ban_reason = $3 WHERE id = $1",
    };
    let until = forbidden.until;
    database.query(sql, &[account.id.into(), until.0.into(), forbidden.reason.as_str().into()])?;
    let act = match what {
        Restriction::LogIn => {
            end_sessions(database, account.id, None)?;
            "account.ban"
        }
        Restriction::Chat => "account.chat-ban",
    };
    let details = if until == FOR_EVER { "for ever".to_owned() } else { format!("until {}", until.0) };
    let (target, reason) = (Target::Account(account.id), forbidden.reason.as_str());
    Act { by, act, target, reason, details: &details, at: now }.log(database)?;
    match what {
        Restriction::LogIn => account.ban = Some(forbidden),
        Restriction::Chat => account.chat_ban = Some(forbidden),
    }
    Ok(())
}
