//! Why a backup cannot be made, or not restored.

use crate::server::RESTORING;
use madang_directory::{Cause, DirectoryError, Unavailable};
use madang_log::{ErasureListError, FilesError};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a command could not be done.
#[derive(thiserror::Error, Debug)]
pub enum BackupError {
    /// The log to copy could not be read.
    #[error(transparent)]
    Log(#[from] FilesError),
    /// The directory of accounts could not be copied.
    #[error(transparent)]
    Directory(DirectoryError),
    /// There is no log, as the words say.
    #[error("{0}")]
    NoLog(String),
    /// A file or directory could not be used.
    #[error("cannot {doing} '{}': {source}; {}", path.display(), Remedy(source))]
    Refused {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file could not be copied.
    #[error("cannot copy '{}' to '{}': {source}; {}", from.display(), to.display(), Remedy(source))]
    NotCopied {
        /// The file.
        from: PathBuf,
        /// Its copy.
        to: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Backups in the data directory would be lost with it.
    #[error(
        "'{}' is inside the data directory '{}' and would be lost with it; choose a directory elsewhere, best on \
         another disk",
        to.display(),
        data.display()
    )]
    InsideData {
        /// Where the backups were to be.
        to: PathBuf,
        /// The data directory.
        data: PathBuf,
    },
    /// Something else is there.
    #[error(
        "'{}' is no directory of backups and is not empty; name an empty or a new directory, or one that \
         `madang backup` made",
        .0.display()
    )]
    OfOthers(PathBuf),
    /// A later program has made it.
    #[error("'{}' was written by a later madang, with form '{form}'; use that version", path.display())]
    LaterVersion {
        /// The marker.
        path: PathBuf,
        /// What it says.
        form: String,
    },
    /// Another process has locked it.
    #[error("the backups in '{}' are in use by {holder}; try again when it has ended", path.display())]
    InUse {
        /// The directory of backups.
        path: PathBuf,
        /// That process.
        holder: String,
    },
    /// Segments went or came faster than they could be listed or copied.
    #[error(
        "the log in '{}' changes faster than it can be copied: messages expire before they are read; raise \
         log.retain_days or log.retain_bytes, or back up to a faster disk",
        .0.display()
    )]
    TooFast(PathBuf),
    /// The clock says a time that no calendar has.
    #[error("the clock says a time beyond the calendar; set it")]
    NoTime,
    /// The data directory has something in it.
    #[error(
        "'{}' is not empty, and a restore replaces nothing; move it away (`mv {} {}.before`), or pass another --data",
        .0.display(),
        .0.display(),
        .0.display()
    )]
    NotEmpty(PathBuf),
    /// Something came there after a restore was interrupted.
    #[error(
        "'{}' has '{}', which the restore that was interrupted there did not put there, and a restore replaces nothing; \
         move everything but '{}' away and repeat it, or, if this directory is whole (`madang log verify --data {}`), \
         remove '{}'",
        data.display(),
        found.display(),
        data.join(RESTORING).display(),
        data.display(),
        data.join(RESTORING).display()
    )]
    NotOfRestore {
        /// The data directory.
        data: PathBuf,
        /// The first such thing.
        found: PathBuf,
    },
    /// A server uses the data directory.
    #[error("a server runs on '{}'; stop it, and move the directory away", .0.display())]
    ServerRuns(PathBuf),
    /// There is no backup to restore.
    #[error("{}", no_backup(from, until))]
    NoBackup {
        /// Where one was looked for.
        from: PathBuf,
        /// Only those until then.
        until: Option<String>,
    },
    /// There is one, and it has faults.
    #[error(
        "'{}' is no backup, and no directory with a whole one: the newest in it, '{}', has faults; see all with `madang \
         restore --list {}`, or restore what is intact with `madang restore --accept-faults {}`",
        from.display(),
        faulty.display(),
        from.display(),
        faulty.display()
    )]
    OnlyFaulty {
        /// Where one was looked for.
        from: PathBuf,
        /// The newest that has faults.
        faulty: PathBuf,
    },
    /// A faulty backup is only restored where it is named.
    #[error(
        "'{}' is a directory of backups; with --accept-faults name the backup itself (`madang restore --list {}`)",
        .0.display(),
        .0.display()
    )]
    NotNamed(PathBuf),
    /// A time chooses among several.
    #[error("'{}' is one backup; name the directory of backups with --at, or leave --at out", .0.display())]
    Named(PathBuf),
    /// The backups of a directory are of another log.
    #[error(
        "the newest backup there, '{}', is of another log ({other}) than '{}' ({log}), and a restore takes the newest: choose \
         another directory for this log",
        newest.display(),
        data.display()
    )]
    OfAnotherServer {
        /// The data directory.
        data: PathBuf,
        /// Which log that is.
        log: i64,
        /// That backup.
        newest: PathBuf,
        /// Which log that is of.
        other: i64,
    },
    /// The disk is full, and older backups are on it.
    #[error("{0}; a lower --keep-days removes older backups")]
    FullOfBackups(Box<BackupError>),
    /// A file does not have all that it should.
    #[error("'{}' ends too early: this copy of the backup is not whole; copy it once more, or restore another", .0.display())]
    CutOff(PathBuf),
    /// A file is there already.
    #[error("'{}' exists, and a backup replaces nothing; name another file", .0.display())]
    Exists(PathBuf),
    /// A file is no backup.
    #[error(
        "'{}' is no backup: it has an entry '{}' that no backup has; name what `madang backup` made",
        path.display(),
        entry.display()
    )]
    NoArchive {
        /// Which.
        path: PathBuf,
        /// The entry.
        entry: PathBuf,
    },
    /// A list of what was erased cannot be used.
    #[error("cannot use '{}': {source}", path.display())]
    Erasures {
        /// Its file.
        path: PathBuf,
        /// Why not.
        source: ErasureListError,
    },
    /// There is no list of what was erased.
    #[error(
        "'{}' has no list of erasures; name a madang.erasures, or a data directory or directory of backups that has one",
        .0.display()
    )]
    NoErasures(PathBuf),
    /// A directory has several lists, and the backup does not say which is meant.
    #[error(
        "'{}' has lists of erasures under several numbers, and the backup does not say of which log it is: give each that is \
         of its log with an --erasures of its own: {}",
        directory.display(),
        quoted(lists)
    )]
    SeveralErasures {
        /// The directory.
        directory: PathBuf,
        /// The lists.
        lists: Vec<PathBuf>,
    },
    /// A backup without a list lies beside some, which may be of other logs.
    #[error(
        "'{}' does not say of which log it is, and beside it lies what was erased: {}; restore with an --erasures for each of \
         these that is of its log (one log may have several); if none is, move the backup to a directory without lists; also \
         to go back to a release that knows no erasures, as that cannot read what was restored with --erasures",
        backup.display(),
        quoted(lists)
    )]
    OfUnknownLog {
        /// The lists.
        lists: Vec<PathBuf>,
        /// The backup.
        backup: PathBuf,
    },
    /// A list of what was erased is of another log.
    #[error(
        "the list of erasures '{}' is of another log than '{}', whose messages it would erase; name that of this log, or \
         leave --erasures out",
        list.display(),
        backup.display()
    )]
    OfAnotherLog {
        /// The list.
        list: PathBuf,
        /// The backup.
        backup: PathBuf,
    },
    /// It was never finished.
    #[error("'{}' was never finished; choose another (`madang restore --list`)", .0.display())]
    Unfinished(PathBuf),
}

impl BackupError {
    /// Whether there was no space left.
    pub fn is_of_full_disk(&self) -> bool {
        if let BackupError::Directory(DirectoryError::Unavailable(Unavailable { cause, .. })) = self {
            return *cause == Cause::Full;
        }
        let (BackupError::Refused { source, .. } | BackupError::NotCopied { source, .. }) = self else {
            return false;
        };
        matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// The paths, each in quotes.
pub fn quoted(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| format!("'{}'", path.display())).collect::<Vec<_>>().join(", ")
}

fn no_backup(from: &Path, until: &Option<String>) -> String {
    let from = from.display();
    match until {
        Some(until) => format!(
            "'{from}' has no whole backup that began by {until}; see which there are with `madang restore --list \
             {from}`"
        ),
        None => format!(
            "'{from}' is no backup, and no directory with a whole one; name what `madang backup` made"
        ),
    }
}

/// What to do about an error of the system.
struct Remedy<'a>(&'a io::Error);

impl fmt::Display for Remedy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.kind() {
            io::ErrorKind::PermissionDenied => "run as root or as the user that owns it",
            io::ErrorKind::NotFound => "create the directory above it (is its disk mounted?)",
            io::ErrorKind::ReadOnlyFilesystem => "mount its file system for writing, or choose another",
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "free some space on its file system, or choose another"
            }
            io::ErrorKind::InvalidInput => "move it away",
            io::ErrorKind::Unsupported => "its file system has no locks: choose another",
            _ => "check its file system with dmesg",
        })
    }
}

/// Names what was tried on which path.
pub trait Naming<T> {
    /// As a [`BackupError`].
    fn naming(self, doing: &'static str, path: &Path) -> Result<T, BackupError>;
}

impl<T> Naming<T> for io::Result<T> {
    fn naming(self, doing: &'static str, path: &Path) -> Result<T, BackupError> {
        self.map_err(|source| BackupError::Refused { doing, path: path.to_owned(), source })
    }
}
