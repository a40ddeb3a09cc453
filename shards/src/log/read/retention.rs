//! What is not kept for ever: whole segments, the oldest first.

use super::plan::Plan;
use super::snapshots::renew_snapshot;
use crate::log::files::{FilesError, IndexFiles};
use crate::log::format::SegmentNumber;
use crate::types::ShardId;
use std::time::{Duration, SystemTime};

/// How much is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Retention {
    /// Segments that were finished longer ago go.
    pub age_max: Option<Duration>,
    /// Finished segments and their indexes, over all directories: the oldest go until no more is left.
    pub bytes_max: Option<u64>,
}

/// A segment that has expired and is gone.
#[derive(Clone, Debug)]
pub struct Removed {
    /// Whose.
    pub shard: ShardId,
    /// Which.
    pub segment: SegmentNumber,
    /// What it took, with its index.
    pub bytes: u64,
    /// How long ago it was finished.
    pub age: Duration,
}

/// A finished segment.
#[derive(Clone, Copy)]
struct Finished {
    segment: SegmentNumber,
    bytes: u64,
    at: SystemTime,
}

impl Retention {
    /// Whether everything is kept.
    pub fn keeps_all(&self) -> bool {
        *self == Retention::default()
    }
}

/// Removes what has expired. Only segments that their directory's snapshot covers may go, and
/// never the newest of those: so the heads of rooms outlive their messages, and the numbers of
/// segments go on. In each directory the oldest goes first, and of the directories the one whose
/// oldest was finished first.
///
/// # Errors
/// When a file cannot be read or removed; what was removed before is gone.
pub fn retain(
    files: &dyn IndexFiles,
    retention: &Retention,
    now: SystemTime,
    removed: &mut dyn FnMut(Removed),
) -> Result<(), FilesError> {
    if retention.keeps_all() {
        return Ok(());
    }
    let mut directories = Vec::new();
    for shard in files.shards()? {
        let Some(snapshot) = renew_snapshot(files, shard, false)? else { continue };
        // Newest first, so that the oldest can be taken from the end.
        let mut finished = finished_segments(files, shard, snapshot.scope.covers)?;
        finished.reverse();
        directories.push((shard, finished));
    }
    let mut kept_bytes: u64 = directories.iter().flat_map(|(_, all)| all).map(|one| one.bytes).sum();
    loop {
        let oldest = directories
            .iter_mut()
            .filter(|(_, finished)| finished.len() > 1)
            .min_by_key(|(_, finished)| finished.last().map(|oldest| oldest.at));
        let Some((shard, finished)) = oldest else { return Ok(()) };
        let Some(Finished { segment, bytes, at }) = finished.last().copied() else { return Ok(()) };
        let age = now.duration_since(at).unwrap_or_default();
        let is_too_old = retention.age_max.is_some_and(|age_max| age > age_max);
        let is_too_much = retention.bytes_max.is_some_and(|bytes_max| kept_bytes > bytes_max);
        if !is_too_old && !is_too_much {
            return Ok(());
        }
        files.remove_finished(*shard, segment)?;
        finished.pop();
        kept_bytes -= bytes;
        removed(Removed { shard: *shard, segment, bytes, age });
    }
}

/// The segments of a directory up to the last that its snapshot covers, oldest first.
fn finished_segments(
    files: &dyn IndexFiles,
    shard: ShardId,
    covers: SegmentNumber,
) -> Result<Vec<Finished>, FilesError> {
    let segments = Plan::of(files, shard)?.segments;
    let covered = segments.into_iter().filter(|segment| *segment <= covers);
    covered
        .map(|segment| {
            let (bytes, at) = files.finished(shard, segment)?;
            Ok(Finished { segment, bytes, at })
        })
        .collect()
}
