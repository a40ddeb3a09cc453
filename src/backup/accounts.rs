//! The directory of accounts as part of a backup: the file in the data directory. A database elsewhere is its operator's.

use super::account::AccountsSaid;
use super::copying::copy_file;
use super::error::{BackupError, Naming};
use crate::terminal::visible;
use madang_directory::upkeep::{back_up as copy_at_one_moment, verify_backup};
use madang_directory::{Cause, DirectoryError, SQLITE_FILE, Unavailable};
use madang_model::counted;
use std::fs::{self, File, Metadata};
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// Bytes that are read at once.
const BLOCK_BYTES: usize = 1 << 20;

/// What a backup has of a directory; nothing where there is none.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct FoundAccounts {
    /// What the file takes.
    pub bytes: u64,
    /// What is in it; `None` where there is no directory.
    pub said: Option<AccountsSaid>,
    /// What is wrong with it.
    pub faults: u64,
}

/// The same in words for a summary: `, 2 accounts`.
pub fn words(said: Option<AccountsSaid>) -> String {
    said.map_or_else(String::new, |said| format!(", {}", counted(said.accounts, "account")))
}

/// Copies what a data directory has at one moment, while others write to it, and verifies the copy. One that is damaged is a
/// fault of the backup, which has the log all the same.
pub fn back_up(data: &Path, to: &Path) -> Result<FoundAccounts, BackupError> {
    let (from, to) = (data.join(SQLITE_FILE), to.join(SQLITE_FILE));
    if found(&from)?.is_none() {
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
    let Some(found) = found(&from)? else { return Ok(0) };
    // It may lead to another server's.
    if found.is_symlink() {
        let is_link = io::Error::new(io::ErrorKind::InvalidInput, "a symbolic link, which no backup has");
        return Err(is_link).naming("read", &from);
    }
    let file = madang_log::open_regular(&from).naming("read", &from)?;
    copy_file((&file, &from), u64::MAX, None, &to.join(SQLITE_FILE))
}

/// What has the name, if anything: a link to a disk that is not mounted is something.
fn found(file: &Path) -> Result<Option<Metadata>, BackupError> {
    match fs::symlink_metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some).naming("read", file),
    }
}

/// Reads the one in a directory that nobody uses, if there is one.
pub fn verify(directory: &Path) -> Result<FoundAccounts, BackupError> {
    let file = directory.join(SQLITE_FILE);
    if found(&file)?.is_none() { Ok(FoundAccounts::default()) } else { verified(&file) }
}

fn verified(file: &Path) -> Result<FoundAccounts, BackupError> {
    let (bytes, checksum) = checksum_of(file).naming("read", file)?;
    match verify_backup(file) {
        // Never negative.
        Ok(accounts) => {
            let accounts = AccountsSaid { accounts: accounts.try_into().unwrap_or(0), checksum };
            Ok(FoundAccounts { bytes, said: Some(accounts), faults: 0 })
        }
        Err(error) => {
            say_fault(&error);
            Ok(FoundAccounts { bytes, said: None, faults: 1 })
        }
    }
}

/// How long a file is, and its CRC-32C. A million accounts take hundreds of megabytes: it is not read at once.
fn checksum_of(file: &Path) -> io::Result<(u64, u32)> {
    let mut file = BufReader::with_capacity(BLOCK_BYTES, File::open(file)?);
    let (mut bytes, mut checksum) = (0, 0);
    loop {
        let block = file.fill_buf()?;
        if block.is_empty() {
            return Ok((bytes, checksum));
        }
        checksum = crc32c::crc32c_append(checksum, block);
        let read = block.len();
        bytes += read as u64;
        file.consume(read);
    }
}

fn is_of_its_contents(error: &DirectoryError) -> bool {
    let DirectoryError::Unavailable(Unavailable { cause, .. }) = error else { return false };
    matches!(cause, Cause::Damaged | Cause::Foreign | Cause::LaterVersion)
}

fn say_fault(error: &DirectoryError) {
    eprintln!("madang: {}", visible(&error.to_string()));
}
