//! The indexes beside the segments.

use super::{Files, FilesError, Operation, StdFiles};
use crate::log::format::SegmentNumber;
use crate::log::index::index_file_name;
use crate::types::ShardId;
use std::fs::{self, File};
use std::io::{self, Write};

/// Reads and writes whole index files. It blocks, as [`Files`] does.
pub trait IndexFiles: Sync {
    /// The bytes of a segment's index; `None` when there is none.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    fn read_index(&self, shard: ShardId, segment: SegmentNumber) -> Result<Option<Vec<u8>>, FilesError>;

    /// How long a segment's file is, in bytes.
    ///
    /// # Errors
    /// When that cannot be told.
    fn length_bytes(&self, shard: ShardId, segment: SegmentNumber) -> Result<u64, FilesError>;

    /// Writes a segment's index and makes sure that it is on disk, whole or not at all.
    ///
    /// # Errors
    /// When that fails.
    fn write_index(&self, shard: ShardId, segment: SegmentNumber, bytes: &[u8]) -> Result<(), FilesError>;
}

impl IndexFiles for StdFiles {
    fn read_index(&self, shard: ShardId, segment: SegmentNumber) -> Result<Option<Vec<u8>>, FilesError> {
        let path = self.path(shard, segment).with_file_name(index_file_name(segment));
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(FilesError { path, operation: Operation::Read, source }),
        }
    }

    fn length_bytes(&self, shard: ShardId, segment: SegmentNumber) -> Result<u64, FilesError> {
        let path = self.path(shard, segment);
        let length = fs::metadata(&path).map(|metadata| metadata.len());
        length.map_err(|source| FilesError { path, operation: Operation::Read, source })
    }

    fn write_index(&self, shard: ShardId, segment: SegmentNumber, bytes: &[u8]) -> Result<(), FilesError> {
        let path = self.path(shard, segment).with_file_name(index_file_name(segment));
        let unfinished = path.with_extension("idx-new");
        let write = || -> io::Result<()> {
            let mut file = File::create(&unfinished)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)?;
            path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
        };
        write().map_err(|source| {
            // A full disk gets back what the attempt took; that it may not be there is no news.
            let _ = fs::remove_file(&unfinished);
            FilesError { path: path.clone(), operation: Operation::Index, source }
        })
    }
}
