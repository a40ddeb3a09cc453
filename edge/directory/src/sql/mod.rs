//! One SQL text for two databases: `$1`, `ON CONFLICT … RETURNING`, TEXT and BIGINT only, booleans as BIGINT.

pub mod migrations;
mod postgres;
mod sqlite;

pub use postgres::PostgresDatabase;
pub use sqlite::{SqliteDatabase, SqliteOpening};

use crate::error::{Cause, DirectoryError, Unavailable};
use std::time::Duration;

/// How long a query may take.
pub const QUERY_TIME_MAX: Duration = Duration::from_secs(5);

/// A value in a row, or for a placeholder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// NULL.
    Nothing,
    /// BIGINT.
    Number(i64),
    /// TEXT. It has no NUL, which PostgreSQL does not store.
    Text(String),
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Number(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

/// One row of an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// The database that it came from, for the words of a fault.
    pub place: std::sync::Arc<str>,
    /// Its columns.
    pub values: Vec<Value>,
}

impl Row {
    /// The number in a column.
    ///
    /// # Errors
    /// If something else is there: the directory is damaged.
    pub fn number(&self, column: usize) -> Result<i64, DirectoryError> {
        match self.values.get(column) {
            Some(Value::Number(number)) => Ok(*number),
            other => Err(self.damaged(format!("column {column} holds {other:?} where a number belongs"))),
        }
    }

    /// The text in a column.
    ///
    /// # Errors
    /// If something else is there: the directory is damaged.
    pub fn text(&self, column: usize) -> Result<&str, DirectoryError> {
        match self.values.get(column) {
            Some(Value::Text(text)) => Ok(text),
            other => Err(self.damaged(format!("column {column} holds {other:?} where a text belongs"))),
        }
    }

    /// The number in a column that may be empty.
    ///
    /// # Errors
    /// If something else is there: the directory is damaged.
    pub fn optional_number(&self, column: usize) -> Result<Option<i64>, DirectoryError> {
        match self.values.get(column) {
            Some(Value::Nothing) => Ok(None),
            _ => self.number(column).map(Some),
        }
    }

    /// Something is stored that this program never writes.
    pub fn damaged(&self, said: String) -> DirectoryError {
        DirectoryError::Unavailable(Unavailable {
            place: self.place.to_string(),
            cause: Cause::Damaged,
            said,
        })
    }
}

/// What a transaction does. Those that write do it one after another, in whichever process they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// It only reads, and sees one moment.
    Read,
    /// It writes.
    Write,
}

/// A connection to a database.
pub trait Database {
    /// Runs a statement, and returns its rows.
    ///
    /// # Errors
    /// What the environment refuses. A statement that is wrong is a fault of ours, and ends the process.
    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, DirectoryError>;

    /// Runs statements without values or rows, divided by `;`.
    ///
    /// # Errors
    /// As [`Database::query`].
    fn batch(&mut self, sql: &str) -> Result<(), DirectoryError>;

    /// Begins a transaction.
    ///
    /// # Errors
    /// As [`Database::query`].
    fn begin(&mut self, access: Access) -> Result<(), DirectoryError>;

    /// Whether one of our tables is there.
    ///
    /// # Errors
    /// As [`Database::query`].
    fn has_table(&mut self, name: &str) -> Result<bool, DirectoryError>;

    /// Whether it can be used again: after the server has gone, it is opened anew.
    fn is_usable(&mut self) -> bool;

    /// What a collation by bytes is called behind `TEXT` in a definition: SQLite has it without a word.
    fn collation_by_bytes(&self) -> &'static str;

    /// What the database itself finds wrong with what it has stored; nothing where it does not look.
    ///
    /// # Errors
    /// As [`Database::query`].
    fn structural_faults(&mut self) -> Result<Vec<String>, DirectoryError>;

    /// Gives pages that were deleted back, so that nothing of them is left to read. What cannot be done now is done by
    /// a later one.
    fn erase_deleted(&mut self);
}

/// Runs `work` in a transaction: what it did holds if it succeeds, and nothing of it otherwise.
///
/// # Errors
/// Those of `work`, or of the database.
pub fn transaction<T>(
    database: &mut dyn Database,
    access: Access,
    work: impl FnOnce(&mut dyn Database) -> Result<T, DirectoryError>,
) -> Result<T, DirectoryError> {
    database.begin(access)?;
    let outcome = work(database);
    let ending = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = database.batch(ending);
    if outcome.is_ok() && ended.is_err() {
        // A commit that was refused (a full disk) leaves it open.
        let _ = database.batch("ROLLBACK");
    }
    let value = outcome?;
    ended?;
    Ok(value)
}
