//! The data directory, which one process at a time owns.

use madang_log::{InodeIdentity, open_regular, open_regular_by};
use rustix::fd::OwnedFd;
use rustix::process::geteuid;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// Locked while a process uses the directory; its content only names the process. The file outlives the process:
/// only the lock counts.
const LOCK_FILE: &str = "madang.lock";
/// The maximum of bytes that are read from the lock file.
const HOLDER_BYTES_MAX: u64 = 256;
/// How long a process that only checks the lock may hold it.
const LOOK_TIME_MAX: Duration = Duration::from_millis(50);
const PROBE_FILE: &str = "madang.probe";
/// The command that serves.
pub const SERVE: &str = "serve";
/// A data directory that is the root of a file system has it while it is restored.
pub const RESTORING: &str = ".restoring";
/// A backup has it, and a data directory never.
pub const BACKUP_FILE: &str = "madang.backup";

/// A data directory that is locked by this process as long as this lives.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    lock: File,
    is_copy: bool,
}

/// Why the data directory cannot be used.
#[derive(thiserror::Error, Debug)]
pub enum DataDirectoryError {
    /// Another process has locked it.
    #[error("data directory '{}' is in use by {holder}; stop it or pass another --data", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
        /// That process.
        holder: String,
    },
    /// The path is no directory.
    #[error("data directory '{}' is not a directory; pass another --data", .0.display())]
    NotADirectory(PathBuf),
    /// One of our files is no regular file.
    #[error("cannot use '{}': {source}; move it away: madang creates it again", file.display())]
    NotAFile {
        /// The file.
        file: PathBuf,
        /// What it is.
        source: io::Error,
    },
    /// The path is a backup, or something was copied from one.
    #[error(
        "'{}' is a backup, which stays as it was made: put it into a data directory with `madang restore --data … {}`; if \
         it is a data directory that a backup was copied into, remove '{}'",
        .0.display(),
        .0.display(),
        .0.join(BACKUP_FILE).display()
    )]
    IsBackup(PathBuf),
    /// A restore into it was interrupted.
    #[error(
        "a restore into data directory '{}' was interrupted, and a part of it may be missing; repeat it (`madang \
         restore`), or, if this directory is whole (`madang log verify --data {}`), remove '{}'",
        .0.display(),
        .0.display(),
        .0.join(RESTORING).display()
    )]
    HalfRestored(PathBuf),
    /// Root would create files in it that its owner cannot use.
    #[error(
        "data directory '{}' belongs to user {owner}, and root would leave files in it that this user cannot \
         write; run as that user (`setpriv --reuid={owner} --regid={group} --clear-groups madang {command} …`)",
        path.display()
    )]
    OwnedByAnother {
        /// The directory.
        path: PathBuf,
        /// Its user id.
        owner: u32,
        /// Its group id.
        group: u32,
        /// What was to be run.
        command: &'static str,
    },
    /// The system refused.
    #[error("cannot {doing} data directory '{}': {source}; {remedy}", path.display())]
    Refused {
        /// The failed action.
        doing: &'static str,
        /// The directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
        /// What to do.
        remedy: &'static str,
    },
}

impl DataDirectory {
    /// A directory whose lock another process has handed over: it was never free.
    pub fn taken_over(path: &Path, lock: OwnedFd) -> DataDirectory {
        DataDirectory { path: path.to_owned(), lock: File::from(lock), is_copy: false }
    }

    /// A directory whose lock the old process has stored; `None` if it is the lock of another directory.
    pub fn from_stored_lock(path: &Path, lock: OwnedFd) -> Option<DataDirectory> {
        let lock = File::from(lock);
        let (found, wanted) = (lock.metadata().ok()?, fs::metadata(path.join(LOCK_FILE)).ok()?);
        let is_it = (found.dev(), found.ino()) == (wanted.dev(), wanted.ino()) && lock.try_lock().is_ok();
        is_it.then(|| DataDirectory { path: path.to_owned(), lock, is_copy: false })
    }

    /// Writes this process into the lock file.
    pub fn record_holder(&mut self) {
        // Only people read it.
        let own = InodeIdentity::of(&self.lock);
        let _ = write_holder(&mut self.lock, own, SERVE);
    }

    /// The lock, to be handed over.
    pub fn lock(&self) -> Option<OwnedFd> {
        self.lock.try_clone().ok().map(OwnedFd::from)
    }

    /// Creates it if it is missing (its parent must exist), for its owner alone, and locks it for this command of
    /// `madang`.
    ///
    /// # Errors
    /// [`DataDirectoryError`].
    pub fn take(path: &Path, command: &'static str) -> Result<DataDirectory, DataDirectoryError> {
        create(path).map_err(|source| refused("create", path, source))?;
        let metadata = fs::metadata(path).map_err(|source| refused("read", path, source))?;
        if !metadata.is_dir() {
            return Err(DataDirectoryError::NotADirectory(path.to_owned()));
        }
        if path.join(BACKUP_FILE).exists() {
            return Err(DataDirectoryError::IsBackup(path.to_owned()));
        }
        if path.join(RESTORING).exists() {
            return Err(DataDirectoryError::HalfRestored(path.to_owned()));
        }
        let (owner, group) = (metadata.uid(), metadata.gid());
        if geteuid().is_root() && owner != 0 {
            return Err(DataDirectoryError::OwnedByAnother { path: path.to_owned(), owner, group, command });
        }
        // A directory of this user is made private later.
        if metadata.mode() & 0o007 != 0 && owner != geteuid().as_raw() {
            tracing::warn!(
                "data directory '{}' is open to every user of this machine (mode {:04o}), and it holds what \
                 people write; close it with `chmod o= {}`",
                path.display(),
                metadata.mode() & 0o7777,
                path.display()
            );
        }
        let (lock, is_copy) = lock(path, command)?;
        try_to_write(path)?;
        Ok(DataDirectory { path: path.to_owned(), lock, is_copy })
    }

    /// Whether it is certainly a copy of the directory that was served last: its lock file is another file.
    pub fn is_copy(&self) -> bool {
        self.is_copy
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Whether a process has locked this directory, and the process in its lock file is `madang serve`. The lock file
/// of a copy names a process with another directory: the lock decides.
pub fn holder_serves(path: &Path) -> bool {
    let Ok(mut file) = open_regular(&path.join(LOCK_FILE)) else { return false };
    if !is_locked(&file) {
        return false;
    }
    let holder = holder(&mut file);
    let process = holder.strip_prefix("process ").and_then(|words| words.split(' ').next());
    let Some(process) = process.and_then(|digits| digits.parse::<u32>().ok()) else { return false };
    // Its process id may be reused, and a zombie has no command line.
    let words = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    words.split(|byte| *byte == 0).any(|word| word == b"serve")
}

/// Whether a server has used this directory, and none does now.
pub fn was_served(path: &Path) -> bool {
    open_regular(&path.join(LOCK_FILE)).is_ok_and(|file| !is_locked(&file))
}

/// Whether another process has the lock. This takes a shared lock, which other checks can share, and which a server
/// that is just starting waits for.
fn is_locked(file: &File) -> bool {
    match file.try_lock_shared() {
        Ok(()) => {
            // Closing the file unlocks it, too.
            let _ = file.unlock();
            false
        }
        Err(TryLockError::WouldBlock) => true,
        Err(TryLockError::Error(_)) => false,
    }
}

/// Only the last level is created: a completely new path is more often a typing error, or a disk that is not mounted.
fn create(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn lock(path: &Path, command: &str) -> Result<(File, bool), DataDirectoryError> {
    let mut file =
        open_own(OpenOptions::new().read(true).write(true).create(true).truncate(false), path, LOCK_FILE)?;
    let asked_at = Instant::now();
    let mut locked = file.try_lock();
    while matches!(locked, Err(TryLockError::WouldBlock)) && asked_at.elapsed() < LOOK_TIME_MAX {
        std::thread::sleep(Duration::from_millis(1));
        locked = file.try_lock();
    }
    match locked {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(DataDirectoryError::InUse { path: path.to_owned(), holder: holder(&mut file) });
        }
        Err(TryLockError::Error(source)) => return Err(refused("lock", path, source)),
    }
    let own = InodeIdentity::of(&file);
    let copied = written_file(&mut file).filter(|written| own.is_some_and(|own| written.is_another(own)));
    // A copy counts as a copy until it is served.
    write_holder(&mut file, copied.or(own), command).map_err(|source| refused("write to", path, source))?;
    Ok((file, copied.is_some()))
}

/// Opens one of our own files; only a regular file is opened.
fn open_own(options: &mut OpenOptions, path: &Path, name: &str) -> Result<File, DataDirectoryError> {
    let file = path.join(name);
    open_regular_by(options.mode(0o600), &file).map_err(|source| match source.kind() {
        io::ErrorKind::InvalidInput => DataDirectoryError::NotAFile { file, source },
        _ => refused("write to", path, source),
    })
}

/// The identity that the lock file contains; `None` if an earlier version wrote it.
fn written_file(file: &mut File) -> Option<InodeIdentity> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(HOLDER_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.lines().find_map(InodeIdentity::parse)
}

/// A time for people. The clock may be out of range.
fn readable(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time)
        .map_or_else(|_| "a time beyond the year 9999".to_owned(), |time| time.to_string())
}

fn write_holder(file: &mut File, identity: Option<InodeIdentity>, command: &str) -> io::Result<()> {
    let (process, since) = (std::process::id(), readable(SystemTime::now()));
    let identity = identity.map_or_else(String::new, |identity| format!("{identity}\n"));
    let line = format!("process {process} (madang {command}), since {since}\n{identity}");
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(line.as_bytes())
}

/// The holder of the lock, as the lock file describes it.
fn holder(file: &mut File) -> String {
    let mut line = String::new();
    let is_read = file.take(HOLDER_BYTES_MAX).read_to_string(&mut line).is_ok();
    let (line, rest) = line.trim().split_once('\n').unwrap_or((line.trim(), ""));
    let is_ours = rest.is_empty() || InodeIdentity::parse(rest).is_some();
    let is_plain = line.starts_with("process ") && !line.contains(char::is_control) && is_ours;
    if is_read && is_plain { line.to_owned() } else { "another process".to_owned() }
}

/// Creates a file: an existing lock file can be opened even if no file can be created.
fn try_to_write(path: &Path) -> Result<(), DataDirectoryError> {
    open_own(OpenOptions::new().write(true).create(true).truncate(true), path, PROBE_FILE)?;
    fs::remove_file(path.join(PROBE_FILE)).map_err(|source| refused("write to", path, source))
}

fn refused(doing: &'static str, path: &Path, source: io::Error) -> DataDirectoryError {
    let remedy = match source.kind() {
        io::ErrorKind::PermissionDenied => "run as the user that owns it, or pass --data",
        io::ErrorKind::NotFound => "create the directory above it (is its disk mounted?), or pass --data",
        io::ErrorKind::ReadOnlyFilesystem => "mount its file system for writing, or pass --data",
        io::ErrorKind::StorageFull => "make room on its file system, or pass --data",
        io::ErrorKind::Unsupported => "its file system has no locks: pass --data on a local disk",
        _ => "check its file system, or pass --data",
    };
    DataDirectoryError::Refused { doing, path: path.to_owned(), source, remedy }
}

#[cfg(test)]
mod tests;
