//! Which rooms' facts need a segment that is to be removed: facts never expire, so that each of them is appended again
//! before.

use super::snapshots::open;
use super::tails::read_table;
use crate::facts::{FactsBody, FactsPointer, FactsVersion};
use crate::files::{FilesError, IndexFiles};
use crate::format::{Scan, ScanItem, SegmentId, SegmentNumber, StoredRecord};
use crate::index::{SegmentTable, SnapshotFile};
use hashbrown::HashMap;
use madang_model::{Revision, RoomKey, RoomName, ShardId};
use rkyv::util::AlignedVec;

/// A segment that is to expire.
pub type SegmentAt = (ShardId, SegmentNumber);

/// Who sees to it that the facts of rooms are appended again before a segment goes.
pub trait FactsRenewal {
    /// Whether the home of a room has reported, since this segment was named to it, that what it committed needs the
    /// segment no longer.
    fn is_renewed(&self, segment: SegmentAt, room: RoomKey) -> bool;

    /// The facts of these rooms need the segment, which waits for them.
    fn renew(&mut self, segment: SegmentAt, rooms: Vec<RoomName>);

    /// A segment is gone, or about to be: nothing waits for it any more.
    fn removed(&mut self, segment: SegmentAt);
}

/// Nobody: a segment with live facts stays.
#[derive(Debug, Default)]
pub struct NoRenewal;

impl FactsRenewal for NoRenewal {
    fn is_renewed(&self, _: SegmentAt, _: RoomKey) -> bool {
        false
    }

    fn renew(&mut self, _: SegmentAt, _: Vec<RoomName>) {}

    fn removed(&mut self, _: SegmentAt) {}
}

/// The rooms whose newest facts that a file tells of need this segment, and whose homes have not reported anything
/// newer. Each time it is looked up anew: what an earlier snapshot said may be outdated.
pub fn live_facts(
    files: &dyn IndexFiles,
    (shard, segment): SegmentAt,
    renewal: &dyn FactsRenewal,
) -> Result<Vec<RoomName>, FilesError> {
    let mut rooms = rooms_with_facts(files, shard, segment)?;
    rooms.retain(|key, _| !renewal.is_renewed((shard, segment), *key));
    if rooms.is_empty() {
        return Ok(Vec::new());
    }
    let mut newest: HashMap<RoomKey, FactsPointer> = HashMap::new();
    let mut note = |key: RoomKey, pointer: FactsPointer| {
        if rooms.contains_key(&key) {
            newest.entry(key).and_modify(|known| *known = known.or_later(Some(pointer))).or_insert(pointer);
        }
    };
    for directory in files.shards()? {
        let covers = facts_of_snapshot(files, directory, &mut |name, pointer| note(name.key(), pointer))?;
        for behind in files.segments(directory)?.into_iter().filter(|behind| *behind > covers) {
            for (name, facts) in
                read_table(files, directory, behind)?.iter().flat_map(SegmentTable::named_facts)
            {
                note(name.key(), facts.pointer);
            }
        }
    }
    // Where no file that can be read tells of anything as new as what the segment itself holds, it is needed.
    rooms.retain(|key, here| {
        newest.get(key).is_none_or(|newest| newest.version < here.newest || newest.needs(shard, segment))
    });
    let mut live: Vec<RoomName> = rooms.into_values().map(|here| here.name).collect();
    live.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    Ok(live)
}

/// Gives `sink` the facts of all rooms that the snapshot of a directory tells of. Returns up to which segment nothing
/// else is to be asked: none, where it is damaged, as the facts of some rooms are missing then.
pub fn facts_of_snapshot(
    files: &dyn IndexFiles,
    directory: ShardId,
    sink: &mut dyn FnMut(RoomName, FactsPointer),
) -> Result<SegmentNumber, FilesError> {
    let Some(snapshot) = open(files, directory, SnapshotFile::Newest)? else { return Ok(SegmentNumber(0)) };
    let covers = snapshot.scope().covers;
    for room in snapshot {
        let Ok(room) = room else { return Ok(SegmentNumber(0)) };
        if let Some(facts) = room.facts
            && let Ok(name) = room.room_name()
        {
            sink(name, facts);
        }
    }
    Ok(covers)
}

/// A room that a segment holds facts of, and which record of them is the newest there.
struct ExpiringFacts {
    name: RoomName,
    newest: FactsVersion,
}

/// The rooms whose facts have records in a segment: by its index, or where there is none by what is intact of it.
fn rooms_with_facts(
    files: &dyn IndexFiles,
    shard: ShardId,
    segment: SegmentNumber,
) -> Result<HashMap<RoomKey, ExpiringFacts>, FilesError> {
    let mut rooms: HashMap<RoomKey, ExpiringFacts> = HashMap::new();
    let mut note = |name: RoomName, version: FactsVersion| {
        let here = rooms.entry(name.key()).or_insert(ExpiringFacts { name, newest: version });
        here.newest = here.newest.max(version);
    };
    if let Some(table) = read_table(files, shard, segment)? {
        table.named_facts().for_each(|(name, facts)| note(name, facts.pointer.version));
        return Ok(rooms);
    }
    let mut bytes = AlignedVec::new();
    files.read(shard, segment, &mut bytes)?;
    for item in Scan::new(&bytes, SegmentId { shard, segment }, None) {
        if let ScanItem::Note(_, StoredRecord::Facts(stored)) = item
            && let Ok(name) = RoomName::from_log(stored.room)
        {
            let unreadable = FactsVersion { revision: Revision(stored.revision), edition: 0 };
            note(name, FactsBody::decode(&stored).map_or(unreadable, |(version, _)| version));
        }
    }
    Ok(rooms)
}

#[cfg(test)]
mod tests;
