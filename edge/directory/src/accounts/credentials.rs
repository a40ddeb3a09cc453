//! Passwords of accounts.

use super::{Account, COLUMN_COUNT, COLUMNS, read};
use crate::audit::{Act, Actor, Target};
use crate::directory::Directory;
use crate::error::{DirectoryError, Mistake};
use crate::names::Claims;
use crate::password::Password;
use crate::sql::{Database, Value};
use madang_model::{Timestamp, UserName};

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
        // Whatever is that long is no password of anyone, whoever it is tried for.
        let password = Password::typed(password).map_err(|_| Mistake::WrongCredentials)?;
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
        let (stored, place) = match &found {
            Some((_, row)) => match row.values.get(COLUMN_COUNT) {
                Some(Value::Text(stored)) => (Some(stored.as_str()), &*row.place),
                _ => (None, &*row.place),
            },
            None => (None, ""),
        };
        let is_right = password.is_of(stored, place)?;
        match found {
            Some((account, _)) if is_right => {
                account.may_log_in(now)?;
                Ok(account)
            }
            _ => Err(Mistake::WrongCredentials.into()),
        }
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
        (new, new_again): (&str, &str),
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
            let sql = "INSERT INTO credentials (account, password, changed_at) \
                       SELECT id, $2, $3 FROM accounts WHERE id = $1 \
                       ON CONFLICT (account) DO UPDATE SET password = excluded.password, \
                       changed_at = excluded.changed_at RETURNING account";
            if database.query(sql, &[id.into(), hashed.into(), now.0.into()])?.is_empty() {
                // It was deleted meanwhile.
                return Err(Mistake::NoAccount(account.handle).into());
            }
            end_sessions(database, id)?;
            let target = Target::Account(id);
            Act { by, act: "account.password", target, reason: &reason, details: "", at: now }
                .log(database)?;
            Ok(account)
        })
    }
}

/// Ends all sessions of an account. Returns how many.
pub(crate) fn end_sessions(database: &mut dyn Database, account: i64) -> Result<usize, DirectoryError> {
    let sql = "DELETE FROM sessions WHERE account = $1 RETURNING id";
    Ok(database.query(sql, &[account.into()])?.len())
}
