//! One-time codes with which people whose password is lost give themselves another.

use crate::accounts::{self, Account};
use crate::audit::{Act, Actor, Target};
use crate::directory::Directory;
use crate::error::{DirectoryError, Mistake};
use crate::one_time_code::OneTimeCode;
use crate::password::Password;
use crate::sql::{Database, Value};
use madang_model::{Timestamp, UserName};

/// A code that gives an account another password once: 120 bits, which nobody guesses.
pub type ResetCode = OneTimeCode<24>;

/// How long a code holds: a day, in microseconds.
pub const RESET_TIME_US: i64 = 24 * 60 * 60 * 1_000_000;

impl Directory {
    /// Makes a code for an account; one that was made before holds no more. It ends with [`RESET_TIME_US`].
    ///
    /// # Errors
    /// [`Mistake::NoAccount`], and what the environment refuses.
    pub fn add_password_reset(
        &self,
        name: &str,
        by: Actor,
        now: Timestamp,
    ) -> Result<(Account, ResetCode, Timestamp), DirectoryError> {
        let wanted = self.wanted(name);
        self.write(move |database| {
            let account = wanted.expect(database)?;
            let (code, expires_at) = (ResetCode::new(), Timestamp(now.0.saturating_add(RESET_TIME_US)));
            let (created_by_kind, created_by) = by.stored();
            let sql = "INSERT INTO password_resets (account, code_hash, created_at, created_by_kind, created_by, \
                       expires_at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (account) DO UPDATE SET \
                       code_hash = excluded.code_hash, created_at = excluded.created_at, \
                       created_by_kind = excluded.created_by_kind, created_by = excluded.created_by, \
                       expires_at = excluded.expires_at";
            let values: [Value; 6] = [
                account.id.into(),
                code.hashed().into(),
                now.0.into(),
                created_by_kind.into(),
                created_by.into(),
                expires_at.0.into(),
            ];
            database.query(sql, &values)?;
            let target = Target::Account(account.id);
            Act { by, act: "account.reset-code", target, reason: "", details: "", at: now }.log(database)?;
            Ok((account, code, expires_at))
        })
    }

    /// Gives the account of a code another password, which uses the code up. All its sessions end.
    ///
    /// # Errors
    /// [`Mistake::CodeGone`], what is wrong with the password (then the code still holds), and what the environment
    /// refuses.
    pub fn reset_password(
        &self,
        code: &ResetCode,
        (new, new_again): (&str, &str),
        now: Timestamp,
    ) -> Result<Account, DirectoryError> {
        let hash = code.hashed();
        let asked = hash.clone();
        let account = self.read(move |database| account_of(database, &asked, now))?;
        let handle = UserName::parse(&account.handle).map_err(Mistake::NameInvalid)?;
        let hashed = Password::chosen(new, new_again, &handle)?.hashed();
        self.erase(move |database| {
            // Of two who use it at once one does.
            let account = account_of(database, &hash, now)?;
            accounts::store_password(database, &account, &hashed, now)?;
            accounts::end_sessions(database, account.id, None)?;
            let (by, target) = (Actor::Visitor, Target::Account(account.id));
            Act { by, act: "account.password", target, reason: "", details: "by a reset code", at: now }
                .log(database)?;
            Ok(account)
        })
    }
}

fn account_of(database: &mut dyn Database, hash: &str, now: Timestamp) -> Result<Account, DirectoryError> {
    let sql = format!(
        "SELECT {} FROM password_resets r JOIN accounts a ON a.id = r.account \
         WHERE r.code_hash = $1 AND r.expires_at > $2",
        accounts::COLUMNS
    );
    let rows = database.query(&sql, &[hash.into(), now.0.into()])?;
    rows.first().map(accounts::read).transpose()?.ok_or_else(|| Mistake::CodeGone.into())
}
