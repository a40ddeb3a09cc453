//! Whether everything in a directory fits together.

use super::{ROWS_AT_ONCE, STATEMENT_TIME_MAX};
use crate::accounts::{COLUMN_COUNT, COLUMNS, read};
use crate::directory::names_key;
use crate::error::DirectoryError;
use crate::location::Location;
use crate::names::Claims;
use crate::search;
use crate::sql::migrations::{MIGRATIONS, TABLES, migrate};
use crate::sql::{Access, Database, SqliteOpening, transaction};
use madang_model::UserName;
use std::collections::BTreeSet;

/// Faults that are named; more are only counted.
pub const FAULTS_MAX: usize = 100;

/// What is in a directory, and what is wrong with it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct CheckReport {
    /// The version of its tables.
    pub version: i64,
    /// Each table, and its rows.
    pub rows: Vec<(&'static str, i64)>,
    /// Accounts that are admins.
    pub admins: i64,
    /// What is wrong: the first ones.
    pub faults: Vec<String>,
    /// How much is wrong.
    pub fault_count: usize,
}

impl CheckReport {
    /// The rows of a table.
    pub fn rows_of(&self, table: &str) -> i64 {
        self.rows.iter().find(|(name, _)| *name == table).map_or(0, |(_, rows)| *rows)
    }

    fn fault(&mut self, words: String) {
        self.fault_count += 1;
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(words);
        }
    }
}

/// Reads everything at one moment, and says what does not fit together.
///
/// # Errors
/// What the environment refuses.
pub fn check(location: &Location) -> Result<CheckReport, DirectoryError> {
    let mut database = location.connect(SqliteOpening::Existing, STATEMENT_TIME_MAX)?;
    let mut report = CheckReport::default();
    for words in database.structural_faults()? {
        report.fault(words);
    }
    if report.fault_count > 0 {
        // What a damaged file answers means nothing.
        return Ok(report);
    }
    report.version = migrate(database.as_mut(), &location.to_string(), MIGRATIONS)?;
    let key = names_key(database.as_mut())?;
    transaction(database.as_mut(), Access::Read, |database| {
        for table in TABLES {
            let rows = database.query(&format!("SELECT count(*) FROM {}", table.name), &[])?[0].number(0)?;
            report.rows.push((table.name, rows));
        }
        let admins = "SELECT count(*) FROM accounts WHERE role = 'admin'";
        report.admins = database.query(admins, &[])?[0].number(0)?;
        check_references(database, &mut report)?;
        check_counters(database, &mut report)?;
        check_accounts(database, &key, &mut report)
    })?;
    Ok(report)
}

fn check_references(database: &mut dyn Database, report: &mut CheckReport) -> Result<(), DirectoryError> {
    for table in ["credentials", "search_names", "sessions", "consents", "name_claims", "password_resets"] {
        let sql = format!(
            "SELECT DISTINCT t.account FROM {table} t LEFT JOIN accounts a ON a.id = t.account \
             WHERE t.account IS NOT NULL AND a.id IS NULL LIMIT {FAULTS_MAX}"
        );
        for row in database.query(&sql, &[])? {
            report.fault(format!("{table} has a row of account {}, which is not there", row.number(0)?));
        }
    }
    Ok(())
}

/// A number that was used must not come again.
fn check_counters(database: &mut dyn Database, report: &mut CheckReport) -> Result<(), DirectoryError> {
    for (counter, table) in [
        ("account", "accounts"),
        ("session", "sessions"),
        ("key", "service_keys"),
        ("audit", "audit_log"),
        ("consent", "consents"),
        ("sign-up-code", "sign_up_codes"),
    ] {
        let highest =
            database.query(&format!("SELECT coalesce(max(id), 0) FROM {table}"), &[])?[0].number(0)?;
        let counted = database.query("SELECT value FROM counters WHERE name = $1", &[counter.into()])?;
        let counted = counted.first().map(|row| row.number(0)).transpose()?;
        if counted.is_none_or(|counted| counted < highest) {
            report.fault(format!("the counter of {table} is at {counted:?}, and {highest} is used"));
        }
    }
    Ok(())
}

fn check_accounts(
    database: &mut dyn Database,
    key: &ring::hmac::Key,
    report: &mut CheckReport,
) -> Result<(), DirectoryError> {
    let mut last = 0;
    loop {
        let sql = format!(
            "SELECT {COLUMNS}, n.folded FROM accounts a LEFT JOIN search_names n \
             ON n.account = a.id AND n.kind = 'handle' WHERE a.id > $1 ORDER BY a.id LIMIT $2"
        );
        let rows = database.query(&sql, &[last.into(), ROWS_AT_ONCE.into()])?;
        let Some(row) = rows.last() else { return Ok(()) };
        let (first, until) = (last, row.number(0)?);
        let claimed = claims_between(database, first, until)?;
        for row in &rows {
            last = row.number(0)?;
            let account = match read(row) {
                Ok(account) => account,
                Err(error) => {
                    report.fault(format!("account {last}: {error}"));
                    continue;
                }
            };
            let Ok(name) = UserName::parse(&account.handle) else {
                report.fault(format!("account {last} has a handle that is no name"));
                continue;
            };
            let claims = Claims::of(&name, key);
            if claims.all().any(|(claim, _)| !claimed.contains(&(last, claim.to_owned()))) {
                report.fault(format!("account {last} lacks a claim of its name: a look-alike could be made"));
            }
            if row.text(COLUMN_COUNT).ok() != Some(&search::folded(&account.handle)) {
                report.fault(format!("account {last} is not found by its name"));
            }
        }
    }
}

/// The claims of accounts after `first` up to `until`.
fn claims_between(
    database: &mut dyn Database,
    first: i64,
    until: i64,
) -> Result<BTreeSet<(i64, String)>, DirectoryError> {
    let sql = "SELECT account, claim FROM name_claims WHERE account > $1 AND account <= $2";
    let rows = database.query(sql, &[first.into(), until.into()])?;
    rows.iter().map(|row| Ok((row.number(0)?, row.text(1)?.to_owned()))).collect()
}
