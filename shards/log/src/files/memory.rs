//! Files that are only bytes in memory, for tests and the simulator.

use super::{FileOperation, Files, FilesError};
use crate::append::{Batch, SealedSegment};
use crate::format::{SegmentHeader, SegmentNumber, directory_name, file_name};
use madang_model::ShardId;
use rkyv::util::AlignedVec;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

type Contents = BTreeMap<(ShardId, SegmentNumber), Vec<u8>>;

/// A directory of data that is gone with the process.
#[derive(Debug, Default)]
pub struct MemoryFiles {
    contents: Mutex<Contents>,
}

impl MemoryFiles {
    /// Prepares a segment of the header's capacity, all zeros behind the header.
    pub fn create(&self, header: &SegmentHeader) {
        let mut bytes = header.encode().to_vec();
        bytes.resize(usize::try_from(header.capacity_bytes).expect("a segment fits in memory"), 0);
        self.lock().insert((header.shard, header.segment), bytes);
    }

    /// Does what the runtime does with a batch.
    ///
    /// # Panics
    /// When its segment was not created.
    pub fn write(&self, shard: ShardId, batch: &Batch) {
        self.put(shard, batch.segment, batch.offset_bytes, &batch.bytes);
    }

    /// Does what the runtime does with a segment that is left behind.
    ///
    /// # Panics
    /// When its segment was not created.
    pub fn write_seal(&self, shard: ShardId, sealed: &SealedSegment) {
        self.put(shard, sealed.number, sealed.end_offset_bytes, &sealed.frame);
    }

    /// A segment's bytes, to be damaged.
    ///
    /// # Panics
    /// When it was not created.
    pub fn edit(&self, shard: ShardId, segment: SegmentNumber, edit: impl FnOnce(&mut Vec<u8>)) {
        edit(self.lock().get_mut(&(shard, segment)).expect("the segment was created"));
    }

    fn put(&self, shard: ShardId, segment: SegmentNumber, offset_bytes: u64, bytes: &[u8]) {
        let start = usize::try_from(offset_bytes).expect("a segment fits in memory");
        self.edit(shard, segment, |file| file[start..start + bytes.len()].copy_from_slice(bytes));
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn missing(&self, shard: ShardId, segment: SegmentNumber, operation: FileOperation) -> FilesError {
        let source = io::Error::from(io::ErrorKind::NotFound);
        FilesError { path: self.path(shard, segment), operation, source }
    }
}

impl Files for MemoryFiles {
    fn shards(&self) -> Result<Vec<ShardId>, FilesError> {
        let mut shards: Vec<ShardId> = self.lock().keys().map(|(shard, _)| *shard).collect();
        shards.dedup();
        Ok(shards)
    }

    fn segments(&self, shard: ShardId) -> Result<Vec<SegmentNumber>, FilesError> {
        Ok(self.lock().keys().filter(|(of, _)| *of == shard).map(|(_, segment)| *segment).collect())
    }

    fn read_start(
        &self,
        shard: ShardId,
        segment: SegmentNumber,
        bytes_max: usize,
        into: &mut AlignedVec,
    ) -> Result<(), FilesError> {
        let contents = self.lock();
        let file = contents.get(&(shard, segment));
        let file = file.ok_or_else(|| self.missing(shard, segment, FileOperation::Read))?;
        into.clear();
        into.extend_from_slice(&file[..file.len().min(bytes_max)]);
        Ok(())
    }

    fn seal(
        &self,
        shard: ShardId,
        segment: SegmentNumber,
        _synced_bytes: u64,
        end_bytes: u64,
        frame: &[u8],
    ) -> Result<(), FilesError> {
        let mut contents = self.lock();
        let file = contents.get_mut(&(shard, segment));
        let file = file.ok_or_else(|| self.missing(shard, segment, FileOperation::Seal))?;
        file.truncate(usize::try_from(end_bytes).expect("a segment fits in memory"));
        file.extend_from_slice(frame);
        Ok(())
    }

    fn make_sure(&self, shard: ShardId, segment: SegmentNumber, _: u64) -> Result<(), FilesError> {
        let is_there = self.lock().contains_key(&(shard, segment));
        if is_there { Ok(()) } else { Err(self.missing(shard, segment, FileOperation::Seal)) }
    }

    fn remove(&self, shard: ShardId, segment: SegmentNumber) -> Result<(), FilesError> {
        let removed = self.lock().remove(&(shard, segment));
        removed.map(|_| ()).ok_or_else(|| self.missing(shard, segment, FileOperation::Remove))
    }

    fn path(&self, shard: ShardId, segment: SegmentNumber) -> PathBuf {
        Path::new("memory").join(directory_name(shard)).join(file_name(segment))
    }
}
