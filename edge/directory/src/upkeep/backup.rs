//! A file of a directory, copied while others write to it, and a copy verified.

use super::STATEMENT_TIME_MAX;
use crate::error::{Cause, DirectoryError, Unavailable};
use crate::sql::{Database, SqliteDatabase, SqliteOpening};
use std::fs::File;
use std::io;
use std::path::Path;

/// Copies a file at one moment to a path where there is none, and makes sure that it is on disk.
///
/// # Errors
/// What the environment refuses.
pub fn back_up(from: &Path, to: &Path) -> Result<(), DirectoryError> {
    let mut database = SqliteDatabase::open(from, SqliteOpening::Existing, STATEMENT_TIME_MAX)?;
    let refused = |said: String| {
        DirectoryError::Unavailable(Unavailable {
            place: to.display().to_string(),
            cause: Cause::Other,
            said,
        })
    };
    let path = to.to_str().ok_or_else(|| refused("its path is not UTF-8".to_owned()))?;
    // It sees one moment, blocks no one who writes, and leaves out what was deleted.
    database.query("VACUUM INTO $1", &[path.into()])?;
    let synced = File::open(to).and_then(|copy: File| -> io::Result<()> { copy.sync_all() });
    synced.map_err(|error| refused(format!("it cannot be synced: {error}")))
}

/// Reads a copy that nobody uses, wherever it is. Returns how many accounts it has.
///
/// # Errors
/// If it is damaged, or cannot be read.
pub fn verify_backup(path: &Path) -> Result<i64, DirectoryError> {
    let mut database = SqliteDatabase::open_unused(path, STATEMENT_TIME_MAX)?;
    if let Some(said) = database.structural_faults()?.into_iter().next() {
        let place = path.display().to_string();
        return Err(DirectoryError::Unavailable(Unavailable { place, cause: Cause::Damaged, said }));
    }
    database.query("SELECT count(*) FROM accounts", &[])?[0].number(0)
}
