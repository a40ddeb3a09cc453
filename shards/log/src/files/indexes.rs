//! The indexes beside the segments.

use super::opening::open_regular;
use super::{FileOperation, Files, FilesError, StdFiles};
use crate::format::SegmentNumber;
use crate::index::{
    INDEX_HEADER_BYTES, RunRange, SNAPSHOT_BLOCK_BYTES, SnapshotFile, index_file_name, index_file_segment,
    run_file_name, run_file_range,
};
use madang_model::ShardId;
use rkyv::util::AlignedVec;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::SystemTime;

/// Reads and writes index files and snapshots. It blocks, as [`Files`] does.
pub trait IndexFiles: Files {
    /// The segments of a shard that have an index, in order.
    ///
    /// # Errors
    /// When its directory cannot be listed.
    fn indexes(&self, shard: ShardId) -> Result<Vec<SegmentNumber>, FilesError>;

    /// The first bytes of a segment's index, [`INDEX_HEADER_BYTES`] at least where it is whole; `None` when
    /// there is none.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    fn read_index_start(
        &self,
        shard: ShardId,
        segment: SegmentNumber,
    ) -> Result<Option<Vec<u8>>, FilesError> {
        self.read_index(shard, segment)
    }

    /// The bytes of a segment's index; `None` when there is none.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    fn read_index(&self, shard: ShardId, segment: SegmentNumber) -> Result<Option<Vec<u8>>, FilesError>;

    /// Reads a part of a segment in place of what `into` holds: less than `bytes` where it ends before.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn read_part(
        &self,
        shard: ShardId,
        segment: SegmentNumber,
        offset_bytes: u64,
        bytes: usize,
        into: &mut AlignedVec,
    ) -> Result<(), FilesError>;

    /// Whether a segment has an index, sound or not.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn has_index(&self, shard: ShardId, segment: SegmentNumber) -> Result<bool, FilesError> {
        Ok(self.read_index(shard, segment)?.is_some())
    }

    /// The snapshot of a directory, to be read from its start; `None` when there is none.
    ///
    /// # Errors
    /// When the file is there and cannot be opened.
    fn open_snapshot(
        &self,
        shard: ShardId,
        file: SnapshotFile,
    ) -> Result<Option<Box<dyn Read + Send>>, FilesError>;

    /// The last bytes of the snapshot of a directory, [`SNAPSHOT_BLOCK_BYTES`] at most; `None` when
    /// there is none.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    fn read_snapshot_end(&self, shard: ShardId, file: SnapshotFile) -> Result<Option<Vec<u8>>, FilesError>;

    /// Puts the snapshot that `write` makes in the place of the last one, whole or not at all.
    ///
    /// # Errors
    /// When that fails; of the kind `InvalidData` when `write` met a damaged old one.
    fn write_snapshot(
        &self,
        shard: ShardId,
        file: SnapshotFile,
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), FilesError>;

    /// The runs of a directory, in no order.
    ///
    /// # Errors
    /// When its directory cannot be listed.
    fn runs(&self, shard: ShardId) -> Result<Vec<RunRange>, FilesError>;

    /// A run, to be read from its start; `None` when there is none.
    ///
    /// # Errors
    /// When the file is there and cannot be opened.
    fn open_run(&self, shard: ShardId, run: RunRange) -> Result<Option<Box<dyn Read + Send>>, FilesError>;

    /// Puts the run that `write` makes in its place, whole or not at all, and makes sure that it is on disk.
    ///
    /// # Errors
    /// When that fails.
    fn write_run(
        &self,
        shard: ShardId,
        run: RunRange,
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), FilesError>;

    /// Removes a run.
    ///
    /// # Errors
    /// When that fails.
    fn remove_run(&self, shard: ShardId, run: RunRange) -> Result<(), FilesError>;

    /// What a finished segment takes with its index, in bytes, and when it was finished.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn finished(&self, shard: ShardId, segment: SegmentNumber) -> Result<(u64, SystemTime), FilesError>;

    /// Removes the index of a finished segment, then the segment, each for good: so an index without its
    /// segment was never left over from this, whenever the power was cut.
    ///
    /// # Errors
    /// When that fails.
    fn remove_finished(&self, shard: ShardId, segment: SegmentNumber) -> Result<(), FilesError>;

    /// How long a segment's file is, in bytes.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn length_bytes(&self, shard: ShardId, segment: SegmentNumber) -> Result<u64, FilesError>;

    /// Writes a segment's index and makes sure that it is on disk, whole or not at all. That of a segment that has expired
    /// meanwhile is not written: an index without its segment says that one is missing.
    ///
    /// # Errors
    /// When that fails.
    fn write_index(&self, shard: ShardId, segment: SegmentNumber, bytes: &[u8]) -> Result<(), FilesError>;
}

/// What `st_blocks` counts in (stat(2)).
const BLOCK_BYTES: u64 = 512;

impl IndexFiles for StdFiles {
    fn indexes(&self, shard: ShardId) -> Result<Vec<SegmentNumber>, FilesError> {
        self.listed_of(shard, index_file_segment)
    }

    fn read_index_start(
        &self,
        shard: ShardId,
        segment: SegmentNumber,
    ) -> Result<Option<Vec<u8>>, FilesError> {
        let path = self.path(shard, segment).with_file_name(index_file_name(segment));
        let read = || -> io::Result<Vec<u8>> {
            let mut start = Vec::with_capacity(INDEX_HEADER_BYTES);
            open_regular(&path)?.take(INDEX_HEADER_BYTES as u64).read_to_end(&mut start)?;
            Ok(start)
        };
        if_there(read(), &path)
    }

    fn read_index(&self, shard: ShardId, segment: SegmentNumber) -> Result<Option<Vec<u8>>, FilesError> {
        let path = self.path(shard, segment).with_file_name(index_file_name(segment));
        let read = || -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            open_regular(&path)?.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        if_there(read(), &path)
    }

    fn read_part(
        &self,
        shard: ShardId,
        segment: SegmentNumber,
        offset_bytes: u64,
        bytes: usize,
        into: &mut AlignedVec,
    ) -> Result<(), FilesError> {
        let path = self.path(shard, segment);
        let mut read = || -> io::Result<()> {
            let mut file = open_regular(&path)?;
            file.seek(SeekFrom::Start(offset_bytes))?;
            let mut part = Vec::with_capacity(bytes);
            file.take(bytes as u64).read_to_end(&mut part)?;
            into.clear();
            into.extend_from_slice(&part);
            Ok(())
        };
        read().map_err(|source| FilesError { path: path.clone(), operation: FileOperation::Read, source })
    }

    fn has_index(&self, shard: ShardId, segment: SegmentNumber) -> Result<bool, FilesError> {
        Ok(self.path(shard, segment).with_file_name(index_file_name(segment)).exists())
    }

    fn open_snapshot(
        &self,
        shard: ShardId,
        file: SnapshotFile,
    ) -> Result<Option<Box<dyn Read + Send>>, FilesError> {
        open_whole(&self.snapshot_path(shard, file))
    }

    fn read_snapshot_end(&self, shard: ShardId, file: SnapshotFile) -> Result<Option<Vec<u8>>, FilesError> {
        let path = self.snapshot_path(shard, file);
        let read = || -> io::Result<Vec<u8>> {
            let mut file = open_regular(&path)?;
            let file_bytes = file.metadata()?.len();
            file.seek(SeekFrom::Start(file_bytes.saturating_sub(SNAPSHOT_BLOCK_BYTES as u64)))?;
            let mut end = Vec::new();
            file.take(SNAPSHOT_BLOCK_BYTES as u64).read_to_end(&mut end)?;
            Ok(end)
        };
        if_there(read(), &path)
    }

    fn write_snapshot(
        &self,
        shard: ShardId,
        file: SnapshotFile,
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), FilesError> {
        write_whole(&self.snapshot_path(shard, file), write)
    }

    fn runs(&self, shard: ShardId) -> Result<Vec<RunRange>, FilesError> {
        self.listed_of(shard, run_file_range)
    }

    fn open_run(&self, shard: ShardId, run: RunRange) -> Result<Option<Box<dyn Read + Send>>, FilesError> {
        open_whole(&self.run_path(shard, run))
    }

    fn write_run(
        &self,
        shard: ShardId,
        run: RunRange,
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), FilesError> {
        write_whole(&self.run_path(shard, run), write)
    }

    fn remove_run(&self, shard: ShardId, run: RunRange) -> Result<(), FilesError> {
        let path = self.run_path(shard, run);
        let removed = fs::remove_file(&path);
        removed.map_err(|source| FilesError { path, operation: FileOperation::Remove, source })
    }

    fn finished(&self, shard: ShardId, segment: SegmentNumber) -> Result<(u64, SystemTime), FilesError> {
        let path = self.path(shard, segment);
        let index = path.with_file_name(index_file_name(segment));
        let index_bytes = fs::metadata(index).map_or(0, |metadata| metadata.len());
        let found = fs::metadata(&path).and_then(|metadata| {
            // What a failure left behind holds no space any more, whatever its length.
            let held_bytes = metadata.blocks().saturating_mul(BLOCK_BYTES);
            Ok((metadata.len().min(held_bytes), metadata.modified()?))
        });
        let (bytes, at) =
            found.map_err(|source| FilesError { path, operation: FileOperation::Read, source })?;
        Ok((bytes + index_bytes, at))
    }

    fn remove_finished(&self, shard: ShardId, segment: SegmentNumber) -> Result<(), FilesError> {
        let path = self.path(shard, segment).with_file_name(index_file_name(segment));
        let _alone = self.changes_index.lock().unwrap_or_else(PoisonError::into_inner);
        let removed = match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all()),
        };
        removed.map_err(|source| FilesError { path, operation: FileOperation::Remove, source })?;
        self.remove(shard, segment)
    }

    fn length_bytes(&self, shard: ShardId, segment: SegmentNumber) -> Result<u64, FilesError> {
        let path = self.path(shard, segment);
        let length = fs::metadata(&path).map(|metadata| metadata.len());
        length.map_err(|source| FilesError { path, operation: FileOperation::Read, source })
    }

    fn write_index(&self, shard: ShardId, segment: SegmentNumber, bytes: &[u8]) -> Result<(), FilesError> {
        let path = self.path(shard, segment);
        let _alone = self.changes_index.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(fs::metadata(&path), Err(error) if error.kind() == io::ErrorKind::NotFound) {
            return Ok(());
        }
        let path = path.with_file_name(index_file_name(segment));
        replace(&path, |file| file.write_all(bytes)).map_err(|source| FilesError {
            path: path.clone(),
            operation: FileOperation::Index,
            source,
        })
    }
}

impl StdFiles {
    fn snapshot_path(&self, shard: ShardId, file: SnapshotFile) -> PathBuf {
        self.path(shard, SegmentNumber::FIRST).with_file_name(file.name())
    }

    fn run_path(&self, shard: ShardId, run: RunRange) -> PathBuf {
        self.path(shard, SegmentNumber::FIRST).with_file_name(run_file_name(run))
    }
}

/// What was read of a file; `None` where there is none.
fn if_there<T>(read: io::Result<T>, path: &Path) -> Result<Option<T>, FilesError> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FilesError { path: path.to_owned(), operation: FileOperation::Read, source }),
    }
}

fn open_whole(path: &Path) -> Result<Option<Box<dyn Read + Send>>, FilesError> {
    let opened = if_there(open_regular(path), path)?;
    Ok(opened.map(|file| Box::new(BufReader::new(file)) as Box<dyn Read + Send>))
}

fn write_whole(
    path: &Path,
    write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
) -> Result<(), FilesError> {
    let written = replace(path, |file| {
        let mut file = BufWriter::new(file);
        write(&mut file)?;
        file.into_inner().map(|_| ()).map_err(io::IntoInnerError::into_error)
    });
    written.map_err(|source| FilesError { path: path.to_owned(), operation: FileOperation::Index, source })
}

/// Writes a file beside its place, makes sure that it is on disk, and puts it there.
fn replace(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let attempt = || -> io::Result<()> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let mut file = File::create(&unfinished)?;
        write(&mut file)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)?;
        path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
    };
    attempt().inspect_err(|_| {
        // A full disk gets back what the attempt took; that it may not be there is no news.
        let _ = fs::remove_file(&unfinished);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_that_is_written_after_its_segment_expired_is_not_there() {
        let data = tempfile::tempdir().expect("a directory");
        let (files, shard, segment) = (StdFiles::new(data.path()), ShardId(0), SegmentNumber(1));
        let path = files.path(shard, segment);
        fs::create_dir_all(path.parent().expect("a directory above")).expect("space");
        fs::write(&path, "segment").expect("space");
        files.write_index(shard, segment, b"index").expect("space");
        assert_eq!(files.read_index(shard, segment).expect("it can be read").as_deref(), Some(&b"index"[..]));
        files.remove_finished(shard, segment).expect("both are there");
        files.write_index(shard, segment, b"index").expect("nothing is to be done");
        assert_eq!(files.read_index(shard, segment).expect("nothing is in the way"), None);
    }
}
