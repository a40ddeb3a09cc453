//! New accounts.

use super::{Account, Role};
use crate::audit::{Act, Actor, Target};
use crate::directory::{Directory, next_number};
use crate::error::{DirectoryError, Mistake};
use crate::names::Claims;
use crate::password::Password;
use crate::search;
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
            let target = Target::Account(id);
            Act { by, act: "account.add", target, reason: "", details: role.word(), at: now }
                .log(database)?;
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
    let handle = search::folded(&account.handle);
    let shown = search::folded(&account.display_name);
    let is_another = shown != handle;
    for (kind, folded) in [(HANDLE, Some(handle)), (DISPLAY_NAME, is_another.then_some(shown))] {
        let Some(folded) = folded else { continue };
        let sql = "INSERT INTO search_names (account, kind, folded, initials) VALUES ($1, $2, $3, $4)";
        let initials = search::initials(&folded);
        database.query(sql, &[account.id.into(), kind.into(), folded.into(), initials.into()])?;
    }
    Ok(())
}

/// The kinds of names that are searched.
pub(crate) const HANDLE: &str = "handle";
/// The same.
pub(crate) const DISPLAY_NAME: &str = "display";

/// A display name in the form that is stored.
fn display_name(given: &str) -> Result<String, Mistake> {
    let invalid = Mistake::DisplayNameInvalid { chars_max: DISPLAY_NAME_CHARS_MAX };
    let Some(text) = Text::sanitise(given) else { return Err(invalid) };
    let text = text.trim().to_owned();
    let chars = text.chars().count();
    if chars == 0 || chars > DISPLAY_NAME_CHARS_MAX { Err(invalid) } else { Ok(text) }
}
