//! The directory of accounts as part of a backup: the file in the data directory. A database elsewhere is its operator's.

use super::copying::copy_file;
use super::error::{BackupError, Naming};
use crate::terminal::visible;
use madang_directory::upkeep::{back_up as copy_at_one_moment, verify_backup};
use madang_directory::{Cause, DirectoryError, SQLITE_FILE, Unavailable};
use madang_model::counted;
use std::fs;
use std::path::Path;

/// What a backup has of a directory; nothing where there is none.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct FoundAccounts {
    /// What the file takes.
    pub bytes: u64,
    /// How many accounts are in it; `None` where there is no directory.
    pub accounts: Option<u64>,
    /// What is wrong with it.
    pub faults: u64,
}

/// The same in words for a summary: `, 2 accounts`.
pub fn words(accounts: Option<u64>) -> String {
    accounts.map_or_else(String::new, |accounts| format!(", {}", counted(accounts, "account")))
}

/// Copies what a data directory has at one moment, while others write to it, and verifies the copy. One that is damaged is a
/// fault of the backup, which has the log all the same.
pub fn back_up(data: &Path, to: &Path) -> Result<FoundAccounts, BackupError> {
    let (from, to) = (data.join(SQLITE_FILE), to.join(SQLITE_FILE));
    if !from.exists() {
        return Ok(FoundAccounts::default());
    }
    match copy_at_one_moment(&from, &to) {
        Ok(()) => {}
        Err(error) if is_of_its_contents(&error) => {
            say_fault(&error);
            // A part of it would be taken for a directory.
            if to.exists() {
                fs::remove_file(&to).naming("remove", &to)?;
            }
            return Ok(FoundAccounts { faults: 1, ..FoundAccounts::default() });
        }
        Err(error) => return Err(BackupError::Directory(error)),
    }
    verified(&to)
}

/// Copies what a backup has, if it has one.
pub fn copy(backup: &Path, to: &Path) -> Result<u64, BackupError> {
    let from = backup.join(SQLITE_FILE);
    match madang_log::open_regular(&from) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        file => copy_file((&file.naming("read", &from)?, &from), u64::MAX, None, &to.join(SQLITE_FILE)),
    }
}

/// Reads the one in a directory that nobody uses, if there is one.
pub fn verify(directory: &Path) -> Result<FoundAccounts, BackupError> {
    let file = directory.join(SQLITE_FILE);
    if file.exists() { verified(&file) } else { Ok(FoundAccounts::default()) }
}

fn verified(file: &Path) -> Result<FoundAccounts, BackupError> {
    let bytes = fs::metadata(file).naming("read", file)?.len();
    match verify_backup(file) {
        // Never negative.
        Ok(accounts) => {
            Ok(FoundAccounts { bytes, accounts: Some(accounts.try_into().unwrap_or(0)), faults: 0 })
        }
        Err(error) => {
            say_fault(&error);
            Ok(FoundAccounts { bytes, accounts: None, faults: 1 })
        }
    }
}

fn is_of_its_contents(error: &DirectoryError) -> bool {
    let DirectoryError::Unavailable(Unavailable { cause, .. }) = error else { return false };
    matches!(cause, Cause::Damaged | Cause::Foreign | Cause::LaterVersion)
}

fn say_fault(error: &DirectoryError) {
    eprintln!("madang: {}", visible(&error.to_string()));
}
