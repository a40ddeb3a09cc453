//! Segments and their indexes in memory, with what a naive reader would find in them.

use crate::append::{Appender, Durability};
use crate::format::{AuthorKind, HEADER_BYTES, SegmentNumber, author_hash};
use crate::index::*;
use crate::testing::{Chance, message};
use crate::{SEGMENT_BYTES_MAX, SegmentHeader};
use madang_model::{Message, Page, RoomKey, RoomName, Seq, ShardId, UserName};
use std::collections::{BTreeMap, HashMap};

#[derive(Default)]
pub struct World {
    pub files: BTreeMap<(ShardId, StoredFile), Vec<u8>>,
    pub tails: HashMap<RoomKey, RoomTail>,
    /// Each room's texts; the number of the first is 1.
    pub model: BTreeMap<String, Vec<String>>,
    /// The sealed segments, oldest first.
    pub sealed: Vec<(ShardId, SegmentNumber)>,
    pub open: Vec<(ShardId, IndexBuilder)>,
    pub sources: Vec<AmendmentSource>,
    next: HashMap<ShardId, SegmentNumber>,
}

/// What a query asked for.
#[derive(Default, Debug)]
pub struct Cost {
    pub rounds: usize,
    pub index_bytes: usize,
    pub message_reads: usize,
    pub message_bytes: usize,
    /// The rounds in which segments were read.
    pub message_rounds: usize,
}

/// A guest, as indexes tell it.
pub fn author_of(name: &UserName) -> u64 {
    author_hash((AuthorKind::Guest, 0), name.key())
}

pub fn name(room: &str) -> RoomName {
    RoomName::from_log(room).expect("a room name")
}

/// A room that says two things in each of many segments of two directories, among so many others.
pub fn long_lived(segments: u64, others: u64) -> World {
    let mut chance = Chance(segments);
    let mut world = World::default();
    for segment in 0..segments {
        let mut said = vec!["deep".to_owned(), "deep".to_owned()];
        said.extend((0..others).map(|other| format!("other{other}")));
        world.segment(ShardId((segment % 2) as u16), &said, &mut chance);
    }
    world
}

/// Compares pages of all rooms of any world with what a naive reader finds; `sealed` is called after each segment of it.
pub fn check_any_pages(chance: &mut Chance, sealed: impl Fn(&mut World, &mut Chance)) {
    let mut world = World::default();
    let rooms = 1 + chance.below(80);
    for _ in 0..1 + chance.below(40) {
        let messages = chance.below(150);
        let said = some_rooms(messages, rooms, chance);
        world.segment(ShardId(chance.below(2) as u16), &said, chance);
        sealed(&mut world, chance);
    }
    for _ in 0..chance.below(3) {
        let said = some_rooms(60, rooms, chance);
        world.open_segment(ShardId(0), &said, chance);
    }
    let names: Vec<String> = world.model.keys().cloned().collect();
    for room in &names {
        for _ in 0..12 {
            world.check(room, any_page(world.head(room).0, chance));
        }
    }
}

impl World {
    /// Appends one message to each of `rooms`, in a segment of its own, and seals it.
    pub fn segment(&mut self, directory: ShardId, rooms: &[String], chance: &mut Chance) {
        let (builder, end_offset_bytes) = self.write(directory, rooms, chance);
        self.index(directory, builder, end_offset_bytes);
    }

    /// The same, but it is still appended to.
    pub fn open_segment(&mut self, directory: ShardId, rooms: &[String], chance: &mut Chance) {
        let (builder, _) = self.write(directory, rooms, chance);
        self.open.push((directory, builder));
    }

    fn index(&mut self, directory: ShardId, builder: IndexBuilder, end_offset_bytes: u64) {
        let sealed = builder.seal(end_offset_bytes, |room| self.tails.get(&room.key())).expect("tails");
        for (room, tail) in sealed.tails() {
            let advanced =
                RoomTail::advanced(self.tails.get(&room.key()), tail.last, tail.head, tail.amendments);
            assert_eq!(advanced, tail);
            self.tails.insert(room.key(), tail);
        }
        self.files.insert((directory, StoredFile::Index(sealed.segment())), sealed.encode());
        self.sealed.push((directory, sealed.segment()));
        self.sources.push(AmendmentSource::Segment(directory, sealed.segment()));
    }

    /// Merges what is due of a directory.
    pub fn merge(&mut self, directory: ShardId) {
        let newest = self.sealed.iter().filter(|(of, _)| *of == directory).map(|(_, segment)| *segment).max();
        let Some(newest) = newest else { return };
        for range in due_runs(SegmentNumber::FIRST, newest) {
            let is_in =
                |source: &AmendmentSource| source.directory() == directory && range.contains(source.last());
            let segments = (range.first.0..=range.last.0).map(SegmentNumber);
            let indexes: Vec<(SegmentNumber, &Vec<u8>)> = segments
                .filter_map(|segment| {
                    Some((segment, self.files.get(&(directory, StoredFile::Index(segment)))?))
                })
                .collect();
            let table = |(segment, index): &(SegmentNumber, &Vec<u8>)| {
                let table = SegmentTable::decode(index, directory, *segment).expect("a sound index");
                table.into_groups(index).expect("its own bytes").into_groups().map(Ok)
            };
            let mut groups = || Ok(merge_tables(indexes.iter().map(table).collect(), SegmentNumber::FIRST));
            let mut run = Vec::new();
            write_run(directory, range, &mut groups, 1000, &mut run).expect("memory");
            self.files.insert((directory, StoredFile::Run(range)), run);
            self.sources.retain(|source| !is_in(source));
            self.sources.push(AmendmentSource::Run(directory, range));
        }
    }

    fn write(&mut self, directory: ShardId, rooms: &[String], chance: &mut Chance) -> (IndexBuilder, u64) {
        let segment = *self.next.entry(directory).or_insert(SegmentNumber::FIRST);
        self.next.insert(directory, segment.next());
        let mut appender =
            Appender::new(directory, segment, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MAX, Durability::Commit);
        let header = SegmentHeader {
            shard: directory,
            shard_count: 1,
            segment,
            created_us: 0,
            capacity_bytes: SEGMENT_BYTES_MAX,
            generation: 0,
        };
        let mut file = header.encode().to_vec();
        let mut builder = IndexBuilder::new(directory, segment);
        let mut rest = rooms;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(1 + chance.below(20) as usize));
            rest = later;
            let mut said = Vec::new();
            for room in now {
                let texts = self.model.entry(room.clone()).or_default();
                let text = format!("{room} {} {}", texts.len() + 1, "x".repeat(chance.below(90) as usize));
                let message = message(room, texts.len() as u64 + 1, &text);
                appender.append(&message);
                said.push((message.room, message.seq, author_of(&message.author)));
                texts.push(text);
            }
            let batch = appender.take_batch().expect("messages wait");
            file.extend_from_slice(&batch.bytes);
            builder.committed(&batch, said.iter().map(|(room, seq, author)| (room, *seq, *author)), &[]);
            appender.committed(batch);
        }
        let mut end = HEADER_BYTES as u64;
        if let Some(sealed) = appender.finish() {
            file.extend_from_slice(&sealed.frame);
            end = sealed.end_offset_bytes;
        }
        self.files.insert((directory, StoredFile::Segment(segment)), file);
        (builder, end)
    }

    pub fn query(&self, room: &str, page: Page) -> PageQuery {
        let key = name(room).key();
        let runs: Vec<OpenRun<'_>> = self.open.iter().filter_map(|(_, builder)| builder.room(key)).collect();
        let (room, head) = (&name(room), self.head(room));
        let places =
            StoredRoomPlaces { room, head, tail: self.tails.get(&key), open: &runs, sources: &self.sources };
        PageQuery::new(page, &places)
    }

    pub fn head(&self, room: &str) -> Seq {
        Seq(self.model[room].len() as u64)
    }

    pub fn run(&self, room: &str, page: Page) -> (Result<FoundPage, QueryFault>, Cost) {
        let mut query = self.query(room, page);
        let mut cost = Cost::default();
        loop {
            match query.step() {
                Step::Done(result) => return (result, cost),
                Step::Read(requests) => {
                    cost.count(&requests);
                    assert!(cost.rounds < 100, "a query ends");
                    let answers: Vec<ReadAnswer<'_>> =
                        requests.iter().map(|read| self.answer(read)).collect();
                    query.supply(&answers);
                }
            }
        }
    }

    pub fn answer(&self, read: &ReadRequest) -> ReadAnswer<'_> {
        match self.files.get(&(read.directory, read.file)) {
            None => ReadAnswer::NoFile,
            Some(file) => {
                let start = (read.offset_bytes as usize).min(file.len());
                ReadAnswer::Bytes(&file[start..file.len().min(start + read.bytes)])
            }
        }
    }

    /// What a naive reader finds.
    pub fn expected(&self, room: &str, page: Page) -> Vec<(Seq, String)> {
        let all = self.model[room].iter().enumerate().map(|(i, text)| (Seq(i as u64 + 1), text.clone()));
        match page {
            Page::Last { count } => newest(all.collect(), count),
            Page::Before { seq, count } => newest(all.filter(|(at, _)| *at < seq).collect(), count),
            Page::After { seq, count } => all.filter(|(at, _)| *at > seq).take(count as usize).collect(),
            Page::Around { seq, count } => {
                // The window of so many that has as many on both sides, moved as far as it must be to be full.
                let all: Vec<_> = all.collect();
                let first = (seq.0 as usize - 1).saturating_sub(count as usize / 2);
                let first = first.min(all.len().saturating_sub(count as usize));
                all.into_iter().skip(first).take(count as usize).collect()
            }
            Page::Since { .. } | Page::Until { .. } => panic!("a query is by numbers"),
        }
    }

    pub fn check(&self, room: &str, page: Page) -> Cost {
        let (found, cost) = self.run(room, page);
        let found = found.unwrap_or_else(|fault| panic!("{room} {page:?}: {fault}"));
        assert_eq!(texts(&found), self.expected(room, page), "{room} {page:?}");
        assert_eq!((found.expired, found.oldest), (None, None));
        assert!(said(&found).all(|message| message.room.key() == name(room).key()));
        assert!(cost.message_rounds <= 1, "messages are asked for together");
        cost
    }
}

impl Cost {
    fn count(&mut self, requests: &[ReadRequest]) {
        self.rounds += 1;
        let (segments, indexes): (Vec<&ReadRequest>, Vec<&ReadRequest>) =
            requests.iter().partition(|read| matches!(read.file, StoredFile::Segment(_)));
        self.index_bytes += indexes.iter().map(|read| read.bytes).sum::<usize>();
        self.message_reads += segments.len();
        self.message_bytes += segments.iter().map(|read| read.bytes).sum::<usize>();
        self.message_rounds += usize::from(!segments.is_empty());
    }
}

pub fn texts(page: &FoundPage) -> Vec<(Seq, String)> {
    said(page).map(|message| (message.seq, message.text.as_str().to_owned())).collect()
}

fn said(page: &FoundPage) -> impl Iterator<Item = &Message> {
    page.messages.iter().map(|shown| shown.message().expect("nothing is deleted"))
}

fn newest(mut all: Vec<(Seq, String)>, count: u32) -> Vec<(Seq, String)> {
    all.drain(..all.len().saturating_sub(count as usize));
    all
}

/// A page of any kind, at the edges more often than elsewhere.
pub fn any_page(head: u64, chance: &mut Chance) -> Page {
    let count = [0, 1, 2, 10, 50, 500][chance.below(6) as usize];
    let seq = match chance.below(8) {
        0 => Seq(0),
        1 => Seq(1),
        2 => Seq(head),
        3 => Seq(u64::MAX),
        _ => Seq(chance.below(head + 3)),
    };
    match chance.below(4) {
        0 => Page::Last { count },
        1 => Page::Before { seq, count },
        2 => Page::Around { seq: Seq(seq.0.max(1)), count },
        _ => Page::After { seq, count },
    }
}

/// Some rooms talk much, most little.
pub fn some_rooms(messages: u64, rooms: u64, chance: &mut Chance) -> Vec<String> {
    (0..messages)
        .map(|_| match chance.below(3) {
            0 => "general".to_owned(),
            1 => format!("r{}", chance.below(rooms.min(3))),
            _ if chance.below(10) == 0 => format!("a{}&bob", chance.below(3)),
            _ => format!("Room-{}", chance.below(rooms)),
        })
        .collect()
}
