//! A directory of backups: who may use it, and what is in it.

use super::account::Account;
use super::error::{BackupError, Naming};
use super::name::{BackupState, BackupTime};
use madang_log::{open_regular, open_regular_by};
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Says that a directory holds backups, in its first line.
const MARKER_FILE: &str = "madang.backups";
/// It is written beside, and renamed.
const NEW_MARKER_FILE: &str = "madang.backups.new";
/// Locked while a backup is made, or one is restored; its content only names the process.
const LOCK_FILE: &str = "madang.backups.lock";
/// What the marker says; the number is the version.
const TITLE: &str = "madang backups 1";
const TITLE_WORDS: &str = "madang backups ";
/// File systems make it by themselves.
pub const LOST_AND_FOUND: &str = "lost+found";
/// The maximum of bytes that are read of either file.
const FILE_BYTES_MAX: u64 = 256;

/// A directory of backups, which is locked as long as this lives.
#[derive(Debug)]
pub struct BackupPlace {
    path: PathBuf,
    /// `None` where there is no lock file to lock.
    _lock: Option<File>,
}

/// A backup, finished or not.
#[derive(Clone, Debug)]
pub struct FoundBackup {
    /// When it began.
    pub time: BackupTime,
    /// What became of it.
    pub state: BackupState,
    /// Its directory.
    pub path: PathBuf,
}

impl FoundBackup {
    /// That of a directory whose name says so. One that does not say what it holds is not whole: a part of it may be
    /// missing.
    pub fn of(time: BackupTime, state: BackupState, path: PathBuf) -> FoundBackup {
        let is_said = || Account::read(&path).is_some_and(|account| account.faults == 0);
        let is_faulty = state == BackupState::Whole && !is_said();
        FoundBackup { time, state: if is_faulty { BackupState::Faulty } else { state }, path }
    }
}

impl BackupPlace {
    /// Creates it if it is missing (its parent must exist), for its owner alone, and locks it.
    pub fn take(path: &Path, data: &Path) -> Result<BackupPlace, BackupError> {
        refuse_inside(path, data)?;
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => {
                made.naming("create directory of backups", path)?;
                sync_directory(parent_of(path))?;
            }
        }
        if !is_marked(path)? {
            if !is_free(path)? {
                return Err(BackupError::OfOthers(path.to_owned()));
            }
            mark(path)?;
        }
        let lock_path = path.join(LOCK_FILE);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut lock = open_regular_by(&mut options, &lock_path).naming("open lock file", &lock_path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(BackupError::InUse { path: path.to_owned(), holder: holder(&mut lock) });
            }
            Err(TryLockError::Error(source)) => return Err(source).naming("lock", &lock_path),
        }
        let words = format!("process {} (madang backup)\n", std::process::id());
        // Only people read it.
        let _ = lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| lock.write_all(words.as_bytes()));
        Ok(BackupPlace { path: path.to_owned(), _lock: Some(lock) })
    }

    /// One that is only listed, whatever is done in it; `None` if this is no directory of backups.
    pub fn look_unlocked(path: &Path) -> Result<Option<BackupPlace>, BackupError> {
        Ok(is_marked(path)?.then(|| BackupPlace { path: path.to_owned(), _lock: None }))
    }

    /// One that is only read, perhaps on a medium that cannot be written; `None` if this is no directory of backups.
    pub fn look(path: &Path) -> Result<Option<BackupPlace>, BackupError> {
        if !is_marked(path)? {
            return Ok(None);
        }
        let mut lock = open_regular(&path.join(LOCK_FILE)).ok();
        if let Some(lock) = &mut lock
            && matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock))
        {
            return Err(BackupError::InUse { path: path.to_owned(), holder: holder(lock) });
        }
        Ok(Some(BackupPlace { path: path.to_owned(), _lock: lock }))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The backups in it, the oldest first.
    pub fn backups(&self) -> Result<Vec<FoundBackup>, BackupError> {
        let list = || -> io::Result<Vec<FoundBackup>> {
            let mut found = Vec::new();
            for entry in fs::read_dir(&self.path)? {
                let entry = entry?;
                let named = entry.file_name().to_str().and_then(BackupTime::parse_name);
                let Some((time, state)) = named.filter(|_| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                else {
                    continue;
                };
                found.push(FoundBackup::of(time, state, entry.path()));
            }
            found.sort_by_key(|backup| backup.time);
            Ok(found)
        };
        list().naming("list directory of backups", &self.path)
    }

    /// The newest backup without faults.
    pub fn newest_whole(&self) -> Result<Option<FoundBackup>, BackupError> {
        Ok(self.backups()?.into_iter().rfind(|backup| backup.state == BackupState::Whole))
    }

    /// Removes what interrupted commands left.
    pub fn remove_unfinished(&self) -> Result<(), BackupError> {
        let backups = self.backups()?;
        let mut unfinished = backups.iter().filter(|backup| backup.state == BackupState::Unfinished);
        unfinished.try_for_each(|backup| {
            fs::remove_dir_all(&backup.path).naming("remove unfinished backup", &backup.path)
        })
    }

    /// Removes whole backups that are older than so many days (0 keeps all), the oldest first and never the newest.
    /// Returns how many.
    pub fn remove_expired(&self, keep_days: u64, now: BackupTime) -> Result<usize, BackupError> {
        if keep_days == 0 {
            return Ok(0);
        }
        let mut whole = self.backups()?;
        whole.retain(|backup| backup.state == BackupState::Whole);
        whole.pop();
        whole.retain(|backup| backup.time.is_older_than(keep_days, now));
        for backup in &whole {
            // So that one whose removal is interrupted is not taken for a whole one.
            let removed = self.path.join(backup.time.name(BackupState::Unfinished));
            fs::rename(&backup.path, &removed)
                .and_then(|()| fs::remove_dir_all(&removed))
                .naming("remove old backup", &backup.path)?;
        }
        Ok(whole.len())
    }
}

/// Names, of a directory without a whole backup, the newest that has faults.
pub fn with_faulty(error: BackupError) -> BackupError {
    let BackupError::NoBackup { from, until: None } = error else { return error };
    let backups = match BackupPlace::look_unlocked(&from) {
        Ok(Some(place)) => place.backups().unwrap_or_default(),
        _ => Vec::new(),
    };
    match backups.into_iter().rfind(|backup| backup.state == BackupState::Faulty) {
        Some(FoundBackup { path: faulty, .. }) => BackupError::OnlyFaulty { from, faulty },
        None => BackupError::NoBackup { from, until: None },
    }
}

/// The directory that holds a path.
pub fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The path of what lies beside another, with a suffix to its name.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes a directory for what is being made, and locks it. What an interrupted process left there is removed after
/// `clear_around`; `removal` says so in errors. `in_use` is the error when another process is at it.
pub fn take_unfinished(
    directory: &Path,
    removal: &'static str,
    in_use: impl Fn() -> BackupError,
    clear_around: impl FnOnce() -> Result<(), BackupError>,
) -> Result<File, BackupError> {
    let lock = || -> Result<File, BackupError> {
        let opened = File::open(directory).naming("open directory", directory)?;
        opened.try_lock().map_err(|_| in_use())?;
        Ok(opened)
    };
    if directory.exists() {
        let _lock = lock()?;
        clear_around()?;
        fs::remove_dir_all(directory).naming(removal, directory)?;
    }
    DirBuilder::new().mode(0o700).create(directory).naming("create directory", directory)?;
    lock()
}

/// Makes sure that the names in a directory are on disk.
pub fn sync_directory(path: &Path) -> Result<(), BackupError> {
    File::open(path).and_then(|directory| directory.sync_all()).naming("sync directory", path)
}

/// Refuses to put a backup into the data directory that it is of.
pub fn refuse_inside(to: &Path, data: &Path) -> Result<(), BackupError> {
    // It may not exist yet.
    let resolved = fs::canonicalize(to).or_else(|_| {
        let parent = fs::canonicalize(parent_of(to))?;
        Ok::<_, io::Error>(to.file_name().map_or(parent.clone(), |name| parent.join(name)))
    });
    let resolved = resolved.naming("create directory of backups", to)?;
    let inside = fs::canonicalize(data).naming("read data directory", data)?;
    match resolved.starts_with(&inside) {
        true => Err(BackupError::InsideData { to: to.to_owned(), data: data.to_owned() }),
        false => Ok(()),
    }
}

/// Whether a directory says that it holds backups.
fn is_marked(path: &Path) -> Result<bool, BackupError> {
    let marker = path.join(MARKER_FILE);
    let file = match open_regular(&marker) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => file.naming("read", &marker)?,
    };
    let mut text = String::new();
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).naming("read", &marker)?;
    match text.lines().next().unwrap_or_default() {
        TITLE => Ok(true),
        form if form.starts_with(TITLE_WORDS) => {
            Err(BackupError::LaterVersion { path: marker, form: form.to_owned() })
        }
        _ => Ok(false),
    }
}

/// Whether nothing is in a directory but what we put there ourselves.
fn is_free(path: &Path) -> Result<bool, BackupError> {
    let is_ours = |name: &str| [NEW_MARKER_FILE, LOCK_FILE, LOST_AND_FOUND].contains(&name);
    let entries = fs::read_dir(path).naming("list directory of backups", path)?;
    for entry in entries {
        let entry = entry.naming("list directory of backups", path)?;
        if !entry.file_name().to_str().is_some_and(is_ours) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn mark(path: &Path) -> Result<(), BackupError> {
    let (beside, marker) = (path.join(NEW_MARKER_FILE), path.join(MARKER_FILE));
    let write = || -> io::Result<()> {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        writeln!(file, "{TITLE}")?;
        file.sync_all()?;
        fs::rename(&beside, &marker)
    };
    write().naming("write", &marker)?;
    sync_directory(path)
}

/// The process that holds a lock, as the lock file says.
fn holder(lock: &mut File) -> String {
    let mut words = String::new();
    let is_read = lock.take(FILE_BYTES_MAX).read_to_string(&mut words).is_ok();
    let words = words.trim();
    let process =
        words.strip_prefix("process ").and_then(|words| words.split(' ').next()?.parse::<u32>().ok());
    // One that restores does not name itself.
    let is_there = process.is_some_and(|process| Path::new(&format!("/proc/{process}")).exists());
    let is_plain = is_read && is_there && !words.contains(char::is_control);
    if is_plain { words.to_owned() } else { "another process".to_owned() }
}
