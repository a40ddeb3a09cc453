//! Where every room's stored messages are: from the indexes, and from segments that have none.

use super::lost::{Gap, LostRange};
use super::plan::Plan;
use crate::log::files::{Files, FilesError, IndexFiles};
use crate::log::format::{HEADER_BYTES, Place, Scan, SegmentHeader, SegmentNumber, Verdict};
use crate::log::index::{IndexBuilder, RebuildFault, RoomTail, SealFault, SegmentTable};
use crate::types::{RoomKey, Seq, ShardId};
use hashbrown::HashMap;
use rkyv::util::AlignedVec;
use std::path::PathBuf;

/// Why an index cannot be made from its segment.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// A file could not be used.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The segment gives no index.
    #[error("cannot make the index of segment '{}': {source}", path.display())]
    Rebuild {
        /// Which segment.
        path: PathBuf,
        /// What is wrong with it.
        source: RebuildFault,
    },
    /// Indexes do not go on from one another.
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

/// Makes the indexes of segments that have none, after they were read and sealed.
///
/// # Errors
/// [`IndexError`] when an index cannot be made.
pub fn index_scanned(
    files: &dyn IndexFiles,
    scanned: Vec<(ShardId, SegmentNumber)>,
    tails: &mut Tails,
) -> Result<(), IndexError> {
    // An entry links to those before it, whichever directory they are in.
    for (shard, segment) in earliest_first(files, scanned)? {
        if let Some(table) = rebuild(files, shard, segment, tails, Earlier::MayLack)? {
            take_table(&table, tails);
            tails.rebuilt.push(files.path(shard, segment));
        }
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
    if read_table(files, shard, segment)?.is_some() {
        return Ok(());
    }
    match rebuild(files, shard, segment, &Tails::default(), Earlier::MayLack) {
        Err(IndexError::Files(error)) if error.is_gone() => Ok(()),
        made => made.map(|_| ()),
    }
}

/// Whether segments before one whose index is made may lack theirs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Earlier {
    /// They may: theirs are made first, or what they hold would pass for lost.
    MayLack,
    /// All that can have one do.
    AllThere,
}

/// Makes the indexes that segments before this one lack.
fn rebuild_earlier(
    files: &dyn IndexFiles,
    target: ShardId,
    target_segment: SegmentNumber,
) -> Result<(), IndexError> {
    let (mut all, mut plans) = (Vec::new(), HashMap::new());
    for shard in files.shards()? {
        let plan = Plan::of(files, shard)?;
        let holding = plan.segments.iter().filter(|segment| !plan.is_void(**segment));
        all.extend(holding.map(|segment| (shard, *segment)));
        plans.insert(shard, plan);
    }
    let ordered = earliest_first(files, all)?;
    for (shard, segment) in ordered.into_iter().take_while(|at| *at != (target, target_segment)) {
        if read_table(files, shard, segment)?.is_some() {
            continue;
        }
        // Sealing cuts a segment off: one of full length is still appended to, or was not used, or
        // its seal is the last that fitted, or a crash came before the cut. One whose writing failed
        // keeps its length, and a later one says where it ends.
        let Some(header) = start_of(files, shard, segment)? else { continue };
        let is_finished = plans[&shard].limit_bytes(segment).is_some()
            || files.length_bytes(shard, segment)? < header.capacity_bytes
            || is_sealed(files, shard, segment)?;
        if is_finished {
            rebuild(files, shard, segment, &Tails::default(), Earlier::AllThere)?;
        }
    }
    Ok(())
}

/// Segments in the order in which they were filled: those of a directory by their numbers, whatever the
/// clock was set to when they were made, and those of several directories by the time.
fn earliest_first(
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
fn is_sealed(files: &dyn Files, shard: ShardId, segment: SegmentNumber) -> Result<bool, FilesError> {
    let mut bytes = AlignedVec::new();
    files.read(shard, segment, &mut bytes)?;
    let mut scan = Scan::new(&bytes, Place { shard, segment }, None);
    scan.by_ref().for_each(drop);
    Ok(matches!(scan.verdict(), Some(Verdict::Sealed { .. })))
}

fn take_table(table: &SegmentTable, tails: &mut Tails) {
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

/// Makes and writes an index. `None` when the segment holds no message.
fn rebuild(
    files: &dyn IndexFiles,
    shard: ShardId,
    segment: SegmentNumber,
    known: &Tails,
    earlier: Earlier,
) -> Result<Option<SegmentTable>, IndexError> {
    let plan = Plan::of(files, shard)?;
    let mut buffer = AlignedVec::new();
    files.read(shard, segment, &mut buffer)?;
    let scanned = IndexBuilder::scan(&buffer, shard, segment, plan.limit_bytes(segment));
    let (mut builder, end_bytes) =
        scanned.map_err(|source| IndexError::Rebuild { path: files.path(shard, segment), source })?;
    if builder.rooms().len() == 0 {
        return Ok(None);
    }
    let (mut tails, unsure) = known_before(&builder, known);
    if !unsure.is_empty() {
        if earlier == Earlier::MayLack {
            rebuild_earlier(files, shard, segment)?;
        }
        tails.absorb(indexed_before(files, unsure)?);
    }
    let tails = tails.rooms;
    builder.excuse_gaps(|key| tails.get(&key));
    let index = builder.seal(end_bytes, |room| tails.get(&room.key()))?;
    let bytes = index.encode();
    // An index proves the seal to the next start. That of a segment that nothing follows may be in memory
    // only, after a sync of it that failed.
    if !plan.is_followed(segment) {
        files.make_sure(shard, segment, end_bytes)?;
    }
    files.write_index(shard, segment, &bytes)?;
    let table = SegmentTable::decode(&bytes, shard, segment).expect("what was just encoded can be read");
    Ok(Some(table))
}

/// The tails of a segment's rooms before it, as far as they are known; and the rooms of which they are
/// not, with the number of their first message in it.
fn known_before(builder: &IndexBuilder, known: &Tails) -> (Tails, HashMap<RoomKey, Seq>) {
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

/// The tails of rooms before the numbers given, as the indexes say.
fn indexed_before(files: &dyn IndexFiles, firsts: HashMap<RoomKey, Seq>) -> Result<Tails, IndexError> {
    let mut before = Tails::default();
    let mut lost: HashMap<RoomKey, Vec<Gap>> = HashMap::new();
    for shard in files.shards()? {
        let plan = Plan::of(files, shard)?;
        for LostRange { room, gap, .. } in plan.lost {
            lost.entry(room.key()).or_default().push(gap);
        }
        for segment in plan.segments {
            let Some(table) = read_table(files, shard, segment)? else { continue };
            for (name, tail) in table.tails().flatten() {
                if firsts.get(&name.key()).is_some_and(|first| tail.head < *first) {
                    before.take(name.key(), tail);
                }
            }
        }
    }
    // A hole that no repair recorded has expired, and what is before it is as good as gone: with
    // another number of shards the room was stored elsewhere, where the newest segment is kept.
    before.rooms.retain(|key, tail| {
        let gap = Gap::between(tail.head, firsts.get(key).copied().unwrap_or_default());
        gap.unknown(lost.entry(*key).or_default()).is_empty()
    });
    Ok(before)
}

#[cfg(test)]
mod tests;
