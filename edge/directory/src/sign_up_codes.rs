//! Codes with which people make accounts themselves, where not everyone may.

use crate::audit::{Act, Actor, Target, reason};
use crate::directory::{Directory, next_number};
use crate::error::{DirectoryError, Mistake};
use crate::one_time_code::OneTimeCode;
use crate::sql::{Database, Row, Value};
use madang_model::Timestamp;

/// A code with which accounts are made: 60 bits, as each guess costs a request and nobody finds out which is near.
pub type SignUpCode = OneTimeCode<12>;

/// Codes that hold at the same time.
pub const SIGN_UP_CODES_MAX: usize = 1_000;
/// Accounts that may be made with one code.
pub const CODE_USES_MAX: i64 = 10_000;
/// How long a code may hold: a year, in microseconds.
pub const CODE_TIME_US_MAX: i64 = 366 * 24 * 60 * 60 * 1_000_000;

/// What is known of a code, but the code itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignUpCodeInfo {
    /// Never used for another one.
    pub id: i64,
    /// What it is for, as it was given; may be empty.
    pub note: String,
    /// How many accounts may be made with it.
    pub uses_max: i64,
    /// How many were made.
    pub uses: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: Actor,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl Directory {
    /// Makes a code for up to `uses_max` accounts, until `expires_at`.
    ///
    /// # Errors
    /// A number or time out of range; [`Mistake::TooManyCodes`]; and what the environment refuses.
    pub fn add_sign_up_code(
        &self,
        note: &str,
        (uses_max, expires_at): (i64, Timestamp),
        by: Actor,
        now: Timestamp,
    ) -> Result<(SignUpCodeInfo, SignUpCode), DirectoryError> {
        let bad = |what, allowed: &str| Mistake::BadValue {
            what,
            found: "is out of its range".to_owned(),
            allowed: allowed.to_owned(),
        };
        if !(1..=CODE_USES_MAX).contains(&uses_max) {
            return Err(bad("the number of uses", &format!("1 to {CODE_USES_MAX}")).into());
        }
        if expires_at <= now || expires_at.0 > now.0.saturating_add(CODE_TIME_US_MAX) {
            return Err(bad("the end of the code", "within a year from now").into());
        }
        let note = reason(note)?;
        self.write(move |database| {
            let sql = "DELETE FROM sign_up_codes WHERE expires_at <= $1";
            database.query(sql, &[now.0.into()])?;
            let count = database.query("SELECT count(*) FROM sign_up_codes", &[])?[0].number(0)?;
            if usize::try_from(count).unwrap_or(usize::MAX) >= SIGN_UP_CODES_MAX {
                return Err(Mistake::TooManyCodes { codes_max: SIGN_UP_CODES_MAX }.into());
            }
            let (id, code) = (next_number(database, "sign-up-code")?, SignUpCode::new());
            let (created_by_kind, created_by) = by.stored();
            let sql = "INSERT INTO sign_up_codes (id, code_hash, note, uses_max, uses, created_at, created_by_kind, \
                       created_by, expires_at) VALUES ($1, $2, $3, $4, 0, $5, $6, $7, $8)";
            let values: [Value; 8] = [
                id.into(),
                code.hashed().into(),
                note.as_str().into(),
                uses_max.into(),
                now.0.into(),
                created_by_kind.into(),
                created_by.into(),
                expires_at.0.into(),
            ];
            database.query(sql, &values)?;
            let details = format!("for {uses_max} until {}", expires_at.0);
            let target = Target::SignUpCode(id);
            Act { by, act: "sign-up-code.add", target, reason: &note, details: &details, at: now }.log(database)?;
            let info = SignUpCodeInfo { id, note, uses_max, uses: 0, created_at: now, created_by: by, expires_at };
            Ok((info, code))
        })
    }

    /// Codes that hold, after the one with the number `after`, by their numbers.
    ///
    /// # Errors
    /// What the environment refuses.
    pub fn sign_up_codes(
        &self,
        after: i64,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<SignUpCodeInfo>, DirectoryError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(move |database| {
            let sql = "SELECT id, note, uses_max, uses, created_at, created_by_kind, created_by, expires_at \
                       FROM sign_up_codes WHERE id > $1 AND expires_at > $2 ORDER BY id LIMIT $3";
            database.query(sql, &[after.into(), now.0.into(), limit.into()])?.iter().map(read).collect()
        })
    }

    /// Withdraws a code: it holds no more.
    ///
    /// # Errors
    /// [`Mistake::NoCode`], and what the environment refuses.
    pub fn remove_sign_up_code(&self, id: i64, by: Actor, now: Timestamp) -> Result<(), DirectoryError> {
        self.write(move |database| {
            let sql = "DELETE FROM sign_up_codes WHERE id = $1 AND expires_at > $2 RETURNING id";
            if database.query(sql, &[id.into(), now.0.into()])?.is_empty() {
                return Err(Mistake::NoCode(id).into());
            }
            let target = Target::SignUpCode(id);
            Act { by, act: "sign-up-code.remove", target, reason: "", details: "", at: now }.log(database)
        })
    }
}

/// Whether a code holds, without using it up.
///
/// # Errors
/// [`Mistake::SignUpCodeInvalid`].
pub(crate) fn expect_valid(
    database: &mut dyn Database,
    code: &SignUpCode,
    now: Timestamp,
) -> Result<(), DirectoryError> {
    let sql = "SELECT id FROM sign_up_codes WHERE code_hash = $1 AND uses < uses_max AND expires_at > $2";
    match database.query(sql, &[code.hashed().into(), now.0.into()])?.is_empty() {
        true => Err(Mistake::SignUpCodeInvalid.into()),
        false => Ok(()),
    }
}

/// Uses a code for one account, in the transaction that makes it. Returns the code's number.
///
/// # Errors
/// [`Mistake::SignUpCodeInvalid`].
pub(crate) fn use_up(
    database: &mut dyn Database,
    code: &SignUpCode,
    now: Timestamp,
) -> Result<i64, DirectoryError> {
    let sql = "UPDATE sign_up_codes SET uses = uses + 1 WHERE code_hash = $1 AND uses < uses_max \
               AND expires_at > $2 RETURNING id";
    let rows = database.query(sql, &[code.hashed().into(), now.0.into()])?;
    rows.first().ok_or(Mistake::SignUpCodeInvalid)?.number(0)
}

fn read(row: &Row) -> Result<SignUpCodeInfo, DirectoryError> {
    Ok(SignUpCodeInfo {
        id: row.number(0)?,
        note: row.text(1)?.to_owned(),
        uses_max: row.number(2)?,
        uses: row.number(3)?,
        created_at: Timestamp(row.number(4)?),
        created_by: Actor::read(row, 5, 6)?,
        expires_at: Timestamp(row.number(7)?),
    })
}
