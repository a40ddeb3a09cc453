//! Whether the numbers of rooms whose messages have all expired are known. No segment holds them any more: the
//! snapshot of their directory does, and its copy. Where neither can, such a room would begin again at 1.

use super::fault::{Fault, FaultKind, SnapshotLack, SnapshotNote};
use super::snapshots::{covers_all_before, info_of, path_of};
use crate::files::{FilesError, IndexFiles};
use crate::format::SegmentNumber;
use crate::index::{SnapshotFault, SnapshotFile, SnapshotReader};
use madang_model::ShardId;

/// How far a snapshot is looked into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Depth {
    /// Its end, which shows whether it was finished: what a start has time for.
    End,
    /// All, with every checksum.
    Whole,
}

/// What is wrong with the snapshots of a directory.
#[derive(Debug, Default)]
pub struct HeadFaults {
    /// Numbers are unknown.
    pub fault: Option<Fault>,
    /// What is made again without any loss.
    pub notes: Vec<SnapshotNote>,
}

/// Looks at the snapshot of a directory and at its copy. All segments before `first` have expired.
///
/// # Errors
/// When a file is there and cannot be read.
pub fn check_heads(
    files: &dyn IndexFiles,
    shard: ShardId,
    first: SegmentNumber,
    depth: Depth,
) -> Result<HeadFaults, FilesError> {
    let newest = look(files, shard, SnapshotFile::Newest, first, depth)?;
    let copy = look(files, shard, SnapshotFile::Copy, first, depth)?;
    let has_expired = first > SegmentNumber::FIRST;
    let mut found = HeadFaults::default();
    match (newest, copy) {
        (Some((offset_bytes, lack)), Some(_)) if has_expired => {
            let kind = FaultKind::HeadsUnknown { shard, first, lack };
            let path = path_of(files, shard, SnapshotFile::Newest);
            found.fault = Some(Fault { path, offset_bytes, kind });
        }
        (newest, copy) => {
            // Before anything is finished there is none, and no copy before anything expires.
            let is_reported = |lack: SnapshotLack| has_expired || lack != SnapshotLack::Missing;
            for (file, lacking) in [(SnapshotFile::Newest, newest), (SnapshotFile::Copy, copy)] {
                if let Some((offset_bytes, lack)) = lacking.filter(|(_, lack)| is_reported(*lack)) {
                    found.notes.push(SnapshotNote { path: path_of(files, shard, file), offset_bytes, lack });
                }
            }
        }
    }
    Ok(found)
}

/// The last segment that a snapshot covers which can be read whole: it shows up to which number each room has got
/// there.
///
/// # Errors
/// When a file is there and cannot be read.
pub fn covered(files: &dyn IndexFiles, shard: ShardId) -> Result<Option<SegmentNumber>, FilesError> {
    let mut covers = None;
    for file in SnapshotFile::ALL {
        if damage_of(files, shard, file)?.is_none() {
            covers = covers.max(info_of(files, shard, file)?.map(|info| info.scope.covers));
        }
    }
    Ok(covers)
}

/// Where a snapshot is not as it must be, and how; `None` when it is.
fn look(
    files: &dyn IndexFiles,
    shard: ShardId,
    file: SnapshotFile,
    first: SegmentNumber,
    depth: Depth,
) -> Result<Option<(u64, SnapshotLack)>, FilesError> {
    let Some(info) = info_of(files, shard, file)? else {
        let is_there = files.read_snapshot_end(shard, file)?.is_some();
        let lack = if is_there { SnapshotLack::Damaged } else { SnapshotLack::Missing };
        return Ok(Some((0, lack)));
    };
    if !covers_all_before(&info, first) {
        return Ok(Some((0, SnapshotLack::Behind { covers: info.scope.covers })));
    }
    match depth {
        Depth::End => Ok(None),
        Depth::Whole => Ok(damage_of(files, shard, file)?.map(|offset| (offset, SnapshotLack::Damaged))),
    }
}

fn damage_of(files: &dyn IndexFiles, shard: ShardId, file: SnapshotFile) -> Result<Option<u64>, FilesError> {
    let Some(source) = files.open_snapshot(shard, file)? else { return Ok(Some(0)) };
    let rooms = SnapshotReader::new(source, shard);
    let fault = rooms.map_or_else(Some, |rooms| {
        rooms.filter_map(|room| room.and_then(|room| room.room_name().map_err(|_| wrong_name())).err()).next()
    });
    Ok(fault.map(|fault| match fault {
        SnapshotFault::Damaged { offset_bytes } => offset_bytes,
        SnapshotFault::NotOurs { .. } | SnapshotFault::Io(_) => 0,
    }))
}

/// A checksum is right, and yet nobody can have written it.
fn wrong_name() -> SnapshotFault {
    SnapshotFault::Damaged { offset_bytes: 0 }
}
