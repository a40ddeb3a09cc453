//! Where the newest messages of rooms are, for one who continues a log that nobody serves.

use super::snapshots::{mend_snapshot, open};
use crate::files::{FileOperation, FilesError, IndexFiles};
use crate::format::SegmentNumber;
use crate::index::{RoomTail, SnapshotFile};
use hashbrown::HashMap;
use madang_model::{RoomKey, RoomName, ShardId};
use std::io;

/// A room's name as it was first written, and its newest entry.
pub type StoredTail = (RoomName, RoomTail);

/// The tails of the rooms that are wanted, as the snapshots say of a log that was [opened](super::open_log). A snapshot
/// that turns out to be damaged is made again.
///
/// # Errors
/// When a snapshot cannot be read, nor be made again.
pub fn read_tails(
    files: &dyn IndexFiles,
    is_wanted: &dyn Fn(RoomKey) -> bool,
) -> Result<HashMap<RoomKey, StoredTail>, FilesError> {
    let mut tails = HashMap::new();
    for shard in files.shards()? {
        if !read_snapshot(files, shard, is_wanted, &mut tails)? {
            mend_snapshot(files, shard)?;
            if !read_snapshot(files, shard, is_wanted, &mut tails)? {
                let path =
                    files.path(shard, SegmentNumber::FIRST).with_file_name(SnapshotFile::Newest.name());
                let source = io::Error::new(io::ErrorKind::InvalidData, "it is damaged");
                return Err(FilesError { path, operation: FileOperation::Read, source });
            }
        }
    }
    Ok(tails)
}

/// Whether the snapshot was whole; `true` when the directory has none, as one without messages.
fn read_snapshot(
    files: &dyn IndexFiles,
    shard: ShardId,
    is_wanted: &dyn Fn(RoomKey) -> bool,
    tails: &mut HashMap<RoomKey, StoredTail>,
) -> Result<bool, FilesError> {
    let Some(rooms) = open(files, shard, SnapshotFile::Newest)? else {
        return Ok(files.open_snapshot(shard, SnapshotFile::Newest)?.is_none());
    };
    for room in rooms {
        let Ok(room) = room else { return Ok(false) };
        let Ok(name) = room.room_name() else { return Ok(false) };
        let (key, Some(tail)) = (name.key(), room.tail) else { continue };
        let is_newer = tails.get(&key).is_none_or(|(_, known): &StoredTail| known.head < tail.head);
        if is_newer && is_wanted(key) {
            tails.insert(key, (name, tail));
        }
    }
    Ok(true)
}
