//! Where a repair keeps what it takes away, and how it replaces a segment.

use crate::files::{FileOperation, FilesError};
use crate::format::{SegmentNumber, directory_name, file_name};
use crate::index::{SnapshotFile, index_file_segment, run_file_range};
use madang_model::ShardId;
use std::cell::RefCell;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Of files that are not in their place yet.
const STAGED_EXTENSION: &str = "repair";

/// Keeps and replaces segments. First everything new is written beside what there is; only then it is put in
/// place, by changes of names alone. So a repair that cannot be done, as on a full disk, changes nothing.
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

    /// Writes what is to become the content of a segment, whether that is there or not, and syncs it.
    ///
    /// # Errors
    /// When that fails; the segment is as it was.
    fn stage(&self, shard: ShardId, segment: SegmentNumber, bytes: &[u8]) -> Result<(), FilesError>;

    /// Keeps the indexes and the snapshots of a directory, and writes what is to become its snapshot and the copy
    /// of that.
    ///
    /// # Errors
    /// When that fails; all are as they were.
    fn stage_indexes(&self, shard: ShardId, snapshot: Option<&[u8]>) -> Result<(), FilesError>;

    /// Puts what was staged in the place of a segment, at once and for good.
    ///
    /// # Errors
    /// When that fails; the segment is as it was.
    fn put_in_place(&self, shard: ShardId, segment: SegmentNumber) -> Result<(), FilesError>;

    /// Takes the indexes of a directory away, and puts the staged snapshot in place. They point into the
    /// segments that they and earlier ones describe: where one is replaced, all are wrong, and they are made
    /// again from the segments. Whatever of this is done, the rest can be done later.
    ///
    /// # Errors
    /// When that fails.
    fn take_indexes_away(&self, shard: ShardId) -> Result<(), FilesError>;

    /// Removes what was kept and staged: nothing of it was put in place.
    fn give_up(&self);
}

/// Keeps in a directory on disk, which is made when it is needed.
#[derive(Debug)]
pub struct StdKeeper {
    data: PathBuf,
    aside: PathBuf,
    /// What was written beside its place.
    staged: RefCell<Vec<PathBuf>>,
}

impl StdKeeper {
    /// For the log in `data`; what is taken away goes to the directory `aside` of it.
    pub fn new(data: impl Into<PathBuf>, aside: &str) -> StdKeeper {
        let data = data.into();
        StdKeeper { aside: data.join(aside), data, staged: RefCell::default() }
    }

    /// Where it keeps.
    pub fn path(&self) -> &Path {
        &self.aside
    }

    fn directory(&self, shard: ShardId) -> PathBuf {
        self.data.join(directory_name(shard))
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

    /// The names of the indexes, the runs and the snapshots of a directory.
    fn index_names(&self, shard: ShardId) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.directory(shard))? {
            let name = entry?.file_name();
            let is_snapshot = |name: &str| SnapshotFile::ALL.iter().any(|file| file.name() == name);
            let is_index = |name: &str| {
                index_file_segment(name).is_some() || run_file_range(name).is_some() || is_snapshot(name)
            };
            names.extend(name.to_str().is_some_and(is_index).then_some(name));
        }
        Ok(names)
    }

    fn write_beside(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let unfinished = path.with_extension(STAGED_EXTENSION);
        self.staged.borrow_mut().push(unfinished.clone());
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn keep_indexes(&self, shard: ShardId) -> io::Result<()> {
        let directory = self.directory(shard);
        for name in self.index_names(shard)? {
            let (from, to) = (directory.join(&name), self.shelf(shard)?.join(&name));
            // A second name takes no space; not every file system has them.
            fs::hard_link(&from, &to).or_else(|_| {
                fs::copy(&from, &to)?;
                File::open(&to)?.sync_all()
            })?;
        }
        if self.aside.is_dir() { sync_directory(&self.shelf(shard)?) } else { Ok(()) }
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
            let mut from = File::open(self.directory(shard).join(file_name(segment)))?;
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
        keep().map_err(|source| FilesError { path, operation: FileOperation::Keep, source })
    }

    fn stage(&self, shard: ShardId, segment: SegmentNumber, bytes: &[u8]) -> Result<(), FilesError> {
        let path = self.directory(shard).join(file_name(segment));
        self.write_beside(&path, bytes).map_err(failed(path, FileOperation::Replace))
    }

    fn stage_indexes(&self, shard: ShardId, snapshot: Option<&[u8]>) -> Result<(), FilesError> {
        let kept = self.keep_indexes(shard);
        kept.map_err(failed(self.aside.join(directory_name(shard)), FileOperation::Keep))?;
        let Some(bytes) = snapshot else { return Ok(()) };
        for file in SnapshotFile::ALL {
            let path = self.directory(shard).join(file.name());
            self.write_beside(&path, bytes).map_err(failed(path, FileOperation::Index))?;
        }
        Ok(())
    }

    fn put_in_place(&self, shard: ShardId, segment: SegmentNumber) -> Result<(), FilesError> {
        let directory = self.directory(shard);
        let path = directory.join(file_name(segment));
        let put = fs::rename(path.with_extension(STAGED_EXTENSION), &path);
        put.and_then(|()| sync_directory(&directory)).map_err(failed(path, FileOperation::Replace))
    }

    fn take_indexes_away(&self, shard: ShardId) -> Result<(), FilesError> {
        let directory = self.directory(shard);
        let take = || -> io::Result<()> {
            let mut placed = Vec::new();
            for file in SnapshotFile::ALL {
                let snapshot = directory.join(file.name());
                let staged = snapshot.with_extension(STAGED_EXTENSION);
                if staged.exists() {
                    fs::rename(&staged, &snapshot)?;
                    placed.push(file.name());
                }
            }
            for name in self.index_names(shard)? {
                if !placed.iter().any(|placed| name == **placed) {
                    fs::remove_file(directory.join(name))?;
                }
            }
            sync_directory(&directory)
        };
        take().map_err(failed(directory.clone(), FileOperation::Replace))
    }

    fn give_up(&self) {
        // Whatever stays takes space, and nothing else.
        for path in self.staged.take() {
            let _ = fs::remove_file(path);
        }
        let _ = fs::remove_dir_all(&self.aside);
    }
}

fn failed(path: PathBuf, operation: FileOperation) -> impl FnOnce(io::Error) -> FilesError {
    move |source| FilesError { path, operation, source }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
