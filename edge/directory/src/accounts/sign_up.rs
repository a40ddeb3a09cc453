//! New accounts.

use super::{Account, Role};
use crate::audit::{Act, Actor, Target};
use crate::directory::{Directory, next_number};
use crate::error::{DirectoryError, Mistake};
use crate::names::Claims;
use crate::password::Password;
use crate::search;
use crate::sign_up_codes::{SignUpCode, expect_valid, use_up};
use crate::sql::{Database, Value};
use madang_model::{Text, Timestamp, UserName};

/// The longest display name, in characters.
pub const DISPLAY_NAME_CHARS_MAX: usize = 64;

/// What somebody signs up with.
#[derive(Clone, Copy, Debug)]
pub struct NewAccount<'a> {
    /// The unique name.
    pub name: &'a str,
    /// The password.
    pub password: &'a str,
    /// The same again.
    pub password_again: &'a str,
    /// What is shown beside the name; the name itself if nothing is said.
    pub display_name: Option<&'a str>,
    /// What it may do.
    pub role: Role,
}

impl Directory {
    /// Whether an account could have the name.
    ///
    /// # Errors
    /// [`Mistake::NameInvalid`], [`Mistake::NameTaken`], [`Mistake::NameConfusable`], and what the environment refuses.
    pub fn is_available(&self, name: &str) -> Result<(), DirectoryError> {
        let name = UserName::parse(name).map_err(Mistake::NameInvalid)?;
        let claims = Claims::of(&name, &self.names_key());
        self.read(move |database| claims.are_free(database))
    }

    /// Makes an account.
    ///
    /// # Errors
    /// What is wrong with the name or the password, of several mistakes the first; and what the environment refuses.
    pub fn sign_up(&self, new: NewAccount<'_>, by: Actor, now: Timestamp) -> Result<Account, DirectoryError> {
        self.make_account(new, None, by, now)
    }

    /// Makes an account with a code, which is used up for it in the same transaction.
    ///
    /// # Errors
    /// As [`Directory::sign_up`], and [`Mistake::SignUpCodeInvalid`].
    pub fn sign_up_with(
        &self,
        code: &SignUpCode,
        new: NewAccount<'_>,
        by: Actor,
        now: Timestamp,
    ) -> Result<Account, DirectoryError> {
        // Whoever has none learns nothing of names, and has nothing computed.
        let asked = code.clone();
        self.read(move |database| expect_valid(database, &asked, now))?;
        self.make_account(new, Some(code.clone()), by, now)
    }

    fn make_account(
        &self,
        new: NewAccount<'_>,
        code: Option<SignUpCode>,
        by: Actor,
        now: Timestamp,
    ) -> Result<Account, DirectoryError> {
        let name = UserName::parse(new.name).map_err(Mistake::NameInvalid)?;
        let display_name = match new.display_name {
            Some(given) => display_name(given)?,
            None => name.as_str().to_owned(),
        };
        let password = Password::chosen(new.password, new.password_again, &name)?;
        // A password takes 40 ms of computing, which nobody gets for a name that is taken.
        self.is_available(new.name)?;
        let password = password.hashed();
        let claims = Claims::of(&name, &self.names_key());
        let role = new.role;
        self.write(move |database| {
            let id = next_number(database, "account")?;
            claims.make(database, id)?;
            let account = Account {
                id,
                handle: name.as_str().to_owned(),
                display_name,
                role,
                created_at: now,
                ban: None,
                chat_ban: None,
            };
            insert(database, &account)?;
            let sql = "INSERT INTO credentials (account, password, changed_at) VALUES ($1, $2, $3)";
            database.query(sql, &[id.into(), password.into(), now.0.into()])?;
            let details = match code {
                Some(code) => format!("{} by sign-up code {}", role.word(), use_up(database, &code, now)?),
                None => role.word().to_owned(),
            };
            let target = Target::Account(id);
            Act { by, act: "account.add", target, reason: "", details: &details, at: now }.log(database)?;
            Ok(account)
        })
    }
}

/// Stores an account, and what it is found by.
fn insert(database: &mut dyn Database, account: &Account) -> Result<(), DirectoryError> {
    let sql = "INSERT INTO accounts (id, handle, display_name, role, created_at, ban_reason, chat_ban_reason) \
               VALUES ($1, $2, $3, $4, $5, '', '')";
    let values: [Value; 5] = [
        account.id.into(),
        account.handle.as_str().into(),
        account.display_name.as_str().into(),
        account.role.word().into(),
        account.created_at.0.into(),
    ];
    database.query(sql, &values)?;
    insert_search_name(database, account.id, HANDLE, search::folded(&account.handle))?;
    insert_shown_name(database, account)
}

/// Stores another display name of an account, and what it is found by.
pub(super) fn store_display_name(
    database: &mut dyn Database,
    account: &Account,
) -> Result<(), DirectoryError> {
    let sql = "UPDATE accounts SET display_name = $2 WHERE id = $1";
    database.query(sql, &[account.id.into(), account.display_name.as_str().into()])?;
    let sql = "DELETE FROM search_names WHERE account = $1 AND kind = $2";
    database.query(sql, &[account.id.into(), DISPLAY_NAME.into()])?;
    insert_shown_name(database, account)
}

/// What a display name is found by, unless the name itself finds it.
fn insert_shown_name(database: &mut dyn Database, account: &Account) -> Result<(), DirectoryError> {
    let shown = search::folded(&account.display_name);
    if shown == search::folded(&account.handle) {
        return Ok(());
    }
    insert_search_name(database, account.id, DISPLAY_NAME, shown)
}

fn insert_search_name(
    database: &mut dyn Database,
    account: i64,
    kind: &str,
    folded: String,
) -> Result<(), DirectoryError> {
    let sql = "INSERT INTO search_names (account, kind, folded, initials) VALUES ($1, $2, $3, $4)";
    let initials = search::initials(&folded);
    database.query(sql, &[account.into(), kind.into(), folded.into(), initials.into()]).map(drop)
}

/// The kinds of names that are searched.
pub(crate) const HANDLE: &str = "handle";
/// The same.
pub(crate) const DISPLAY_NAME: &str = "display";

/// A display name in the form that is stored.
pub(super) fn display_name(given: &str) -> Result<String, Mistake> {
    let invalid = Mistake::DisplayNameInvalid { chars_max: DISPLAY_NAME_CHARS_MAX };
    let Some(text) = Text::sanitise(given) else { return Err(invalid) };
    let text = text.trim().to_owned();
    let chars = text.chars().count();
    if chars == 0 || chars > DISPLAY_NAME_CHARS_MAX { Err(invalid) } else { Ok(text) }
}
