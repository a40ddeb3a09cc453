//! The snapshot of a directory, as a start and its shard use it. It is read from start to end and
//! never held: memory is in proportion to the rooms that messages came to since it was written.

use super::pass::Pass;
use super::plan::ReadPlan;
use super::rooms::StoredRooms;
use super::tails::{IndexError, Tails, is_sealed, read_table};
use crate::files::{FileOperation, Files, FilesError, IndexFiles};
use crate::format::SegmentNumber;
use crate::index::{
    SegmentTable, SnapshotFault, SnapshotFile, SnapshotInfo, SnapshotReader, SnapshotRoom, SnapshotScope,
    SnapshotWriter, merge_snapshots,
};
use hashbrown::hash_map::Entry;
use hashbrown::{HashMap, HashSet};
use madang_model::{RoomKey, ShardId};
use std::io::{self, Read};
use std::path::PathBuf;

/// Rooms that have messages or facts in segments, with where these are.
pub type Changed = HashMap<RoomKey, SnapshotRoom>;

/// Takes note of where something of a room is, unless something newer is known.
pub fn note(changed: &mut Changed, key: RoomKey, room: SnapshotRoom) {
    match changed.entry(key) {
        Entry::Occupied(mut known) => {
            let newer = room.or_newer(known.get().clone());
            known.insert(newer);
        }
        Entry::Vacant(free) => drop(free.insert(room)),
    }
}

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
    rooms: &mut StoredRooms<T>,
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
        let Some(tail) = room.tail else { continue };
        rooms.vouch(&name, tail.head, shard);
        tails.take(name.key(), tail);
    }
    Ok(true)
}

/// A snapshot that is read from start to end.
pub type Opened = SnapshotReader<Box<dyn Read + Send>>;

/// Opens a snapshot; `None` when there is none, or it is damaged at its ends.
pub fn open(
    files: &dyn IndexFiles,
    shard: ShardId,
    file: SnapshotFile,
) -> Result<Option<Opened>, FilesError> {
    let source = files.open_snapshot(shard, file)?;
    Ok(source.and_then(|source| SnapshotReader::new(source, shard).ok()))
}

/// Which segments behind the last snapshot a new one covers, from the first on until one does not count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reach {
    /// All: nothing is appended to the directory. Indexes that are missing are made.
    Idle,
    /// Those that have an index.
    Indexed,
    /// Those that are finished; indexes that are missing are made. A shard may know of as many from the snapshot
    /// that is lost.
    Finished,
}

/// What segments behind a snapshot hold.
struct Since {
    /// The last of them that counts.
    covers: SegmentNumber,
    changed: Changed,
    /// Segments that are missing: nothing behind them counts, as rooms may have their newest messages in them.
    missing: Option<(SegmentNumber, SegmentNumber)>,
}

/// Writes the snapshot of a directory anew, if segments were finished since: what the last one says, and what
/// the indexes of later segments say. It covers the messages in this directory only, whoever their room's home
/// is, so that it stays true when the number of shards changes. Returns what it says of itself; `None`
/// when no segment is finished. With `is_idle` nothing is appended to the directory, and each
/// segment behind the last snapshot that holds messages has an index.
///
/// # Errors
/// When a file cannot be read or written. Of the kind `InvalidData` when neither the last snapshot nor its copy
/// covers what has expired, or when segments are missing that only they covered: then nothing is written, as
/// numbers would be given again.
pub fn renew_snapshot(
    files: &dyn IndexFiles,
    shard: ShardId,
    is_idle: bool,
) -> Result<Option<SnapshotInfo>, FilesError> {
    let plan = ReadPlan::of(files, shard)?;
    let reach = if is_idle { Reach::Idle } else { Reach::Indexed };
    let old = snapshot_info(files, shard)?;
    if let Some(old) = old.filter(|old| covers_all_before(old, first_of(&plan))) {
        let since = changed_since(files, &plan, old.scope.covers, reach)?;
        if let Some((first, last)) = since.missing {
            tracing::warn!(
                shard = shard.0,
                first = first.0,
                last = last.0,
                "segments are missing: until they are restored the snapshot covers only those before them"
            );
        }
        if since.covers == old.scope.covers {
            return Ok(Some(old));
        }
    }
    write_anew(files, &plan, reach)
}

/// Writes the snapshot of a directory anew, as a lookup takes it for damaged. A lookup that met several
/// snapshots, one after the other, is mistaken. The new one covers every finished segment, so of all that a
/// shard knows from the old one.
///
/// # Errors
/// As [`renew_snapshot`].
pub fn mend_snapshot(files: &dyn IndexFiles, shard: ShardId) -> Result<(), FilesError> {
    write_anew(files, &ReadPlan::of(files, shard)?, Reach::Finished).map(drop)
}

/// Writes the snapshot of a directory anew: from the last one where that can be read through, else from its copy,
/// else, where nothing has expired, from the indexes alone. What all have expired of is in those two only.
fn write_anew(
    files: &dyn IndexFiles,
    plan: &ReadPlan,
    reach: Reach,
) -> Result<Option<SnapshotInfo>, FilesError> {
    let shard = plan.shard;
    let first = first_of(plan);
    for file in SnapshotFile::ALL {
        let Some(old) = info_of(files, shard, file)?.filter(|old| covers_all_before(old, first)) else {
            continue;
        };
        let since = match file {
            SnapshotFile::Newest => changed_since(files, plan, old.scope.covers, reach)?,
            SnapshotFile::Copy => all_since(files, plan, old.scope.covers, reach)?,
        };
        match write(files, plan, SnapshotFile::Newest, Some((file, &old)), since.covers, since.changed) {
            Err(error) if is_damaged(&error) => {}
            written => return written,
        }
    }
    if first > SegmentNumber::FIRST {
        return Err(unknown_numbers(path_of(files, shard, SnapshotFile::Newest), HEADS_UNKNOWN.to_owned()));
    }
    let since = all_since(files, plan, SegmentNumber(0), reach)?;
    if since.covers == SegmentNumber(0) {
        return Ok(None);
    }
    write(files, plan, SnapshotFile::Newest, None, since.covers, since.changed)
}

const HEADS_UNKNOWN: &str = "it is missing or damaged, as is its copy, and nothing else holds the numbers of rooms whose messages have expired";

/// What segments behind `before` hold, where the snapshot is lost that covered more than `before`: nothing may
/// be left out that it covered.
fn all_since(
    files: &dyn IndexFiles,
    plan: &ReadPlan,
    before: SegmentNumber,
    reach: Reach,
) -> Result<Since, FilesError> {
    let reach = if reach == Reach::Indexed { Reach::Finished } else { reach };
    let since = changed_since(files, plan, before, reach)?;
    if let Some((first, last)) = since.missing {
        let words = format!("segments {first} to {last} are missing");
        return Err(unknown_numbers(files.path(plan.shard, first), words));
    }
    let newest = snapshot_info(files, plan.shard)?;
    if let Some(newest) = newest.filter(|newest| newest.scope.covers > since.covers) {
        let segment = since.covers.next();
        let words = format!(
            "the snapshot covers segments up to {}, and this one is missing or not finished",
            newest.scope.covers
        );
        return Err(unknown_numbers(files.path(plan.shard, segment), words));
    }
    Ok(since)
}

fn unknown_numbers(path: PathBuf, words: String) -> FilesError {
    let source = io::Error::new(io::ErrorKind::InvalidData, words);
    FilesError { path, operation: FileOperation::Index, source }
}

/// Whether a file was not what was written. An error of the disk is something else.
pub fn is_damaged(error: &FilesError) -> bool {
    error.source.kind() == io::ErrorKind::InvalidData
}

fn first_of(plan: &ReadPlan) -> SegmentNumber {
    plan.segments.first().copied().unwrap_or(SegmentNumber::FIRST)
}

/// Whether a snapshot covers everything in segments before this one.
pub fn covers_all_before(snapshot: &SnapshotInfo, first: SegmentNumber) -> bool {
    snapshot.scope.covers.next() >= first
}

/// What the segments behind `before` hold.
fn changed_since(
    files: &dyn IndexFiles,
    plan: &ReadPlan,
    before: SegmentNumber,
    reach: Reach,
) -> Result<Since, FilesError> {
    let mut since = Since { covers: before, changed: Changed::new(), missing: None };
    let mut pass = Pass::new(files);
    for &segment in plan.segments.iter().filter(|segment| **segment > before) {
        since.missing = plan.missing_between(since.covers, segment);
        if since.missing.is_some() {
            break;
        }
        let mut table = read_table(files, plan.shard, segment)?;
        if table.is_none() && !plan.is_empty(segment) {
            let is_finished = match reach {
                Reach::Idle => true,
                // The open one and those after it have none, and end what the snapshot covers.
                Reach::Indexed => false,
                // One that was cut has no seal, and would list less than was in it.
                Reach::Finished => {
                    plan.limit_bytes(segment).is_some() || is_sealed(files, plan.shard, segment)?
                }
            };
            if !is_finished {
                break;
            }
            table = make_index(&mut pass, files, plan.shard, segment)?;
        }
        if let Some(table) = &table {
            for (name, tail) in table.tails().flatten() {
                note(&mut since.changed, name.key(), SnapshotRoom::new(&name, Some(tail), None));
            }
            for (name, facts) in table.named_facts() {
                note(&mut since.changed, name.key(), SnapshotRoom::new(&name, None, Some(facts.pointer)));
            }
        }
        since.covers = segment;
    }
    Ok(since)
}

/// The index of a finished segment, made now; `None` where no message is in it.
fn make_index(
    pass: &mut Pass<'_>,
    files: &dyn IndexFiles,
    shard: ShardId,
    segment: SegmentNumber,
) -> Result<Option<SegmentTable>, FilesError> {
    pass.make((shard, segment), &Tails::default()).map_err(|error| match error {
        IndexError::Files(error) => error,
        error => FilesError {
            path: files.path(shard, segment),
            operation: FileOperation::Index,
            source: io::Error::other(error.to_string()),
        },
    })
}

/// Writes `target` from an old one and the rooms that have changed since.
pub fn write(
    files: &dyn IndexFiles,
    plan: &ReadPlan,
    target: SnapshotFile,
    old: Option<(SnapshotFile, &SnapshotInfo)>,
    covers: SegmentNumber,
    changed: Changed,
) -> Result<Option<SnapshotInfo>, FilesError> {
    let shard = plan.shard;
    let shard_count = plan.shard_count.unwrap_or(0);
    let was_alike = old.is_none_or(|(_, old)| old.scope.shard_count == shard_count);
    let is_home = |key: &RoomKey| shard_count > 0 && key.directory(shard_count) == shard;
    let shard_count = if was_alike && changed.keys().all(is_home) { shard_count } else { 0 };
    let scope = SnapshotScope { directory: shard, shard_count, covers };
    let rooms_expected = old.map_or(0, |(_, old)| old.rooms) + changed.len() as u64;
    let mut changed: Vec<SnapshotRoom> = changed.into_values().collect();
    changed.sort_unstable_by_key(SnapshotRoom::key_bits);
    let mut changed = Some(changed);
    let mut written = None;
    files.write_snapshot(shard, target, &mut |sink| {
        let mut source = None;
        if let Some((file, _)) = old {
            source =
                Some(open(files, shard, file).map_err(|error| error.source)?.ok_or_else(not_as_written)?);
        }
        let writer = SnapshotWriter::new(sink, scope, rooms_expected)?;
        let changed = changed.take().unwrap_or_default().into_iter();
        let merged = merge_snapshots(source.into_iter().flatten(), changed, writer);
        let (_, info) = merged.map_err(|fault| match fault {
            SnapshotFault::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof => error,
            _ => not_as_written(),
        })?;
        written = Some(info);
        Ok(())
    })?;
    Ok(written)
}

fn not_as_written() -> io::Error {
    io::Error::from(io::ErrorKind::InvalidData)
}
