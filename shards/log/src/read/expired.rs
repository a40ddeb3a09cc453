//! What is kept of rooms whose messages have all expired: no segment holds their numbers any more, so that the
//! snapshot of their directory is kept twice.

use super::lost::LostRange;
use super::plan::{ReadPlan, START_BYTES};
use super::snapshots::{
    Changed, info_of, is_damaged, mend_snapshot, note, open, path_of, snapshot_info, write,
};
use crate::files::{FileOperation, FilesError, IndexFiles};
use crate::format::{HEADER_BYTES, SegmentId, SegmentNumber, StoredRecord, read_frame};
use crate::index::{EntryLink, RoomTail, SnapshotFile, SnapshotRoom, SnapshotScope, SnapshotWriter};
use madang_model::ShardId;
use rkyv::util::AlignedVec;
use std::collections::BTreeMap;
use std::io;

/// Makes sure that what is said of segments up to this one, which are to expire or have, is there twice: no
/// segment holds the numbers of rooms whose messages have all expired. With `is_changed` the snapshot was written
/// anew without covering more.
///
/// # Errors
/// As [`renew_snapshot`](super::renew_snapshot). When it is `Ok` the copy covers that segment.
pub fn keep_copy(
    files: &dyn IndexFiles,
    shard: ShardId,
    last: SegmentNumber,
    is_changed: bool,
) -> Result<(), FilesError> {
    let copied = info_of(files, shard, SnapshotFile::Copy)?;
    if !is_changed && copied.is_some_and(|copied| copied.scope.covers >= last) {
        return Ok(());
    }
    // Nor is a copy replaced by one that covers less.
    let last = copied.map_or(last, |copied| copied.scope.covers.max(last));
    if copy(files, shard, last)? {
        return Ok(());
    }
    mend_snapshot(files, shard)?;
    if copy(files, shard, last)? {
        return Ok(());
    }
    let words = format!("no copy of the snapshot covers segments up to {last}");
    let source = io::Error::new(io::ErrorKind::InvalidData, words);
    Err(FilesError {
        path: path_of(files, shard, SnapshotFile::Copy),
        operation: FileOperation::Index,
        source,
    })
}

/// Copies the snapshot. `false` when there is none that is whole and covers segments up to `last`.
fn copy(files: &dyn IndexFiles, shard: ShardId, last: SegmentNumber) -> Result<bool, FilesError> {
    let newest = snapshot_info(files, shard)?.filter(|newest| newest.scope.covers >= last);
    let Some(newest) = newest else { return Ok(false) };
    let source = Some((SnapshotFile::Newest, &newest));
    let plan = ReadPlan::of(files, shard)?;
    match write(files, &plan, SnapshotFile::Copy, source, newest.scope.covers, Changed::new()) {
        Err(error) if is_damaged(&error) => Ok(false),
        written => written.map(|_| true),
    }
}

/// Puts the numbers of lost messages that this segment records, if it does, into the snapshot: it is about to
/// expire, and a room continues behind them forever. Returns whether it did.
///
/// # Errors
/// When a file cannot be read or written.
pub fn keep_lost_heads(
    files: &dyn IndexFiles,
    shard: ShardId,
    segment: SegmentNumber,
) -> Result<bool, FilesError> {
    let mut start = AlignedVec::new();
    match files.read_start(shard, segment, START_BYTES, &mut start) {
        Err(error) if error.is_gone() => return Ok(false),
        read => read?,
    }
    let first = read_frame(&start, HEADER_BYTES, SegmentId { shard, segment });
    if !matches!(first.and_then(|frame| frame.record()), Some(StoredRecord::Lost(_))) {
        return Ok(false);
    }
    let plan = ReadPlan::of(files, shard)?;
    let mut changed = Changed::new();
    for LostRange { room, gap, .. } in plan.lost.iter().filter(|lost| lost.at.segment == segment) {
        // As of a room of which all has expired: what it links to is gone.
        let last = EntryLink { directory: shard, segment, first: gap.first, bucket_bits: 0 };
        // How many of its entries were no messages the old snapshot knows.
        let tail = RoomTail::advanced(None, last, gap.last, 0);
        note(&mut changed, room.key(), SnapshotRoom::new(room, Some(tail), None));
    }
    let Some(old) = snapshot_info(files, shard)?.filter(|_| !changed.is_empty()) else { return Ok(false) };
    let source = Some((SnapshotFile::Newest, &old));
    write(files, &plan, SnapshotFile::Newest, source, old.scope.covers, changed).map(|_| true)
}

/// What a snapshot of the segments before `first` would be, which have expired: of the rooms that the
/// directory holds nothing of any more it alone knows the numbers. It says what both files say that there are, as
/// far as they can be read, but for rooms that have messages in it. `None` when nothing has expired.
pub fn snapshot_of_expired(
    files: &dyn IndexFiles,
    shard: ShardId,
    first: SegmentNumber,
    has_messages: &dyn Fn(u64) -> bool,
) -> Result<Option<Vec<u8>>, FilesError> {
    let mut rooms: BTreeMap<u64, SnapshotRoom> = BTreeMap::new();
    let mut shard_counts = Vec::new();
    for file in SnapshotFile::ALL {
        let Some(reader) = open(files, shard, file)? else { continue };
        shard_counts.push(reader.scope().shard_count);
        // Facts never expire: the segments that are there tell of them.
        for mut room in reader.map_while(Result::ok) {
            room.facts = None;
            let is_newer = rooms.get(&room.key_bits()).is_none_or(|known| known.head() < room.head());
            if is_newer && !has_messages(room.key_bits()) {
                rooms.insert(room.key_bits(), room);
            }
        }
    }
    rooms.retain(|_, room| {
        room.tail.as_ref().is_some_and(|tail| tail.last.directory != shard || tail.last.segment < first)
    });
    if rooms.is_empty() && first == SegmentNumber::FIRST {
        return Ok(None);
    }
    shard_counts.dedup();
    let shard_count = if let [one] = shard_counts[..] { one } else { 0 };
    let scope = SnapshotScope { directory: shard, shard_count, covers: SegmentNumber(first.0 - 1) };
    let write = || -> io::Result<Vec<u8>> {
        let mut writer = SnapshotWriter::new(Vec::new(), scope, rooms.len() as u64)?;
        rooms.values().try_for_each(|room| writer.push(room))?;
        Ok(writer.finish()?.0)
    };
    // Memory takes everything.
    Ok(write().ok())
}
