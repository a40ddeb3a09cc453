//! Changes of several things of an account at once, by whoever has read it before.

use super::restrictions::{forbid, forbidden_until};
use super::roles::give_role;
use super::sign_up::{display_name, store_display_name};
use super::{Account, Forbidden, Restriction, Role};
use crate::audit::{Act, Actor, Target};
use crate::directory::Directory;
use crate::error::{DirectoryError, Mistake};
use crate::sql::Database;
use madang_model::Timestamp;

/// What of a ban is changed.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum BanChange {
    /// Nothing.
    #[default]
    Stays,
    /// It ends.
    Ends,
    /// There is another one.
    Set(Forbidden),
}

/// What is changed of an account.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Amendment {
    /// Another role.
    pub role: Option<Role>,
    /// Its ban.
    pub ban: BanChange,
    /// Its chat ban.
    pub chat_ban: BanChange,
    /// Why; may be empty.
    pub reason: String,
}

impl Directory {
    /// Changes an account in one transaction: everything, or nothing. If `expected` is given, it must be what the account
    /// is now.
    ///
    /// # Errors
    /// [`Mistake::NoAccount`], [`Mistake::ChangedMeanwhile`], [`Mistake::LastAdmin`], a time that is over; and what the
    /// environment refuses.
    pub fn amend(
        &self,
        name: &str,
        expected: Option<Account>,
        amendment: Amendment,
        by: Actor,
        now: Timestamp,
    ) -> Result<Account, DirectoryError> {
        let reason = crate::audit::reason(&amendment.reason)?;
        for change in [&amendment.ban, &amendment.chat_ban] {
            if let BanChange::Set(forbidden) = change {
                forbidden_until(forbidden.until, now)?;
            }
        }
        let wanted = self.wanted(name);
        self.write(move |database| {
            let mut account = wanted.expect(database)?;
            expect_unchanged(&account, expected.as_ref())?;
            // A role first: an admin who becomes a user may be banned then.
            if let Some(role) = amendment.role {
                give_role(database, &mut account, role, &reason, by, now)?;
            }
            for (what, change) in
                [(Restriction::LogIn, &amendment.ban), (Restriction::Chat, &amendment.chat_ban)]
            {
                match change {
                    BanChange::Stays => {}
                    BanChange::Set(forbidden) => {
                        let until = forbidden.until;
                        let forbidden = Forbidden { until, reason: reason.clone() };
                        forbid(database, &mut account, what, forbidden, by, now)?;
                    }
                    BanChange::Ends => allow(database, &mut account, what, &reason, by, now)?,
                }
            }
            Ok(account)
        })
    }

    /// Gives an account another display name. If `expected` is given, it must be what the account is now.
    ///
    /// # Errors
    /// [`Mistake::NoAccount`], [`Mistake::ChangedMeanwhile`], [`Mistake::DisplayNameInvalid`]; and what the environment
    /// refuses.
    pub fn set_display_name(
        &self,
        name: &str,
        expected: Option<Account>,
        given: &str,
    ) -> Result<Account, DirectoryError> {
        let shown = display_name(given)?;
        let wanted = self.wanted(name);
        self.erase(move |database| {
            let mut account = wanted.expect(database)?;
            expect_unchanged(&account, expected.as_ref())?;
            if account.display_name != shown {
                account.display_name = shown;
                store_display_name(database, &account)?;
            }
            Ok(account)
        })
    }
}

fn expect_unchanged(account: &Account, expected: Option<&Account>) -> Result<(), Mistake> {
    match expected {
        Some(expected) if expected != account => Err(Mistake::ChangedMeanwhile(account.handle.clone())),
        _ => Ok(()),
    }
}

/// Ends one kind of ban.
fn allow(
    database: &mut dyn Database,
    account: &mut Account,
    what: Restriction,
    reason: &str,
    by: Actor,
    now: Timestamp,
) -> Result<(), DirectoryError> {
    let (ban, columns, act) = match what {
        Restriction::LogIn => (&mut account.ban, ["banned_until", "ban_reason"], "account.unban"),
        Restriction::Chat => {
            (&mut account.chat_ban, ["chat_banned_until", "chat_ban_reason"], "account.chat-unban")
        }
    };
    if ban.take().is_none_or(|ban| ban.until <= now) {
        return Ok(());
    }
    let sql = format!("UPDATE accounts SET {} = NULL, {} = '' WHERE id = $1", columns[0], columns[1]);
    database.query(&sql, &[account.id.into()])?;
    let target = Target::Account(account.id);
    Act { by, act, target, reason, details: "", at: now }.log(database)
}
