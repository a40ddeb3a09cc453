//! Segments made ready before they are needed.
//!
//! A segment is zero-filled, synced and named before anyone appends to it: then a commit changes
//! no metadata, and its `fdatasync` costs a third less.

use super::error::PrepareError;
use madang_log::{SegmentFiles, SegmentHeader, SegmentNumber};
use madang_model::{ShardId, Timestamp, recorded_shard_count};
use std::io;

/// Zeros written at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// An order for a segment.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// Whose it is.
    pub shard: ShardId,
    /// How many shards there are.
    pub shard_count: u16,
    /// Which of the shard's segments.
    pub number: SegmentNumber,
    /// How long it is.
    pub capacity_bytes: u64,
}

/// A segment that is ready, or why it is not.
#[derive(Debug)]
pub struct Prepared {
    /// Which.
    pub number: SegmentNumber,
    /// Whether it is ready.
    pub result: Result<(), PrepareError>,
}

/// Makes a segment ready.
pub fn prepare<F: SegmentFiles>(files: &F, order: &Order, now: Timestamp) -> Prepared {
    finish(files, order, fill(files, order, now))
}

/// Makes an unfinished segment, with its header and zeros behind it: nothing else of the log changes, and no reader looks
/// at it.
///
/// # Errors
/// [`PrepareError`], for [`finish`].
pub fn fill<F: SegmentFiles>(files: &F, order: &Order, now: Timestamp) -> Result<(), PrepareError> {
    let Order { shard, shard_count, number, capacity_bytes } = *order;
    let filled = || -> io::Result<()> {
        files.make_directory(shard)?;
        let segment = files.create(shard, number)?;
        // Once a second a full disk is tried again: what is left of it is not filled with zeros each time.
        if files.free_bytes(&segment)?.is_some_and(|free_bytes| free_bytes < capacity_bytes) {
            return Err(rustix::io::Errno::NOSPC.into());
        }
        let shard_count = recorded_shard_count(shard_count);
        let header = SegmentHeader {
            shard,
            shard_count,
            segment: number,
            created_us: now.0,
            capacity_bytes,
            generation: 0,
        };
        let header = header.encode();
        files.write_at(&segment, 0, &header)?;
        let zeros = vec![0; CHUNK_BYTES];
        let mut filled_bytes = header.len() as u64;
        while filled_bytes < capacity_bytes {
            let chunk_bytes = (capacity_bytes - filled_bytes).min(CHUNK_BYTES as u64);
            files.write_at(&segment, filled_bytes, &zeros[..chunk_bytes as usize])?;
            // A commit waits for what the disk was given before it: never for a whole segment.
            files.sync_contents(&segment)?;
            filled_bytes += chunk_bytes;
        }
        files.sync(&segment)
    };
    filled().map_err(|source| PrepareError { path: files.path(shard, number), source })
}

/// Gives a segment that was filled its name: it is one of the log from here on.
pub fn finish<F: SegmentFiles>(files: &F, order: &Order, filled: Result<(), PrepareError>) -> Prepared {
    let Order { shard, number, .. } = *order;
    let put_in_place = || -> io::Result<()> {
        files.put_in_place(shard, number)?;
        #[cfg(any(test, feature = "deliberate-faults"))]
        if crate::mutation::is_on(crate::mutation::Mutation::ForgetDirectorySync) {
            return Ok(());
        }
        files.sync_directory(shard)
    };
    let failed = |source| PrepareError { path: files.path(shard, number), source };
    let result = filled.and_then(|()| put_in_place().map_err(failed));
    if result.is_err() {
        // A full disk gets back what the attempt took.
        files.discard(shard, number);
    }
    Prepared { number, result }
}
