//! Pages of rooms in which messages are edited, deleted, reacted to and pinned.

use super::world::{any_page, author_of, name};
use crate::append::{Appender, Durability};
use crate::format::{
    AuthorKind, HEADER_BYTES, NewEntry, SEGMENT_BYTES_MAX, SegmentHeader, SegmentNumber, draft_hash,
};
use crate::index::amendments::{RunRange, RunReader, due_runs, merge_tables, write_run};
use crate::index::*;
use crate::testing::{Chance, amendment, message};
use madang_model::{
    Amendment, Change, DraftId, Message, MessageReactions, Page, Reaction, RoomKey, RoomName, Seq, ShardId,
    ShownMessage, Text, Timestamp, UserName,
};
use std::collections::{BTreeMap, HashMap};
use std::io;

/// What a naive reader knows of a room.
#[derive(Default)]
pub struct Known {
    /// Each number: a message as it is now, or nothing where the entry is none.
    pub entries: Vec<Option<ShownMessage>>,
    /// Each number: author and draft as indexes tell them, and when.
    pub details: Vec<(u64, u64, Timestamp)>,
    amendments: u64,
}

enum Made {
    Message(Message),
    Amendment(Amendment),
}

/// Segments with their indexes and runs in memory.
#[derive(Default)]
pub struct Amended {
    pub files: BTreeMap<(ShardId, StoredFile), Vec<u8>>,
    tails: HashMap<RoomKey, RoomTail>,
    pub known: BTreeMap<String, Known>,
    open: Vec<IndexBuilder>,
    sources: Vec<AmendmentSource>,
    newest: u64,
}

pub const DIRECTORY: ShardId = ShardId(3);

impl Amended {
    /// The next entry of a room.
    fn entry(&mut self, room: &str, chance: &mut Chance) -> (Made, u64) {
        let (mut made, before) = self.plain_entry(room, chance);
        let known = self.known.entry(room.to_owned()).or_default();
        let author = UserName::parse(["bob", "alice", "carol"][chance.below(3) as usize]).expect("a name");
        let seq = known.details.len() + 1;
        let draft = DraftId::parse(&format!("d{seq}")).filter(|_| chance.below(2) == 0);
        let hash = draft.as_ref().map_or(0, |draft| draft_hash((AuthorKind::Guest, 0), author.key(), draft));
        let time = match &mut made {
            Made::Message(message) => {
                (message.author, message.draft) = (author.clone(), draft);
                if let Some(Some(shown)) = known.entries.last_mut() {
                    *shown = message.clone().into();
                }
                message.time
            }
            Made::Amendment(amendment) => {
                (amendment.author, amendment.draft) = (author.clone(), draft);
                amendment.time
            }
        };
        known.details.push((author_of(&author), hash, time));
        (made, before)
    }

    fn plain_entry(&mut self, room: &str, chance: &mut Chance) -> (Made, u64) {
        let known = self.known.entry(room.to_owned()).or_default();
        let (seq, before) = (known.entries.len() as u64 + 1, known.amendments);
        let is_amendment = chance.below(10) < 4 && seq > 1;
        let near = chance.below(seq.min(4)).max(1);
        let target = if chance.below(2) == 0 { seq - near.min(seq - 1) } else { 1 + chance.below(seq) };
        let is_there = |seq: u64| {
            let entry = known.entries.get(seq as usize - 1);
            entry.is_some_and(|entry| entry.as_ref().is_some_and(|shown| shown.message().is_some()))
        };
        if !is_amendment || !is_there(target) {
            let made = message(room, seq, &format!("{room} {seq} {}", "x".repeat(chance.below(60) as usize)));
            known.entries.push(Some(made.clone().into()));
            return (Made::Message(made), before);
        }
        let change = match chance.below(10) {
            0..4 => Change::Edit { text: Text::sanitise(&format!("edited by {seq}")).expect("a text") },
            4 => Change::Deletion,
            5..8 => {
                let mut other = vec![target, 1 + chance.below(seq - 1)];
                other.dedup();
                let of = |seq: &u64| {
                    let shown = known.entries[*seq as usize - 1].as_ref()?;
                    let mut sums = shown.reactions();
                    sums.count(&Reaction::parse("👍").expect("a reaction"), true);
                    Some(MessageReactions { message: Seq(*seq), sums })
                };
                Change::Reactions(other.iter().filter_map(of).collect())
            }
            8 => Change::Pin { is_pinned: true },
            _ => Change::Pin { is_pinned: false },
        };
        let target = if matches!(change, Change::Reactions(_)) { 0 } else { target };
        let made = amendment(room, seq, target, change);
        known.entries.iter_mut().flatten().for_each(|shown| shown.amend(&made));
        known.entries.push(None);
        known.amendments += 1;
        (Made::Amendment(made), before)
    }

    /// Writes a segment with so many entries of these rooms, and leaves it open.
    pub fn write(&mut self, rooms: &[&str], entries: u64, chance: &mut Chance) -> u64 {
        self.newest += 1;
        let segment = SegmentNumber(self.newest);
        let bytes = SEGMENT_BYTES_MAX;
        let mut appender = Appender::new(DIRECTORY, segment, bytes, bytes, Durability::Commit);
        let header = SegmentHeader {
            shard: DIRECTORY,
            shard_count: 1,
            segment,
            created_us: 0,
            capacity_bytes: SEGMENT_BYTES_MAX,
            generation: 0,
        };
        let mut file = header.encode().to_vec();
        let mut builder = IndexBuilder::new(DIRECTORY, segment);
        for _ in 0..entries {
            let room = rooms[chance.below(rooms.len() as u64) as usize];
            let (made, before) = self.entry(room, chance);
            let (room, seq, author) = match &made {
                Made::Message(message) => {
                    appender.append(NewEntry::message(message, before));
                    (message.room.clone(), message.seq, author_of(&message.author))
                }
                Made::Amendment(amendment) => {
                    appender.append(NewEntry::amendment(amendment, before));
                    (amendment.room.clone(), amendment.seq, author_of(&amendment.author))
                }
            };
            let batch = appender.take_batch().expect("an entry waits");
            file.extend_from_slice(&batch.bytes);
            builder.committed(&batch, [(&room, seq, author)].into_iter(), &[]);
            appender.committed(batch);
        }
        let end = appender.finish().map_or(HEADER_BYTES as u64, |sealed| {
            file.extend_from_slice(&sealed.frame);
            sealed.end_offset_bytes
        });
        self.files.insert((DIRECTORY, StoredFile::Segment(segment)), file);
        self.open.push(builder);
        end
    }

    pub fn segment(&mut self, rooms: &[&str], entries: u64, chance: &mut Chance) {
        let end = self.write(rooms, entries, chance);
        let builder = self.open.pop().expect("it was written");
        let sealed = builder.seal(end, |room| self.tails.get(&room.key())).expect("the tails before");
        self.tails.extend(sealed.tails().map(|(room, tail)| (room.key(), tail)));
        let segment = sealed.segment();
        self.files.insert((DIRECTORY, StoredFile::Index(segment)), sealed.encode());
        self.sources.push(AmendmentSource::Segment(DIRECTORY, segment));
        self.check_rebuilt(segment);
    }

    /// An index that is made again from the segment is the same.
    fn check_rebuilt(&self, segment: SegmentNumber) {
        let mut file = rkyv::util::AlignedVec::<16>::new();
        file.extend_from_slice(&self.files[&(DIRECTORY, StoredFile::Segment(segment))]);
        let (builder, end) = IndexBuilder::scan(&file, DIRECTORY, segment, None).expect("a sound segment");
        let index = &self.files[&(DIRECTORY, StoredFile::Index(segment))];
        let table = SegmentTable::decode(index, DIRECTORY, segment).expect("a sound index");
        let mut rooms = BTreeMap::new();
        for (room, _) in builder.rooms() {
            let run = builder.room(room.key()).expect("the room");
            rooms.insert(room.as_str().to_owned(), (run.first, run.amendments_before, run.amendments));
        }
        for entry in table.rooms() {
            let amendments = entry.amendments_before + entry.amendments;
            assert_eq!(rooms[&*entry.name], (entry.first, entry.amendments_before, amendments));
        }
        assert_eq!(table.end_offset_bytes(), end);
    }

    /// Merges what is due.
    pub fn merge(&mut self) {
        for range in due_runs(SegmentNumber(1), SegmentNumber(self.newest)) {
            if self.sources.contains(&AmendmentSource::Run(DIRECTORY, range)) {
                continue;
            }
            let is_in = |source: &&AmendmentSource| range.contains(source.last());
            let inside: Vec<AmendmentSource> = self.sources.iter().filter(is_in).copied().collect();
            let tables =
                || -> io::Result<Vec<_>> { inside.iter().map(|source| self.table(*source)).collect() };
            let mut groups = || Ok(merge_tables(tables()?, SegmentNumber(1)));
            let mut run = Vec::new();
            write_run(DIRECTORY, range, &mut groups, 7, &mut run).expect("memory");
            self.files.insert((DIRECTORY, StoredFile::Run(range)), run);
            self.sources.retain(|source| !inside.contains(source));
            self.sources.push(AmendmentSource::Run(DIRECTORY, range));
        }
        self.sources.sort_by_key(|source| source.last());
    }

    fn table(&self, source: AmendmentSource) -> io::Result<Box<dyn Iterator<Item = ReadGroups> + '_>> {
        Ok(match source {
            AmendmentSource::Segment(directory, segment) => {
                let index = &self.files[&(directory, StoredFile::Index(segment))];
                let table = SegmentTable::decode(index, directory, segment).expect("a sound index");
                Box::new(table.into_groups(index).expect("its own bytes").into_groups().map(Ok))
            }
            AmendmentSource::Run(directory, range) => Box::new(RunReader::new(
                &self.files[&(directory, StoredFile::Run(range))][..],
                directory,
                range,
            )?),
        })
    }

    /// Asks something of a room.
    pub fn with_places<T>(&self, room: &str, ask: impl FnOnce(&StoredRoomPlaces<'_>) -> T) -> T {
        let room_name: RoomName = name(room);
        let key = room_name.key();
        let open: Vec<OpenRun<'_>> = self.open.iter().filter_map(|builder| builder.room(key)).collect();
        let head = Seq(self.known[room].entries.len() as u64);
        ask(&StoredRoomPlaces {
            room: &room_name,
            head,
            tail: self.tails.get(&key),
            open: &open,
            sources: &self.sources,
        })
    }

    /// The page, and how many rounds and reads it took.
    pub fn run(&self, room: &str, page: Page) -> (Result<FoundPage, QueryFault>, usize, usize) {
        let query = StoredQuery::Page(self.with_places(room, |places| PageQuery::new(page, places)));
        let (outcome, rounds, reads) = self.outcome(query, true);
        let found = outcome.map(|outcome| match outcome {
            QueryOutcome::Page(page) => page,
            other => panic!("a page, not {other:?}"),
        });
        (found, rounds, reads)
    }

    /// What a query comes to. Where it may not, no segment is read.
    pub fn outcome(
        &self,
        mut query: StoredQuery,
        reads_segments: bool,
    ) -> (Result<QueryOutcome, QueryFault>, usize, usize) {
        let (mut rounds, mut reads) = (0, 0);
        loop {
            match query.step() {
                Step::Done(found) => return (found, rounds, reads),
                Step::Read(requests) => {
                    let is_frame = |read: &ReadRequest| {
                        matches!(read.file, StoredFile::Segment(_)) && read.bytes != HEADER_BYTES
                    };
                    assert!(reads_segments || !requests.iter().any(is_frame), "frames are read");
                    rounds += 1;
                    reads += requests.len();
                    let answers: Vec<ReadAnswer<'_>> =
                        requests.iter().map(|read| self.answer(read)).collect();
                    query.supply(&answers);
                }
            }
        }
    }

    /// What a read gives.
    pub fn answer(&self, read: &ReadRequest) -> ReadAnswer<'_> {
        let Some(file) = self.files.get(&(read.directory, read.file)) else { return ReadAnswer::NoFile };
        let start = (read.offset_bytes as usize).min(file.len());
        ReadAnswer::Bytes(&file[start..file.len().min(start + read.bytes)])
    }

    /// What a naive reader shows.
    pub fn expected(&self, room: &str, page: Page) -> Vec<String> {
        let all: Vec<&ShownMessage> = self.known[room].entries.iter().flatten().collect();
        let count = page.count() as usize;
        let newest = |all: Vec<&ShownMessage>| -> Vec<String> {
            all[all.len().saturating_sub(count)..].iter().map(|shown| words(shown)).collect()
        };
        let below = |seq: Seq| all.iter().filter(|shown| shown.seq() < seq).copied().collect::<Vec<_>>();
        match page {
            Page::Last { .. } => newest(all),
            Page::Before { seq, .. } => newest(below(seq)),
            Page::After { seq, .. } => {
                all.iter().filter(|shown| shown.seq() > seq).take(count).map(|shown| words(shown)).collect()
            }
            Page::Around { seq, .. } => {
                let first = below(seq).len().saturating_sub(count / 2).min(all.len().saturating_sub(count));
                all.iter().skip(first).take(count).map(|shown| words(shown)).collect()
            }
            Page::Since { .. } | Page::Until { .. } => panic!("a query is by numbers"),
        }
    }

    pub fn check(&self, room: &str, page: Page) -> (usize, usize) {
        let (found, rounds, reads) = self.run(room, page);
        let found = found.unwrap_or_else(|fault| panic!("{room} {page:?}: {fault}"));
        let shown: Vec<String> = found.messages.iter().map(words).collect();
        assert_eq!(shown, self.expected(room, page), "{room} {page:?}");
        assert_eq!((found.expired, found.oldest), (None, None));
        (rounds, reads)
    }
}

/// All that is to be seen of a message.
pub fn words(shown: &ShownMessage) -> String {
    let reactions: Vec<String> =
        shown.reactions().iter().map(|(reaction, count)| format!("{reaction}{count}")).collect();
    let text = shown.message().map(|message| message.text.as_str());
    let edited = shown.edited().map(|edited| edited.seq.0);
    format!("#{} {text:?} {edited:?} {reactions:?} {}", shown.seq(), shown.is_pinned())
}

pub const ROOMS: [&str; 4] = ["large", "large", "r1", "a&bob"];

/// The groups of a segment, as they are read.
type ReadGroups = io::Result<(u64, crate::index::amendments::KeyedGroups)>;

#[test]
fn pages_count_messages_and_show_each_as_it_is_now() {
    for seed in 1..=12 {
        let mut chance = Chance(seed * 7919);
        let mut world = Amended::default();
        for _ in 0..1 + chance.below(24) {
            let entries = 1 + chance.below(120);
            world.segment(&ROOMS, entries, &mut chance);
            if chance.below(3) == 0 {
                world.merge();
            }
        }
        let open = chance.below(3);
        for _ in 0..open.min(2) {
            world.write(&ROOMS, 1 + chance.below(40), &mut chance);
        }
        let rooms: Vec<String> = world.known.keys().cloned().collect();
        for _ in 0..120 {
            let room = &rooms[chance.below(rooms.len() as u64) as usize];
            let head = world.known[room].entries.len() as u64;
            world.check(room, any_page(head, &mut chance));
        }
    }
}

#[test]
fn a_page_takes_few_reads_however_many_segments_came_after_it() {
    let mut chance = Chance(5);
    let mut world = Amended::default();
    for _ in 0..85 {
        world.segment(&["large"], 300, &mut chance);
        world.merge();
    }
    let head = world.known["large"].entries.len() as u64;
    for at in [head, head / 2, head / 10, 60] {
        let (rounds, reads) = world.check("large", Page::Before { seq: Seq(at), count: 50 });
        assert!(rounds <= 30 && reads <= 100, "{rounds} rounds, {reads} reads before #{at} of {head}");
        // All but the newest segment is in runs: header, slots, buckets, messages.
        assert!(at == head || rounds <= 4, "{rounds} rounds before #{at} of {head}");
    }
}

#[test]
fn what_a_table_says_is_checked_before_it_is_believed() {
    let mut chance = Chance(11);
    let mut world = Amended::default();
    for _ in 0..8 {
        world.segment(&["large"], 60, &mut chance);
    }
    world.merge();
    let page = Page::Last { count: 500 };
    let expected = world.expected("large", page);
    for (at, file) in world.files.clone() {
        if matches!(at.1, StoredFile::Segment(_)) {
            continue;
        }
        for _ in 0..20 {
            let mut broken = file.clone();
            let place = chance.below(file.len() as u64) as usize;
            broken[place] ^= 1 << chance.below(8);
            world.files.insert(at, broken);
            match world.run("large", page).0 {
                Ok(found) => assert_eq!(found.messages.iter().map(words).collect::<Vec<_>>(), expected),
                Err(fault) => assert!(fault.mendable().is_some(), "{fault}"),
            }
        }
        world.files.insert(at, file);
    }
}

#[test]
fn a_run_says_nothing_of_segments_that_have_expired() {
    let mut chance = Chance(3);
    let mut world = Amended::default();
    for _ in 0..4 {
        world.segment(&["large"], 50, &mut chance);
    }
    let range = RunRange { first: SegmentNumber(1), last: SegmentNumber(4) };
    let tables: Vec<_> = world.sources.iter().map(|source| world.table(*source).expect("memory")).collect();
    for group in merge_tables(tables, SegmentNumber(3)) {
        let (_, keyed) = group.expect("memory");
        let mut entries = keyed.groups.values().flat_map(|group| &group.entries);
        assert!(entries.all(|entries| entries.segment >= SegmentNumber(3)));
        let targets = keyed.groups.values().flat_map(|group| group.targets.values());
        assert!(targets.flat_map(|changes| changes.places()).all(|place| place.segment >= SegmentNumber(3)));
    }
    assert_eq!(range.segments(), 4);
}
