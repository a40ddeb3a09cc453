//! An open directory.

use crate::error::DirectoryError;
use crate::location::Location;
use crate::secret::random_hex;
use crate::sql::migrations::{MIGRATIONS, migrate};
use crate::sql::{Access, Database, QUERY_TIME_MAX, SqliteOpening, transaction};
use crate::threads::{DirectoryLoad, Threads};
use ring::hmac;
use std::sync::Arc;

/// The setting that keys the hashes of names.
const NAMES_KEY: &str = "names_key";

/// An open directory, to be shared by all threads that ask it.
///
/// Whoever asks waits: an executor does so on a thread where it may.
pub struct Directory {
    threads: Threads,
    names_key: Arc<hmac::Key>,
}

impl Directory {
    /// Opens a directory, and brings its tables up to date.
    ///
    /// # Errors
    /// What the environment refuses, or that a later program has made it.
    pub fn open(location: &Location, opening: SqliteOpening) -> Result<Directory, DirectoryError> {
        let mut database = location.connect(opening, QUERY_TIME_MAX)?;
        migrate(database.as_mut(), &location.to_string(), MIGRATIONS)?;
        let names_key = Arc::new(names_key(database.as_mut())?);
        drop(database);
        Ok(Directory { threads: Threads::start(location)?, names_key })
    }

    /// How much waits.
    pub fn load(&self) -> DirectoryLoad {
        self.threads.load()
    }

    /// What hashes names.
    pub(crate) fn names_key(&self) -> Arc<hmac::Key> {
        Arc::clone(&self.names_key)
    }

    /// Has something written, in one transaction.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Database) -> Result<T, DirectoryError> + Send + 'static,
    ) -> Result<T, DirectoryError> {
        self.threads.write(|database| transaction(database, Access::Write, work))
    }

    /// Has something written that leaves nothing of what it deletes.
    pub(crate) fn erase<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Database) -> Result<T, DirectoryError> + Send + 'static,
    ) -> Result<T, DirectoryError> {
        self.threads.write(|database| {
            let erased = transaction(database, Access::Write, work)?;
            database.erase_deleted();
            Ok(erased)
        })
    }

    /// Has something read, by one statement: a moment of its own.
    pub(crate) fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Database) -> Result<T, DirectoryError> + Send + 'static,
    ) -> Result<T, DirectoryError> {
        self.threads.read(work)
    }
}

/// The key of names' hashes, which is made with the directory and never changed: names of deleted accounts are known by
/// nothing else.
pub(crate) fn names_key(database: &mut dyn Database) -> Result<hmac::Key, DirectoryError> {
    let sql = "SELECT value FROM settings WHERE name = $1";
    let found = database.query(sql, &[NAMES_KEY.into()])?;
    let text = match found.first() {
        Some(row) => row.text(0)?.to_owned(),
        None => transaction(database, Access::Write, |database| {
            let made = "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
            database.query(made, &[NAMES_KEY.into(), random_hex().into()])?;
            Ok(database.query(sql, &[NAMES_KEY.into()])?[0].text(0)?.to_owned())
        })?,
    };
    Ok(hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes()))
}

/// The next number of a kind. Numbers are never used twice, and whoever commits later has a higher one.
pub(crate) fn next_number(database: &mut dyn Database, kind: &str) -> Result<i64, DirectoryError> {
    let sql = "UPDATE counters SET value = value + 1 WHERE name = $1 RETURNING value";
    database.query(sql, &[kind.into()])?[0].number(0)
}
