//! What a backup says of itself, in a file beside its log.

use super::error::{BackupError, Naming};
use madang_log::open_regular;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::server::BACKUP_FILE as ACCOUNT_FILE;
/// The first line; the number is the version.
const TITLE: &str = "madang backup 1";
/// The maximum of bytes that are read.
const FILE_BYTES_MAX: u64 = 512;

/// What is in a backup.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Account {
    /// Its messages.
    pub messages: u64,
    /// The rooms that have some.
    pub rooms: u64,
    /// What it takes, links included.
    pub bytes: u64,
    /// What is wrong with it.
    pub faults: u64,
    /// What it has of accounts, if anything. Earlier releases neither write nor read that.
    pub accounts: Option<AccountsSaid>,
}

/// What a backup says of its directory of accounts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AccountsSaid {
    /// How many there are.
    pub accounts: u64,
    /// CRC-32C of the file.
    pub checksum: u32,
}

impl Account {
    /// Writes it into a backup, and makes sure that it is on disk.
    pub fn write(&self, backup: &Path) -> Result<(), BackupError> {
        let path = backup.join(ACCOUNT_FILE);
        let Account { messages, rooms, bytes, faults, accounts } = self;
        let mut text =
            format!("{TITLE}\nmessages {messages}\nrooms {rooms}\nbytes {bytes}\nfaults {faults}\n");
        if let Some(AccountsSaid { accounts, checksum }) = accounts {
            text.push_str(&format!("accounts {accounts} {checksum:08x}\n"));
        }
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        write().naming("write", &path)
    }

    /// That of a backup; `None` where there is none that can be read.
    pub fn read(backup: &Path) -> Option<Account> {
        Account::read_from(&mut open_regular(&backup.join(ACCOUNT_FILE)).ok()?)
    }

    /// The same from a file that is open.
    pub fn read_from(file: &mut dyn Read) -> Option<Account> {
        let mut text = String::new();
        file.take(FILE_BYTES_MAX).read_to_string(&mut text).ok()?;
        Account::parse(&text)
    }

    fn parse(text: &str) -> Option<Account> {
        let mut lines = text.lines();
        let is_titled = lines.next()? == TITLE;
        let mut number = |words: &str| lines.next()?.strip_prefix(words)?.parse().ok();
        let account = Account {
            messages: number("messages ")?,
            rooms: number("rooms ")?,
            bytes: number("bytes ")?,
            faults: number("faults ")?,
            accounts: lines.next().and_then(AccountsSaid::parse),
        };
        is_titled.then_some(account)
    }
}

impl AccountsSaid {
    fn parse(line: &str) -> Option<AccountsSaid> {
        let (accounts, checksum) = line.strip_prefix("accounts ")?.split_once(' ')?;
        let checksum = u32::from_str_radix(checksum, 16).ok()?;
        Some(AccountsSaid { accounts: accounts.parse().ok()?, checksum })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_says_what_it_holds_and_nothing_else_is_believed() {
        let directory = tempfile::tempdir().expect("a directory");
        assert_eq!(Account::read(directory.path()), None);
        let accounts = Some(AccountsSaid { accounts: 7, checksum: 0x0102_030a });
        let account = Account { messages: 4, rooms: 3, bytes: 2, faults: 1, accounts };
        account.write(directory.path()).expect("space");
        assert_eq!(Account::read(directory.path()), Some(account));
        let earlier = "madang backup 1\nmessages 4\nrooms 3\nbytes 2\nfaults 1\n";
        assert_eq!(Account::parse(earlier), Some(Account { accounts: None, ..account }));
        assert_eq!(Account::parse("madang backup 2\nmessages 4\nrooms 3\nbytes 2\nfaults 1\n"), None);
        assert_eq!(Account::parse("madang backup 1\nmessages 4\nrooms -3\n"), None);
    }
}
