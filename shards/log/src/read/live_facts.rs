//! Which rooms' facts need a segment that is to be removed: facts never expire, so that each of them is appended again
//! before.

use super::snapshots::open;
use super::tails::read_table;
use crate::facts::FactsPointer;
use crate::files::{FilesError, IndexFiles};
use crate::format::{Scan, ScanItem, SegmentId, SegmentNumber, StoredRecord};
use crate::index::SnapshotFile;
use hashbrown::HashMap;
use madang_model::{RoomKey, RoomName, ShardId};
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
        newest.entry(key).and_modify(|known| *known = known.or_later(Some(pointer))).or_insert(pointer);
    };
    for directory in files.shards()? {
        let mut covers = SegmentNumber(0);
        if let Some(snapshot) = open(files, directory, SnapshotFile::Newest)? {
            covers = snapshot.scope().covers;
            for room in snapshot.map_while(Result::ok) {
                let (Ok(name), Some(pointer)) = (room.room_name(), room.facts) else { continue };
                if rooms.contains_key(&name.key()) {
                    note(name.key(), pointer);
                }
            }
        }
        for behind in files.segments(directory)?.into_iter().filter(|behind| *behind > covers) {
            for facts in read_table(files, directory, behind)?.iter().flat_map(|table| table.facts()) {
                let Ok(name) = facts.room_name() else { continue };
                if rooms.contains_key(&name.key()) {
                    note(name.key(), facts.pointer);
                }
            }
        }
    }
    // One that no file tells of is not known to be anywhere else.
    rooms.retain(|key, _| newest.get(key).is_none_or(|newest| newest.needs(shard, segment)));
    let mut live: Vec<RoomName> = rooms.into_values().collect();
    live.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    Ok(live)
}

/// The rooms whose facts have records in a segment: by its index, or where there is none by what is intact of it.
fn rooms_with_facts(
    files: &dyn IndexFiles,
    shard: ShardId,
    segment: SegmentNumber,
) -> Result<HashMap<RoomKey, RoomName>, FilesError> {
    let keyed = |name: RoomName| (name.key(), name);
    if let Some(table) = read_table(files, shard, segment)? {
        return Ok(table.facts().iter().filter_map(|facts| facts.room_name().ok()).map(keyed).collect());
    }
    let mut bytes = AlignedVec::new();
    files.read(shard, segment, &mut bytes)?;
    let scan = Scan::new(&bytes, SegmentId { shard, segment }, None);
    let name = |item: ScanItem<'_>| match item {
        ScanItem::Note(_, StoredRecord::Facts(facts)) => RoomName::from_log(facts.room).ok(),
        _ => None,
    };
    Ok(scan.filter_map(name).map(keyed).collect())
}
