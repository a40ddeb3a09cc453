//! Whether the numbers of every room are all there.

use super::evidence::Proven;
use super::fault::{Fault, FaultKind, Location};
use super::lost::{LostRange, MissingRange};
use crate::files::Files;
use crate::format::{RecordError, StoredEntry};
use hashbrown::{HashMap, HashSet};
use madang_model::{RoomKey, RoomName, Seq, ShardId};
use smallvec::SmallVec;

/// Numbers that follow each other.
#[derive(Clone, Copy, Debug)]
struct NumberRun {
    first: Seq,
    last: Seq,
    /// Where the first of them lies.
    at: Location,
}

/// A room, as far as one or all directories know it.
#[derive(Debug)]
pub struct StoredRoom<T> {
    pub name: RoomName,
    /// One run, unless the room's home moved, or something is lost.
    runs: SmallVec<[NumberRun; 1]>,
    /// What repairs recorded as lost, in no order.
    lost: Vec<MissingRange>,
    /// What indexes and snapshots prove to have been stored in segments that lack something.
    proven: Vec<(MissingRange, Location)>,
    /// Up to this number a snapshot vouches for all.
    vouched: Seq,
    /// The directories whose snapshots cover it: nothing of theirs that is behind has expired.
    vouchers: SmallVec<[ShardId; 1]>,
    /// What the reader keeps of it.
    pub kept: T,
}

impl<T> StoredRoom<T> {
    /// The highest number, also of a message that is known to be lost: it stays taken.
    pub fn head(&self) -> Seq {
        let lost = self.lost.iter().map(|gap| gap.last).chain([self.vouched]);
        self.runs.iter().map(|run| run.last).chain(lost).max().unwrap_or_default()
    }

    /// What repairs recorded as lost, in order.
    pub fn lost(&self) -> Vec<MissingRange> {
        let mut lost = self.lost.clone();
        lost.sort_unstable();
        lost
    }

    /// Whether it has messages, beyond those that are lost.
    pub fn has_messages(&self) -> bool {
        !self.runs.is_empty()
    }

    fn count(&mut self, seq: Seq, at: Location) {
        match self.runs.last_mut() {
            Some(run) if run.first == seq.next() => (run.first, run.at) = (seq, at),
            _ => self.runs.push(NumberRun { first: seq, last: seq, at }),
        }
    }

    /// Adds what is wrong with the numbers. A room may begin late only when old segments are gone,
    /// and may lack what a repair recorded as lost. `late` are the directories whose first segments are
    /// gone. With other numbers of shards a room goes from directory to directory, and each keeps its
    /// newest segment however old: a hole has expired if a late directory has nothing of the room
    /// before it. It has not where all of those still have older messages, nor where none begins late.
    pub fn check(&mut self, files: &dyn Files, late: &HashSet<ShardId>, faults: &mut Vec<Fault>) {
        self.runs.sort_unstable_by_key(|run| (run.first, run.last));
        let begins_late = !late.is_empty() && self.vouched == Seq::ZERO;
        let mut last = if begins_late { None } else { Some(self.vouched) };
        let mut seen = self.vouchers.clone();
        for run in self.runs.iter().filter(|run| run.last > self.vouched) {
            let room = || self.name.as_str().to_owned();
            let mut add = |kind| faults.push(Fault::new(files, run.at, kind));
            match last {
                Some(last) if run.first <= last => add(FaultKind::Repeated { room: room(), seq: run.first }),
                Some(_) if late.iter().any(|shard| !seen.contains(shard)) => {}
                Some(last) => {
                    for MissingRange { first, last } in
                        MissingRange::between(last, run.first).unknown(&mut self.lost)
                    {
                        add(FaultKind::Lost { room: room(), first, last });
                    }
                }
                None => {}
            }
            if !seen.contains(&run.at.shard) {
                seen.push(run.at.shard);
            }
            last = last.max(Some(run.last));
        }
        for (gap, at) in std::mem::take(&mut self.proven) {
            // What is missing between two messages was reported above.
            let behind = MissingRange { first: gap.first.max(last.unwrap_or_default().next()), ..gap };
            for MissingRange { first, last } in behind.unknown(&mut self.lost) {
                let room = self.name.as_str().to_owned();
                faults.push(Fault::new(files, at, FaultKind::Lost { room, first, last }));
                self.lost.push(MissingRange { first, last });
            }
        }
    }
}

/// Rooms by name, with what a reader keeps of each.
#[derive(Debug)]
pub struct StoredRooms<T> {
    rooms: Vec<StoredRoom<T>>,
    by_key: HashMap<RoomKey, usize>,
    /// Names as they are stored, so that a known one is not parsed again.
    by_text: HashMap<Box<str>, usize>,
}

impl<T: Default> StoredRooms<T> {
    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &RoomName> {
        self.rooms.iter().map(|room| &room.name)
    }

    pub fn new() -> StoredRooms<T> {
        StoredRooms { rooms: Vec::new(), by_key: HashMap::new(), by_text: HashMap::new() }
    }

    /// The room of an entry, with its number counted.
    pub fn count(
        &mut self,
        at: Location,
        entry: &StoredEntry<'_>,
    ) -> Result<&mut StoredRoom<T>, RecordError> {
        let index = match self.by_text.get(entry.room()) {
            Some(index) => *index,
            None => {
                let index = self.index_of(&entry.room_name()?);
                self.by_text.insert(entry.room().into(), index);
                index
            }
        };
        let room = &mut self.rooms[index];
        room.count(entry.seq(), at);
        Ok(room)
    }

    /// The snapshot of a directory vouches for a room's numbers up to `head`.
    pub fn vouch(&mut self, name: &RoomName, head: Seq, directory: ShardId) {
        let index = self.index_of(name);
        let room = &mut self.rooms[index];
        room.vouched = head.max(room.vouched);
        room.vouchers.push(directory);
    }

    /// Counts what the index of a segment says of a room.
    pub fn count_run(&mut self, name: &RoomName, first: Seq, last: Seq, at: Location) {
        let index = self.index_of(name);
        self.rooms[index].runs.push(NumberRun { first, last, at });
    }

    /// Takes note of messages that must have been stored.
    pub fn prove(&mut self, proven: &Proven) {
        let index = self.index_of(&proven.room);
        self.rooms[index].proven.push((proven.gap, proven.at));
    }

    /// Takes note of messages that are known to be lost.
    pub fn excuse(&mut self, lost: &LostRange) {
        let index = self.index_of(&lost.room);
        self.rooms[index].lost.push(lost.gap);
    }

    fn index_of(&mut self, name: &RoomName) -> usize {
        *self.by_key.entry(name.key()).or_insert_with(|| {
            let (runs, vouchers, vouched) = (SmallVec::new(), SmallVec::new(), Seq::ZERO);
            let (name, lost, proven, kept) = (name.clone(), Vec::new(), Vec::new(), T::default());
            self.rooms.push(StoredRoom { name, runs, lost, proven, vouched, vouchers, kept });
            self.rooms.len() - 1
        })
    }

    /// Adds what another directory holds; `merge` joins what was kept.
    pub fn absorb(&mut self, other: StoredRooms<T>, mut merge: impl FnMut(&mut T, T)) {
        for room in other.rooms {
            let index = self.index_of(&room.name);
            self.rooms[index].runs.extend(room.runs);
            self.rooms[index].lost.extend(room.lost);
            self.rooms[index].proven.extend(room.proven);
            self.rooms[index].vouched = room.vouched.max(self.rooms[index].vouched);
            self.rooms[index].vouchers.extend(room.vouchers);
            merge(&mut self.rooms[index].kept, room.kept);
        }
    }

    pub fn into_rooms(self) -> Vec<StoredRoom<T>> {
        self.rooms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::SegmentNumber;
    use crate::{FaultKind, MemoryFiles};

    /// What is said to be lost of a room that has these numbers in these directories, of which the
    /// second begins late.
    fn lost(runs: &[(u16, u64, u64)], vouched: Option<(u16, u64)>) -> Vec<(u64, u64)> {
        let name = RoomName::parse("r").expect("a room name");
        let mut rooms: StoredRooms<()> = StoredRooms::new();
        for (shard, first, last) in runs {
            let at = Location { shard: ShardId(*shard), segment: SegmentNumber(9), offset_bytes: 0 };
            rooms.count_run(&name, Seq(*first), Seq(*last), at);
        }
        if let Some((shard, head)) = vouched {
            rooms.vouch(&name, Seq(head), ShardId(shard));
        }
        let mut faults = Vec::new();
        let late = HashSet::from([ShardId(1)]);
        rooms.into_rooms()[0].check(&MemoryFiles::default(), &late, &mut faults);
        let range = |fault: &Fault| match fault.kind {
            FaultKind::Lost { first, last, .. } => (first.0, last.0),
            _ => panic!("{fault}"),
        };
        faults.iter().map(range).collect()
    }

    #[test]
    fn what_expired_before_a_room_came_to_a_directory_is_not_lost() {
        assert_eq!(lost(&[(1, 7, 9)], None), []);
        assert_eq!(lost(&[(0, 1, 4), (1, 7, 9)], None), []);
        assert_eq!(lost(&[(0, 1, 4), (1, 7, 9)], Some((0, 4))), []);
        // It went there and came back.
        assert_eq!(lost(&[(0, 1, 1), (0, 150, 151)], None), []);
    }

    #[test]
    fn what_no_segment_took_along_is_lost() {
        // In the middle of a directory, however late it begins.
        assert_eq!(lost(&[(0, 1, 4), (1, 7, 9), (1, 12, 12)], None), [(10, 11)]);
        // Where the directory that begins late still has older ones.
        assert_eq!(lost(&[(1, 1, 4), (0, 7, 9)], None), [(5, 6)]);
        // Behind what the directory's own snapshot covers: only older segments expire.
        assert_eq!(lost(&[(1, 1, 4), (1, 7, 9)], Some((1, 4))), [(5, 6)]);
    }
}
