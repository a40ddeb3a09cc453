//! What the moment of a log takes, of which a copy is made, and how many of its files may be open.

use super::error::BackupError;
use madang_log::{
    Extent, Files, LogMoment, MomentError, SegmentNumber, ShardMoment, SnapshotFile, StdFiles,
    index_file_name,
};
use madang_model::ShardId;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

const BETWEEN: Duration = Duration::from_millis(20);
/// Descriptors that are left for everything else.
const DESCRIPTORS_LEFT: u64 = 64;

/// Notes what there is now in the log of this data directory.
pub fn take(files: &StdFiles, data: &Path) -> Result<LogMoment<File>, BackupError> {
    LogMoment::take(files, raise_limit(), &mut || sleep(BETWEEN)).map_err(|error| match error {
        MomentError::Files(error) => error.into(),
        MomentError::TooFast => BackupError::TooFast(data.to_owned()),
    })
}

/// How many bytes it holds, without indexes and snapshots.
pub fn segment_bytes(moment: &LogMoment<File>) -> u64 {
    let segments = moment.shards.iter().flat_map(|shard| &shard.segments);
    let bytes = segments.map(|held| match (held.extent, &held.file) {
        (Extent::Committed { end_bytes, .. }, _) => end_bytes,
        (Extent::Whole, Some(file)) => file.metadata().map_or(0, |metadata| metadata.len()),
        (Extent::Whole, None) => 0,
    });
    bytes.sum()
}

/// How many bytes a copy of it takes, indexes and snapshots included.
pub fn copied_bytes(moment: &LogMoment<File>, files: &StdFiles) -> u64 {
    let length = |path: PathBuf| path.metadata().map_or(0, |metadata| metadata.len());
    let of_shard = |moment: &ShardMoment<File>| -> u64 {
        let index = |segment: SegmentNumber| {
            length(files.path(moment.shard, segment).with_file_name(index_file_name(segment)))
        };
        let finished = moment.segments.iter().filter(|held| held.extent == Extent::Whole);
        let finished = finished.map(|held| {
            let whole = if held.file.is_none() { length(files.path(moment.shard, held.segment)) } else { 0 };
            whole + index(held.segment)
        });
        let snapshots = moment.snapshots.iter();
        let snapshots = snapshots.map(|(kind, _)| length(snapshot_path(files, moment.shard, *kind)));
        let lone = moment.lone_indexes.iter().map(|segment| index(*segment));
        finished.chain(snapshots).chain(lone).sum()
    };
    segment_bytes(moment) + moment.shards.iter().map(of_shard).sum::<u64>()
}

fn snapshot_path(files: &StdFiles, shard: ShardId, kind: SnapshotFile) -> PathBuf {
    files.path(shard, SegmentNumber::FIRST).with_file_name(kind.name())
}

/// How many descriptors segments may take. The soft limit is raised to the hard one.
fn raise_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    // Where that is refused, fewer are held.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX).saturating_sub(DESCRIPTORS_LEFT)
}
