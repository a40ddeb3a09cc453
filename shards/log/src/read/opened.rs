//! Opening a log to continue it.

use super::evidence::Evidence;
use super::expired::keep_copy;
use super::heads::{Depth, check_heads};
use super::recovered::Summary;
use super::recovery::{Keeps, RecoveryError, recover_by};
use super::runs::{amendment_sources, remove_unproven_runs};
use super::snapshots::renew_snapshot;
use super::tails::{IndexError, index_scanned};
use crate::files::{FilesError, IndexFiles};
use crate::format::SegmentNumber;
use crate::index::{AmendmentSource, SnapshotScope};
use hashbrown::HashMap;
use madang_model::{RoomKey, RoomName, Seq, ShardId};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// While many indexes are made again, progress is reported at this interval.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenLogError {
    /// It cannot be continued from.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// Stored messages cannot be found.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A snapshot cannot be written.
    #[error(transparent)]
    Files(#[from] FilesError),
}

impl OpenLogError {
    /// Whether it stays so until somebody sees to it: the log is damaged, or something else has the name of a part
    /// of it.
    pub fn is_lasting(&self) -> bool {
        match self {
            OpenLogError::Recovery(RecoveryError::Faults(_)) => true,
            OpenLogError::Recovery(RecoveryError::Files(error))
            | OpenLogError::Index(IndexError::Files(error))
            | OpenLogError::Files(error) => error.is_no_file(),
            OpenLogError::Index(_) => false,
        }
    }
}

/// A log that can be continued. Rooms are not in it: the snapshots say where each is.
#[derive(Debug, Default)]
pub struct OpenedLog {
    /// The segment that each shard begins with, by shard.
    pub next_segments: Vec<SegmentNumber>,
    /// The snapshots of all directories, which together cover every message there is.
    pub snapshots: Vec<SnapshotScope>,
    /// Rooms whose newest messages a repair recorded as lost: their names, and the numbers that
    /// stay taken.
    pub lost_heads: HashMap<RoomKey, (RoomName, Seq)>,
    /// Rooms that ever had a message. A room that moved when the number of shards changed may be
    /// counted in each of its directories.
    pub rooms: u64,
    /// What was read and mended.
    pub summary: Summary,
    /// The tables that say what became of messages, of all finished segments.
    pub sources: Vec<AmendmentSource>,
    /// The segments whose index was missing or damaged and was made again.
    pub rebuilt: Vec<PathBuf>,
}

/// Removes the index that a removal of earlier versions may have left, while there is no copy yet: beside one it
/// would prove a loss.
fn remove_leftover(files: &dyn IndexFiles, shard: ShardId) -> Result<(), FilesError> {
    let evidence = Evidence::of(files, shard)?;
    let first = files.segments(shard)?.first().copied();
    let Some(left) = first.and_then(|first| evidence.leftover(first)) else { return Ok(()) };
    match files.remove_finished(shard, left) {
        // Its segment is gone already.
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Versions that let segments expire before there was a copy left none. A full disk is no reason not to start.
fn keep_copy_of_expired(files: &dyn IndexFiles, shard: ShardId) -> Result<(), FilesError> {
    let oldest = files.segments(shard)?.first().copied().unwrap_or(SegmentNumber::FIRST);
    if oldest == SegmentNumber::FIRST {
        return Ok(());
    }
    match keep_copy(files, shard, SegmentNumber(oldest.0 - 1), false) {
        Err(error) if error.source.kind() != io::ErrorKind::InvalidData => {
            tracing::warn!(%error, "the snapshot was not copied; this is tried again before anything expires");
            Ok(())
        }
        kept => kept,
    }
}

/// Opens a log to continue it. As [`recover`](super::recover), but what snapshots and indexes say
/// of sealed segments is believed, and those segments are not read: what is damaged in them is found
/// when it is, and by `verify`. Indexes that are missing or damaged are made again, and snapshots
/// brought up to date, so that no room need be in memory. Memory is in proportion to the rooms that
/// messages came to since the last snapshots.
///
/// # Errors
/// [`OpenLogError`] when a file cannot be used, or when the log is damaged.
pub fn open_log(files: &dyn IndexFiles, shard_count: u16) -> Result<OpenedLog, OpenLogError> {
    for shard in files.shards()? {
        // While the snapshot is the one that they were written after.
        remove_unproven_runs(files, shard)?;
    }
    let keeps = Keeps { entries_max: 0, drafts_max: 0 };
    let (recovered, mut tails, scanned) = recover_by(files, Some(files), shard_count, keeps)?;
    let mut reported_at = Instant::now();
    let mut progress = |made: usize, count: usize| {
        if reported_at.elapsed() >= PROGRESS_INTERVAL {
            reported_at = Instant::now();
            tracing::info!(made, count, "rebuilding the indexes of segments that have none");
        }
    };
    index_scanned(files, scanned, &mut tails, &mut progress)?;
    let mut opened = OpenedLog {
        next_segments: recovered.next_segments,
        summary: recovered.summary,
        rebuilt: tails.rebuilt,
        ..OpenedLog::default()
    };
    for room in recovered.rooms {
        let stored_head = tails.rooms.get(&room.name.key()).map_or(Seq::ZERO, |tail| tail.head);
        if room.head > stored_head {
            opened.lost_heads.insert(room.name.key(), (room.name, room.head));
        }
    }
    drop(tails.rooms);
    for shard in files.shards()? {
        remove_leftover(files, shard)?;
        let renewed = renew_snapshot(files, shard, true).and_then(|snapshot| {
            keep_copy_of_expired(files, shard)?;
            Ok(snapshot)
        });
        let snapshot = match renewed {
            Err(error) if error.source.kind() == io::ErrorKind::InvalidData => {
                let oldest = files.segments(shard)?.first().copied().unwrap_or(SegmentNumber::FIRST);
                let heads = check_heads(files, shard, oldest, Depth::Whole)?;
                return Err(heads
                    .fault
                    .map_or(error.into(), |fault| RecoveryError::Faults(vec![fault]).into()));
            }
            renewed => renewed?,
        };
        let covers = snapshot.map(|snapshot| snapshot.scope.covers);
        opened.sources.extend(amendment_sources(files, shard, covers)?);
        if let Some(snapshot) = snapshot {
            opened.rooms += snapshot.rooms;
            opened.snapshots.push(snapshot.scope);
        }
    }
    Ok(opened)
}
