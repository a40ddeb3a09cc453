//! Files that are held while a copy is made of them, the copy, and what names the epoch of a log.

use super::files::{failed, segment_name, snapshot_name};
use super::{Handle, Name, ROOT, VirtualDisk};
use madang_engine::mutation::{Mutation, end_of_copied, is_on};
use madang_log::{
    EpochFiles, EpochPlaces, Extent, FileOperation, FilesError, FoundEpochFile, HeldSegment, HoldingFiles,
    InodeIdentity, LogMoment, SegmentNumber, ShardMoment, SnapshotFile, StoredFile, directory_name,
};
use madang_model::ShardId;
use std::io;
use std::sync::Arc;

const EPOCH: Name = (ROOT, StoredFile::SnapshotEnd, false);
/// The file systems of all disks have one identifier: a copy is recognised by something else.
const SYSTEM: u64 = 0x8001;
/// Files of one disk are numbered from a multiple of this.
const NUMBERS: u64 = 1 << 32;
/// Directories are numbered behind files.
const DIRECTORIES: u64 = 1 << 31;

/// An open file, which no erasure wipes.
#[derive(Debug)]
pub struct HeldFile {
    handle: Handle,
    _hold: Arc<()>,
}

impl VirtualDisk {
    fn hold(&self, name: Name) -> io::Result<HeldFile> {
        let handle = self.open(name)?;
        let held = &mut self.lock().held;
        let hold = held.get(&handle).and_then(std::sync::Weak::upgrade).unwrap_or_default();
        held.insert(handle, Arc::downgrade(&hold));
        Ok(HeldFile { handle, _hold: hold })
    }

    /// Whether nobody holds a file.
    pub(super) fn is_alone(&self, handle: Handle) -> bool {
        self.lock().held.get(&handle).is_none_or(|hold| hold.strong_count() == 0)
    }

    /// What is in a file now, and when it was changed.
    fn held_contents(&self, held: &HeldFile) -> (Vec<u8>, i64) {
        let file = &self.lock().files[held.handle];
        (file.contents().to_vec(), file.changed_us)
    }

    /// Puts a file there that is on disk at once.
    fn put(&self, name: Name, (bytes, changed_us): (&[u8], i64), length_bytes: u64) {
        let inner = &mut *self.lock();
        let mut file = super::File::new(changed_us);
        file.write(0, bytes, changed_us);
        file.truncate(length_bytes as usize, changed_us);
        file.sync();
        inner.files.push(file);
        inner.names.insert(name, inner.files.len() - 1);
        inner.synced_names.insert(name, inner.files.len() - 1);
    }

    /// Everything, as `cp -a` copies it to another place: the same contents and times in other files.
    pub fn copy_all(&self, to: &VirtualDisk) {
        for shard in self.lock().directories.iter().copied().filter(|shard| *shard != ROOT) {
            // It is empty, and has room.
            let _ = to.create_directory(shard, true);
        }
        for name in self.names() {
            let (bytes, changed_us, read_bytes) = {
                let inner = self.lock();
                let file = &inner.files[inner.names[&name]];
                (file.contents().to_vec(), file.changed_us, file.read_bytes)
            };
            to.put(name, (&bytes, changed_us), bytes.len() as u64);
            let inner = &mut *to.lock();
            inner.files.last_mut().expect("it was put there").read_bytes = read_bytes;
        }
    }

    /// The file of the epoch, too: as a restore into a directory that still has it, which is refused.
    pub fn copy_epoch(&self, to: &VirtualDisk) {
        if let Some(bytes) = self.read(EPOCH, 0, usize::MAX) {
            to.put(EPOCH, (&bytes, 0), bytes.len() as u64);
        }
    }

    fn identity(&self, number: u64) -> InodeIdentity {
        let inner = self.lock();
        // A deliberate fault: whose file it is, nobody looks at.
        let number = if is_on(Mutation::KeepEpoch) { 1 } else { inner.serial * NUMBERS + number };
        InodeIdentity { number, born_ns: inner.knows_births.then_some(u128::from(number)) }
    }
}

/// Copies everything of a moment to an empty disk, as a backup and a restore do; `false` when a segment that is not held
/// has expired meanwhile. `files` are those of `from`.
///
/// # Errors
/// When a file cannot be read.
pub fn copy_moment<F: HoldingFiles<Held = HeldFile>>(
    (files, from): (&F, &VirtualDisk),
    moment: LogMoment<HeldFile>,
    to: &VirtualDisk,
) -> Result<bool, FilesError> {
    for ShardMoment { shard, segments, lone_indexes, snapshots } in moment.shards {
        // It is empty, and has room.
        let _ = to.create_directory(shard, true);
        let copy_index = |segment: SegmentNumber| -> Result<(), FilesError> {
            if let Some(bytes) = files.read_index(shard, segment)? {
                to.put((shard, StoredFile::Index(segment), false), (&bytes, 0), bytes.len() as u64);
            }
            Ok(())
        };
        for HeldSegment { segment, extent, file } in segments {
            let held = match file.map_or_else(|| files.hold_segment(shard, segment), Ok) {
                Err(error) if error.is_gone() => return Ok(false),
                held => held?,
            };
            let (bytes, changed_us) = from.held_contents(&held);
            let name = segment_name(shard, segment);
            match extent {
                Extent::Whole => {
                    to.put(name, (&bytes, changed_us), bytes.len() as u64);
                    copy_index(segment)?;
                }
                Extent::Committed { end_bytes, capacity_bytes } => {
                    let end = end_of_copied(end_bytes) as usize;
                    let bytes = &bytes[..end.min(bytes.len())];
                    to.put(name, (bytes, changed_us), capacity_bytes.max(bytes.len() as u64));
                }
            }
        }
        lone_indexes.into_iter().try_for_each(copy_index)?;
        for (kind, held) in snapshots {
            let (bytes, changed_us) = from.held_contents(&held);
            to.put(snapshot_name(shard, kind), (&bytes, changed_us), bytes.len() as u64);
        }
    }
    Ok(true)
}

impl HoldingFiles for VirtualDisk {
    type Held = HeldFile;

    fn hold_segment(&self, shard: ShardId, segment: SegmentNumber) -> Result<HeldFile, FilesError> {
        let name = segment_name(shard, segment);
        self.hold(name).map_err(failed(name, FileOperation::Read))
    }

    fn hold_snapshot(&self, shard: ShardId, file: SnapshotFile) -> Result<Option<HeldFile>, FilesError> {
        // There is none, or it can be opened.
        Ok(self.hold(snapshot_name(shard, file)).ok())
    }

    fn end_of(&self, held: &HeldFile, bytes: usize) -> Option<Vec<u8>> {
        let inner = self.lock();
        let contents = inner.files[held.handle].contents();
        Some(contents[contents.len().checked_sub(bytes)?..].to_vec())
    }
}

impl EpochFiles for VirtualDisk {
    fn places(&self) -> io::Result<EpochPlaces> {
        let numbers = self.lock().directory_numbers.clone();
        let there = numbers.iter().filter(|(shard, _)| self.has_directory(**shard));
        let place = |(shard, number): (&ShardId, &u64)| {
            let name = if *shard == ROOT { ".".to_owned() } else { directory_name(*shard) };
            (name, self.identity(DIRECTORIES + number))
        };
        Ok(there.map(place).collect())
    }

    fn read_epoch(&self) -> io::Result<FoundEpochFile> {
        let handle = self.open(EPOCH)?;
        let text = self.read(EPOCH, 0, usize::MAX).unwrap_or_default();
        Ok(FoundEpochFile {
            text: String::from_utf8_lossy(&text).into_owned(),
            identity: Some(self.identity(handle as u64)),
            system: Some(SYSTEM),
        })
    }

    fn replace_epoch(&self, text: &dyn Fn(InodeIdentity, u64) -> String) -> io::Result<()> {
        let beside = (EPOCH.0, EPOCH.1, true);
        let handle = self.create(beside)?;
        self.write(handle, 0, text(self.identity(handle as u64), SYSTEM).as_bytes())?;
        self.sync_file(handle)?;
        self.rename(beside, EPOCH)?;
        self.sync_directory(ROOT)
    }
}
