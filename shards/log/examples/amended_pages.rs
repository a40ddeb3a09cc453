//! Measures pages of a room in which messages were amended: `cargo run --release --example amended_pages -p madang-log --
//! DIR [MESSAGES [SEGMENT_MEGABYTES]]`.
//!
//! Writes a room of a million messages, among as many of 1,000 other rooms; 30 % of its messages are edited, reacted to,
//! pinned or deleted later, half of them soon after and half at any time. Then asks for pages of 50 with nothing of the
//! log in the kernel's memory, and opens every file anew for each page. The reads of a round are issued one after another,
//! and then all at once, as the server does it.

#![allow(clippy::unwrap_used, reason = "whoever measures sees what failed")]

use madang_log::{
    AmendmentSource, Appender, AuthorKind, Durability, HEADER_BYTES, IndexBuilder, IndexFiles, NewEntry,
    PageQuery, QueryOutcome, ReadAnswer, ReadRequest, RoomTail, SegmentHeader, SegmentNumber, StdFiles, Step,
    StoredFile, StoredQuery, StoredRoomPlaces, UnreadQuery, author_hash, directory_name, file_name, open_log,
    renew_runs,
};
use madang_model::{
    Amendment, Change, Message, MessageReactions, Page, Reaction, ReactionSums, RoomKey, RoomName, Seq,
    ShardId, Text, Timestamp, UserName,
};
use rustix::fs::{Advice, fadvise};
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

const SHARD: ShardId = ShardId(0);
const OTHER_ROOMS: u64 = 1_000;
const PAGES: usize = 400;
const PAGE: u32 = 50;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(data) = arguments.first().map(PathBuf::from) else {
        eprintln!("usage: amended_pages DIR [MESSAGES [SEGMENT_MEGABYTES]]");
        std::process::exit(2);
    };
    let messages: u64 = arguments.get(1).map_or(1_000_000, |count| count.parse().unwrap());
    let segment_bytes: u64 = arguments.get(2).map_or(64, |count| count.parse().unwrap()) << 20;
    let mut chance = Chance(7);
    let began = Instant::now();
    let mut log = Log::new(&data, segment_bytes);
    log.write(messages, &mut chance);
    let files = StdFiles::new(&data);
    let newest = log.finish();
    let wrote = began.elapsed();
    // Its snapshot comes before its runs.
    open_log(&files, 1).unwrap();
    let began = Instant::now();
    let sources = renew_runs(&files, SHARD, newest).unwrap();
    println!("{newest} segments written in {wrote:.1?}, their runs in {:.1?}", began.elapsed());
    let head = log.heads[0];
    println!("head #{head}, {} amendments, {} tables", log.amendments[0], sources.len());
    let reader = Reader {
        data: &data,
        room: log.rooms[0].clone(),
        tail: log.tails[&log.rooms[0].key()].clone(),
        sources,
    };
    for (place, from, to) in [
        ("start", 50, head / 50),
        ("middle", head * 45 / 100, head * 55 / 100),
        ("end", head * 98 / 100, head),
    ] {
        for way in [Way::Cold, Way::ColdAtOnce, Way::Warm] {
            reader.measure(&format!("{place}, {}", way.words()), (from, to), way, &mut chance);
        }
    }
    for way in [Way::Cold, Way::ColdAtOnce] {
        reader.unread(way, &mut chance);
    }
}

/// How a log is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Nothing is in memory; the reads of a round come one after another.
    Cold,
    /// The same, but the reads of a round are all issued before one is waited for.
    ColdAtOnce,
    /// One after another; what the pages before have read is in memory.
    Warm,
}

impl Way {
    fn words(self) -> &'static str {
        match self {
            Way::Cold => "cold, one read after another",
            Way::ColdAtOnce => "cold, the reads of a round at once",
            Way::Warm => "warm",
        }
    }
}

struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// A log that is written a segment at a time. Room 0 is the large one.
struct Log {
    directory: PathBuf,
    segment_bytes: u64,
    appender: Appender,
    builder: IndexBuilder,
    file: Vec<u8>,
    rooms: Vec<RoomName>,
    heads: Vec<u64>,
    amendments: Vec<u64>,
    tails: HashMap<RoomKey, RoomTail>,
    said: Vec<(RoomName, Seq, u64)>,
    author: UserName,
}

impl Log {
    fn new(data: &Path, segment_bytes: u64) -> Log {
        let directory = data.join(directory_name(SHARD));
        fs::create_dir_all(&directory).unwrap();
        let first = SegmentNumber::FIRST;
        let rooms: Vec<RoomName> =
            (0..=OTHER_ROOMS).map(|n| RoomName::parse(&format!("room-{n}")).unwrap()).collect();
        Log {
            directory,
            segment_bytes,
            appender: Appender::new(SHARD, first, segment_bytes, segment_bytes, Durability::Commit),
            builder: IndexBuilder::new(SHARD, first),
            file: header(first, segment_bytes),
            heads: vec![0; rooms.len()],
            amendments: vec![0; rooms.len()],
            rooms,
            tails: HashMap::new(),
            said: Vec::new(),
            author: UserName::parse("gildong").unwrap(),
        }
    }

    fn write(&mut self, messages: u64, chance: &mut Chance) {
        // What becomes of which message, by how many messages were said before it.
        let mut due: BTreeMap<u64, Vec<Seq>> = BTreeMap::new();
        for number in 0..messages {
            let seq = self.say(0, number);
            if chance.below(10) < 3 {
                let later = if chance.below(2) == 0 {
                    1 + chance.below(500)
                } else {
                    1 + chance.below(messages - number)
                };
                due.entry(number + later).or_default().push(seq);
            }
            self.say(1 + chance.below(OTHER_ROOMS) as usize, number);
            let now: Vec<Seq> = due.remove(&number).into_iter().flatten().collect();
            now.into_iter().for_each(|target| self.amend(target, number, chance));
        }
        let rest: Vec<Seq> = due.into_values().flatten().collect();
        rest.into_iter().for_each(|target| self.amend(target, messages, chance));
    }

    fn next(&mut self, room: usize) -> (RoomName, Seq, u64) {
        self.heads[room] += 1;
        (self.rooms[room].clone(), Seq(self.heads[room]), self.amendments[room])
    }

    fn say(&mut self, room: usize, number: u64) -> Seq {
        let (room, seq, before) = self.next(room);
        let (time, author) = (Timestamp(1_795_176_191_000_000 + number as i64 * 1_000), self.author.clone());
        let text =
            Text::sanitise("sixty-four bytes of talk, as a match has them, and then some mor").unwrap();
        let message = Message { room, seq, time, author, draft: None, text };
        self.appender.append(NewEntry::message(&message, before));
        self.appended(message.room, seq);
        seq
    }

    fn amend(&mut self, target: Seq, number: u64, chance: &mut Chance) {
        let (room, seq, before) = self.next(0);
        self.amendments[0] += 1;
        let change = match chance.below(100) {
            0..60 => Change::Edit {
                text: Text::sanitise("sixty-four bytes of talk, as its author means them now, an").unwrap(),
            },
            60..90 => {
                let mut sums = ReactionSums::default();
                sums.count(&Reaction::parse("👍").unwrap(), true);
                Change::Reactions(vec![MessageReactions { message: target, sums }])
            }
            90..97 => Change::Pin { is_pinned: true },
            _ => Change::Deletion,
        };
        let target = if matches!(change, Change::Reactions(_)) { Seq::ZERO } else { target };
        let (time, author) = (Timestamp(1_795_176_191_000_000 + number as i64 * 1_000), self.author.clone());
        let amendment = Amendment { room, seq, time, author, draft: None, target, change };
        self.appender.append(NewEntry::amendment(&amendment, before));
        self.appended(amendment.room, seq);
    }

    fn appended(&mut self, room: RoomName, seq: Seq) {
        let author = author_hash((AuthorKind::Guest, 0), self.author.key());
        self.said.push((room, seq, author));
        if self.said.len() >= 64 {
            self.commit();
        }
    }

    fn commit(&mut self) {
        let Some(batch) = self.appender.take_batch() else { return };
        if let Some(sealed) = &batch.seals {
            self.file.extend_from_slice(&sealed.frame);
            let (number, end) = (sealed.number, sealed.end_offset_bytes);
            let builder = std::mem::replace(&mut self.builder, IndexBuilder::new(SHARD, batch.segment));
            self.seal(builder, number, end);
            self.file = header(batch.segment, self.segment_bytes);
        }
        self.file.extend_from_slice(&batch.bytes);
        self.builder.committed(
            &batch,
            self.said.iter().map(|(room, seq, author)| (room, *seq, *author)),
            &[],
        );
        self.said.clear();
        self.appender.committed(batch);
    }

    fn seal(&mut self, builder: IndexBuilder, number: SegmentNumber, end: u64) {
        let index = builder.seal(end, |room| self.tails.get(&room.key())).unwrap();
        self.tails.extend(index.tails().map(|(room, tail)| (room.key(), tail)));
        let path = self.directory.join(file_name(number));
        fs::write(&path, &self.file).unwrap();
        File::open(&path).unwrap().sync_all().unwrap();
        let files = StdFiles::new(self.directory.parent().unwrap());
        files.write_index(SHARD, number, &index.encode()).unwrap();
    }

    fn finish(&mut self) -> SegmentNumber {
        self.commit();
        let number = self.builder.segment();
        let mut appender = std::mem::replace(
            &mut self.appender,
            Appender::new(SHARD, number.next(), self.segment_bytes, self.segment_bytes, Durability::Commit),
        );
        let sealed = appender.finish().unwrap();
        self.file.extend_from_slice(&sealed.frame);
        let builder = std::mem::replace(&mut self.builder, IndexBuilder::new(SHARD, number.next()));
        self.seal(builder, number, sealed.end_offset_bytes);
        number
    }
}

fn header(segment: SegmentNumber, capacity_bytes: u64) -> Vec<u8> {
    let header =
        SegmentHeader { shard: SHARD, shard_count: 1, segment, created_us: 0, capacity_bytes, generation: 0 };
    let bytes = header.encode().to_vec();
    assert_eq!(bytes.len(), HEADER_BYTES);
    bytes
}

struct Reader<'a> {
    data: &'a Path,
    room: RoomName,
    tail: RoomTail,
    sources: Vec<AmendmentSource>,
}

type OpenFiles = HashMap<(ShardId, StoredFile), File>;

/// What a query cost.
#[derive(Default)]
struct Cost {
    rounds: usize,
    reads: usize,
    bytes: usize,
}

impl Reader<'_> {
    fn measure(&self, what: &str, (from, to): (u64, u64), way: Way, chance: &mut Chance) {
        let (mut times, mut total) = (Vec::new(), Cost::default());
        for _ in 0..PAGES {
            if way != Way::Warm {
                self.forget();
            }
            let seq = Seq(from + chance.below(to - from));
            let began = Instant::now();
            let query = PageQuery::new(Page::Before { seq, count: PAGE }, &self.places());
            let found = self.run(StoredQuery::Page(query), way, &mut total);
            times.push(began.elapsed());
            let QueryOutcome::Page(found) = found else { panic!("a page, not {found:?}") };
            assert!(found.messages.len() <= PAGE as usize && !found.messages.is_empty());
        }
        report(what, times, &total);
    }

    fn unread(&self, way: Way, chance: &mut Chance) {
        let (mut times, mut total) = (Vec::new(), Cost::default());
        for _ in 0..PAGES {
            self.forget();
            let read = Seq(self.tail_head() - chance.below(2_000));
            let began = Instant::now();
            let query = UnreadQuery::new(read, 7, &self.places());
            let found = self.run(StoredQuery::Unread(query), way, &mut total);
            times.push(began.elapsed());
            let QueryOutcome::Unread(found) = found else { panic!("a count, not {found:?}") };
            assert!(found.messages <= UnreadQuery::COUNT_MAX);
        }
        report(&format!("unread to 999, {}", way.words()), times, &total);
    }

    fn tail_head(&self) -> u64 {
        self.tail.head.0
    }

    fn places(&self) -> StoredRoomPlaces<'_> {
        let (room, tail) = (&self.room, Some(&self.tail));
        StoredRoomPlaces { room, head: self.tail.head, tail, open: &[], sources: &self.sources }
    }

    fn run(&self, mut query: StoredQuery, way: Way, cost: &mut Cost) -> QueryOutcome {
        let mut open = OpenFiles::new();
        loop {
            match query.step() {
                Step::Done(found) => return found.unwrap(),
                Step::Read(requests) => {
                    cost.rounds += 1;
                    cost.reads += requests.len();
                    if way == Way::ColdAtOnce {
                        requests.iter().for_each(|read| self.begin(&mut open, read));
                    }
                    let parts: Vec<Vec<u8>> =
                        requests.iter().map(|read| self.read(&mut open, read)).collect();
                    cost.bytes += parts.iter().map(Vec::len).sum::<usize>();
                    let answers: Vec<ReadAnswer<'_>> =
                        parts.iter().map(|part| ReadAnswer::Bytes(part)).collect();
                    query.supply(&answers);
                }
            }
        }
    }

    fn file<'o>(&self, open: &'o mut OpenFiles, read: &ReadRequest) -> &'o File {
        let path = || self.data.join(directory_name(read.directory)).join(read.file.file_name());
        open.entry((read.directory, read.file)).or_insert_with(|| File::open(path()).unwrap())
    }

    /// Lets the kernel begin with a read.
    fn begin(&self, open: &mut OpenFiles, read: &ReadRequest) {
        let bytes = NonZeroU64::new(read.bytes as u64);
        fadvise(self.file(open, read), read.offset_bytes, bytes, Advice::WillNeed).unwrap();
    }

    fn read(&self, open: &mut OpenFiles, read: &ReadRequest) -> Vec<u8> {
        let file = self.file(open, read);
        let mut bytes = vec![0; read.bytes];
        let count = file.read_at(&mut bytes, read.offset_bytes).unwrap();
        bytes.truncate(count);
        bytes
    }

    /// Takes all files out of the kernel's memory.
    fn forget(&self) {
        for entry in fs::read_dir(self.data.join(directory_name(SHARD))).unwrap() {
            let file = File::open(entry.unwrap().path()).unwrap();
            fadvise(&file, 0, None, Advice::DontNeed).unwrap();
        }
    }
}

fn report(what: &str, mut times: Vec<std::time::Duration>, total: &Cost) {
    times.sort_unstable();
    let (p50, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    let each = |sum: usize| sum as f64 / times.len() as f64;
    println!(
        "{what}: p50 {} µs, p99 {} µs; {:.1} rounds, {:.1} reads, {:.0} bytes",
        p50.as_micros(),
        p99.as_micros(),
        each(total.rounds),
        each(total.reads),
        each(total.bytes)
    );
}
