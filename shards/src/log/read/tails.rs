//! Where every room's stored messages are: from the indexes, and from segments that have none.

use super::plan::Plan;
use crate::log::files::{Files, FilesError, IndexFiles};
use crate::log::format::{SegmentHeader, SegmentNumber};
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
    let mut unindexed = Vec::new();
    for (shard, segment) in scanned {
        let created_us = start_of(files, shard, segment)?.map_or(0, |header| header.created_us);
        unindexed.push((created_us, shard, segment));
    }
    // Earlier ones first, whichever directory they are in: an entry links to those before it.
    unindexed.sort_unstable();
    for (_, shard, segment) in unindexed {
        if let Some(table) = rebuild(files, shard, segment, tails)? {
            take_table(&table, tails);
            tails.rebuilt.push(files.path(shard, segment));
        }
    }
    Ok(())
}

/// Makes the index of one segment again while shards append to others, and before it those of
/// earlier segments that have none: its entries link to theirs.
///
/// # Errors
/// [`IndexError`] when that cannot be done.
pub fn rebuild_index(
    files: &dyn IndexFiles,
    shard: ShardId,
    segment: SegmentNumber,
) -> Result<(), IndexError> {
    let target_created_us = start_of(files, shard, segment)?.map_or(i64::MAX, |header| header.created_us);
    let mut unindexed = Vec::new();
    for shard in files.shards()? {
        let plan = Plan::of(files, shard)?;
        for &segment in plan.segments.iter().filter(|segment| !plan.is_void(**segment)) {
            let Some(header) = start_of(files, shard, segment)? else { continue };
            // Sealing cuts a segment off: one of full length is still appended to, or was not used.
            let is_sealed = files.length_bytes(shard, segment)? < header.capacity_bytes;
            let is_earlier = header.created_us <= target_created_us;
            if is_sealed && is_earlier && read_table(files, shard, segment)?.is_none() {
                unindexed.push((header.created_us, shard, segment));
            }
        }
    }
    unindexed.sort_unstable();
    for (_, shard, segment) in unindexed {
        rebuild(files, shard, segment, &Tails::default())?;
    }
    Ok(())
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
fn start_of(
    files: &dyn Files,
    shard: ShardId,
    segment: SegmentNumber,
) -> Result<Option<SegmentHeader>, FilesError> {
    let mut start = AlignedVec::new();
    files.read_start(shard, segment, crate::log::format::HEADER_BYTES, &mut start)?;
    Ok(SegmentHeader::decode(&start, shard, segment).ok())
}

/// Makes and writes an index. `None` when the segment holds no message.
fn rebuild(
    files: &dyn IndexFiles,
    shard: ShardId,
    segment: SegmentNumber,
    known: &Tails,
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
    let tails = tails_before(files, &builder, known)?;
    builder.excuse_gaps(|key| tails.get(&key));
    let index = builder.seal(end_bytes, |room| tails.get(&room.key()))?;
    let bytes = index.encode();
    files.write_index(shard, segment, &bytes)?;
    let table = SegmentTable::decode(&bytes, shard, segment).expect("what was just encoded can be read");
    Ok(Some(table))
}

/// The tails of a segment's rooms before it: what is known of them, or what other indexes say.
fn tails_before(
    files: &dyn IndexFiles,
    builder: &IndexBuilder,
    known: &Tails,
) -> Result<HashMap<RoomKey, RoomTail>, IndexError> {
    let mut before = Tails::default();
    let mut unsure: HashMap<RoomKey, Seq> = HashMap::new();
    for (name, first) in builder.rooms() {
        match known.rooms.get(&name.key()) {
            Some(tail) if tail.head.next() == first => before.take(name.key(), tail.clone()),
            _ if first == Seq(1) => {}
            _ => {
                unsure.insert(name.key(), first);
            }
        }
    }
    if unsure.is_empty() {
        return Ok(before.rooms);
    }
    for shard in files.shards()? {
        for segment in Plan::of(files, shard)?.segments {
            let Some(table) = read_table(files, shard, segment)? else { continue };
            for (name, tail) in table.tails().flatten() {
                if unsure.get(&name.key()).is_some_and(|first| tail.head < *first) {
                    before.take(name.key(), tail);
                }
            }
        }
    }
    Ok(before.rooms)
}

#[cfg(test)]
mod tests;
