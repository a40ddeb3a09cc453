//! Writes a log to measure tools with: `cargo run --release --example write_log -p madang-log --
//! DIR MEGABYTES ROOMS [SHARDS [MEMBERS [ready]]]`. Messages of 64 bytes, 64 a commit, sealed segments of 64 MiB.
//! With MEMBERS each room has facts: as many members, a topic, a role and read positions, a record each. With `ready`
//! the log has its indexes and snapshots, as after a clean stop.

#![allow(clippy::unwrap_used, reason = "whoever measures sees what failed")]

use madang_log::{
    Appender, Batch, Durability, FactsAppended, FactsLedger, IndexBuilder, SegmentHeader, SegmentNumber,
    StdFiles, directory_name, file_name, open_log,
};
use madang_model::{
    AccountId, DatedChange, FactChange, Message, RoomName, RoomRole, Seq, ShardId, Text, Timestamp, UserName,
    recorded_shard_count,
};
use std::fs;
use std::path::{Path, PathBuf};

const SEGMENT_BYTES: u64 = 64 << 20;
const MESSAGES_A_COMMIT: usize = 64;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, megabytes, rooms, rest @ ..] = &arguments[..] else {
        eprintln!("usage: write_log DIR MEGABYTES ROOMS [SHARDS [MEMBERS [ready]]]");
        std::process::exit(2);
    };
    let shard_count: u16 = rest.first().map_or(1, |count| count.parse().unwrap());
    let members: u64 = rest.get(1).map_or(0, |count| count.parse().unwrap());
    let rooms: Vec<RoomName> =
        (0..rooms.parse().unwrap()).map(|n: u64| RoomName::parse(&format!("match-{n}")).unwrap()).collect();
    let bytes_max = megabytes.parse::<u64>().unwrap() * 1_000_000 / u64::from(shard_count);
    for shard in (0..shard_count).map(ShardId) {
        let of_shard = rooms.iter().filter(|room| room.key().home(shard_count) == shard).cloned().collect();
        let place = Place { shard, shard_count: recorded_shard_count(shard_count), members };
        write_shard(Path::new(directory), place, of_shard, bytes_max);
    }
    if rest.get(2).is_some_and(|word| word == "ready") {
        open_log(&StdFiles::new(directory), shard_count).unwrap();
    }
}

#[derive(Clone, Copy)]
struct Place {
    shard: ShardId,
    shard_count: u16,
    members: u64,
}

/// Segments that are written one after the other.
struct Segments {
    directory: PathBuf,
    place: Place,
    log: Appender,
    file: SegmentFile,
    written_bytes: u64,
}

impl Segments {
    fn begin(directory: PathBuf, place: Place) -> Segments {
        let (shard, first) = (place.shard, SegmentNumber::FIRST);
        let log = Appender::new(shard, first, SEGMENT_BYTES, SEGMENT_BYTES, Durability::Commit);
        let file = SegmentFile::begin(&directory, shard, place.shard_count, first);
        Segments { directory, place, log, file, written_bytes: 0 }
    }

    fn commit(&mut self, mut committed: impl FnMut(&Batch)) {
        let Some(batch) = self.log.take_batch() else { return };
        if let Some(left) = &batch.seals {
            let next =
                SegmentFile::begin(&self.directory, self.place.shard, self.place.shard_count, batch.segment);
            let mut file = std::mem::replace(&mut self.file, next);
            file.bytes.extend(&left.frame);
            file.finish();
        }
        self.file.bytes.extend(&batch.bytes);
        self.written_bytes += batch.bytes.len() as u64;
        committed(&batch);
        self.log.committed(batch);
    }

    fn finish(mut self) {
        self.file.bytes.extend(self.log.finish().unwrap().frame);
        self.file.finish();
    }

    /// Facts of all rooms, record by record: a record links to what is committed.
    fn write_facts(&mut self, rooms: &[RoomName]) {
        let shard = self.place.shard;
        let mut ledgers: Vec<FactsLedger> =
            rooms.iter().map(|room| FactsLedger::new(room.clone(), shard)).collect();
        let mut open = IndexBuilder::new(shard, SegmentNumber::FIRST);
        for round in 0..self.place.members + 3 {
            for part in ledgers.chunks_mut(MESSAGES_A_COMMIT) {
                let mut appended = Vec::new();
                for ledger in &mut *part {
                    appended.extend(self.append_facts(ledger, round).into_iter().map(|facts| (0, facts)));
                }
                self.commit(|batch| {
                    if batch.segment != open.segment() {
                        open = IndexBuilder::new(shard, batch.segment);
                    }
                    open.committed(batch, std::iter::empty(), &appended);
                });
                for ledger in part {
                    open.facts(ledger.room().key()).into_iter().for_each(|newest| ledger.confirm(newest));
                }
            }
        }
    }

    /// Who joins, then a topic, a role and read positions.
    fn append_facts(&mut self, ledger: &mut FactsLedger, round: u64) -> Option<FactsAppended> {
        let members = self.place.members;
        let (time, free_bytes) = (Timestamp(1_795_176_191_000_000), self.log.free_bytes(true));
        let change = match round.checked_sub(members) {
            None => FactChange::Join { account: AccountId(7 * (round + 1)), joined: Seq(round) },
            Some(0) => FactChange::Topic(Text::sanitise("what a room is about, in a few words")),
            Some(1) => FactChange::Role { account: AccountId(7), role: RoomRole::Owner },
            Some(_) => {
                let read = |member: u64| ledger.move_read(AccountId(7 * member), Seq(40 + member % 5));
                (1..=members).map(read).for_each(drop);
                return ledger.append_reads(time, free_bytes, &mut self.log);
            }
        };
        Some(
            ledger.change(DatedChange { time, by: AccountId(1), change }, free_bytes, &mut self.log).unwrap(),
        )
    }
}

fn write_shard(data: &Path, place: Place, rooms: Vec<RoomName>, bytes_max: u64) {
    let directory = data.join(directory_name(place.shard));
    fs::create_dir_all(&directory).unwrap();
    let mut segments = Segments::begin(directory, place);
    if place.members > 0 {
        segments.write_facts(&rooms);
    }
    let mut messages: Vec<Message> = rooms.into_iter().map(first_message).collect();
    let mut next = 0;
    while segments.written_bytes < bytes_max {
        for _ in 0..MESSAGES_A_COMMIT {
            let message = &mut messages[next];
            segments.log.append(&*message);
            (message.seq, message.time) = (message.seq.next(), Timestamp(message.time.0 + 15_000));
            next = (next + 1) % messages.len();
        }
        segments.commit(|_| ());
    }
    segments.finish();
}

fn first_message(room: RoomName) -> Message {
    Message {
        room,
        seq: Seq(1),
        time: Timestamp(1_795_176_191_000_000),
        author: UserName::parse("gildong").unwrap(),
        draft: None,
        text: Text::sanitise("sixty-four bytes of talk, as a match has them, and then some mor").unwrap(),
    }
}

/// A segment that is written at once.
struct SegmentFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl SegmentFile {
    fn begin(directory: &Path, shard: ShardId, shard_count: u16, segment: SegmentNumber) -> SegmentFile {
        let header = SegmentHeader {
            shard,
            shard_count,
            segment,
            created_us: 0,
            capacity_bytes: SEGMENT_BYTES,
            generation: 0,
        };
        SegmentFile { path: directory.join(file_name(segment)), bytes: header.encode().to_vec() }
    }

    fn finish(self) {
        fs::write(self.path, self.bytes).unwrap();
    }
}
