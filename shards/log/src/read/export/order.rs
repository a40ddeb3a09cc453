//! In which order to read segments, so that each room's messages come in order.
//!
//! A room's home moves only between starts, and only when the number of shards changed; and every
//! start begins new segments. So as long as that number was the same, directories may be read one
//! after another. Otherwise a first pass learns where each room stayed, in words for each room and
//! move, and segments are put in an order that suits all rooms.

use super::selection::{RoomTable, Selection};
use crate::files::{Files, FilesError};
use crate::format::{Scan, ScanItem, SegmentId, SegmentNumber};
use crate::read::plan::ReadPlan;
use hashbrown::{HashMap, HashSet};
use madang_model::Seq;
use rkyv::util::AlignedVec;

/// A segment, by the position of its directory and its own in that.
type Index = (usize, usize);

/// The segments to read, in order.
pub fn reading_order<'a>(
    files: &dyn Files,
    plans: &'a [ReadPlan],
    selection: &Selection,
    buffer: &mut AlignedVec,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<(&'a ReadPlan, SegmentNumber)>, FilesError> {
    let earlier_segments = if rooms_never_moved(plans) {
        HashMap::new()
    } else {
        earlier_segments(&stays(files, plans, selection, buffer, progress)?)
    };
    let order = merged(plans, &earlier_segments);
    Ok(order.into_iter().map(|(plan, index)| (&plans[plan], plans[plan].segments[index])).collect())
}

fn rooms_never_moved(plans: &[ReadPlan]) -> bool {
    let (Some(first), Some(last)) = (plans.first(), plans.last()) else { return true };
    let is_same = |plan: &ReadPlan| plan.shard_count == first.shard_count;
    let has_all = first.shard_count.is_some_and(|count| last.shard.0 < count);
    plans.len() == 1 || (has_all && plans.iter().all(is_same))
}

/// Messages of one room that follow one another in one directory.
#[derive(Debug)]
struct Stay {
    first: Seq,
    last: Seq,
    from: Index,
    to: Index,
}

fn stays(
    files: &dyn Files,
    plans: &[ReadPlan],
    selection: &Selection,
    buffer: &mut AlignedVec,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<Vec<Stay>>, FilesError> {
    let mut rooms: RoomTable<Vec<Stay>> = RoomTable::new(selection);
    for (directory, plan) in plans.iter().enumerate() {
        for (index, &segment) in plan.segments.iter().enumerate() {
            match plan.read(files, segment, buffer) {
                Err(error) if error.is_gone() => continue,
                result => result?,
            }
            progress(buffer.len() as u64);
            let place = SegmentId { shard: plan.shard, segment };
            for found in Scan::new(buffer, place, plan.limit_bytes(segment)) {
                let ScanItem::Entry(_, entry) = found else { continue };
                let Some(stays) = rooms.find(entry.room()) else { continue };
                let (seq, at) = (entry.seq(), (directory, index));
                match stays.last_mut() {
                    Some(stay) if stay.to.0 == directory && stay.last.next() == seq => {
                        (stay.last, stay.to) = (seq, at);
                    }
                    _ => stays.push(Stay { first: seq, last: seq, from: at, to: at }),
                }
            }
        }
    }
    Ok(rooms.into_states())
}

/// Which segments of other directories must have been read before a segment.
fn earlier_segments(rooms: &[Vec<Stay>]) -> HashMap<Index, HashSet<Index>> {
    let mut earlier_segments: HashMap<Index, HashSet<Index>> = HashMap::new();
    for room in rooms {
        let mut stays: Vec<&Stay> = room.iter().collect();
        stays.sort_unstable_by_key(|stay| stay.first);
        for pair in stays.windows(2) {
            if pair[0].to.0 != pair[1].from.0 {
                earlier_segments.entry(pair[1].from).or_default().insert(pair[0].to);
            }
        }
    }
    earlier_segments
}

/// Each directory's segments in their order, and none before its earlier_segments. Should damage have
/// made that impossible, the first directory comes next; the export then names what is out of order.
fn merged(plans: &[ReadPlan], earlier_segments: &HashMap<Index, HashSet<Index>>) -> Vec<Index> {
    let mut next = vec![0; plans.len()];
    let mut order = Vec::new();
    loop {
        let left = |plan: usize, next: &[usize]| next[plan] < plans[plan].segments.len();
        let is_ready = |plan: usize, next: &[usize]| {
            let before = earlier_segments.get(&(plan, next[plan]));
            before.is_none_or(|before| before.iter().all(|(other, index)| *index < next[*other]))
        };
        let with_some_left = || (0..plans.len()).filter(|plan| left(*plan, &next));
        let ready = with_some_left().find(|plan| is_ready(*plan, &next));
        let Some(plan) = ready.or_else(|| with_some_left().next()) else { return order };
        order.push((plan, next[plan]));
        next[plan] += 1;
    }
}
