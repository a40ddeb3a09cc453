//! Reading a snapshot from start to end.

use super::block::{BlockSide, SNAPSHOT_BLOCK_BYTES, SnapshotFault, SnapshotInfo, SnapshotScope};
use super::room::SnapshotRoom;
use crate::index::bytes::{BUCKET_PREFIX_BYTES, BucketSlot, SLOT_BYTES, field, open_bucket, read_slot};
use madang_model::ShardId;
use std::io::{self, Read};

/// Gives the rooms of a snapshot in the order of their keys, holding one bucket at a time. The
/// last item is an error when the file is not whole: what was given before is right all the same.
#[derive(Debug)]
pub struct SnapshotReader<R> {
    source: R,
    info: SnapshotInfo,
    offset_bytes: u64,
    buckets_read: u64,
    rooms_read: u64,
    bucket: std::vec::IntoIter<SnapshotRoom>,
    bytes: Vec<u8>,
    is_finished: bool,
}

impl<R: Read> SnapshotReader<R> {
    /// Begins at the start of a file; give it one with a buffer.
    ///
    /// # Errors
    /// [`SnapshotFault`] when it is no snapshot of this directory.
    pub fn new(mut source: R, directory: ShardId) -> Result<SnapshotReader<R>, SnapshotFault> {
        let mut start = Vec::new();
        source.by_ref().take(SNAPSHOT_BLOCK_BYTES as u64).read_to_end(&mut start)?;
        let info = SnapshotInfo::decode_block(BlockSide::Start, &start, directory)?;
        Ok(SnapshotReader {
            source,
            info,
            offset_bytes: SNAPSHOT_BLOCK_BYTES as u64,
            buckets_read: 0,
            rooms_read: 0,
            bucket: Vec::new().into_iter(),
            bytes: Vec::new(),
            is_finished: false,
        })
    }

    /// What the snapshot is about.
    pub fn scope(&self) -> SnapshotScope {
        self.info.scope
    }

    fn read_bucket(&mut self) -> Result<(), SnapshotFault> {
        let at = self.offset_bytes;
        self.bytes.clear();
        self.fill(BUCKET_PREFIX_BYTES as u64)?;
        let length = u32::from_le_bytes(field(&self.bytes, 0));
        self.fill(u64::from(length))?;
        let SnapshotInfo { version, .. } = self.info;
        let entries = open_bucket(self.info.identity(), at, &self.bytes);
        let rooms = entries.and_then(|entries| SnapshotRoom::decode_bucket(entries, version));
        let rooms = rooms.ok_or(SnapshotFault::Damaged { offset_bytes: at })?;
        self.buckets_read += 1;
        self.rooms_read += rooms.len() as u64;
        self.bucket = rooms.into_iter();
        Ok(())
    }

    /// Checks what follows the buckets, so that a whole snapshot is known to be one.
    fn read_end(&mut self) -> Result<(), SnapshotFault> {
        let slots_at = self.offset_bytes;
        let mut bucket_at = SNAPSHOT_BLOCK_BYTES as u64;
        for _ in 0..self.buckets_read {
            let at = self.offset_bytes;
            self.bytes.clear();
            self.fill(SLOT_BYTES as u64)?;
            match read_slot(self.info.identity(), at, &self.bytes) {
                Some(BucketSlot { offset_bytes, bytes }) if offset_bytes == bucket_at => {
                    bucket_at += u64::from(bytes);
                }
                _ => return Err(SnapshotFault::Damaged { offset_bytes: at }),
            }
        }
        let at = self.offset_bytes;
        self.bytes.clear();
        self.fill(SNAPSHOT_BLOCK_BYTES as u64)?;
        let end = SnapshotInfo::decode(&self.bytes, self.info.scope.directory)?;
        if end != (SnapshotInfo { rooms: self.rooms_read, slots_at, ..self.info }) {
            return Err(SnapshotFault::Damaged { offset_bytes: at });
        }
        Ok(())
    }

    /// Appends the next `count` bytes; memory grows only as bytes really come.
    fn fill(&mut self, count: u64) -> Result<(), SnapshotFault> {
        let read = self.source.by_ref().take(count).read_to_end(&mut self.bytes)? as u64;
        self.offset_bytes += read;
        if read == count { Ok(()) } else { Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()) }
    }
}

impl<R: Read> Iterator for SnapshotReader<R> {
    type Item = Result<SnapshotRoom, SnapshotFault>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(room) = self.bucket.next() {
                return Some(Ok(room));
            }
            if self.is_finished {
                return None;
            }
            let read = if self.buckets_read < 1 << self.info.bucket_bits {
                self.read_bucket()
            } else {
                self.is_finished = true;
                self.read_end()
            };
            if let Err(fault) = read {
                self.is_finished = true;
                return Some(Err(fault));
            }
        }
    }
}
