//! Why something is not on disk.

use std::io;
use std::path::PathBuf;

/// Why a batch is not on disk.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The segment it is made for cannot be had yet: nothing of it was written.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The system refused. What of the segment is on disk after its committed end is unknown.
    #[error("cannot {what} segment '{}': {source}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// With which segment.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl CommitError {
    /// The reason, as the author of a refused message may see it.
    pub fn reason(&self) -> &'static str {
        match self {
            CommitError::Prepare(error) => error.reason(),
            CommitError::File { source, .. } => reason_for_people(source.kind()),
        }
    }
}

/// Why a segment could not be made ready.
#[derive(Debug, thiserror::Error)]
#[error("cannot prepare segment '{}': {source}; free space or check the directory's owner", path.display())]
pub struct PrepareError {
    pub(super) path: PathBuf,
    pub(super) source: io::Error,
}

impl PrepareError {
    /// The reason, as the author of a refused message may see it.
    pub fn reason(&self) -> &'static str {
        reason_for_people(self.source.kind())
    }
}

/// An error of the disk, as the author of a refused message may see it.
fn reason_for_people(kind: io::ErrorKind) -> &'static str {
    match kind {
        // The last: a limit of the size of files, which is the operator's to raise as space is.
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "the disk is full"
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => "the disk cannot be written",
        _ => "the disk reports errors",
    }
}
