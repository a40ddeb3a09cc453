//! One moment of a log, which a copy is made of: what is in it stays readable, though a server continues.

use super::standing::{Extent, standing};
use crate::files::{Files, FilesError, HoldingFiles};
use crate::format::{HEADER_BYTES, SegmentHeader, SegmentNumber};
use crate::index::{SNAPSHOT_BLOCK_BYTES, SnapshotFile, SnapshotInfo};
use madang_model::ShardId;
use rkyv::util::AlignedVec;

/// How often a shard is listed again, as a segment has expired meanwhile.
const LISTINGS_MAX: u32 = 16;
/// How often all are listed again, as another number of shards has begun meanwhile.
const MOMENTS_MAX: u32 = 4;

/// The log at one moment. `H` is an open file.
#[derive(Debug)]
pub struct LogMoment<H> {
    /// Each shard that has a directory.
    pub shards: Vec<ShardMoment<H>>,
}

/// The log of a shard at one moment.
#[derive(Debug)]
pub struct ShardMoment<H> {
    /// Whose.
    pub shard: ShardId,
    /// Its segments, in rising order.
    pub segments: Vec<HeldSegment<H>>,
    /// Indexes of segments that are not there, which prove that messages are missing: a copy without them would seem to
    /// be whole.
    pub lone_indexes: Vec<SegmentNumber>,
    /// The snapshot and its copy, as far as they exist. They cover nothing behind these segments.
    pub snapshots: Vec<(SnapshotFile, H)>,
}

/// A segment that is part of the moment.
#[derive(Debug)]
pub struct HeldSegment<H> {
    /// Which.
    pub segment: SegmentNumber,
    /// How much of it counts.
    pub extent: Extent,
    /// Its file, which stays readable when it is removed; `None` where too many are open.
    pub file: Option<H>,
}

/// Why there is no moment.
#[derive(Debug, thiserror::Error)]
pub enum MomentError {
    /// A file could not be read.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// Segments went or came faster than they could be listed.
    #[error("the log changes faster than it can be listed")]
    TooFast,
}

impl<H> LogMoment<H> {
    /// Notes what there is now, and holds at most so many files open. `pause` waits a little before another attempt.
    ///
    /// # Errors
    /// [`MomentError`].
    pub fn take<F: HoldingFiles<Held = H>>(
        files: &F,
        held_max: u64,
        pause: &mut dyn FnMut(),
    ) -> Result<LogMoment<H>, MomentError> {
        for _ in 0..MOMENTS_MAX {
            let before = layout(files)?;
            let mut shards = Vec::new();
            let found = files.shards()?;
            let snapshots = (found.len() * SnapshotFile::ALL.len()) as u64;
            let mut left = held_max.saturating_sub(snapshots);
            for shard in found {
                shards.push(ShardMoment::take(files, shard, &mut left, pause)?);
            }
            // With another number of shards rooms have other homes: the later messages of a room would be there, and
            // those before not.
            if layout(files)? == before {
                return Ok(LogMoment { shards });
            }
            pause();
        }
        Err(MomentError::TooFast)
    }
}

impl<H> ShardMoment<H> {
    fn take<F: HoldingFiles<Held = H>>(
        files: &F,
        shard: ShardId,
        held_max: &mut u64,
        pause: &mut dyn FnMut(),
    ) -> Result<ShardMoment<H>, MomentError> {
        let mut listings_left = LISTINGS_MAX;
        loop {
            listings_left -= 1;
            let is_last = listings_left == 0;
            // Before the segments, so that they cover nothing that is not among these.
            let snapshots = hold_snapshots(files, shard)?;
            let covered = snapshots.iter().filter_map(|(_, file)| covers(files, file, shard)).max();
            let mut lone_indexes = files.indexes(shard)?;
            let standing = standing(files, shard, covered)?;
            // After the indexes, and whatever is in them: what expires loses its index first.
            let there = files.segments(shard)?;
            lone_indexes.retain(|indexed| there.binary_search(indexed).is_err());
            let mut left = *held_max;
            let mut segments = Vec::with_capacity(standing.len());
            let mut is_gone = false;
            for found in &standing {
                // The oldest expire first.
                let file = match left {
                    0 => None,
                    _ => match files.hold_segment(shard, found.segment) {
                        Ok(file) => Some(file),
                        Err(error) if error.is_gone() => {
                            is_gone = true;
                            break;
                        }
                        Err(error) => return Err(error.into()),
                    },
                };
                left = left.saturating_sub(1);
                segments.push(HeldSegment { segment: found.segment, extent: found.extent, file });
            }
            // Behind what has expired only a snapshot knows the numbers of rooms. Where it does not even now, the log is
            // damaged, and the copy is to show it.
            let first = standing.first().map_or(SegmentNumber::FIRST, |found| found.segment);
            let is_covered =
                first == SegmentNumber::FIRST || covered.is_some_and(|covered| covered.next() >= first);
            if !is_gone && (is_covered || is_last) {
                *held_max = left;
                return Ok(ShardMoment { shard, segments, lone_indexes, snapshots });
            }
            if is_last {
                return Err(MomentError::TooFast);
            }
            pause();
        }
    }
}

/// The number of shards in the header of each shard's newest segment: each process that begins writes new ones.
fn layout(files: &dyn Files) -> Result<Vec<(ShardId, Option<u16>)>, FilesError> {
    let newest_count = |shard: ShardId| -> Result<Option<u16>, FilesError> {
        let Some(&newest) = files.segments(shard)?.last() else { return Ok(None) };
        let mut start = AlignedVec::new();
        let is_read = files.read_start(shard, newest, HEADER_BYTES, &mut start);
        let header = is_read.ok().and_then(|()| SegmentHeader::decode(&start, shard, newest).ok());
        Ok(header.map(|header| header.shard_count))
    };
    files.shards()?.into_iter().map(|shard| Ok((shard, newest_count(shard)?))).collect()
}

fn hold_snapshots<F: HoldingFiles>(
    files: &F,
    shard: ShardId,
) -> Result<Vec<(SnapshotFile, F::Held)>, FilesError> {
    let mut snapshots = Vec::new();
    for kind in SnapshotFile::ALL {
        if let Some(file) = files.hold_snapshot(shard, kind)? {
            snapshots.push((kind, file));
        }
    }
    Ok(snapshots)
}

/// The last segment that a snapshot covers, as its end says.
fn covers<F: HoldingFiles>(files: &F, held: &F::Held, shard: ShardId) -> Option<SegmentNumber> {
    let end = files.end_of(held, SNAPSHOT_BLOCK_BYTES)?;
    Some(SnapshotInfo::decode(&end, shard).ok()?.scope.covers)
}
