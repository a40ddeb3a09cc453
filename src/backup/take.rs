//! `madang backup`.

use super::account::Account;
use super::accounts::{self, FoundAccounts};
use super::archive::{NewArchive, names_archive};
use super::copying::{Copied, Copying};
use super::erasures;
use super::error::{BackupError, Naming};
use super::moment;
use super::name::{BackupState, BackupTime};
use super::place::{BackupPlace, parent_of, refuse_inside, sync_directory};
use super::{BackupOutcome, exit_code, messages, say, verify_copy};
use crate::log_command::LogPlace;
use crate::log_command::progress::Progress;
use crate::terminal::visible;
use clap::{Args, ValueHint};
use madang_log::StdFiles;
use madang_model::counted;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

/// How often everything is copied again, as segments have expired that could not be held open.
const ATTEMPTS_MAX: u32 = 3;
/// How long to wait for another second, as a backup has the name of this one.
const BETWEEN: Duration = Duration::from_millis(50);

/// What to back up, and where to.
#[derive(Args, Debug)]
pub struct BackupArguments {
    #[command(flatten)]
    place: LogPlace,

    /// The directory of backups, created if missing; or a new file with a name that ends with .tar. Best on another disk
    #[arg(value_name = "DIRECTORY|FILE.tar", value_hint = ValueHint::AnyPath)]
    to: PathBuf,

    /// Copy and read every segment again, instead of linking to those of the last backup
    #[arg(long)]
    full: bool,
}

/// Makes a backup, and removes whole ones that are older than `keep_days` (0 keeps all). Accounts are no part of it where they
/// are in a database elsewhere.
pub fn back_up(arguments: &BackupArguments, keep_days: u64, with_accounts: bool) -> ExitCode {
    if !with_accounts {
        eprintln!(
            "madang: accounts are in the database of directory.url, and not in this backup: use pg_dump"
        );
    }
    exit_code(run(arguments, keep_days, with_accounts))
}

fn run(
    arguments: &BackupArguments,
    keep_days: u64,
    with_accounts: bool,
) -> Result<BackupOutcome, BackupError> {
    let began = Instant::now();
    let (data, files) = arguments.place.open().map_err(BackupError::NoLog)?;
    if names_archive(&arguments.to) {
        return to_archive(&files, &data, with_accounts, &arguments.to, began);
    }
    let place = BackupPlace::take(&arguments.to, &data)?;
    refuse_of_another_log(&place, &data)?;
    place.remove_unfinished()?;
    let time = free_time(&place)?;
    warn_of_later(&place, time)?;
    let unfinished = place.path().join(time.name(BackupState::Unfinished));
    make_directory(&unfinished)?;
    let earlier = if arguments.full { None } else { place.newest_whole()? };
    let earlier = earlier.map(|earlier| earlier.path);
    let made = make(&files, (&data, with_accounts), earlier.as_deref(), (&unfinished, place.path()));
    let (account, copied) = made.map_err(|error| {
        // A full disk gets its space back; if that fails, the next backup does it.
        let _ = fs::remove_dir_all(&unfinished);
        if error.is_of_full_disk() { BackupError::FullOfBackups(Box::new(error)) } else { error }
    })?;
    let state = if account.faults == 0 { BackupState::Whole } else { BackupState::Faulty };
    let finished = place.path().join(time.name(state));
    fs::rename(&unfinished, &finished).naming("rename finished backup", &unfinished)?;
    sync_directory(place.path())?;
    let removed = place.remove_expired(keep_days, time)?;
    Ok(report(&finished, &data, &account, &summary(&finished, &account, &copied, removed, began.elapsed())))
}

/// The same as one file.
fn to_archive(
    files: &StdFiles,
    data: &Path,
    with_accounts: bool,
    to: &Path,
    began: Instant,
) -> Result<BackupOutcome, BackupError> {
    refuse_inside(to, data)?;
    let new = NewArchive::begin(to)?;
    let contents = new.contents();
    let made = make_directory(&contents)
        .and_then(|()| make(files, (data, with_accounts), None, (&contents, parent_of(to))));
    let (account, copied) = match made {
        Ok(made) => made,
        Err(error) => {
            new.abandon();
            return Err(error);
        }
    };
    let finished = new.finish(account.faults > 0)?;
    Ok(report(&finished, data, &account, &summary(&finished, &account, &copied, 0, began.elapsed())))
}

fn report(finished: &Path, data: &Path, account: &Account, summary: &str) -> BackupOutcome {
    say(&format!("{}\n", visible(summary)));
    if account.faults == 0 {
        return BackupOutcome::Done;
    }
    eprintln!(
        "madang: the backup has {} and is kept as '{}'; what is named above is damaged, or the backup is: see `madang \
         log verify --data {}`, and repeat with --full if that finds nothing",
        counted(account.faults, "fault"),
        visible(&finished.display().to_string()),
        visible(&data.display().to_string())
    );
    BackupOutcome::Faulty
}

fn summary(path: &Path, account: &Account, copied: &Copied, removed: usize, took: Duration) -> String {
    let mut words = format!(
        "backup {}: {} in {}{}, {} copied, {} linked, {:.1} s",
        path.display(),
        counted(account.messages, "message"),
        counted(account.rooms, "room"),
        accounts::words(account.accounts),
        counted(copied.copied_bytes, "byte"),
        counted(copied.linked_bytes, "byte"),
        took.as_secs_f64()
    );
    if removed > 0 {
        words.push_str(&format!("; {} removed", counted(removed, "old backup")));
    }
    words
}

/// Backups of several logs would take each other's place: a restore takes the newest.
fn refuse_of_another_log(place: &BackupPlace, data: &Path) -> Result<(), BackupError> {
    let Some(newest) = place.newest_whole()? else { return Ok(()) };
    match (erasures::log_of(data), erasures::log_of(&newest.path)) {
        (Some(log), Some(other)) if log != other => {
            let data = data.to_owned();
            Err(BackupError::OfAnotherServer { data, log, newest: newest.path, other })
        }
        _ => Ok(()),
    }
}

/// The present second, if no backup has its name: else a later one.
fn free_time(place: &BackupPlace) -> Result<BackupTime, BackupError> {
    loop {
        let time = BackupTime::of(SystemTime::now()).ok_or(BackupError::NoTime)?;
        if place.backups()?.iter().all(|backup| backup.time != time) {
            return Ok(time);
        }
        sleep(BETWEEN);
    }
}

/// A restore takes the newest by name: after a clock that was wrong, that is an old one.
fn warn_of_later(place: &BackupPlace, time: BackupTime) -> Result<(), BackupError> {
    if let Some(later) = place.newest_whole()?.filter(|newest| newest.time > time) {
        eprintln!(
            "madang: '{}' has a later time than now, so a restore takes it first; if the clock was wrong then, rename \
             it",
            visible(&later.path.display().to_string())
        );
    }
    Ok(())
}

fn make_directory(path: &Path) -> Result<(), BackupError> {
    DirBuilder::new().mode(0o700).create(path).naming("create directory", path)
}

/// Copies the log, and verifies the copy. `beside` is where lists of erasures lie.
fn make(
    files: &StdFiles,
    (data, with_accounts): (&Path, bool),
    earlier: Option<&Path>,
    (to, beside): (&Path, &Path),
) -> Result<(Account, Copied), BackupError> {
    let erased_before = erasures::before_copy(data)?;
    let mut attempts_left = ATTEMPTS_MAX;
    let mut copied = loop {
        let mut moment = moment::take(files, data)?;
        let mut progress = Progress::begin_of(|| moment::segment_bytes(&moment));
        let copied =
            Copying { files, to, earlier, progress: &mut |bytes| progress.read(bytes) }.run(&mut moment);
        progress.clear();
        if let Some(copied) = copied? {
            break copied;
        }
        attempts_left -= 1;
        if attempts_left == 0 {
            return Err(BackupError::TooFast(data.to_owned()));
        }
        fs::remove_dir_all(to).naming("remove unfinished backup", to)?;
        make_directory(to)?;
    };
    // They were read when they were copied.
    let verification = verify_copy(to, &|shard, segment| copied.linked.contains(&(shard, segment)))?;
    let accounts = match with_accounts {
        true => accounts::back_up(data, to)?,
        false => FoundAccounts::default(),
    };
    copied.copied_bytes += accounts.bytes;
    let account = Account {
        messages: messages(&verification),
        rooms: verification.rooms,
        bytes: copied.copied_bytes + copied.linked_bytes,
        faults: verification.all_faults().count() as u64 + accounts.faults,
        accounts: accounts.said,
    };
    // After everything that is copied: what was erased meanwhile may be in the copy.
    erasures::keep(data, &erased_before, to, beside)?;
    account.write(to)?;
    sync_directory(to)?;
    Ok((account, copied))
}
