//! Where every room's stored messages are: from the indexes, and from segments that have none.

use super::fault::NextStep;
use super::pass::Pass;
use crate::files::{Files, FilesError, IndexFiles};
use crate::format::{
    HEADER_BYTES, SEAL_FRAME_BYTES, Scan, SegmentHeader, SegmentId, SegmentNumber, SegmentVerdict,
    StoredEntry, StoredRecord, read_frame_at,
};
use crate::index::{IndexBuilder, IndexHeader, RebuildFault, RoomTail, SealFault, SegmentTable};
use hashbrown::HashMap;
use madang_model::{RoomKey, Seq, ShardId};
use rkyv::util::AlignedVec;
use std::path::PathBuf;

/// Of at most so many rooms an index is compared with its segment.
const ENTRIES_COMPARED_MAX: usize = 32;

/// Why an index cannot be made from its segment.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// A file could not be used.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The segment gives no index.
    #[error("cannot make the index of segment '{}': {source}; {}", path.display(), NextStep(path))]
    Rebuild {
        /// Which segment.
        path: PathBuf,
        /// What is wrong with it.
        source: RebuildFault,
    },
    /// Indexes do not continue one another.
    #[error(transparent)]
    Seal(#[from] SealFault),
}

/// Where the stored messages of some rooms are.
#[derive(Debug, Default)]
pub struct Tails {
    /// The newest entry of each room.
    pub rooms: HashMap<RoomKey, RoomTail>,
    /// The segments whose index was missing or damaged and was made again.
    pub rebuilt: Vec<PathBuf>,
}

impl Tails {
    /// Adds what another directory says.
    pub fn absorb(&mut self, other: Tails) {
        other.rooms.into_iter().for_each(|(key, tail)| self.take(key, tail));
    }

    /// Notes where a room's messages are, unless something newer is known.
    pub fn take(&mut self, key: RoomKey, tail: RoomTail) {
        match self.rooms.entry(key) {
            hashbrown::hash_map::Entry::Occupied(mut known) if known.get().head < tail.head => {
                known.insert(tail);
            }
            hashbrown::hash_map::Entry::Occupied(_) => {}
            hashbrown::hash_map::Entry::Vacant(free) => {
                free.insert(tail);
            }
        }
    }
}

/// Makes the indexes of segments that have none, after they were read and sealed. `progress` receives how many
/// there are, and how many are made.
///
/// # Errors
/// [`IndexError`] when an index cannot be made.
pub fn index_scanned(
    files: &dyn IndexFiles,
    scanned: Vec<(ShardId, SegmentNumber)>,
    tails: &mut Tails,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<(), IndexError> {
    let mut pass = Pass::new(files);
    let count = scanned.len();
    // An entry links to those before it, whichever directory they are in.
    for (made, at) in earliest_first(files, scanned)?.into_iter().enumerate() {
        if let Some(table) = pass.make(at, tails)? {
            take_table(&table, tails);
            tails.rebuilt.push(files.path(at.0, at.1));
        }
        progress(made + 1, count);
    }
    Ok(())
}

/// Makes the index of one segment again while shards append to others, and before it those of
/// earlier segments that have none, if its entries link to theirs. Nothing is made for a segment that is
/// gone: who asks again sees that it has expired.
///
/// # Errors
/// [`IndexError`] when that cannot be done.
pub fn rebuild_index(
    files: &dyn IndexFiles,
    shard: ShardId,
    segment: SegmentNumber,
) -> Result<(), IndexError> {
    if read_table(files, shard, segment)?.is_some_and(|table| table.is_of_newest_format()) {
        return Ok(());
    }
    match Pass::new(files).make_of((shard, segment), &Tails::default(), true) {
        Err(IndexError::Files(error)) if error.is_gone() => Ok(()),
        made => made.map(|_| ()),
    }
}

/// Segments in the order in which they were filled: those of a directory by their numbers, whatever the
/// clock was set to when they were made, and those of several directories by the time.
pub(super) fn earliest_first(
    files: &dyn Files,
    mut segments: Vec<(ShardId, SegmentNumber)>,
) -> Result<Vec<(ShardId, SegmentNumber)>, FilesError> {
    segments.sort_unstable();
    let mut timed: Vec<(i64, (ShardId, SegmentNumber))> = Vec::with_capacity(segments.len());
    for at in segments {
        let created_us = start_of(files, at.0, at.1)?.map_or(i64::MIN, |header| header.created_us);
        let before = timed.last().filter(|(_, before)| before.0 == at.0);
        timed.push((before.map_or(created_us, |(before_us, _)| created_us.max(*before_us)), at));
    }
    timed.sort_unstable();
    Ok(timed.into_iter().map(|(_, at)| at).collect())
}

/// Whether the last frame of a segment is its seal.
pub(super) fn is_sealed(
    files: &dyn Files,
    shard: ShardId,
    segment: SegmentNumber,
) -> Result<bool, FilesError> {
    let mut bytes = AlignedVec::new();
    files.read(shard, segment, &mut bytes)?;
    let mut scan = Scan::new(&bytes, SegmentId { shard, segment }, None);
    scan.by_ref().for_each(drop);
    Ok(matches!(scan.verdict(), Some(SegmentVerdict::Sealed { .. })))
}

pub(super) fn take_table(table: &SegmentTable, tails: &mut Tails) {
    // A name that cannot be read back would have been refused by the recovery before.
    for (name, tail) in table.tails().flatten() {
        tails.take(name.key(), tail);
    }
}

/// The index of a segment, if there is a sound one.
pub fn read_table(
    files: &dyn IndexFiles,
    shard: ShardId,
    segment: SegmentNumber,
) -> Result<Option<SegmentTable>, FilesError> {
    let bytes = files.read_index(shard, segment)?;
    Ok(bytes.and_then(|bytes| SegmentTable::decode(&bytes, shard, segment).ok()))
}

/// The index of a segment, if there is a sound one that was made from the segment as it is. One that was made from another
/// segment of this number, as where a file was put back from elsewhere, is none of it: its rooms are not there.
pub fn read_own_table(
    files: &dyn IndexFiles,
    shard: ShardId,
    segment: SegmentNumber,
) -> Result<Option<SegmentTable>, FilesError> {
    let Some(bytes) = files.read_index(shard, segment)? else { return Ok(None) };
    let Ok(table) = SegmentTable::decode(&bytes, shard, segment) else { return Ok(None) };
    let (end_bytes, entries) = (table.end_offset_bytes(), table.messages());
    let mut part = AlignedVec::new();
    if !is_sealed_at(files, (shard, segment), end_bytes, entries, &mut part)? {
        return Ok(None);
    }
    let Some(newest) = table.newest_entries(&bytes, ENTRIES_COMPARED_MAX) else { return Ok(None) };
    for (room, position) in newest.into_iter().filter(|(_, position)| !position.is_lost()) {
        let (offset_bytes, frame_bytes) = (position.offset_bytes(), position.frame_bytes());
        files.read_part(shard, segment, offset_bytes, frame_bytes as usize, &mut part)?;
        let frame = read_frame_at(&part, offset_bytes as usize, SegmentId { shard, segment });
        let is_listed = frame.and_then(|frame| StoredEntry::of(&frame.record()?)).is_some_and(|entry| {
            let keys = (entry.room_name().map(|name| name.key()), room.room_name().map(|name| name.key()));
            entry.seq() == room.last() && matches!(keys, (Ok(stored), Ok(listed)) if stored == listed)
        });
        if !is_listed {
            return Ok(None);
        }
    }
    Ok(Some(table))
}

/// Whether a segment is sealed at this offset, with so many entries.
fn is_sealed_at(
    files: &dyn IndexFiles,
    (shard, segment): (ShardId, SegmentNumber),
    end_bytes: u64,
    entries: u64,
    part: &mut AlignedVec,
) -> Result<bool, FilesError> {
    files.read_part(shard, segment, end_bytes, SEAL_FRAME_BYTES, part)?;
    let frame = read_frame_at(part, end_bytes as usize, SegmentId { shard, segment });
    let seal = frame.and_then(|frame| frame.record());
    Ok(matches!(seal, Some(StoredRecord::Seal(seal)) if seal.records == entries))
}

/// The first block of a segment's index, if there is a sound one, and the segment is sealed where that says.
pub fn read_own_header(
    files: &dyn IndexFiles,
    shard: ShardId,
    segment: SegmentNumber,
) -> Result<Option<IndexHeader>, FilesError> {
    let Some(header) = read_header(files, shard, segment)? else { return Ok(None) };
    let (end_bytes, entries) = (header.end_offset_bytes, header.messages);
    let is_own = is_sealed_at(files, (shard, segment), end_bytes, entries, &mut AlignedVec::new())?;
    Ok(is_own.then_some(header))
}

/// The first block of a segment's index, if there is a sound one.
pub fn read_header(
    files: &dyn IndexFiles,
    shard: ShardId,
    segment: SegmentNumber,
) -> Result<Option<IndexHeader>, FilesError> {
    let start = files.read_index_start(shard, segment)?;
    Ok(start.and_then(|start| IndexHeader::decode(&start, shard, segment).ok()))
}

/// Where the committed part of a segment ends, if it has an index that says so.
pub fn indexed_end_bytes(
    files: &dyn IndexFiles,
    shard: ShardId,
    segment: SegmentNumber,
) -> Result<Option<u64>, FilesError> {
    Ok(read_header(files, shard, segment)?.map(|header| header.end_offset_bytes))
}

/// The header of a segment, if it has one.
pub fn start_of(
    files: &dyn Files,
    shard: ShardId,
    segment: SegmentNumber,
) -> Result<Option<SegmentHeader>, FilesError> {
    let mut start = AlignedVec::new();
    files.read_start(shard, segment, HEADER_BYTES, &mut start)?;
    Ok(SegmentHeader::decode(&start, shard, segment).ok())
}

/// The tails of a segment's rooms before it, as far as they are known; and the rooms of which they are
/// not, with the number of their first message in it.
pub(super) fn known_before(builder: &IndexBuilder, known: &Tails) -> (Tails, HashMap<RoomKey, Seq>) {
    let (mut before, mut unsure) = (Tails::default(), HashMap::new());
    for (name, first) in builder.rooms() {
        match known.rooms.get(&name.key()) {
            Some(tail) if tail.head.next() == first => before.take(name.key(), tail.clone()),
            _ if first == Seq(1) => {}
            _ => {
                unsure.insert(name.key(), first);
            }
        }
    }
    (before, unsure)
}

#[cfg(test)]
mod tests;
