//! The data directory, owned by one process at a time.

use madang_log::{open_regular, open_regular_by};
use rustix::fd::OwnedFd;
use rustix::process::geteuid;
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// Locked while a process uses the directory; what it holds only tells who that is. It outlives
/// its process, which is fine: the lock decides, not the file.
const LOCK_FILE: &str = "madang.lock";
/// Bytes of the lock file that are read.
const HOLDER_BYTES_MAX: u64 = 256;
/// Before the number of the lock file itself, by which a copy is known as one.
const FILE_WORDS: &str = "file ";
/// Before the nanoseconds since 1970 when it was made.
const BORN_WORDS: &str = " born ";
/// How long those who only ask whether it is locked may have the lock.
const LOOK_TIME_MAX: Duration = Duration::from_millis(50);
const PROBE_FILE: &str = "madang.probe";

/// A data directory that is ours as long as this lives.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    lock: File,
    is_copy: bool,
}

/// Which file the lock file is. A copy of it is another: it has another number, and was made later, which no
/// program can set. Some file systems give files other numbers each time they are mounted, but no other birth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Identity {
    number: u64,
    /// In nanoseconds since 1970; `None` where the file system does not know it.
    born_ns: Option<u128>,
}

impl Identity {
    fn of(file: &File) -> Option<Identity> {
        let found = file.metadata().ok()?;
        let born = found.created().ok().and_then(|born| born.duration_since(SystemTime::UNIX_EPOCH).ok());
        Some(Identity { number: found.ino(), born_ns: born.map(|born| born.as_nanos()) })
    }

    fn parse(text: &str) -> Option<Identity> {
        let words = text.strip_prefix(FILE_WORDS)?;
        let (number, born) = words.split_once(BORN_WORDS).map_or((words, None), |(n, b)| (n, Some(b)));
        let born_ns = born.map(str::parse).transpose().ok()?;
        Some(Identity { number: number.parse().ok()?, born_ns })
    }

    /// Whether a file that says that it was this one is a copy of it. Where that is not sure it is none: in a
    /// copy losses are mended that are refused elsewhere.
    fn is_another(self, own: Identity) -> bool {
        let has_other_birth = self.born_ns.zip(own.born_ns).is_some_and(|(born, own)| born != own);
        has_other_birth && self.number != own.number
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{FILE_WORDS}{}", self.number)?;
        self.born_ns.map_or(Ok(()), |born_ns| write!(f, "{BORN_WORDS}{born_ns}"))
    }
}

/// Why the data directory cannot be used.
#[derive(thiserror::Error, Debug)]
pub enum DataDirectoryError {
    /// Somebody has it.
    #[error("data directory '{}' is in use by {holder}; stop it or pass another --data", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Who has it.
        holder: String,
    },
    /// There is something else by that name.
    #[error("data directory '{}' is not a directory; pass another --data", .0.display())]
    NotADirectory(PathBuf),
    /// Something else has the name of one of our files.
    #[error("cannot use '{}': {source}; move it away: madang creates it again", file.display())]
    NotAFile {
        /// The file.
        file: PathBuf,
        /// What it is.
        source: io::Error,
    },
    /// We would leave files in it that its owner cannot use.
    #[error(
        "data directory '{}' belongs to user {owner}, and root would leave files in it that this user cannot \
         write; run as that user (`setpriv --reuid={owner} --regid={group} --clear-groups madang serve …`)",
        path.display()
    )]
    OwnedByAnother {
        /// The directory.
        path: PathBuf,
        /// Its user, as a number.
        owner: u32,
        /// Its group, as a number.
        group: u32,
    },
    /// The system refused.
    #[error("cannot {doing} data directory '{}': {source}; {remedy}", path.display())]
    Refused {
        /// What we were about to do.
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
    /// Goes on with a directory whose lock another process has handed over: it was never free.
    pub fn taken_over(path: &Path, lock: OwnedFd) -> DataDirectory {
        DataDirectory { path: path.to_owned(), lock: File::from(lock), is_copy: false }
    }

    /// Goes on with a directory whose lock a process has left that has ended; `None` where it is the lock of
    /// another.
    pub fn left(path: &Path, lock: OwnedFd) -> Option<DataDirectory> {
        let lock = File::from(lock);
        let (found, wanted) = (lock.metadata().ok()?, fs::metadata(path.join(LOCK_FILE)).ok()?);
        let is_it = (found.dev(), found.ino()) == (wanted.dev(), wanted.ino()) && lock.try_lock().is_ok();
        is_it.then(|| DataDirectory { path: path.to_owned(), lock, is_copy: false })
    }

    /// Says in the lock file that this process has it.
    pub fn name_holder(&mut self) {
        // Only read by people.
        let own = Identity::of(&self.lock);
        let _ = write_holder(&mut self.lock, own);
    }

    /// The lock, to be handed over.
    pub fn lock(&self) -> Option<OwnedFd> {
        self.lock.try_clone().ok().map(OwnedFd::from)
    }

    /// Creates it if it is missing (its parent must exist), for its owner alone, and locks it.
    ///
    /// # Errors
    /// [`DataDirectoryError`] says who or what stands against it.
    pub fn take(path: &Path) -> Result<DataDirectory, DataDirectoryError> {
        create(path).map_err(|source| refused("create", path, source))?;
        let metadata = fs::metadata(path).map_err(|source| refused("read", path, source))?;
        if !metadata.is_dir() {
            return Err(DataDirectoryError::NotADirectory(path.to_owned()));
        }
        let (owner, group) = (metadata.uid(), metadata.gid());
        if geteuid().is_root() && owner != 0 {
            return Err(DataDirectoryError::OwnedByAnother { path: path.to_owned(), owner, group });
        }
        // What is ours is closed once it is taken.
        if metadata.mode() & 0o007 != 0 && owner != geteuid().as_raw() {
            tracing::warn!(
                "data directory '{}' is open to every user of this machine (mode {:04o}), and it holds what \
                 people write; close it with `chmod o= {}`",
                path.display(),
                metadata.mode() & 0o7777,
                path.display()
            );
        }
        let (lock, is_copy) = lock(path)?;
        try_to_write(path)?;
        Ok(DataDirectory { path: path.to_owned(), lock, is_copy })
    }

    /// Whether it was copied here from where it was served the last time: its lock file is another, as is sure.
    pub fn is_copy(&self) -> bool {
        self.is_copy
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Whether a process has this directory, and the one that its lock file names serves. A copy of a directory names a
/// process that has another one: the lock decides.
pub fn holder_serves(path: &Path) -> bool {
    let Ok(mut file) = open_regular(&path.join(LOCK_FILE)) else { return false };
    if !is_locked(&file) {
        return false;
    }
    let holder = holder(&mut file);
    let process = holder.strip_prefix("process ").and_then(|words| words.split(' ').next());
    let Some(process) = process.and_then(|digits| digits.parse::<u32>().ok()) else { return false };
    // Its number may be another's by now, and of a zombie there are no words.
    let words = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    words.split(|byte| *byte == 0).any(|word| word == b"serve")
}

/// Whether a server has had this directory, and none has it now.
pub fn was_served(path: &Path) -> bool {
    open_regular(&path.join(LOCK_FILE)).is_ok_and(|file| !is_locked(&file))
}

/// Whether another process has the lock. Asked for by a lock that is shared with those who ask as well, and that a
/// server which starts just now waits for.
fn is_locked(file: &File) -> bool {
    match file.try_lock_shared() {
        Ok(()) => {
            // Closing it does the same.
            let _ = file.unlock();
            false
        }
        Err(TryLockError::WouldBlock) => true,
        Err(TryLockError::Error(_)) => false,
    }
}

/// Only the last level is created: a whole new path is more often a typing error, or a disk that
/// is not mounted.
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

fn lock(path: &Path) -> Result<(File, bool), DataDirectoryError> {
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
    let own = Identity::of(&file);
    let copied = written_file(&mut file).filter(|written| own.is_some_and(|own| written.is_another(own)));
    // A copy stays known as one until it is served.
    write_holder(&mut file, copied.or(own)).map_err(|source| refused("write to", path, source))?;
    Ok((file, copied.is_some()))
}

/// Opens one of the files that are only ours; nothing else by that name is opened.
fn open_own(options: &mut OpenOptions, path: &Path, name: &str) -> Result<File, DataDirectoryError> {
    let file = path.join(name);
    open_regular_by(options.mode(0o600), &file).map_err(|source| match source.kind() {
        io::ErrorKind::InvalidInput => DataDirectoryError::NotAFile { file, source },
        _ => refused("write to", path, source),
    })
}

/// Which file the lock file says it was when it was written; nothing when an earlier version wrote it.
fn written_file(file: &mut File) -> Option<Identity> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(HOLDER_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.lines().find_map(Identity::parse)
}

/// A time as people read it. A clock may say what no calendar has.
fn told(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time)
        .map_or_else(|_| "a time beyond the year 9999".to_owned(), |time| time.to_string())
}

fn write_holder(file: &mut File, identity: Option<Identity>) -> io::Result<()> {
    let (process, since) = (std::process::id(), told(SystemTime::now()));
    let identity = identity.map_or_else(String::new, |identity| format!("{identity}\n"));
    let line = format!("process {process} (madang serve), since {since}\n{identity}");
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(line.as_bytes())
}

/// Who holds the lock, in its own words.
fn holder(file: &mut File) -> String {
    let mut line = String::new();
    let is_read = file.take(HOLDER_BYTES_MAX).read_to_string(&mut line).is_ok();
    let (line, rest) = line.trim().split_once('\n').unwrap_or((line.trim(), ""));
    let is_ours = rest.is_empty() || Identity::parse(rest).is_some();
    let is_plain = line.starts_with("process ") && !line.contains(char::is_control) && is_ours;
    if is_read && is_plain { line.to_owned() } else { "another process".to_owned() }
}

/// An existing lock file can be opened in a directory in which nothing new can be made.
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
