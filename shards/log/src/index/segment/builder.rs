//! What a shard remembers of the segment that it appends to, and the index it becomes.

use super::entry::{POSITIONS_HERE_MAX, RoomEntry, RoomPositions};
use super::facts::{by_key, push_facts};
use super::header::{INDEX_HEADER_BYTES, IndexHeader};
use super::place::identity;
use super::position::{FramePosition, PositionRun, push_run};
use crate::append::Batch;
use crate::facts::{FactsAppended, FactsLink, FactsPointer};
use crate::format::{SegmentNumber, frame_bytes};
use crate::index::bytes::{SLOT_BYTES, TableWriter, bucket_bits};
use crate::index::key::key_bits;
use crate::index::link::{EntryLink, RoomTail};
use hashbrown::HashMap;
use madang_model::{Revision, RoomKey, RoomName, Seq, ShardId};

/// The rooms of the open segment and the places of their committed messages: six bytes a message
/// (up to twelve while a vector has just grown), and about 100 a room.
#[derive(Debug)]
pub struct IndexBuilder {
    directory: ShardId,
    segment: SegmentNumber,
    rooms: HashMap<RoomKey, OpenRoom>,
    /// Rooms whose facts have records here.
    facts: HashMap<RoomKey, OpenFacts>,
    /// Numbers taken, those of lost messages too.
    messages: u64,
}

#[derive(Debug)]
struct OpenRoom {
    name: RoomName,
    first: Seq,
    positions: Vec<FramePosition>,
}

/// The facts of a room, as far as the segment holds records of them.
#[derive(Clone, Debug)]
struct OpenFacts {
    name: RoomName,
    /// The first revision that they tell of.
    first: Revision,
    /// The newest.
    pointer: FactsPointer,
}

impl OpenRoom {
    /// Returns how many numbers it excused.
    fn excuse_gap(&mut self, tail: Option<&RoomTail>) -> u64 {
        let head = tail.map_or(Seq(self.first.0 - 1), |tail| tail.head);
        let lost = self.first.0.saturating_sub(head.0 + 1);
        if lost > 0 {
            self.positions.splice(0..0, (0..lost).map(|_| FramePosition::LOST));
            self.first = head.next();
        }
        lost
    }
}

/// A room's numbers in a segment do not continue its tail.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "room '{room}' continues with #{first} in segment {segment} of shard {directory}, but ended with #{head}; give the tail from the indexes of all earlier segments"
)]
pub struct SealFault {
    /// The room.
    pub room: String,
    /// Whose directory.
    pub directory: ShardId,
    /// The segment.
    pub segment: SegmentNumber,
    /// The first number there.
    pub first: Seq,
    /// The last number before, by the tail.
    pub head: Seq,
}

impl IndexBuilder {
    /// For a segment that nothing was committed to yet.
    pub fn new(directory: ShardId, segment: SegmentNumber) -> IndexBuilder {
        IndexBuilder { directory, segment, rooms: HashMap::new(), facts: HashMap::new(), messages: 0 }
    }

    /// Whether nothing was committed to it that can be looked up.
    pub fn is_empty(&self) -> bool {
        self.rooms.is_empty() && self.facts.is_empty()
    }

    /// Whose segment this is about.
    pub(super) fn directory(&self) -> ShardId {
        self.directory
    }

    /// Which segment this is about.
    pub fn segment(&self) -> SegmentNumber {
        self.segment
    }

    /// Remembers a message that is committed.
    ///
    /// # Panics
    /// When its number does not follow the room's last in this segment.
    pub fn push(&mut self, name: &RoomName, seq: Seq, position: FramePosition) {
        let open = self.rooms.entry(name.key()).or_insert_with(|| OpenRoom {
            name: name.clone(),
            first: seq,
            positions: Vec::new(),
        });
        let next = Seq(open.first.0 + open.positions.len() as u64);
        assert_eq!(seq, next, "messages of a room are committed in the order of their numbers");
        open.positions.push(position);
        self.messages += 1;
    }

    /// The messages of a room from its last one here up to `seq` are lost, as a repair recorded.
    pub fn skip_to(&mut self, key: RoomKey, seq: Seq) {
        let Some(open) = self.rooms.get_mut(&key) else { return };
        let lost = seq.0.saturating_sub(open.first.0 + open.positions.len() as u64);
        open.positions.extend((0..lost).map(|_| FramePosition::LOST));
        self.messages += lost;
    }

    /// Takes what lies between a room's earlier messages and its first here for lost. The caller
    /// knows that no earlier segment is left out: only what a repair recorded is missing.
    pub fn excuse_gaps<'t>(&mut self, mut tail_of: impl FnMut(RoomKey) -> Option<&'t RoomTail>) {
        for (key, open) in &mut self.rooms {
            self.messages += open.excuse_gap(tail_of(*key));
        }
    }

    /// The same for one room.
    pub fn excuse_gap_of(&mut self, key: RoomKey, tail: Option<&RoomTail>) {
        if let Some(open) = self.rooms.get_mut(&key) {
            self.messages += open.excuse_gap(tail);
        }
    }

    /// Remembers a record of facts that is committed.
    pub fn push_facts(&mut self, name: &RoomName, first: Revision, pointer: FactsPointer) {
        let open = OpenFacts { name: name.clone(), first, pointer };
        let known = self.facts.entry(name.key()).or_insert_with(|| open);
        known.pointer = pointer.or_later(Some(known.pointer));
    }

    /// Remembers a batch that is committed: `said` are its messages, in the order they were
    /// appended, and `facts` its records of facts, each with how many messages precede it.
    ///
    /// # Panics
    /// When the batch is another segment's or holds something else.
    pub fn committed<'a>(
        &mut self,
        batch: &Batch,
        said: impl ExactSizeIterator<Item = (&'a RoomName, Seq)>,
        facts: &[(usize, FactsAppended)],
    ) {
        assert_eq!(batch.segment, self.segment, "a batch is remembered for the segment it went to");
        let frames = frames_of(batch);
        let of_facts: usize = facts.iter().map(|(_, appended)| appended.frames as usize).sum();
        // A batch that was written again begins with a note.
        let notes = frames.len() - said.len() - of_facts;
        assert!(notes <= 1, "a batch of {} frames holds more than {}", frames.len(), said.len() + of_facts);
        let (mut frames, mut facts) = (&frames[notes..], facts.iter().peekable());
        for (before, (name, seq)) in said.enumerate() {
            while let Some((_, appended)) = facts.next_if(|(precede, _)| *precede <= before) {
                frames = self.facts_committed(appended, frames);
            }
            self.push(name, seq, frames[0]);
            frames = &frames[1..];
        }
        facts.for_each(|(_, appended)| frames = self.facts_committed(appended, frames));
    }

    /// Remembers a record of facts in the first of these frames. Returns the others.
    fn facts_committed<'f>(
        &mut self,
        appended: &FactsAppended,
        frames: &'f [FramePosition],
    ) -> &'f [FramePosition] {
        let (own, others) = frames.split_at(appended.frames as usize);
        let bytes: u64 = own.iter().map(|frame| frame.frame_bytes()).sum();
        let pointer = FactsPointer {
            version: appended.version,
            link: FactsLink {
                directory: self.directory,
                segment: self.segment,
                offset_bytes: own[0].offset_bytes(),
                bytes: u32::try_from(bytes).expect("records fit into a batch"),
            },
            oldest: appended.oldest.unwrap_or(self.segment),
        };
        self.push_facts(&appended.room, appended.first, pointer);
        others
    }

    /// The newest record of a room's facts here.
    pub fn facts(&self, key: RoomKey) -> Option<FactsPointer> {
        self.facts.get(&key).map(|open| open.pointer)
    }

    /// The rooms that have facts here, with their newest.
    pub fn facts_here(&self) -> impl Iterator<Item = (&RoomName, FactsPointer)> {
        self.facts.values().map(|open| (&open.name, open.pointer))
    }

    /// Where a room's messages lie: the number of the first, and the places of all.
    pub fn room(&self, key: RoomKey) -> Option<(Seq, &[FramePosition])> {
        self.rooms.get(&key).map(|open| (open.first, &open.positions[..]))
    }

    /// The name of a room that has messages or facts here.
    pub fn room_name(&self, key: RoomKey) -> Option<&RoomName> {
        let facts = || self.facts.get(&key).map(|open| &open.name);
        self.rooms.get(&key).map(|open| &open.name).or_else(facts)
    }

    /// The rooms, with the number of each one's first message here, in no order.
    pub fn rooms(&self) -> impl ExactSizeIterator<Item = (&RoomName, Seq)> {
        self.rooms.values().map(|open| (&open.name, open.first))
    }

    /// Makes the index. `end_offset_bytes` is where the segment's committed part ends; `tail_of`
    /// gives each room's tail before this segment, `None` when nothing earlier is stored.
    ///
    /// # Errors
    /// [`SealFault`] when a room's numbers do not continue its tail.
    pub fn seal<'t>(
        self,
        end_offset_bytes: u64,
        mut tail_of: impl FnMut(&RoomName) -> Option<&'t RoomTail>,
    ) -> Result<SegmentIndex, SealFault> {
        let IndexBuilder { directory, segment, rooms, facts, messages } = self;
        let mut sealed = Vec::with_capacity(rooms.len());
        for (key, OpenRoom { name, first, positions }) in rooms {
            let before = tail_of(&name);
            if let Some(head) = before.map(|tail| tail.head).filter(|head| head.next() != first) {
                let room = name.as_str().to_owned();
                return Err(SealFault { room, directory, segment, first, head });
            }
            let (ordinal, tower) = RoomTail::next_place(before);
            sealed.push(SealedRoom { key: key_bits(key), name, first, positions, ordinal, tower });
        }
        sealed.sort_unstable_by_key(|room| room.key);
        let bucket_bits = bucket_bits(sealed.len() as u64);
        let mut facts: Vec<(RoomKey, OpenFacts)> = facts.into_iter().collect();
        by_key(&mut facts);
        Ok(SegmentIndex { directory, segment, end_offset_bytes, messages, bucket_bits, rooms: sealed, facts })
    }
}

/// The frames of a batch, in order.
fn frames_of(batch: &Batch) -> Vec<FramePosition> {
    let mut frames = Vec::new();
    let mut at = 0;
    while at < batch.bytes.len() {
        let frame_bytes = frame_bytes(&batch.bytes[at..]);
        frames.push(FramePosition::new(batch.offset_bytes + at as u64, frame_bytes as u64));
        at += frame_bytes;
    }
    frames
}

/// The index of a sealed segment, to be written. Encoding it may happen on another thread.
#[derive(Debug)]
pub struct SegmentIndex {
    directory: ShardId,
    segment: SegmentNumber,
    end_offset_bytes: u64,
    messages: u64,
    bucket_bits: u8,
    /// In the order of their keys.
    rooms: Vec<SealedRoom>,
    /// The same.
    facts: Vec<(RoomKey, OpenFacts)>,
}

#[derive(Debug)]
struct SealedRoom {
    key: u64,
    name: RoomName,
    first: Seq,
    positions: Vec<FramePosition>,
    ordinal: u32,
    tower: Box<[EntryLink]>,
}

impl SegmentIndex {
    /// Which segment.
    pub fn segment(&self) -> SegmentNumber {
        self.segment
    }

    /// Each room's tail after this segment, in the order of their keys.
    pub fn tails(&self) -> impl ExactSizeIterator<Item = (&RoomName, RoomTail)> {
        self.rooms.iter().map(|room| {
            let SegmentIndex { directory, segment, bucket_bits, .. } = *self;
            let last = EntryLink { directory, segment, first: room.first, bucket_bits };
            let head = Seq(room.first.0 + room.positions.len() as u64 - 1);
            (&room.name, RoomTail { head, last, ordinal: room.ordinal, tower: room.tower.clone() })
        })
    }

    /// The newest record of each room's facts in this segment.
    pub fn facts(&self) -> impl ExactSizeIterator<Item = (&RoomName, FactsPointer)> {
        self.facts.iter().map(|(_, facts)| (&facts.name, facts.pointer))
    }

    /// Where a room's messages lie, as [`IndexBuilder::room`] says it: until the file is written,
    /// nobody else knows.
    pub fn room(&self, key: RoomKey) -> Option<(Seq, &[FramePosition])> {
        let index = self.rooms.binary_search_by_key(&key_bits(key), |room| room.key).ok()?;
        let room = &self.rooms[index];
        Some((room.first, &room.positions[..]))
    }

    /// The bytes of the file.
    pub fn encode(&self) -> Vec<u8> {
        let identity = identity(self.directory, self.segment);
        // Header and slots come first and are filled in last.
        let slots_end = INDEX_HEADER_BYTES + (SLOT_BYTES << self.bucket_bits);
        let mut file = vec![0; slots_end];
        let mut entries = Vec::with_capacity(self.rooms.len());
        for room in &self.rooms {
            let count = room.positions.len() as u64;
            let positions = if count <= POSITIONS_HERE_MAX {
                RoomPositions::Here(room.positions.as_slice().into())
            } else {
                let run = PositionRun { offset_bytes: file.len() as u64, count };
                push_run(&mut file, identity, &room.positions);
                RoomPositions::In(run)
            };
            entries.push(positions);
        }
        let mut table = TableWriter::new(identity, self.bucket_bits, file.len() as u64);
        for (room, positions) in self.rooms.iter().zip(entries) {
            let entry = RoomEntry {
                key: room.key,
                name: room.name.as_str().into(),
                first: room.first,
                count: room.positions.len() as u64,
                positions,
                ordinal: room.ordinal,
                tower: room.tower.clone(),
            };
            let written = table.push(room.key, |out| entry.encode(out), &mut file);
            written.expect("memory can be written to");
        }
        let finished = table.finish(Some(INDEX_HEADER_BYTES as u64), &mut file);
        let (slots, file_bytes) = finished.expect("memory can be written to");
        file[INDEX_HEADER_BYTES..slots_end].copy_from_slice(&slots);
        debug_assert_eq!(file_bytes, file.len() as u64);
        let facts = self.facts.iter().map(|(_, facts)| (&facts.name, facts.first, facts.pointer));
        let facts_bytes = push_facts(&mut file, identity, facts);
        let header = IndexHeader {
            directory: self.directory,
            segment: self.segment,
            end_offset_bytes: self.end_offset_bytes,
            messages: self.messages,
            rooms: self.rooms.len() as u64,
            bucket_bits: self.bucket_bits,
            file_bytes: file_bytes + u64::from(facts_bytes),
            facts_bytes,
        };
        file[..INDEX_HEADER_BYTES].copy_from_slice(&header.encode());
        file
    }
}
