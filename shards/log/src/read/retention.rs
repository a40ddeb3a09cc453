//! What is not kept forever: whole segments, the oldest first.

use super::expired::{keep_copy, keep_lost_heads};
use super::live_facts::{FactsRenewal, live_facts};
use super::runs::remove_expired_runs;
use super::snapshots::{renew_snapshot, snapshot_info};
use crate::files::{FilesError, IndexFiles};
use crate::format::SegmentNumber;
use madang_model::ShardId;
use std::time::{Duration, SystemTime};

/// What is too old may wait this long for a snapshot that is due for other reasons.
const RENEWAL_DELAY: Duration = Duration::from_secs(3600);

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
struct FinishedSegment {
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

/// Removes what has expired, once no live facts are in it. Only segments that their directory's snapshot covers may go, once a copy of it
/// covers them, too, and never the newest of those: so the heads of rooms outlive their messages, and the numbers of
/// segments continue. In each directory the oldest goes first, and of the directories the one whose
/// oldest was finished first.
///
/// # Errors
/// When a file cannot be read or removed; what was removed before is gone.
pub fn retain(
    files: &dyn IndexFiles,
    retention: &Retention,
    now: SystemTime,
    renewal: &mut dyn FactsRenewal,
    removed: &mut dyn FnMut(Removed),
) -> Result<(), FilesError> {
    if retention.keeps_all() {
        return Ok(());
    }
    let mut found = directories(files)?;
    if renew_due(files, retention, now, &found)? {
        found = directories(files)?;
    }
    let mut kept_bytes: u64 = found.iter().map(|one| bytes_of(&one.covered) + bytes_of(&one.behind)).sum();
    // Newest first, so that the oldest can be taken from the end.
    let newest_first = |one: FinishedSegments| (one.shard, one.covered.into_iter().rev().collect::<Vec<_>>());
    let mut directories: Vec<_> = found.into_iter().map(newest_first).collect();
    loop {
        let oldest = directories
            .iter_mut()
            .filter(|(_, finished)| finished.len() > 1)
            .min_by_key(|(_, finished)| finished.last().map(|oldest| oldest.at));
        let Some((shard, finished)) = oldest else { return Ok(()) };
        let Some(FinishedSegment { segment, bytes, at }) = finished.last().copied() else { return Ok(()) };
        let age = now.duration_since(at).unwrap_or_default();
        let is_too_old = retention.age_max.is_some_and(|age_max| age > age_max);
        let is_too_much = retention.bytes_max.is_some_and(|bytes_max| kept_bytes > bytes_max);
        if !is_too_old && !is_too_much {
            return Ok(());
        }
        let live = live_facts(files, (*shard, segment), renewal)?;
        if !live.is_empty() {
            // Nothing behind it goes before it does. It counts as gone: it waits only until they are committed.
            renewal.renew((*shard, segment), live);
            kept_bytes -= bytes;
            finished.clear();
            continue;
        }
        let is_changed = keep_lost_heads(files, *shard, segment)?;
        keep_copy(files, *shard, segment, is_changed)?;
        files.remove_finished(*shard, segment)?;
        remove_expired_runs(files, *shard, segment.next())?;
        renewal.removed((*shard, segment));
        finished.pop();
        kept_bytes -= bytes;
        removed(Removed { shard: *shard, segment, bytes, age });
    }
}

/// The finished segments of a directory, oldest first.
struct FinishedSegments {
    shard: ShardId,
    /// Those that its snapshot covers.
    covered: Vec<FinishedSegment>,
    /// Those behind it.
    behind: Vec<FinishedSegment>,
    /// What the snapshot takes, about; 0 when there is none.
    snapshot_bytes: u64,
}

fn bytes_of(segments: &[FinishedSegment]) -> u64 {
    segments.iter().map(|one| one.bytes).sum()
}

fn directories(files: &dyn IndexFiles) -> Result<Vec<FinishedSegments>, FilesError> {
    let mut directories = Vec::new();
    for shard in files.shards()? {
        let snapshot = snapshot_info(files, shard)?;
        let covers = snapshot.map_or(SegmentNumber(0), |snapshot| snapshot.scope.covers);
        let snapshot_bytes = snapshot.map_or(0, |snapshot| snapshot.bytes_about());
        let (mut covered, mut behind) = (Vec::new(), Vec::new());
        for segment in files.segments(shard)? {
            if segment <= covers {
                let (bytes, at) = files.finished(shard, segment)?;
                covered.push(FinishedSegment { segment, bytes, at });
            } else if files.has_index(shard, segment)? {
                let (bytes, at) = files.finished(shard, segment)?;
                behind.push(FinishedSegment { segment, bytes, at });
            }
        }
        directories.push(FinishedSegments { shard, covered, behind, snapshot_bytes });
    }
    Ok(directories)
}

/// Has snapshots written anew, where what is behind them is to go: only what one covers may. It is done seldom, as
/// it writes every room anew: when as much was said since as that writes, or when what is too old is so by an hour.
/// Whether one was.
fn renew_due(
    files: &dyn IndexFiles,
    retention: &Retention,
    now: SystemTime,
    directories: &[FinishedSegments],
) -> Result<bool, FilesError> {
    let kept =
        |one: &FinishedSegments| one.covered.last().map_or(0, |newest| newest.bytes) + bytes_of(&one.behind);
    let kept_bytes: u64 = directories.iter().map(kept).sum();
    let is_too_much = retention.bytes_max.is_some_and(|bytes_max| kept_bytes > bytes_max);
    let mut has_renewed = false;
    for one in directories {
        let Some(oldest) = one.behind.first() else { continue };
        let age = now.duration_since(oldest.at).unwrap_or_default();
        let is_older =
            |by: Duration| retention.age_max.is_some_and(|age_max| age > age_max.saturating_add(by));
        let is_worth_it = bytes_of(&one.behind) >= one.snapshot_bytes;
        if is_worth_it && (is_too_much || is_older(Duration::ZERO)) || is_older(RENEWAL_DELAY) {
            renew_snapshot(files, one.shard, false)?;
            has_renewed = true;
        }
    }
    Ok(has_renewed)
}
