//! The snapshot of a directory, as a start and its shard use it. It is read from start to end and
//! never held: memory is in proportion to the rooms that messages came to since it was written.

use super::lost::LostRange;
use super::plan::{Plan, START_BYTES};
use super::rooms::Rooms;
use super::tails::{IndexError, Tails, read_table, rebuild_index};
use crate::log::files::{Files, FilesError, IndexFiles, Operation};
use crate::log::format::{HEADER_BYTES, Place, SegmentNumber, StoredRecord, read_frame};
use crate::log::index::{
    Link, RoomTail, SnapshotFault, SnapshotFile, SnapshotInfo, SnapshotReader, SnapshotRoom, SnapshotScope,
    SnapshotWriter, merge_snapshots,
};
use crate::types::{RoomKey, RoomName, ShardId};
use hashbrown::{HashMap, HashSet};
use rkyv::util::AlignedVec;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;

/// Rooms that segments tell of, with their tails.
type Changed = HashMap<RoomKey, (RoomName, RoomTail)>;

/// What the snapshot of a directory says of itself; `None` when there is none that was finished.
pub fn snapshot_info(files: &dyn IndexFiles, shard: ShardId) -> Result<Option<SnapshotInfo>, FilesError> {
    info_of(files, shard, SnapshotFile::Newest)
}

/// The same, of the snapshot or of its copy.
pub fn info_of(
    files: &dyn IndexFiles,
    shard: ShardId,
    file: SnapshotFile,
) -> Result<Option<SnapshotInfo>, FilesError> {
    let end = files.read_snapshot_end(shard, file)?;
    Ok(end.and_then(|end| SnapshotInfo::decode(&end, shard).ok()))
}

/// Where it lies, for people to read.
pub fn path_of(files: &dyn Files, shard: ShardId, file: SnapshotFile) -> PathBuf {
    files.path(shard, SegmentNumber::FIRST).with_file_name(file.name())
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
    let Some(snapshot) = open(files, shard, SnapshotFile::Newest)? else { return Ok(false) };
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
    file: SnapshotFile,
) -> Result<impl Iterator<Item = (RoomName, RoomTail)>, FilesError> {
    let rooms = open(files, shard, file)?.into_iter().flatten().map_while(Result::ok);
    Ok(rooms.filter_map(|room| Some((room.room_name().ok()?, room.tail))))
}

/// A snapshot that is read from start to end.
pub type Opened = SnapshotReader<Box<dyn Read>>;

/// Opens a snapshot; `None` when there is none, or it is damaged at its ends.
pub fn open(
    files: &dyn IndexFiles,
    shard: ShardId,
    file: SnapshotFile,
) -> Result<Option<Opened>, FilesError> {
    let source = files.open_snapshot(shard, file)?;
    Ok(source.and_then(|source| SnapshotReader::new(source, shard).ok()))
}

/// Writes the snapshot of a directory anew, if segments were finished since: what the last one says, and what
/// the indexes of later segments say. It tells of the messages in this directory only, whoever their room's home
/// is, so that it stays true when the number of shards changes. Returns what it says of itself; `None`
/// when no segment is finished. With `is_at_rest` nothing is appended to the directory, and each
/// segment behind the last snapshot that holds messages has an index.
///
/// # Errors
/// When a file cannot be read or written. Of the kind `InvalidData` when neither the last snapshot nor its copy
/// tells of what has expired: then nothing is written, as numbers would be given again.
pub fn renew_snapshot(
    files: &dyn IndexFiles,
    shard: ShardId,
    is_at_rest: bool,
) -> Result<Option<SnapshotInfo>, FilesError> {
    let plan = Plan::of(files, shard)?;
    if let Some(old) = snapshot_info(files, shard)? {
        let (covers, _) = changed_since(files, &plan, old.scope.covers, is_at_rest)?;
        if covers == old.scope.covers {
            return Ok(Some(old));
        }
    }
    write_anew(files, &plan, is_at_rest)
}

/// Writes the snapshot of a directory anew, as a lookup takes it for damaged. A lookup that met several
/// snapshots, one after the other, is mistaken.
///
/// # Errors
/// As [`renew_snapshot`].
pub fn mend_snapshot(files: &dyn IndexFiles, shard: ShardId) -> Result<(), FilesError> {
    write_anew(files, &Plan::of(files, shard)?, false).map(drop)
}

/// Writes the snapshot of a directory anew: from the last one where that can be read through, else from its copy,
/// else, where nothing has expired, from the indexes alone. What all have expired of is in those two only.
fn write_anew(
    files: &dyn IndexFiles,
    plan: &Plan,
    is_at_rest: bool,
) -> Result<Option<SnapshotInfo>, FilesError> {
    let shard = plan.shard;
    let first = plan.segments.first().copied().unwrap_or(SegmentNumber::FIRST);
    let newest = snapshot_info(files, shard)?;
    let is_damaged = |error: &FilesError| error.source.kind() == io::ErrorKind::InvalidData;
    for file in SnapshotFile::ALL {
        let Some(old) = info_of(files, shard, file)?.filter(|old| tells_of_all_before(old, first)) else {
            continue;
        };
        if file == SnapshotFile::Copy {
            make_indexes(files, plan, newest.as_ref(), old.scope.covers, is_at_rest)?;
        }
        let (covers, changed) = changed_since(files, plan, old.scope.covers, is_at_rest)?;
        match write(files, plan, SnapshotFile::Newest, Some((file, &old)), covers, changed) {
            Err(error) if is_damaged(&error) => {}
            written => return written,
        }
    }
    if first > SegmentNumber::FIRST {
        let source = io::Error::new(io::ErrorKind::InvalidData, HEADS_UNKNOWN);
        return Err(FilesError {
            path: path_of(files, shard, SnapshotFile::Newest),
            operation: Operation::Index,
            source,
        });
    }
    make_indexes(files, plan, newest.as_ref(), SegmentNumber(0), is_at_rest)?;
    let (covers, changed) = changed_since(files, plan, SegmentNumber(0), is_at_rest)?;
    if covers == SegmentNumber(0) {
        return Ok(None);
    }
    write(files, plan, SnapshotFile::Newest, None, covers, changed)
}

const HEADS_UNKNOWN: &str = "it is missing or damaged, as is its copy, and nothing else knows the numbers of rooms whose messages have expired";

/// Whether a snapshot tells of everything in segments before this one.
pub fn tells_of_all_before(snapshot: &SnapshotInfo, first: SegmentNumber) -> bool {
    snapshot.scope.covers.next() >= first
}

/// Makes the indexes that segments behind `before` lack. While it runs, only of those that the damaged snapshot
/// covers: others may still be appended to.
fn make_indexes(
    files: &dyn IndexFiles,
    plan: &Plan,
    newest: Option<&SnapshotInfo>,
    before: SegmentNumber,
    is_at_rest: bool,
) -> Result<(), FilesError> {
    let last = match newest {
        _ if is_at_rest => SegmentNumber(u64::MAX),
        Some(newest) => newest.scope.covers,
        None => return Ok(()),
    };
    let behind = plan.segments.iter().filter(|segment| before < **segment && **segment <= last);
    for &segment in behind.filter(|segment| !plan.is_empty(**segment)) {
        rebuild_index(files, plan.shard, segment).map_err(|error| match error {
            IndexError::Files(error) => error,
            error => FilesError {
                path: files.path(plan.shard, segment),
                operation: Operation::Index,
                source: io::Error::other(error.to_string()),
            },
        })?;
    }
    Ok(())
}

/// Makes sure that what is said of segments up to this one, which are to expire or have, is there twice: no
/// segment tells the numbers of rooms whose messages have all expired. With `is_changed` the snapshot was written
/// anew without covering more.
///
/// # Errors
/// As [`renew_snapshot`].
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
    let plan = Plan::of(files, shard)?;
    let copy = || {
        let Some(newest) = snapshot_info(files, shard)? else { return Ok(false) };
        let source = Some((SnapshotFile::Newest, &newest));
        match write(files, &plan, SnapshotFile::Copy, source, newest.scope.covers, Changed::new()) {
            Err(error) if error.source.kind() == io::ErrorKind::InvalidData => Ok(false),
            written => written.map(|_| true),
        }
    };
    if copy()? {
        return Ok(());
    }
    write_anew(files, &plan, false)?;
    copy().map(drop)
}

/// Puts the numbers of lost messages that this segment records, if it does, into the snapshot: it is about to
/// expire, and a room goes on behind them for ever. Returns whether it did.
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
    let first = read_frame(&start, HEADER_BYTES, Place { shard, segment });
    if !matches!(first.and_then(|frame| frame.record()), Some(StoredRecord::Lost(_))) {
        return Ok(false);
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
    let Some(old) = snapshot_info(files, shard)?.filter(|_| !changed.is_empty()) else { return Ok(false) };
    let source = Some((SnapshotFile::Newest, &old));
    write(files, &plan, SnapshotFile::Newest, source, old.scope.covers, changed).map(|_| true)
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
    target: SnapshotFile,
    old: Option<(SnapshotFile, &SnapshotInfo)>,
    covers: SegmentNumber,
    changed: Changed,
) -> Result<Option<SnapshotInfo>, FilesError> {
    let shard = plan.shard;
    let shard_count = plan.shard_count.unwrap_or(0);
    let was_alike = old.is_none_or(|(_, old)| old.scope.shard_count == shard_count);
    let is_home = |key: &RoomKey| shard_count > 0 && key.home(shard_count) == shard;
    let shard_count = if was_alike && changed.keys().all(is_home) { shard_count } else { 0 };
    let scope = SnapshotScope { directory: shard, shard_count, covers };
    let rooms_expected = old.map_or(0, |(_, old)| old.rooms) + changed.len() as u64;
    let changed = changed.into_values();
    let mut changed: Vec<SnapshotRoom> = changed.map(|(name, tail)| SnapshotRoom::new(&name, tail)).collect();
    changed.sort_unstable_by_key(SnapshotRoom::key_bits);
    let mut changed = Some(changed);
    let mut written = None;
    files.write_snapshot(shard, target, &mut |sink| {
        let mut source = None;
        if let Some((file, _)) = old {
            source = Some(open(files, shard, file).map_err(|error| error.source)?.ok_or_else(damaged)?);
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
        for room in reader.map_while(Result::ok) {
            let is_newer = rooms.get(&room.key_bits()).is_none_or(|known| known.tail.head < room.tail.head);
            if is_newer && !has_messages(room.key_bits()) {
                rooms.insert(room.key_bits(), room);
            }
        }
    }
    rooms.retain(|_, room| room.tail.last.directory != shard || room.tail.last.segment < first);
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

fn damaged() -> io::Error {
    io::Error::from(io::ErrorKind::InvalidData)
}
