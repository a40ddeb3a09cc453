//! Who is an admin, and who stays.

use super::credentials::end_sessions;
use super::{Account, Role};
use crate::audit::{Act, Actor, Target};
use crate::directory::Directory;
use crate::error::{DirectoryError, Mistake};
use crate::sql::{Database, Value};
use madang_model::Timestamp;

impl Directory {
    /// Gives an account a role.
    ///
    /// # Errors
    /// [`Mistake::NoAccount`], [`Mistake::LastAdmin`], and what the environment refuses.
    pub fn set_role(
        &self,
        name: &str,
        role: Role,
        reason: &str,
        by: Actor,
        now: Timestamp,
    ) -> Result<Account, DirectoryError> {
        let reason = crate::audit::reason(reason)?;
        let wanted = self.wanted(name);
        self.write(move |database| {
            let mut account = wanted.expect(database)?;
            give_role(database, &mut account, role, &reason, by, now)?;
            Ok(account)
        })
    }

    /// Deletes an account, and all that is known of it; its name is never free again.
    ///
    /// # Errors
    /// [`Mistake::NoAccount`], [`Mistake::LastAdmin`], and what the environment refuses.
    pub fn delete(
        &self,
        name: &str,
        reason: &str,
        by: Actor,
        now: Timestamp,
    ) -> Result<Account, DirectoryError> {
        let reason = crate::audit::reason(reason)?;
        let wanted = self.wanted(name);
        self.erase(move |database| {
            let account = wanted.expect(database)?;
            if account.role == Role::Admin {
                expect_another_admin(database, &account, now)?;
            }
            end_sessions(database, account.id, None)?;
            for sql in [
                "DELETE FROM credentials WHERE account = $1",
                "DELETE FROM consents WHERE account = $1",
                "DELETE FROM password_resets WHERE account = $1",
                "DELETE FROM search_names WHERE account = $1",
                "DELETE FROM accounts WHERE id = $1",
            ] {
                database.query(sql, &[account.id.into()])?;
            }
            let sql = "UPDATE name_claims SET account = $2 WHERE account = $1";
            database.query(sql, &[account.id.into(), Value::Nothing])?;
            let target = Target::Account(account.id);
            Act { by, act: "account.delete", target, reason: &reason, details: "", at: now }.log(database)?;
            Ok(account)
        })
    }
}

/// Gives an account a role.
pub(super) fn give_role(
    database: &mut dyn Database,
    account: &mut Account,
    role: Role,
    reason: &str,
    by: Actor,
    now: Timestamp,
) -> Result<(), DirectoryError> {
    if account.role == role {
        return Ok(());
    }
    if role == Role::User {
        expect_another_admin(database, account, now)?;
    }
    let sql = "UPDATE accounts SET role = $2 WHERE id = $1";
    database.query(sql, &[account.id.into(), role.word().into()])?;
    account.role = role;
    let (target, details) = (Target::Account(account.id), role.word());
    Act { by, act: "account.role", target, reason, details, at: now }.log(database)
}

/// An admin is there besides this account, and can log in. Who writes does it alone, so that it stays so.
pub(super) fn expect_another_admin(
    database: &mut dyn Database,
    account: &Account,
    now: Timestamp,
) -> Result<(), DirectoryError> {
    let sql = "SELECT count(*) FROM accounts WHERE role = 'admin' AND id <> $1 \
               AND (banned_until IS NULL OR banned_until <= $2)";
    match database.query(sql, &[account.id.into(), now.0.into()])?[0].number(0)? {
        0 => Err(Mistake::LastAdmin(account.handle.clone()).into()),
        _ => Ok(()),
    }
}
