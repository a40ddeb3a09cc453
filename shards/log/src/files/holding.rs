//! Files as a copy of a log is made of them, while a server continues writing.

use super::opening::{open_regular, open_to_hold};
use super::{FileOperation, Files, FilesError, IndexFiles, StdFiles};
use crate::format::SegmentNumber;
use crate::index::SnapshotFile;
use madang_model::ShardId;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Opens files to read them later, whatever becomes of their names. It blocks, as [`Files`] does.
pub trait HoldingFiles: IndexFiles {
    /// An open file.
    type Held;

    /// Opens a segment: as long as it is held, an erasure neither writes into it nor wipes it.
    ///
    /// # Errors
    /// When it cannot be opened; [`FilesError::is_gone`] where it has expired.
    fn hold_segment(&self, shard: ShardId, segment: SegmentNumber) -> Result<Self::Held, FilesError>;

    /// Opens the snapshot of a directory; `None` when there is none.
    ///
    /// # Errors
    /// When it is there and cannot be opened.
    fn hold_snapshot(&self, shard: ShardId, file: SnapshotFile) -> Result<Option<Self::Held>, FilesError>;

    /// The last bytes of a file; `None` where it has not as many, or cannot be read.
    fn end_of(&self, held: &Self::Held, bytes: usize) -> Option<Vec<u8>>;
}

impl HoldingFiles for StdFiles {
    type Held = File;

    fn hold_segment(&self, shard: ShardId, segment: SegmentNumber) -> Result<File, FilesError> {
        let path = self.path(shard, segment);
        open_to_hold(&path).map_err(|source| FilesError { path, operation: FileOperation::Read, source })
    }

    fn hold_snapshot(&self, shard: ShardId, file: SnapshotFile) -> Result<Option<File>, FilesError> {
        let path = self.path(shard, SegmentNumber::FIRST).with_file_name(file.name());
        match open_regular(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(FilesError { path, operation: FileOperation::Read, source }),
        }
    }

    fn end_of(&self, held: &File, bytes: usize) -> Option<Vec<u8>> {
        let mut end = vec![0; bytes];
        let at = held.metadata().ok()?.len().checked_sub(bytes as u64)?;
        held.read_exact_at(&mut end, at).ok()?;
        Some(end)
    }
}
