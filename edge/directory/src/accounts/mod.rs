//! Accounts: who they are, and what they may do.

mod amending;
mod credentials;
mod listing;
mod restrictions;
mod roles;
mod sign_up;

pub use amending::{Amendment, BanChange};
pub use credentials::Credential;
pub(crate) use credentials::{end_sessions, store_password};
pub use listing::{AccountPage, ListCursor};
pub use restrictions::Restriction;
pub use sign_up::{DISPLAY_NAME_CHARS_MAX, NewAccount};

use crate::directory::Directory;
use crate::error::{DirectoryError, Mistake};
use crate::names::Claims;
use crate::search::{Pattern, folded};
use crate::sql::{Database, Row};
use madang_model::{Timestamp, UserName};
use ring::hmac;

/// What an account may do on the server as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// What everyone may.
    User,
    /// Everything.
    Admin,
}

impl Role {
    /// As it is stored and shown.
    pub fn word(self) -> &'static str {
        match self {
            Role::User => "user",
            Role::Admin => "admin",
        }
    }
}

/// How long something is forbidden, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Forbidden {
    /// The end; [`crate::FOR_EVER`] if there is none.
    pub until: Timestamp,
    /// As it was given; may be empty.
    pub reason: String,
}

/// An account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// Never used for another one.
    pub id: i64,
    /// Its unique name, as its owner wrote it. It never changes.
    pub handle: String,
    /// What is shown beside it.
    pub display_name: String,
    /// What it may do.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// It cannot log in.
    pub ban: Option<Forbidden>,
    /// It reads, and posts nowhere.
    pub chat_ban: Option<Forbidden>,
}

impl Account {
    /// Its ban, if it holds at this time.
    pub fn ban_at(&self, now: Timestamp) -> Option<&Forbidden> {
        self.ban.as_ref().filter(|ban| ban.until > now)
    }

    /// Its chat ban, if it holds at this time.
    pub fn chat_ban_at(&self, now: Timestamp) -> Option<&Forbidden> {
        self.chat_ban.as_ref().filter(|ban| ban.until > now)
    }

    /// Whether its name or display name begins with what was typed, as [`Directory::search`] finds it.
    pub fn is_found_by(&self, typed: &str) -> bool {
        let pattern = Pattern::of(typed);
        pattern.finds(&folded(&self.handle)) || pattern.finds(&folded(&self.display_name))
    }

    /// It may log in.
    ///
    /// # Errors
    /// [`Mistake::Banned`].
    pub(crate) fn may_log_in(&self, now: Timestamp) -> Result<(), Mistake> {
        match self.ban_at(now) {
            Some(ban) => Err(Mistake::Banned { until: ban.until, reason: ban.reason.clone() }),
            None => Ok(()),
        }
    }
}

/// The columns of an account, in the order in which [`read`] reads them.
pub(crate) const COLUMNS: &str = "a.id, a.handle, a.display_name, a.role, a.created_at, a.banned_until, a.ban_reason, \
                                  a.chat_banned_until, a.chat_ban_reason";
/// How many these are.
pub(crate) const COLUMN_COUNT: usize = 9;

/// An account from the first columns of a row.
pub(crate) fn read(row: &Row) -> Result<Account, DirectoryError> {
    let forbidden = |until: usize| -> Result<Option<Forbidden>, DirectoryError> {
        let Some(end) = row.optional_number(until)? else { return Ok(None) };
        Ok(Some(Forbidden { until: Timestamp(end), reason: row.text(until + 1)?.to_owned() }))
    };
    Ok(Account {
        id: row.number(0)?,
        handle: row.text(1)?.to_owned(),
        display_name: row.text(2)?.to_owned(),
        role: match row.text(3)? {
            "user" => Role::User,
            "admin" => Role::Admin,
            other => return Err(row.damaged(format!("'{other}' is no role"))),
        },
        created_at: Timestamp(row.number(4)?),
        ban: forbidden(5)?,
        chat_ban: forbidden(7)?,
    })
}

/// A name of which an account is asked.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    shown: String,
    /// What finds it; `None` for what cannot be a name.
    exact: Option<String>,
}

impl Wanted {
    /// Of what was typed.
    pub(crate) fn of(typed: &str, key: &hmac::Key) -> Wanted {
        let exact = UserName::parse(typed).ok().map(|name| Claims::of(&name, key).exact().to_owned());
        // It may be anything, and is shown.
        let shown = typed.chars().take(80).flat_map(|c| match c.is_control() {
            true => c.escape_default().collect::<Vec<_>>(),
            false => vec![c],
        });
        Wanted { shown: shown.collect(), exact }
    }

    /// Its account.
    pub(crate) fn find(&self, database: &mut dyn Database) -> Result<Option<Account>, DirectoryError> {
        let Some(exact) = &self.exact else { return Ok(None) };
        let sql = format!(
            "SELECT {COLUMNS} FROM name_claims c JOIN accounts a ON a.id = c.account WHERE c.claim = $1"
        );
        database.query(&sql, &[exact.as_str().into()])?.first().map(read).transpose()
    }

    /// Its account, which must be there.
    pub(crate) fn expect(&self, database: &mut dyn Database) -> Result<Account, DirectoryError> {
        let found = self.find(database)?;
        found.ok_or_else(|| Mistake::NoAccount(self.shown.clone()).into())
    }
}

impl Directory {
    /// The account of a name.
    ///
    /// # Errors
    /// [`Mistake::NoAccount`], and what the environment refuses.
    pub fn account(&self, name: &str) -> Result<Account, DirectoryError> {
        let wanted = self.wanted(name);
        self.read(move |database| wanted.expect(database))
    }

    pub(crate) fn wanted(&self, name: &str) -> Wanted {
        Wanted::of(name, &self.names_key())
    }
}
