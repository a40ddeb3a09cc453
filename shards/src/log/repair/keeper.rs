//! Where a repair keeps what it takes away, and how it replaces a segment.

use crate::log::files::{FilesError, Operation};
use crate::log::format::{SegmentNumber, directory_name, file_name};
use crate::log::index::{SNAPSHOT_FILE_NAME, index_file_segment};
use crate::types::ShardId;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Keeps and replaces segments.
pub trait Keeper {
    /// Copies bytes of a segment to a file that is synced when this returns, and says which.
    ///
    /// # Errors
    /// When that fails; the segment is as it was.
    fn keep(
        &self,
        shard: ShardId,
        segment: SegmentNumber,
        range_bytes: Range<u64>,
    ) -> Result<PathBuf, FilesError>;

    /// Makes this the content of a segment, at once and for good, whether it was there or not.
    ///
    /// # Errors
    /// When that fails; the segment is as it was.
    fn replace(&self, shard: ShardId, segment: SegmentNumber, bytes: &[u8]) -> Result<(), FilesError>;
}

/// Keeps in a directory on disk, which is made when it is needed.
#[derive(Clone, Debug)]
pub struct StdKeeper {
    data: PathBuf,
    aside: PathBuf,
}

impl StdKeeper {
    /// For the log in `data`; what is taken away goes to the directory `aside` of it.
    pub fn new(data: impl Into<PathBuf>, aside: &str) -> StdKeeper {
        let data = data.into();
        StdKeeper { aside: data.join(aside), data }
    }

    /// Where it keeps.
    pub fn path(&self) -> &Path {
        &self.aside
    }

    /// The directory of a shard's segments that were set aside, synced with those above it.
    fn shelf(&self, shard: ShardId) -> io::Result<PathBuf> {
        let shelf = self.aside.join(directory_name(shard));
        for (directory, above) in [(&self.aside, &self.data), (&shelf, &self.aside)] {
            match DirBuilder::new().mode(0o700).create(directory) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => sync_directory(above)?,
            }
        }
        Ok(shelf)
    }

    /// Indexes and snapshots of a directory point into the segments that they and earlier ones
    /// describe: where one is replaced, all are wrong. They are made again from the segments.
    fn put_away_indexes(&self, shard: ShardId) -> io::Result<()> {
        for entry in fs::read_dir(self.data.join(directory_name(shard)))? {
            let entry = entry?;
            let name = entry.file_name();
            let is_index = |name: &str| index_file_segment(name).is_some() || name == SNAPSHOT_FILE_NAME;
            if name.to_str().is_some_and(is_index) {
                let shelf = self.shelf(shard)?;
                fs::rename(entry.path(), shelf.join(name))?;
                sync_directory(&shelf)?;
            }
        }
        Ok(())
    }
}

impl Keeper for StdKeeper {
    fn keep(
        &self,
        shard: ShardId,
        segment: SegmentNumber,
        range_bytes: Range<u64>,
    ) -> Result<PathBuf, FilesError> {
        let name = format!("{}.bytes-{}-{}", file_name(segment), range_bytes.start, range_bytes.end);
        let keep = || -> io::Result<PathBuf> {
            let shelf = self.shelf(shard)?;
            let path = shelf.join(&name);
            let mut from = File::open(self.data.join(directory_name(shard)).join(file_name(segment)))?;
            from.seek(SeekFrom::Start(range_bytes.start))?;
            let mut kept = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            let wanted_bytes = range_bytes.end - range_bytes.start;
            let copied_bytes = io::copy(&mut from.take(wanted_bytes), &mut kept)?;
            if copied_bytes != wanted_bytes {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            kept.sync_all()?;
            sync_directory(&shelf)?;
            Ok(path)
        };
        let path = self.aside.join(directory_name(shard)).join(&name);
        keep().map_err(|source| FilesError { path, operation: Operation::Keep, source })
    }

    fn replace(&self, shard: ShardId, segment: SegmentNumber, bytes: &[u8]) -> Result<(), FilesError> {
        let directory = self.data.join(directory_name(shard));
        let path = directory.join(file_name(segment));
        let replace = || -> io::Result<()> {
            self.put_away_indexes(shard)?;
            let unfinished = path.with_extension("repair");
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)?;
            sync_directory(&directory)
        };
        replace().map_err(|source| FilesError { path: path.clone(), operation: Operation::Replace, source })
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
