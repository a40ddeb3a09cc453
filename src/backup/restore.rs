//! `madang restore`.

use super::account::Account;
use super::accounts;
use super::archive;
use super::copying::Copying;
use super::destination::Destination;
use super::erasures;
use super::error::{BackupError, Naming};
use super::moment;
use super::name::{BackupState, BackupTime};
use super::place::{BackupPlace, FoundBackup, parent_of};
use super::{BackupOutcome, exit_code, messages, say, verify_copy};
use crate::data_option::DataOption;
use crate::log_command::civil;
use crate::log_command::progress::Progress;
use crate::server::BACKUP_FILE;
use crate::terminal::visible;
use clap::{Args, ValueHint};
use madang_directory::SQLITE_FILE;
use madang_log::StdFiles;
use madang_model::{Timestamp, counted};
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// What to restore, and where to.
#[derive(Args, Debug)]
pub struct RestoreArguments {
    #[command(flatten)]
    data: DataOption,

    /// A backup, or a directory of backups, of which the newest whole one is restored
    #[arg(value_name = "BACKUP", value_hint = ValueHint::AnyPath)]
    from: PathBuf,

    /// Restore the newest whole backup that began by then: its name, a date (its start, UTC) or a time of RFC 3339
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<i64>,

    /// Restore a backup although it has faults; it must be named itself
    #[arg(long)]
    accept_faults: bool,

    /// Erase what this list has, too: a madang.erasures, or a data directory (as the one that is replaced) that has one. May
    /// be given several times
    #[arg(long, value_name = "LIST", value_hint = ValueHint::AnyPath)]
    erasures: Vec<PathBuf>,

    /// Only list the backups, with their messages, rooms and bytes
    #[arg(long, conflicts_with_all = ["at", "accept_faults", "data", "erasures"])]
    list: bool,
}

fn parse_time(given: &str) -> Result<i64, String> {
    BackupTime::parse(given).map_or_else(|| civil::parse(given), |time| Ok(time.microseconds()))
}

/// Restores a backup, or lists what there is.
pub fn restore(arguments: &RestoreArguments) -> ExitCode {
    exit_code(if arguments.list { list(&arguments.from) } else { run(arguments) })
}

fn list(from: &Path) -> Result<BackupOutcome, BackupError> {
    let place = if archive::is_archive(from) { None } else { BackupPlace::look_unlocked(from)? };
    let backups = match place {
        Some(place) => place.backups()?,
        None => vec![named(from)?],
    };
    let logs: Vec<Option<i64>> = backups.iter().map(|backup| erasures::log_of(&backup.path)).collect();
    let has_several = logs.iter().flatten().collect::<BTreeSet<_>>().len() > 1;
    // Which log each is of matters only where there are several.
    let line = |state: &str, log: &str| match has_several {
        true => format!("  {state:<12}{log}\n"),
        false => format!("  {state}\n"),
    };
    let mut text = format!("{:<22}{:>12}{:>10}{:>16}", "time", "messages", "rooms", "bytes");
    text.push_str(&line("state", "log"));
    for (backup, log) in backups.into_iter().zip(logs) {
        let state = match backup.state {
            BackupState::Whole => "whole",
            BackupState::Faulty => "faulty",
            BackupState::Unfinished => "unfinished",
        };
        let account = account_of(&backup.path)?;
        let shown = |number: fn(&Account) -> u64| {
            account.as_ref().map_or_else(|| "?".to_owned(), |account| number(account).to_string())
        };
        let (messages, rooms) = (shown(|account| account.messages), shown(|account| account.rooms));
        let bytes = shown(|account| account.bytes);
        text.push_str(&format!("{:<22}{messages:>12}{rooms:>10}{bytes:>16}", backup.time.to_string()));
        text.push_str(&line(state, &log.map_or_else(|| "-".to_owned(), |log| log.to_string())));
    }
    match io::stdout().write_all(text.as_bytes()) {
        // A reader that ends early (`| head`) is no failure.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).naming("write to", Path::new("/dev/stdout"))
        }
        _ => Ok(BackupOutcome::Done),
    }
}

fn run(arguments: &RestoreArguments) -> Result<BackupOutcome, BackupError> {
    let began = Instant::now();
    let (backup, _place) = choose(arguments)?;
    let is_archive = archive::is_archive(&backup.path);
    let written = account_of(&backup.path)?;
    match backup.state {
        BackupState::Whole => {}
        BackupState::Unfinished => return Err(BackupError::Unfinished(backup.path)),
        BackupState::Faulty if arguments.accept_faults => {}
        BackupState::Faulty => {
            let path = visible_path(&backup.path);
            let faults = match is_archive {
                true => String::new(),
                false => format!(": see them with `madang log verify --data {path}`"),
            };
            eprintln!("madang: '{path}' has faults{faults}; restore another, or pass --accept-faults");
            return Ok(BackupOutcome::Faulty);
        }
    }
    let destination = Destination::take(&arguments.data.to_running())?;
    let restoring = destination.restoring();
    let copied = match is_archive {
        true => unpack(&backup.path, restoring),
        false => copy(&backup.path, restoring)
            .and_then(|bytes| Ok(bytes + accounts::copy(&backup.path, restoring)?)),
    };
    let erased = copied.and_then(|bytes| {
        let own = if is_archive { restoring } else { &backup.path };
        let list = erasures::gather(&backup.path, own, &arguments.erasures)?;
        Ok((bytes, erasures::apply(restoring, list)?))
    });
    let judged = erased.and_then(|(bytes, erased)| {
        let (account, newest) = judged(&backup.path, restoring, bytes, written)?;
        erasures::begin_life(restoring, newest)?;
        Ok((account, erased))
    });
    let (account, erased) = match judged {
        Ok(judged) if judged.0.faults == 0 || arguments.accept_faults => judged,
        refused => {
            destination.abandon();
            let faults = counted(refused?.0.faults, "fault");
            let path = visible_path(&backup.path);
            eprintln!(
                "madang: the restored copy of '{path}' has {faults}, and was removed; restore another backup, or \
                 pass --accept-faults"
            );
            return Ok(BackupOutcome::Faulty);
        }
    };
    let data = destination.finish()?;
    let (erased, is_all_erased) = erased;
    let erased = match erased {
        0 => String::new(),
        1 => "; 1 message erased that was erased since".to_owned(),
        erased => format!("; {} erased that were erased since", counted(erased, "message")),
    };
    say(&format!(
        "restored {} from {}: {} in {}{}, {}, {:.1} s{erased}; the next start begins a new epoch\n",
        visible_path(&data),
        visible_path(&backup.path),
        counted(account.messages, "message"),
        counted(account.rooms, "room"),
        accounts::words(account.accounts),
        counted(account.bytes, "byte"),
        began.elapsed().as_secs_f64()
    ));
    Ok(if is_all_erased { BackupOutcome::Done } else { BackupOutcome::Faulty })
}

/// What a backup says that it holds, if it does.
fn account_of(backup: &Path) -> Result<Option<Account>, BackupError> {
    match archive::is_archive(backup) {
        true => archive::account(backup).naming("read backup", backup),
        false => Ok(Account::read(backup)),
    }
}

fn visible_path(path: &Path) -> String {
    visible(&path.display().to_string()).into_owned()
}

/// The backup to restore, and the directory of backups around it, so that it stays there.
fn choose(arguments: &RestoreArguments) -> Result<(FoundBackup, Option<BackupPlace>), BackupError> {
    let (from, until_us) = (arguments.from.as_path(), arguments.at);
    let place = if archive::is_archive(from) { None } else { BackupPlace::look(from)? };
    if let Some(place) = place {
        if arguments.accept_faults {
            return Err(BackupError::NotNamed(from.to_owned()));
        }
        let is_wanted = |backup: &FoundBackup| {
            backup.state == BackupState::Whole
                && until_us.is_none_or(|until_us| backup.time.microseconds() <= until_us)
        };
        let found = place.backups()?.into_iter().rfind(is_wanted);
        let until = until_us.map(|until_us| civil::Clock::default().second(until_us).to_owned());
        let found = found.ok_or_else(|| BackupError::NoBackup { from: from.to_owned(), until })?;
        return Ok((found, Some(place)));
    }
    let backup = named(from)?;
    if until_us.is_some() {
        return Err(BackupError::Named(backup.path));
    }
    let place = BackupPlace::look(parent_of(&backup.path))?;
    Ok((backup, place))
}

/// The backup of this path.
fn named(from: &Path) -> Result<FoundBackup, BackupError> {
    let none = || BackupError::NoBackup { from: from.to_owned(), until: None };
    let path = match fs::canonicalize(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(none()),
        path => path.naming("read backup", from)?,
    };
    if archive::is_archive(&path) {
        let account = archive::account(&path).naming("read backup", &path)?.ok_or_else(none)?;
        return unnamed(path, &account);
    }
    if let Some((time, state)) = path.file_name().and_then(|name| BackupTime::parse_name(name.to_str()?)) {
        return Ok(FoundBackup::of(time, state, path));
    }
    // One that was renamed.
    let account = Account::read(&path).ok_or_else(none)?;
    unnamed(path, &account)
}

/// A backup whose name says nothing.
fn unnamed(path: PathBuf, account: &Account) -> Result<FoundBackup, BackupError> {
    let state = if account.faults == 0 { BackupState::Whole } else { BackupState::Faulty };
    let renamed = fs::metadata(&path).and_then(|found| found.modified()).naming("read backup", &path)?;
    let time = BackupTime::of(renamed).ok_or(BackupError::NoTime)?;
    Ok(FoundBackup { time, state, path })
}

/// Unpacks the log of a backup that is one file. Returns how many bytes that were.
fn unpack(backup: &Path, to: &Path) -> Result<u64, BackupError> {
    let mut progress = Progress::begin_of(|| fs::metadata(backup).map_or(0, |file| file.len()));
    let mut bytes = 0;
    let unpacked = archive::unpack(backup, to, &mut |read| {
        bytes += read;
        progress.read(read);
    });
    progress.clear();
    unpacked?;
    // A data directory has none.
    let said = to.join(BACKUP_FILE);
    if said.exists() {
        fs::remove_file(&said).naming("remove", &said)?;
    }
    // Counted as what a backup copies, where what is there can be.
    let files = StdFiles::new(to);
    let accounts_bytes = fs::metadata(to.join(SQLITE_FILE)).map_or(0, |file| file.len());
    Ok(moment::take(&files, to)
        .map_or(bytes, |moment| moment::copied_bytes(&moment, &files) + accounts_bytes))
}

/// Copies the log of a backup. Returns how many bytes that were.
fn copy(backup: &Path, to: &Path) -> Result<u64, BackupError> {
    let files = StdFiles::new(backup);
    let mut moment = moment::take(&files, backup)?;
    let mut progress = Progress::begin_of(|| moment::segment_bytes(&moment));
    let copied = Copying { files: &files, to, earlier: None, progress: &mut |bytes| progress.read(bytes) }
        .run(&mut moment);
    progress.clear();
    Ok(copied?.ok_or_else(|| BackupError::TooFast(backup.to_owned()))?.copied_bytes)
}

/// Verifies a copy; also that it holds what the backup says that it does. Returns also when its newest entry was accepted.
fn judged(
    backup: &Path,
    to: &Path,
    copied_bytes: u64,
    written: Option<Account>,
) -> Result<(Account, Option<Timestamp>), BackupError> {
    let verification = verify_copy(to, &|_, _| false)?;
    let accounts = accounts::verify(to)?;
    let mut account = Account {
        messages: messages(&verification),
        rooms: verification.rooms,
        bytes: copied_bytes,
        faults: verification.all_faults().count() as u64 + accounts.faults,
        accounts: accounts.said,
    };
    let amount =
        |of: &Account| format!("{} in {}", counted(of.messages, "message"), counted(of.rooms, "room"));
    let differs = match written {
        Some(written) if (written.messages, written.rooms) == (account.messages, account.rooms) => None,
        Some(written) => Some(format!("has {}, and should have {}", amount(&account), amount(&written))),
        None => Some(format!("does not say what it should have; it has {}", amount(&account))),
    };
    if let Some(differs) = differs {
        eprintln!("madang: '{}' {differs}; a part of it is missing, or was changed", visible_path(backup));
        account.faults += 1;
    }
    // What cannot be read was named.
    if accounts.faults == 0 && written.is_some_and(|written| written.accounts != account.accounts) {
        let path = visible_path(backup);
        eprintln!(
            "madang: the accounts of '{path}' are not those that were copied; a part is missing, or was changed"
        );
        account.faults += 1;
    }
    Ok((account, verification.newest()))
}
