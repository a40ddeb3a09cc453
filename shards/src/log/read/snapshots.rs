//! The snapshot of a directory, as a start and its shard use it. It is read from start to end and
//! never held: memory is in proportion to the rooms that messages came to since it was written.

use super::lost::LostRange;
use super::plan::{Plan, START_BYTES};
use super::rooms::Rooms;
use super::tails::{Tails, read_table};
use crate::log::files::{FilesError, IndexFiles};
use crate::log::format::{HEADER_BYTES, Place, SegmentNumber, StoredRecord, read_frame};
use crate::log::index::{
    Link, RoomTail, SnapshotFault, SnapshotInfo, SnapshotReader, SnapshotRoom, SnapshotScope, SnapshotWriter,
    merge_snapshots,
};
use crate::types::{RoomKey, RoomName, ShardId};
use hashbrown::{HashMap, HashSet};
use rkyv::util::AlignedVec;
use std::io::{self, Read};

/// Rooms that segments tell of, with their tails.
type Changed = HashMap<RoomKey, (RoomName, RoomTail)>;

/// What the snapshot of a directory says of itself; `None` when there is none that was finished.
pub fn snapshot_info(files: &dyn IndexFiles, shard: ShardId) -> Result<Option<SnapshotInfo>, FilesError> {
    let end = files.read_snapshot_end(shard)?;
    Ok(end.and_then(|end| SnapshotInfo::decode(&end, shard).ok()))
}

/// Takes the snapshot's word for the rooms that are wanted. `false` when it is damaged.
pub fn vouch<T: Default>(
    files: &dyn IndexFiles,
    shard: ShardId,
    wanted: &HashSet<u64>,
    rooms: &mut Rooms<T>,
    tails: &mut Tails,
) -> Result<bool, FilesError> {
    if wanted.is_empty() {
        return Ok(true);
    }
    let Some(snapshot) = open(files, shard)? else { return Ok(false) };
    for room in snapshot {
        let Ok(room) = room else { return Ok(false) };
        if !wanted.contains(&room.key_bits()) {
            continue;
        }
        let Ok(name) = room.room_name() else { return Ok(false) };
        rooms.vouch(&name, room.tail.head, shard);
        tails.take(name.key(), room.tail);
    }
    Ok(true)
}

/// The rooms of a snapshot, as far as it is whole.
pub fn rooms_of_snapshot(
    files: &dyn IndexFiles,
    shard: ShardId,
) -> Result<impl Iterator<Item = (RoomName, RoomTail)>, FilesError> {
    let rooms = open(files, shard)?.into_iter().flatten().map_while(Result::ok);
    Ok(rooms.filter_map(|room| Some((room.room_name().ok()?, room.tail))))
}

/// Names the rooms of a snapshot, one after another. `false` when there is none that is whole.
pub fn for_each_room(
    files: &dyn IndexFiles,
    shard: ShardId,
    act: &mut dyn FnMut(&RoomName),
) -> Result<bool, FilesError> {
    let Some(snapshot) = open(files, shard)? else { return Ok(false) };
    for room in snapshot {
        let Some(name) = room.ok().and_then(|room| room.room_name().ok()) else { return Ok(false) };
        act(&name);
    }
    Ok(true)
}

type Opened = SnapshotReader<Box<dyn Read>>;

fn open(files: &dyn IndexFiles, shard: ShardId) -> Result<Option<Opened>, FilesError> {
    let source = files.open_snapshot(shard)?;
    Ok(source.and_then(|source| SnapshotReader::new(source, shard).ok()))
}

/// Writes the snapshot of a directory anew: what the last one says, and what the indexes of later
/// segments say. It tells of the messages in this directory only, whoever their room's home is, so
/// that it stays true when the number of shards changes. Returns what it says of itself; `None`
/// when no segment is finished. With `is_at_rest` nothing is appended to the directory, and each
/// segment that holds messages has an index.
///
/// # Errors
/// When a file cannot be read or written.
pub fn renew_snapshot(
    files: &dyn IndexFiles,
    shard: ShardId,
    is_at_rest: bool,
) -> Result<Option<SnapshotInfo>, FilesError> {
    let plan = Plan::of(files, shard)?;
    let old = snapshot_info(files, shard)?;
    let before = old.map_or(SegmentNumber(0), |old| old.scope.covers);
    let (covers, changed) = changed_since(files, &plan, before, is_at_rest)?;
    if covers == before {
        return Ok(old);
    }
    match write(files, &plan, old.as_ref(), covers, changed) {
        Err(error) if old.is_some() && error.source.kind() == io::ErrorKind::InvalidData => {
            remake_snapshot(files, shard, is_at_rest)
        }
        result => result,
    }
}

/// Puts the numbers of lost messages that this segment records, if it does, into the snapshot: it is about to
/// expire, and a room goes on behind them for ever.
///
/// # Errors
/// When a file cannot be read or written.
pub fn keep_lost_heads(
    files: &dyn IndexFiles,
    shard: ShardId,
    segment: SegmentNumber,
) -> Result<(), FilesError> {
    let mut start = AlignedVec::new();
    match files.read_start(shard, segment, START_BYTES, &mut start) {
        Err(error) if error.is_gone() => return Ok(()),
        read => read?,
    }
    let first = read_frame(&start, HEADER_BYTES, Place { shard, segment });
    if !matches!(first.and_then(|frame| frame.record()), Some(StoredRecord::Lost(_))) {
        return Ok(());
    }
    let plan = Plan::of(files, shard)?;
    let mut changed = Changed::new();
    for LostRange { room, gap, .. } in plan.lost.iter().filter(|lost| lost.at.segment == segment) {
        // As of a room of which all has expired: what it links to is gone.
        let last = Link { directory: shard, segment, first: gap.first, bucket_bits: 0 };
        let tail = RoomTail::advanced(None, last, gap.last);
        match changed.get(&room.key()) {
            Some((_, known)) if known.head > tail.head => {}
            _ => drop(changed.insert(room.key(), (room.clone(), tail))),
        }
    }
    if let Some(old) = snapshot_info(files, shard)?.filter(|_| !changed.is_empty()) {
        write(files, &plan, Some(&old), old.scope.covers, changed)?;
    }
    Ok(())
}

/// Writes the snapshot of a directory anew, as a lookup takes it for damaged: from the last one where that can
/// be read through, since it alone knows the numbers of rooms of which all has expired. A lookup that met several
/// snapshots, one after the other, is mistaken.
///
/// # Errors
/// When a file cannot be read or written.
pub fn mend_snapshot(files: &dyn IndexFiles, shard: ShardId) -> Result<(), FilesError> {
    let plan = Plan::of(files, shard)?;
    if let Some(old) = snapshot_info(files, shard)? {
        let (covers, changed) = changed_since(files, &plan, old.scope.covers, false)?;
        match write(files, &plan, Some(&old), covers, changed) {
            Err(error) if error.source.kind() == io::ErrorKind::InvalidData => {}
            result => return result.map(drop),
        }
    }
    remake_snapshot(files, shard, false).map(drop)
}

/// Writes the snapshot of a directory anew from the indexes, as the last one is damaged. What that says of rooms up
/// to the damage is kept where no index tells of them: of rooms whose messages have all expired nothing else knows
/// the numbers.
///
/// # Errors
/// When a file cannot be read or written.
pub fn remake_snapshot(
    files: &dyn IndexFiles,
    shard: ShardId,
    is_at_rest: bool,
) -> Result<Option<SnapshotInfo>, FilesError> {
    let plan = Plan::of(files, shard)?;
    let (covers, mut changed) = changed_since(files, &plan, SegmentNumber(0), is_at_rest)?;
    if covers == SegmentNumber(0) {
        return Ok(None);
    }
    for (name, tail) in rooms_of_snapshot(files, shard)? {
        changed.entry(name.key()).or_insert((name, tail));
    }
    write(files, &plan, None, covers, changed)
}

/// The last finished segment, and the rooms that those behind `before` tell of.
fn changed_since(
    files: &dyn IndexFiles,
    plan: &Plan,
    before: SegmentNumber,
    is_at_rest: bool,
) -> Result<(SegmentNumber, Changed), FilesError> {
    let (mut covers, mut changed) = (before, HashMap::new());
    for &segment in plan.segments.iter().filter(|segment| **segment > before) {
        match read_table(files, plan.shard, segment)? {
            Some(table) => {
                changed.extend(table.tails().flatten().map(|(name, tail)| (name.key(), (name, tail))));
            }
            None if is_at_rest || plan.is_empty(segment) => {}
            // The open one and those after it have none, and end what the snapshot tells of.
            None => break,
        }
        covers = segment;
    }
    Ok((covers, changed))
}

fn write(
    files: &dyn IndexFiles,
    plan: &Plan,
    old: Option<&SnapshotInfo>,
    covers: SegmentNumber,
    changed: Changed,
) -> Result<Option<SnapshotInfo>, FilesError> {
    let shard = plan.shard;
    let shard_count = plan.shard_count.unwrap_or(0);
    let was_alike = old.is_none_or(|old| old.scope.shard_count == shard_count);
    let is_home = |key: &RoomKey| shard_count > 0 && key.home(shard_count) == shard;
    let shard_count = if was_alike && changed.keys().all(is_home) { shard_count } else { 0 };
    let scope = SnapshotScope { directory: shard, shard_count, covers };
    let rooms_expected = old.map_or(0, |old| old.rooms) + changed.len() as u64;
    let changed = changed.into_values();
    let mut changed: Vec<SnapshotRoom> = changed.map(|(name, tail)| SnapshotRoom::new(&name, tail)).collect();
    changed.sort_unstable_by_key(SnapshotRoom::key_bits);
    let mut changed = Some(changed);
    let mut written = None;
    files.write_snapshot(shard, &mut |sink| {
        let mut source = None;
        if old.is_some() {
            source = Some(open(files, shard).map_err(|error| error.source)?.ok_or_else(damaged)?);
        }
        let writer = SnapshotWriter::new(sink, scope, rooms_expected)?;
        let changed = changed.take().unwrap_or_default().into_iter();
        let merged = merge_snapshots(source.into_iter().flatten(), changed, writer);
        let (_, info) = merged.map_err(|fault| match fault {
            SnapshotFault::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof => error,
            _ => damaged(),
        })?;
        written = Some(info);
        Ok(())
    })?;
    Ok(written)
}

/// What a snapshot of the segments before `first` would be, which have expired: of the rooms that the
/// directory holds nothing of any more it alone knows the numbers. `None` when there are no such rooms.
pub fn snapshot_of_expired(
    files: &dyn IndexFiles,
    shard: ShardId,
    first: SegmentNumber,
) -> Result<Option<Vec<u8>>, FilesError> {
    let Some(reader) = open(files, shard)? else { return Ok(None) };
    let shard_count = reader.scope().shard_count;
    let rooms: Vec<SnapshotRoom> = reader
        .map_while(Result::ok)
        .filter(|room| room.tail.last.directory != shard || room.tail.last.segment < first)
        .collect();
    if rooms.is_empty() {
        return Ok(None);
    }
    let scope = SnapshotScope { directory: shard, shard_count, covers: SegmentNumber(first.0 - 1) };
    let write = || -> io::Result<Vec<u8>> {
        let mut writer = SnapshotWriter::new(Vec::new(), scope, rooms.len() as u64)?;
        rooms.iter().try_for_each(|room| writer.push(room))?;
        Ok(writer.finish()?.0)
    };
    // Memory takes everything.
    Ok(write().ok())
}

fn damaged() -> io::Error {
    io::Error::from(io::ErrorKind::InvalidData)
}
