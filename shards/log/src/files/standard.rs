//! Files of the operating system, through calls that block.

use super::opening::{open_regular, open_regular_by, open_to_hold};
use super::{FileOperation, Files, FilesError, IndexFiles};
use crate::format::{SegmentNumber, directory_name, directory_shard, file_name, file_segment};
use hashbrown::HashMap;
use madang_model::ShardId;
use rkyv::util::AlignedVec;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The segments under a directory on disk.
#[derive(Clone, Debug)]
pub struct StdFiles {
    pub(super) directory: PathBuf,
    /// Open files, so that what is in them stays though they are removed.
    held: Arc<Mutex<HashMap<(ShardId, SegmentNumber), File>>>,
    /// One index is written or removed at a time: two threads may be about to write the same, or one while the other removes
    /// its segment.
    pub(super) changes_index: Arc<Mutex<()>>,
}

/// Descriptors that are left for everything else.
const DESCRIPTORS_LEFT: u64 = 64;
/// As many zeros at the start are no header.
const WIPED_BYTES: usize = 8;

impl StdFiles {
    /// The log that lies in this directory of data. Nothing is opened yet.
    pub fn new(directory: impl Into<PathBuf>) -> StdFiles {
        StdFiles { directory: directory.into(), held: Arc::default(), changes_index: Arc::default() }
    }

    fn lock_held(&self) -> MutexGuard<'_, HashMap<(ShardId, SegmentNumber), File>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self, shard: ShardId, segment: SegmentNumber) -> io::Result<Option<File>> {
        self.lock_held().get(&(shard, segment)).map(File::try_clone).transpose()
    }

    /// What `parse` makes of the names in the directory of a shard, in order; nothing when there is none.
    pub(super) fn listed_of<T: Ord>(
        &self,
        shard: ShardId,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, FilesError> {
        match listed(&self.directory.join(directory_name(shard)), parse) {
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            result => result,
        }
    }
}

/// What `parse` makes of the names in a directory, in order. Other names are nobody's here.
fn listed<T: Ord>(directory: &Path, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, FilesError> {
    let list = || -> io::Result<Vec<T>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(directory)? {
            found.extend(entry?.file_name().to_str().and_then(&parse));
        }
        found.sort_unstable();
        Ok(found)
    };
    list().map_err(|source| FilesError { path: directory.to_owned(), operation: FileOperation::List, source })
}

/// Writes what stands behind a place again as it is, and syncs it.
fn write_again(file: &mut File, from_bytes: u64) -> io::Result<()> {
    let mut unsure = Vec::new();
    file.seek(SeekFrom::Start(from_bytes))?;
    file.read_to_end(&mut unsure)?;
    file.seek(SeekFrom::Start(from_bytes))?;
    file.write_all(&unsure)?;
    file.sync_all()
}

/// Reads at most `bytes_max` from the start of a file in place of what `into` holds.
pub(super) fn read_start(mut file: &File, bytes_max: usize, into: &mut AlignedVec) -> io::Result<()> {
    file.rewind()?;
    // Only what the buffer never held is zeroed: the next segment has the same length.
    let length = file.metadata()?.len().min(bytes_max as u64);
    let length = usize::try_from(length).map_err(io::Error::other)?;
    into.resize(length, 0);
    let mut filled = 0;
    while filled < length {
        match file.read(&mut into[filled..]) {
            Ok(0) => break,
            Ok(bytes) => filled += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    into.resize(filled, 0);
    Ok(())
}

/// Whether an erasure has begun to wipe a file that was opened by this path, and which another has replaced there. It
/// begins at the start.
fn is_wiped(file: &File, path: &Path) -> io::Result<bool> {
    let mut start = [0; WIPED_BYTES];
    let is_read = file.read_exact_at(&mut start, 0).is_ok();
    if !is_read || start != [0; WIPED_BYTES] {
        return Ok(false);
    }
    let (own, found) = (file.metadata()?, fs::metadata(path)?);
    Ok((own.dev(), own.ino()) != (found.dev(), found.ino()))
}

impl Files for StdFiles {
    fn shards(&self) -> Result<Vec<ShardId>, FilesError> {
        listed(&self.directory, directory_shard)
    }

    fn segments(&self, shard: ShardId) -> Result<Vec<SegmentNumber>, FilesError> {
        self.listed_of(shard, file_segment)
    }

    fn read_start(
        &self,
        shard: ShardId,
        segment: SegmentNumber,
        bytes_max: usize,
        into: &mut AlignedVec,
    ) -> Result<(), FilesError> {
        let path = self.path(shard, segment);
        let mut read = || -> io::Result<()> {
            let held = self.held(shard, segment)?;
            let Some(file) = held else { return read_start(&open_regular(&path)?, bytes_max, into) };
            read_start(&file, bytes_max, into)?;
            if is_wiped(&file, &path)? {
                // The last call of an erasure does not wait: another file has its place.
                let file = open_to_hold(&path)?;
                read_start(&file, bytes_max, into)?;
                self.lock_held().insert((shard, segment), file);
            }
            Ok(())
        };
        read().map_err(|source| FilesError { path: path.clone(), operation: FileOperation::Read, source })
    }

    fn seal(
        &self,
        shard: ShardId,
        segment: SegmentNumber,
        synced_bytes: u64,
        end_bytes: u64,
        frame: &[u8],
    ) -> Result<(), FilesError> {
        let path = self.path(shard, segment);
        let seal = || -> io::Result<()> {
            let mut file = open_regular_by(OpenOptions::new().read(true).write(true), &path)?;
            file.set_len(end_bytes)?;
            write_again(&mut file, synced_bytes)?;
            file.seek(SeekFrom::Start(end_bytes))?;
            file.write_all(frame)?;
            file.sync_all()
        };
        seal().map_err(|source| FilesError { path: path.clone(), operation: FileOperation::Seal, source })
    }

    fn make_sure(&self, shard: ShardId, segment: SegmentNumber, from_bytes: u64) -> Result<(), FilesError> {
        let path = self.path(shard, segment);
        let file = open_regular_by(OpenOptions::new().read(true).write(true), &path);
        let made_sure = file.and_then(|mut file| write_again(&mut file, from_bytes));
        made_sure.map_err(|source| FilesError { path, operation: FileOperation::Seal, source })
    }

    fn remove(&self, shard: ShardId, segment: SegmentNumber) -> Result<(), FilesError> {
        let path = self.path(shard, segment);
        let remove = || -> io::Result<()> {
            fs::remove_file(&path)?;
            File::open(self.directory.join(directory_name(shard)))?.sync_all()
        };
        remove().map_err(|source| FilesError { path: path.clone(), operation: FileOperation::Remove, source })
    }

    fn path(&self, shard: ShardId, segment: SegmentNumber) -> PathBuf {
        self.directory.join(directory_name(shard)).join(file_name(segment))
    }

    fn hold(&self, shard: ShardId, segments: &[SegmentNumber]) {
        let limit = getrlimit(Resource::Nofile);
        // Where that is refused, fewer are held.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
        let held_max =
            getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX).saturating_sub(DESCRIPTORS_LEFT);
        let mut held = self.lock_held();
        // The oldest expire first.
        for &segment in segments {
            if held.len() as u64 >= held_max {
                return;
            }
            if let Ok(file) = open_to_hold(&self.path(shard, segment)) {
                held.insert((shard, segment), file);
            }
        }
    }

    fn beside(&self) -> Option<&dyn IndexFiles> {
        Some(self)
    }
}
