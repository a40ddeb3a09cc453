//! Passwords of accounts.

use super::{Account, COLUMN_COUNT, COLUMNS, read};
use crate::audit::{Act, Actor, Target};
use crate::directory::Directory;
use crate::error::{DirectoryError, Mistake};
use crate::names::Claims;
use crate::password::Password;
use crate::sql::{Database, Value};
use madang_model::{Timestamp, UserName};
use ring::hmac;

/// What is stored for a name: its account and password, or that there is none.
#[derive(Clone, Debug)]
pub struct Credential {
    account: Option<Account>,
    stored: Option<String>,
    /// Where it is stored, for the words of a fault.
    place: String,
}

impl Credential {
    /// The number of its account; `None` where nobody has the name.
    pub fn account_id(&self) -> Option<i64> {
        self.account.as_ref().map(|account| account.id)
    }

    /// Whether a password is its own. It takes 40 ms of computing, for a name that nobody has too.
    ///
    /// # Errors
    /// [`Mistake::WrongCredentials`], [`Mistake::Banned`], and a hash that is damaged.
    pub fn check(&self, password: &str, now: Timestamp) -> Result<Account, DirectoryError> {
        // Whatever is that long is no password of anyone, whoever it is tried for.
        let password = Password::typed(password).map_err(|_| Mistake::WrongCredentials)?;
        match password.is_of(self.stored.as_deref(), &self.place)? {
            true => self.accept(now),
            false => Err(Mistake::WrongCredentials.into()),
        }
    }

    /// Its account, for whoever has proven before to know the password that is stored.
    ///
    /// # Errors
    /// [`Mistake::WrongCredentials`], [`Mistake::Banned`].
    pub fn accept(&self, now: Timestamp) -> Result<Account, DirectoryError> {
        let account = self.account.clone().ok_or(Mistake::WrongCredentials)?;
        account.may_log_in(now)?;
        Ok(account)
    }

    /// What a password and what is stored for it give together under a key, in a microsecond: the same again only for the
    /// same of both. `None` where there is no password.
    pub fn proof(&self, key: &[u8; 32], password: &str) -> Option<[u8; 32]> {
        let (account, stored) = (self.account.as_ref()?, self.stored.as_deref()?);
        let password = Password::typed(password).ok()?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let mut context = hmac::Context::with_key(&key);
        context.update(&account.id.to_be_bytes());
        // PHC strings have no NUL.
        context.update(stored.as_bytes());
        context.update(&[0]);
        context.update(password.as_bytes());
        context.sign().as_ref().try_into().ok()
    }
}

impl Directory {
    /// The account of a name and its password. It takes the same time for a wrong name as for a wrong password, of which
    /// the caller's thread computes 40 ms; only who knows the password is told of a ban.
    ///
    /// # Errors
    /// [`Mistake::WrongCredentials`], [`Mistake::Banned`], and what the environment refuses.
    pub fn check_password(
        &self,
        name: &str,
        password: &str,
        now: Timestamp,
    ) -> Result<Account, DirectoryError> {
        self.credential(name)?.check(password, now)
    }

    /// What is stored for a name, to check passwords with it once or several times.
    ///
    /// # Errors
    /// What the environment refuses.
    pub fn credential(&self, name: &str) -> Result<Credential, DirectoryError> {
        let exact = UserName::parse(name).ok().map(|name| Claims::of(&name, &self.names_key()));
        let exact = exact.map_or_else(String::new, |claims| claims.exact().to_owned());
        let found = self.read(move |database| {
            let sql = format!(
                "SELECT {COLUMNS}, k.password FROM name_claims c JOIN accounts a ON a.id = c.account \
                 LEFT JOIN credentials k ON k.account = a.id WHERE c.claim = $1"
            );
            let rows = database.query(&sql, &[exact.into()])?;
            let row = rows.into_iter().next();
            row.map(|row| Ok::<_, DirectoryError>((read(&row)?, row))).transpose()
        })?;
        Ok(match found {
            Some((account, row)) => Credential {
                stored: match row.values.get(COLUMN_COUNT) {
                    Some(Value::Text(stored)) => Some(stored.clone()),
                    _ => None,
                },
                place: row.place.to_string(),
                account: Some(account),
            },
            None => Credential { account: None, stored: None, place: String::new() },
        })
    }

    /// Gives an account another password, which it proves to have a right to by the current one. All its sessions end.
    ///
    /// # Errors
    /// [`Mistake::WrongCredentials`], what is wrong with the new one, and what the environment refuses.
    pub fn change_password(
        &self,
        name: &str,
        current: &str,
        (new, new_again): (&str, &str),
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        let account = self.check_password(name, current, now)?;
        let by = Actor::Account(account.id);
        self.set_password(&account.handle, (new, new_again), "", by, now).map(drop)
    }

    /// Gives an account another password, for whoever may. All its sessions end.
    ///
    /// # Errors
    /// [`Mistake::NoAccount`], what is wrong with the password, and what the environment refuses.
    pub fn set_password(
        &self,
        name: &str,
        new: (&str, &str),
        reason: &str,
        by: Actor,
        now: Timestamp,
    ) -> Result<Account, DirectoryError> {
        self.set_password_keeping(name, new, None, reason, by, now)
    }

    /// The same, but one session stays: that of the device that changes it.
    ///
    /// # Errors
    /// As [`Directory::set_password`].
    pub fn set_password_keeping(
        &self,
        name: &str,
        (new, new_again): (&str, &str),
        kept: Option<i64>,
        reason: &str,
        by: Actor,
        now: Timestamp,
    ) -> Result<Account, DirectoryError> {
        let account = self.account(name)?;
        let handle = UserName::parse(&account.handle).map_err(Mistake::NameInvalid)?;
        let hashed = Password::chosen(new, new_again, &handle)?.hashed();
        let reason = crate::audit::reason(reason)?;
        let id = account.id;
        self.erase(move |database| {
            store_password(database, &account, &hashed, now)?;
            end_sessions(database, id, kept)?;
            let target = Target::Account(id);
            Act { by, act: "account.password", target, reason: &reason, details: "", at: now }
                .log(database)?;
            Ok(account)
        })
    }
}

/// Stores the hash of an account's new password. A code to reset the old one holds no more.
///
/// # Errors
/// [`Mistake::NoAccount`], if it was deleted meanwhile.
pub(crate) fn store_password(
    database: &mut dyn Database,
    account: &Account,
    hashed: &str,
    now: Timestamp,
) -> Result<(), DirectoryError> {
    let sql = "INSERT INTO credentials (account, password, changed_at) \
               SELECT id, $2, $3 FROM accounts WHERE id = $1 \
               ON CONFLICT (account) DO UPDATE SET password = excluded.password, \
               changed_at = excluded.changed_at RETURNING account";
    if database.query(sql, &[account.id.into(), hashed.into(), now.0.into()])?.is_empty() {
        return Err(Mistake::NoAccount(account.handle.clone()).into());
    }
    database.query("DELETE FROM password_resets WHERE account = $1", &[account.id.into()]).map(drop)
}

/// Ends all sessions of an account, but for the one that is kept. Returns how many.
pub(crate) fn end_sessions(
    database: &mut dyn Database,
    account: i64,
    kept: Option<i64>,
) -> Result<usize, DirectoryError> {
    // Numbers of sessions begin with 1.
    let sql = "DELETE FROM sessions WHERE account = $1 AND id <> $2 RETURNING id";
    Ok(database.query(sql, &[account.into(), kept.unwrap_or(0).into()])?.len())
}
