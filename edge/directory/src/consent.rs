//! What somebody has agreed to, and who recorded it.

use crate::audit::{Act, Actor, Target};
use crate::directory::{Directory, next_number};
use crate::error::{DirectoryError, Mistake};
use crate::sql::{Row, Value};
use madang_model::Timestamp;

/// The longest purpose, in characters.
const PURPOSE_CHARS_MAX: usize = 64;

/// An agreement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Consent {
    /// Never used for another one.
    pub id: i64,
    /// To what: `birth-date`, `guardian` …
    pub purpose: String,
    /// When.
    pub given_at: Timestamp,
    /// Who recorded it: the account itself, or an admin for a guardian.
    pub given_by: Actor,
    /// When it was withdrawn.
    pub withdrawn_at: Option<Timestamp>,
}

impl Directory {
    /// Records that an account agrees to something; what it has agreed to already is left as it is.
    ///
    /// # Errors
    /// [`Mistake::NoAccount`], a purpose that is none; and what the environment refuses.
    pub fn give_consent(
        &self,
        name: &str,
        purpose: &str,
        by: Actor,
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        let (wanted, purpose) = (self.wanted(name), checked(purpose)?);
        self.write(move |database| {
            let account = wanted.expect(database)?;
            let sql = "SELECT id FROM consents WHERE account = $1 AND purpose = $2 AND withdrawn_at IS NULL";
            if !database.query(sql, &[account.id.into(), purpose.as_str().into()])?.is_empty() {
                return Ok(());
            }
            let id = next_number(database, "consent")?;
            let (given_by_kind, given_by) = by.stored();
            let sql = "INSERT INTO consents (id, account, purpose, given_at, given_by_kind, given_by) \
                       VALUES ($1, $2, $3, $4, $5, $6)";
            let values: [Value; 6] = [
                id.into(),
                account.id.into(),
                purpose.as_str().into(),
                now.0.into(),
                given_by_kind.into(),
                given_by.into(),
            ];
            database.query(sql, &values)?;
            let (target, details) = (Target::Account(account.id), purpose.as_str());
            Act { by, act: "consent.give", target, reason: "", details, at: now }.log(database)
        })
    }

    /// Records that an account no longer agrees. Says whether it had.
    ///
    /// # Errors
    /// As [`Directory::give_consent`].
    pub fn withdraw_consent(
        &self,
        name: &str,
        purpose: &str,
        by: Actor,
        now: Timestamp,
    ) -> Result<bool, DirectoryError> {
        let (wanted, purpose) = (self.wanted(name), checked(purpose)?);
        self.write(move |database| {
            let account = wanted.expect(database)?;
            let sql = "UPDATE consents SET withdrawn_at = $3 WHERE account = $1 AND purpose = $2 \
                       AND withdrawn_at IS NULL RETURNING id";
            let values = [account.id.into(), purpose.as_str().into(), now.0.into()];
            if database.query(sql, &values)?.is_empty() {
                return Ok(false);
            }
            let (target, details) = (Target::Account(account.id), purpose.as_str());
            Act { by, act: "consent.withdraw", target, reason: "", details, at: now }.log(database)?;
            Ok(true)
        })
    }

    /// What an account has agreed to, ever.
    ///
    /// # Errors
    /// [`Mistake::NoAccount`], and what the environment refuses.
    pub fn consents(&self, name: &str) -> Result<Vec<Consent>, DirectoryError> {
        let wanted = self.wanted(name);
        self.read(move |database| {
            let account = wanted.expect(database)?;
            let sql = "SELECT id, purpose, given_at, given_by_kind, given_by, withdrawn_at FROM consents \
                       WHERE account = $1 ORDER BY id";
            let consent = |row: &Row| {
                Ok(Consent {
                    id: row.number(0)?,
                    purpose: row.text(1)?.to_owned(),
                    given_at: Timestamp(row.number(2)?),
                    given_by: Actor::read(row, 3, 4)?,
                    withdrawn_at: row.optional_number(5)?.map(Timestamp),
                })
            };
            database.query(sql, &[account.id.into()])?.iter().map(consent).collect()
        })
    }
}

fn checked(purpose: &str) -> Result<String, Mistake> {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_fit = !purpose.is_empty() && purpose.len() <= PURPOSE_CHARS_MAX && purpose.chars().all(is_word);
    is_fit.then(|| purpose.to_owned()).ok_or_else(|| Mistake::BadValue {
        what: "the purpose",
        found: format!("'{}'", purpose.escape_debug().take(80).collect::<String>()),
        allowed: format!("it has 1 to {PURPOSE_CHARS_MAX} of a-z, 0-9 and -, like birth-date"),
    })
}
