//! One moment of a log, which a copy is made of: what is in it stays readable, though a server continues.

use super::error::{BackupError, Naming};
use madang_log::{
    Extent, Files, FilesError, HEADER_BYTES, IndexFiles, SNAPSHOT_BLOCK_BYTES, SegmentHeader, SegmentNumber,
    SnapshotFile, SnapshotInfo, StdFiles, index_file_name, open_regular, open_to_hold, standing,
};
use madang_model::ShardId;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

/// How often a shard is listed again, as a segment has expired meanwhile.
const LISTINGS_MAX: u32 = 16;
/// How often all are listed again, as another number of shards has begun meanwhile.
const MOMENTS_MAX: u32 = 4;
const BETWEEN: Duration = Duration::from_millis(20);
/// Descriptors that are left for everything else.
const DESCRIPTORS_LEFT: u64 = 64;

/// The log at one moment.
pub struct Moment {
    /// Each shard that has a directory.
    pub shards: Vec<ShardMoment>,
}

/// The log of a shard at one moment.
pub struct ShardMoment {
    /// Whose.
    pub shard: ShardId,
    /// Its segments, in rising order.
    pub segments: Vec<HeldSegment>,
    /// Indexes of segments that are not there, which prove that messages are missing: a copy without them would seem to
    /// be whole.
    pub lone_indexes: Vec<SegmentNumber>,
    /// The snapshot and its copy, as far as they exist. They cover nothing behind these segments.
    pub snapshots: Vec<(SnapshotFile, File)>,
}

/// A segment that is part of the moment.
pub struct HeldSegment {
    /// Which.
    pub segment: SegmentNumber,
    /// How much of it counts.
    pub extent: Extent,
    /// Its file, which stays readable when it is removed; `None` where too many are open.
    pub file: Option<File>,
}

impl Moment {
    /// Notes what there is now.
    pub fn take(files: &StdFiles, data: &Path) -> Result<Moment, BackupError> {
        for _ in 0..MOMENTS_MAX {
            let before = layout(files)?;
            let mut shards = Vec::new();
            let found = files.shards()?;
            let snapshots = (found.len() * SnapshotFile::ALL.len()) as u64;
            let mut left = raise_limit().saturating_sub(snapshots);
            for shard in found {
                shards.push(ShardMoment::take(files, data, shard, &mut left)?);
            }
            // With another number of shards rooms have other homes: the later messages of a room would be there, and
            // those before not.
            if layout(files)? == before {
                return Ok(Moment { shards });
            }
            sleep(BETWEEN);
        }
        Err(BackupError::TooFast(data.to_owned()))
    }

    /// How many bytes it holds, without indexes and snapshots.
    pub fn segment_bytes(&self) -> u64 {
        let segments = self.shards.iter().flat_map(|shard| &shard.segments);
        let bytes = segments.map(|held| match (held.extent, &held.file) {
            (Extent::Committed { end_bytes, .. }, _) => end_bytes,
            (Extent::Whole, Some(file)) => file.metadata().map_or(0, |metadata| metadata.len()),
            (Extent::Whole, None) => 0,
        });
        bytes.sum()
    }

    /// How many bytes a copy of it takes, indexes and snapshots included.
    pub fn copied_bytes(&self, files: &StdFiles) -> u64 {
        let length = |path: PathBuf| path.metadata().map_or(0, |metadata| metadata.len());
        let of_shard = |moment: &ShardMoment| -> u64 {
            let index = |segment: SegmentNumber| {
                length(files.path(moment.shard, segment).with_file_name(index_file_name(segment)))
            };
            let finished = moment.segments.iter().filter(|held| held.extent == Extent::Whole);
            let finished = finished.map(|held| {
                let whole =
                    if held.file.is_none() { length(files.path(moment.shard, held.segment)) } else { 0 };
                whole + index(held.segment)
            });
            let snapshots = moment.snapshots.iter();
            let snapshots = snapshots.map(|(kind, _)| length(snapshot_path(files, moment.shard, *kind)));
            let lone = moment.lone_indexes.iter().map(|segment| index(*segment));
            finished.chain(snapshots).chain(lone).sum()
        };
        self.segment_bytes() + self.shards.iter().map(of_shard).sum::<u64>()
    }
}

impl ShardMoment {
    fn take(
        files: &StdFiles,
        data: &Path,
        shard: ShardId,
        descriptors: &mut u64,
    ) -> Result<ShardMoment, BackupError> {
        let mut listings_left = LISTINGS_MAX;
        loop {
            listings_left -= 1;
            let is_last = listings_left == 0;
            // Before the segments, so that they cover nothing that is not among these.
            let snapshots = open_snapshots(files, shard)?;
            let covered = snapshots.iter().filter_map(|(_, file)| covers(file, shard)).max();
            let mut lone_indexes = files.indexes(shard)?;
            let standing = standing(files, shard, covered)?;
            // After the indexes, and whatever is in them: what expires loses its index first.
            let there = files.segments(shard)?;
            lone_indexes.retain(|indexed| there.binary_search(indexed).is_err());
            let mut left = *descriptors;
            let mut segments = Vec::with_capacity(standing.len());
            let mut is_gone = false;
            for found in &standing {
                let path = files.path(shard, found.segment);
                // The oldest expire first.
                let file = match left {
                    0 => None,
                    _ => match open_to_hold(&path) {
                        Ok(file) => Some(file),
                        Err(error) if error.kind() == io::ErrorKind::NotFound => {
                            is_gone = true;
                            break;
                        }
                        Err(error) => return Err(error).naming("read segment", &path),
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
                *descriptors = left;
                return Ok(ShardMoment { shard, segments, lone_indexes, snapshots });
            }
            if is_last {
                return Err(BackupError::TooFast(data.to_owned()));
            }
            sleep(BETWEEN);
        }
    }
}

/// The number of shards in the header of each shard's newest segment: each process that begins writes new ones.
fn layout(files: &StdFiles) -> Result<Vec<(ShardId, Option<u16>)>, FilesError> {
    let newest_count = |shard: ShardId| -> Result<Option<u16>, FilesError> {
        let Some(&newest) = files.segments(shard)?.last() else { return Ok(None) };
        let mut start = [0; HEADER_BYTES];
        let is_read =
            open_regular(&files.path(shard, newest)).and_then(|file| file.read_exact_at(&mut start, 0));
        let header = is_read.ok().and_then(|()| SegmentHeader::decode(&start, shard, newest).ok());
        Ok(header.map(|header| header.shard_count))
    };
    files.shards()?.into_iter().map(|shard| Ok((shard, newest_count(shard)?))).collect()
}

fn open_snapshots(files: &StdFiles, shard: ShardId) -> Result<Vec<(SnapshotFile, File)>, BackupError> {
    let mut snapshots = Vec::new();
    for kind in SnapshotFile::ALL {
        let path = snapshot_path(files, shard, kind);
        match open_regular(&path) {
            Ok(file) => snapshots.push((kind, file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).naming("read snapshot", &path),
        }
    }
    Ok(snapshots)
}

fn snapshot_path(files: &StdFiles, shard: ShardId, kind: SnapshotFile) -> PathBuf {
    files.path(shard, SegmentNumber::FIRST).with_file_name(kind.name())
}

/// The last segment that a snapshot covers, as its end says.
fn covers(file: &File, shard: ShardId) -> Option<SegmentNumber> {
    let mut end = [0; SNAPSHOT_BLOCK_BYTES];
    let at = file.metadata().ok()?.len().checked_sub(end.len() as u64)?;
    file.read_exact_at(&mut end, at).ok()?;
    Some(SnapshotInfo::decode(&end, shard).ok()?.scope.covers)
}

/// How many descriptors segments may take. The soft limit is raised to the hard one.
fn raise_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    // Where that is refused, fewer are held.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX).saturating_sub(DESCRIPTORS_LEFT)
}
