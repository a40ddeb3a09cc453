//! Which numbers of each room are there, and which are lost.

use super::LostMessages;
use crate::format::{RecordError, SEAL_FRAME_BYTES, StoredEntry};
use crate::index::key_bits;
use crate::read::for_repair::Proven;
use crate::read::{LostRange, MissingRange};
use hashbrown::{HashMap, HashSet};
use madang_model::{RoomKey, RoomName, Seq, ShardId};

/// No message takes less of a segment.
const MESSAGE_FRAME_BYTES_MIN: u64 = SEAL_FRAME_BYTES as u64;

/// Numbers that are all there.
#[derive(Clone, Copy, Debug)]
struct IntactRun {
    first: Seq,
    last: Seq,
    /// Whose directory holds the first.
    shard: ShardId,
}

#[derive(Debug)]
struct RoomNumbers {
    name: RoomName,
    /// In rising order, with something missing between each and the next.
    runs: Vec<IntactRun>,
    /// The first number in each directory that has any.
    firsts: Vec<(ShardId, Seq)>,
    /// What was lost before.
    lost: Vec<MissingRange>,
    /// What damaged frames seem to have held.
    hints: Vec<(Seq, ShardId)>,
    /// What indexes and snapshots prove to have been stored in segments that lack something.
    proven: Vec<(MissingRange, ShardId)>,
}

/// The numbers of every room.
#[derive(Debug, Default)]
pub struct Numbers {
    rooms: Vec<RoomNumbers>,
    by_key: HashMap<RoomKey, usize>,
    by_text: HashMap<Box<str>, usize>,
    /// All bytes that are damaged.
    pub damaged_bytes: u64,
}

impl Numbers {
    /// Takes note of an entry that is there; `false` when it was there already.
    pub fn insert(&mut self, entry: &StoredEntry<'_>, shard: ShardId) -> Result<bool, RecordError> {
        let seq = entry.seq();
        Ok(self.room(entry)?.insert(IntactRun { first: seq, last: seq, shard }))
    }

    /// Takes note of an entry that seems to have been there.
    pub fn hint(&mut self, entry: &StoredEntry<'_>, shard: ShardId) {
        let seq = entry.seq();
        if let Ok(room) = self.room(entry) {
            room.hints.push((seq, shard));
        }
    }

    /// Takes note of messages that must have been stored.
    pub fn prove(&mut self, proven: &Proven) {
        let index = self.index_of(&proven.room);
        self.rooms[index].proven.push((proven.gap, proven.at.shard));
    }

    /// Takes note of what was lost before.
    pub fn excuse(&mut self, lost: &LostRange) {
        let index = self.index_of(&lost.room);
        self.rooms[index].lost.push(lost.gap);
    }

    /// The rooms that have messages in each directory, by the number of their key.
    pub fn living(&self) -> impl Iterator<Item = (ShardId, u64)> {
        let of_room = |room: &RoomNumbers| {
            let key = key_bits(room.name.key());
            room.firsts.iter().map(move |(shard, _)| (*shard, key)).collect::<Vec<_>>()
        };
        self.rooms.iter().flat_map(of_room)
    }

    /// What is lost and not recorded yet. A room may begin late only when old segments are gone.
    /// `late` are the directories where that is so: a hole has expired if one of them has nothing of the
    /// room before it, as `verify` sees it.
    pub fn lost(&mut self, late: &HashSet<ShardId>) -> Vec<LostMessages> {
        let frames = self.damaged_frames();
        self.rooms.iter_mut().flat_map(|room| room.lost_messages(late, frames)).collect()
    }

    /// How many records the damaged bytes can have held.
    pub fn damaged_frames(&self) -> u64 {
        self.damaged_bytes / MESSAGE_FRAME_BYTES_MIN
    }

    fn room(&mut self, entry: &StoredEntry<'_>) -> Result<&mut RoomNumbers, RecordError> {
        let index = match self.by_text.get(entry.room()) {
            Some(index) => *index,
            None => {
                let index = self.index_of(&entry.room_name()?);
                self.by_text.insert(entry.room().into(), index);
                index
            }
        };
        Ok(&mut self.rooms[index])
    }

    fn index_of(&mut self, name: &RoomName) -> usize {
        *self.by_key.entry(name.key()).or_insert_with(|| {
            let (runs, firsts, lost) = (Vec::new(), Vec::new(), Vec::new());
            let (name, hints, proven) = (name.clone(), Vec::new(), Vec::new());
            self.rooms.push(RoomNumbers { name, runs, firsts, lost, hints, proven });
            self.rooms.len() - 1
        })
    }
}

impl RoomNumbers {
    fn insert(&mut self, new: IntactRun) -> bool {
        match self.firsts.iter_mut().find(|(shard, _)| *shard == new.shard) {
            Some((_, first)) => *first = new.first.min(*first),
            None => self.firsts.push((new.shard, new.first)),
        }
        let index = self.runs.partition_point(|run| run.first <= new.first);
        let (before, behind) = self.runs.split_at_mut(index);
        if let Some(before) = before.last_mut() {
            if before.last >= new.first {
                return false;
            }
            if before.last.next() == new.first {
                before.last = new.last;
                if let Some(next) = behind.first().copied().filter(|next| next.first == new.last.next()) {
                    before.last = next.last;
                    self.runs.remove(index);
                }
                return true;
            }
        }
        match behind.first_mut() {
            Some(next) if next.first == new.last.next() => (next.first, next.shard) = (new.first, new.shard),
            _ => self.runs.insert(index, new),
        }
        true
    }

    fn lost_messages(&mut self, late: &HashSet<ShardId>, damaged_frames: u64) -> Vec<LostMessages> {
        let (name, lost) = (&self.name, &mut self.lost);
        let mut found = Vec::new();
        let mut add = |gap: MissingRange, shard| {
            let parts = gap.unknown(lost).into_iter();
            found.extend(parts.map(|gap| LostMessages { room: name.clone(), gap, shard }));
        };
        let firsts = &self.firsts;
        let has_older = |shard: &ShardId, run: &IntactRun| {
            firsts.iter().any(|(of, first)| of == shard && *first < run.first)
        };
        let has_expired = |run: &IntactRun| late.iter().any(|shard| !has_older(shard, run));
        let mut last = if late.is_empty() { Some(Seq::ZERO) } else { None };
        for run in &self.runs {
            if let Some(last) = last.filter(|_| !has_expired(run)) {
                add(MissingRange::between(last, run.first), run.shard);
            }
            last = Some(run.last);
        }
        // Behind a room's last intact message only the damaged bytes themselves can show what there
        // was, and they may lie. A number that was never given is skipped without harm; one that is
        // given twice is not. So what they say is believed as far as they can have held it.
        let hinted = |hint: &&(Seq, ShardId)| {
            last.is_none_or(|last| hint.0 > last && hint.0.0 - last.0 <= damaged_frames)
        };
        let mut behind = last.unwrap_or_default();
        if let Some(&(seq, shard)) = self.hints.iter().filter(hinted).max() {
            let first = last.map_or(seq, Seq::next);
            add(MissingRange { first, last: seq }, shard);
            behind = seq;
        }
        // What was indexed is known, not guessed.
        self.proven.sort_unstable();
        for &(gap, shard) in &self.proven {
            add(MissingRange { first: gap.first.max(behind.next()), last: gap.last }, shard);
            behind = behind.max(gap.last);
        }
        found
    }
}
