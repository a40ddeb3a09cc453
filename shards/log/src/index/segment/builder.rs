//! What a shard remembers of the segment that it appends to, and the index it becomes.

use super::details::{DetailRun, EntryDetails, EntryTimes, push_details};
use super::entry::{POSITIONS_HERE_MAX, RoomEntry, RoomPositions};
use super::facts::{by_key, push_facts};
use super::header::{INDEX_HEADER_BYTES, IndexHeader};
use super::open_run::{OpenRun, RoomChanges};
use super::place::identity;
use super::position::{FramePosition, PositionRun, amendments_in, push_run};
use crate::append::Batch;
use crate::facts::{FactsAppended, FactsLink, FactsPointer};
use crate::format::{
    RecordKind, SegmentNumber, StoredChange, StoredEntry, counts_of, draft_and_time, entry_of, frame_bytes,
    kind_of,
};
use crate::index::amendments::{AmendmentPlace, AmendmentTable, push_table};
use crate::index::bytes::{FORMAT_VERSION, SLOT_BYTES, TableWriter, bucket_bits};
use crate::index::key::key_bits;
use crate::index::link::{EntryLink, RoomTail};
use hashbrown::HashMap;
use madang_model::{MessageReactions, Revision, RoomKey, RoomName, Seq, ShardId, Timestamp};
use rkyv::util::AlignedVec;
use smallvec::SmallVec;
use std::sync::Arc;

/// An entry of each so many tells its time.
const TIME_ENTRIES: usize = 64;

/// The rooms of the open segment, the places of their committed entries and what is counted of them: 22 bytes an entry
/// (up to twice that while vectors have just grown), about 170 a room, and 150 a message that is amended.
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
    /// How many of the room's entries before the first are no messages.
    amendments_before: u64,
    /// The same up to the last here.
    amendments: u64,
    positions: Vec<FramePosition>,
    /// One for each position.
    details: Vec<EntryDetails>,
    /// When some of the entries were accepted.
    times: EntryTimes,
    /// What the entries say of messages; none where all are messages.
    changes: Option<RoomChanges>,
}

/// What an index needs to know of some entries besides their place and their details.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::index) struct IndexedEntry {
    /// When it was accepted.
    pub time: Timestamp,
    /// How many of the room's entries before it are no messages.
    pub amendments_before: u64,
    /// The messages that it says something of.
    pub targets: SmallVec<[Seq; 1]>,
}

impl IndexedEntry {
    /// Of an entry that was read.
    pub fn of(entry: &StoredEntry<'_>) -> IndexedEntry {
        let targets = match entry {
            StoredEntry::Message(_) => SmallVec::new(),
            StoredEntry::Amendment(amendment) => match amendment.change {
                StoredChange::Reactions { changes } => {
                    let of = MessageReactions::decode(changes).unwrap_or_default();
                    of.iter().map(|of| of.message).collect()
                }
                _ => SmallVec::from_elem(amendment.target, 1),
            },
        };
        IndexedEntry { time: entry.time(), amendments_before: entry.amendments_before(), targets }
    }
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
    /// Takes entries that are missing before the next one for lost: so many, of which so many were no messages.
    fn lose(&mut self, at: usize, lost: u64, amendments: u64) {
        let messages = lost - amendments.min(lost);
        let details = (0..lost).map(|_| EntryDetails::default());
        self.details.splice(at..at, details);
        let lost = (0..lost).map(|number| {
            if number < messages { FramePosition::LOST } else { FramePosition::LOST_AMENDMENT }
        });
        self.positions.splice(at..at, lost);
    }

    fn run(&self, directory: ShardId, segment: SegmentNumber) -> OpenRun<'_> {
        let OpenRoom { first, amendments_before, amendments, .. } = *self;
        let OpenRoom { positions, details, times, changes, .. } = self;
        let changes = changes.as_ref();
        OpenRun {
            directory,
            segment,
            first,
            amendments_before,
            positions,
            details,
            times,
            amendments,
            changes,
        }
    }

    /// Returns how many numbers it excused.
    fn excuse_gap(&mut self, tail: Option<&RoomTail>) -> u64 {
        let head = tail.map_or(Seq(self.first.0 - 1), |tail| tail.head);
        let lost = self.first.0.saturating_sub(head.0 + 1);
        if lost > 0 {
            let before = tail.map_or(0, |tail| tail.amendments);
            let amendments = self.amendments_before.saturating_sub(before);
            self.lose(0, lost, amendments);
            self.amendments = self.amendments.max(before);
            self.first = head.next();
            self.amendments_before = before;
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

    /// Remembers an entry that is committed. `indexed` says more of it; it is asked for where it is the room's first
    /// here, or no message, and now and then.
    ///
    /// # Panics
    /// When its number does not follow the room's last in this segment.
    pub(in crate::index) fn push(
        &mut self,
        name: &RoomName,
        seq: Seq,
        (position, details): (FramePosition, EntryDetails),
        indexed: impl FnOnce() -> IndexedEntry,
    ) {
        self.messages += 1;
        let open = match self.rooms.get_mut(&name.key()) {
            Some(open) => {
                let next = Seq(open.first.0 + open.positions.len() as u64);
                assert_eq!(seq, next, "entries of a room are committed in the order of their numbers");
                let tells_time = open.positions.len().is_multiple_of(TIME_ENTRIES);
                open.positions.push(position);
                open.details.push(details);
                if position.is_message() && !tells_time {
                    return;
                }
                open
            }
            None => self.rooms.entry(name.key()).or_insert_with(|| OpenRoom {
                name: name.clone(),
                first: seq,
                amendments_before: 0,
                amendments: 0,
                positions: vec![position],
                details: vec![details],
                times: Vec::new(),
                changes: None,
            }),
        };
        let IndexedEntry { time, amendments_before, targets } = indexed();
        if open.positions.len() % TIME_ENTRIES == 1 {
            open.times.push((seq, time));
        }
        if open.positions.len() == 1 {
            (open.amendments_before, open.amendments) = (amendments_before, amendments_before);
        }
        open.amendments += u64::from(!position.is_message());
        let place = AmendmentPlace { seq, directory: self.directory, segment: self.segment, position };
        // Nothing amends what comes after it.
        for target in targets.into_iter().filter(|target| (Seq(1)..seq).contains(target)) {
            let changes = Arc::make_mut(open.changes.get_or_insert_with(RoomChanges::default));
            changes.entry(target).or_default().note(place);
        }
    }

    /// The entries of a room from its last one here up to `seq` are lost, as a repair recorded; before that one there
    /// are so many that are no messages.
    pub fn skip_to(&mut self, key: RoomKey, seq: Seq, amendments_before: u64) {
        let Some(open) = self.rooms.get_mut(&key) else { return };
        let lost = seq.0.saturating_sub(open.first.0 + open.positions.len() as u64);
        if lost > 0 {
            let amendments = amendments_before.saturating_sub(open.amendments).min(lost);
            open.amendments += amendments;
            open.lose(open.positions.len(), lost, amendments);
        }
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

    /// Remembers a batch that is committed: `said` are its entries, in the order they were appended, with their authors
    /// as [`author_hash`](crate::author_hash) has them, and `facts` its records of facts, each with how many entries
    /// precede it.
    ///
    /// # Panics
    /// When the batch is another segment's or holds something else.
    pub fn committed<'a>(
        &mut self,
        batch: &Batch,
        said: impl ExactSizeIterator<Item = (&'a RoomName, Seq, u64)>,
        facts: &[(usize, FactsAppended)],
    ) {
        assert_eq!(batch.segment, self.segment, "a batch is remembered for the segment it went to");
        let mut frames = BatchFrames { batch, at: 0 };
        let mut facts = facts.iter().peekable();
        for (before, (name, seq, author)) in said.enumerate() {
            while let Some((_, appended)) = facts.next_if(|(precede, _)| *precede <= before) {
                self.facts_committed(appended, &mut frames);
            }
            let (offset_bytes, bytes) = frames.next_entry();
            let kind = kind_of(bytes).expect("it is an entry");
            let position = FramePosition::new(offset_bytes, bytes.len() as u64, kind);
            let (draft, time_us) = draft_and_time(bytes);
            let details = EntryDetails { author, draft };
            self.push(name, seq, (position, details), || indexed_entry(bytes, Timestamp(time_us)));
        }
        facts.for_each(|(_, appended)| self.facts_committed(appended, &mut frames));
        assert!(frames.next().is_none(), "a batch holds what was appended to it");
    }

    /// Remembers a record of facts in the next of these frames.
    fn facts_committed(&mut self, appended: &FactsAppended, frames: &mut BatchFrames<'_>) {
        let (offset_bytes, frame) = frames.next_after_notes();
        let mut bytes = frame.len();
        for _ in 1..appended.frames {
            bytes += frames.next().expect("a batch holds all frames of a record").1.len();
        }
        let pointer = FactsPointer {
            version: appended.version,
            link: FactsLink {
                directory: self.directory,
                segment: self.segment,
                offset_bytes,
                bytes: u32::try_from(bytes).expect("records fit into a batch"),
            },
            oldest: appended.oldest.unwrap_or(self.segment),
        };
        self.push_facts(&appended.room, appended.first, pointer);
    }

    /// The newest record of a room's facts here.
    pub fn facts(&self, key: RoomKey) -> Option<FactsPointer> {
        self.facts.get(&key).map(|open| open.pointer)
    }

    /// The rooms that have facts here, with their newest.
    pub fn facts_here(&self) -> impl Iterator<Item = (&RoomName, FactsPointer)> {
        self.facts.values().map(|open| (&open.name, open.pointer))
    }

    /// Where a room's entries lie.
    pub fn room(&self, key: RoomKey) -> Option<OpenRun<'_>> {
        self.rooms.get(&key).map(|open| open.run(self.directory, self.segment))
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
        for (key, open) in rooms {
            let before = tail_of(&open.name);
            if let Some(head) = before.map(|tail| tail.head).filter(|head| head.next() != open.first) {
                let (room, first) = (open.name.as_str().to_owned(), open.first);
                return Err(SealFault { room, directory, segment, first, head });
            }
            let (ordinal, tower) = RoomTail::next_place(before);
            sealed.push(SealedRoom { key: key_bits(key), open, ordinal, tower });
        }
        sealed.sort_unstable_by_key(|room| room.key);
        let bucket_bits = bucket_bits(sealed.len() as u64);
        let mut facts: Vec<(RoomKey, OpenFacts)> = facts.into_iter().collect();
        by_key(&mut facts);
        Ok(SegmentIndex { directory, segment, end_offset_bytes, messages, bucket_bits, rooms: sealed, facts })
    }
}

/// The frames of a batch, in order: where each begins, and its bytes.
struct BatchFrames<'a> {
    batch: &'a Batch,
    at: usize,
}

impl<'a> Iterator for BatchFrames<'a> {
    type Item = (u64, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.batch.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        let (offset_bytes, frame) = (self.batch.offset_bytes + self.at as u64, &rest[..frame_bytes(rest)]);
        self.at += frame.len();
        Some((offset_bytes, frame))
    }
}

impl<'a> BatchFrames<'a> {
    /// The next frame that holds an entry or facts: a batch that was written again begins with a note.
    fn next_after_notes(&mut self) -> (u64, &'a [u8]) {
        let is_note = |frame: &[u8]| kind_of(frame).is_none_or(RecordKind::is_note);
        self.find(|(_, frame)| !is_note(frame)).expect("a batch holds what was appended to it")
    }

    fn next_entry(&mut self) -> (u64, &'a [u8]) {
        let (offset_bytes, frame) = self.next_after_notes();
        assert!(kind_of(frame).is_some_and(RecordKind::is_entry), "a batch holds what was appended to it");
        (offset_bytes, frame)
    }
}

/// What is to be known of an entry that was just written.
fn indexed_entry(frame: &[u8], time: Timestamp) -> IndexedEntry {
    let (amendments_before, _) = counts_of(frame).unwrap_or_default();
    let plain = IndexedEntry { time, amendments_before, targets: SmallVec::new() };
    if kind_of(frame) == Some(RecordKind::Message) {
        return plain;
    }
    let mut aligned = AlignedVec::new();
    entry_of(frame, &mut aligned).map_or(plain, |entry| IndexedEntry::of(&entry))
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
    open: OpenRoom,
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
            let last = EntryLink { directory, segment, first: room.open.first, bucket_bits };
            let head = Seq(room.open.first.0 + room.open.positions.len() as u64 - 1);
            let (amendments, ordinal, tower) = (room.open.amendments, room.ordinal, room.tower.clone());
            (&room.open.name, RoomTail { head, amendments, last, ordinal, tower })
        })
    }

    /// Whether some of its entries say what became of messages.
    pub fn has_amendments(&self) -> bool {
        self.rooms.iter().any(|room| room.open.changes.is_some())
    }

    /// The newest record of each room's facts in this segment.
    pub fn facts(&self) -> impl ExactSizeIterator<Item = (&RoomName, FactsPointer)> {
        self.facts.iter().map(|(_, facts)| (&facts.name, facts.pointer))
    }

    /// Where a room's entries lie, as [`IndexBuilder::room`] says it: until the file is written,
    /// nobody else knows.
    pub fn room(&self, key: RoomKey) -> Option<OpenRun<'_>> {
        let index = self.rooms.binary_search_by_key(&key_bits(key), |room| room.key).ok()?;
        Some(self.rooms[index].open.run(self.directory, self.segment))
    }

    /// The bytes of the file.
    pub fn encode(&self) -> Vec<u8> {
        let identity = identity(self.directory, self.segment);
        // Header and slots come first and are filled in last.
        let slots_end = INDEX_HEADER_BYTES + (SLOT_BYTES << self.bucket_bits);
        let mut file = vec![0; slots_end];
        let mut entries = Vec::with_capacity(self.rooms.len());
        let mut entries_of_room = Vec::new();
        for SealedRoom { open: room, .. } in &self.rooms {
            let count = room.positions.len() as u64;
            let positions = if count <= POSITIONS_HERE_MAX {
                RoomPositions::Here(room.positions.as_slice().into())
            } else {
                let run = PositionRun {
                    offset_bytes: file.len() as u64,
                    count,
                    is_counted: amendments_in(&room.positions) > 0,
                    version: FORMAT_VERSION,
                };
                push_run(&mut file, identity, &room.positions);
                RoomPositions::In(run)
            };
            let details = DetailRun { offset_bytes: file.len() as u64, first: room.first, count };
            entries_of_room.clear();
            entries_of_room.extend(room.positions.iter().copied().zip(room.details.iter().copied()));
            push_details(&mut file, identity, room.first, &room.times, &entries_of_room);
            entries.push((positions, details));
        }
        let mut table = TableWriter::new(identity, self.bucket_bits, file.len() as u64);
        for (sealed, (positions, details)) in self.rooms.iter().zip(entries) {
            let room = &sealed.open;
            let entry = RoomEntry {
                key: sealed.key,
                name: room.name.as_str().into(),
                first: room.first,
                count: room.positions.len() as u64,
                amendments_before: room.amendments_before,
                amendments: room.amendments - room.amendments_before,
                positions,
                details: Some(details),
                ordinal: sealed.ordinal,
                tower: sealed.tower.clone(),
            };
            let written = table.push(sealed.key, |out| entry.encode(out), &mut file);
            written.expect("memory can be written to");
        }
        let finished = table.finish(Some(INDEX_HEADER_BYTES as u64), &mut file);
        let (slots, _) = finished.expect("memory can be written to");
        file[INDEX_HEADER_BYTES..slots_end].copy_from_slice(&slots);
        let mut changed = AmendmentTable::default();
        for room in &self.rooms {
            changed.add(room.key, room.open.changes.iter().flat_map(|changes| changes.iter()));
        }
        let amendments = push_table(&mut file, identity, &changed);
        let facts = self.facts.iter().map(|(_, facts)| (&facts.name, facts.first, facts.pointer));
        let facts_bytes = push_facts(&mut file, identity, facts);
        let header = IndexHeader {
            directory: self.directory,
            segment: self.segment,
            end_offset_bytes: self.end_offset_bytes,
            messages: self.messages,
            rooms: self.rooms.len() as u64,
            bucket_bits: self.bucket_bits,
            file_bytes: file.len() as u64,
            amendments,
            facts_bytes,
            version: FORMAT_VERSION,
        };
        file[..INDEX_HEADER_BYTES].copy_from_slice(&header.encode());
        file
    }
}
