//! Writes a log to measure tools with: `cargo run --release --example write_log -p madang-log --
//! DIR MEGABYTES ROOMS [SHARDS]`. Messages of 64 bytes, 64 a commit, sealed segments of 64 MiB.

#![allow(clippy::unwrap_used, reason = "whoever measures sees what failed")]

use madang_log::{Appender, Durability, SegmentHeader, SegmentNumber, directory_name, file_name};
use madang_model::{Message, RoomName, Seq, ShardId, Text, Timestamp, UserName, recorded_shard_count};
use std::fs;
use std::path::{Path, PathBuf};

const SEGMENT_BYTES: u64 = 64 << 20;
const MESSAGES_A_COMMIT: usize = 64;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, megabytes, rooms, rest @ ..] = &arguments[..] else {
        eprintln!("usage: write_log DIR MEGABYTES ROOMS [SHARDS]");
        std::process::exit(2);
    };
    let shard_count: u16 = rest.first().map_or(1, |count| count.parse().unwrap());
    let rooms: Vec<RoomName> =
        (0..rooms.parse().unwrap()).map(|n: u64| RoomName::parse(&format!("match-{n}")).unwrap()).collect();
    let bytes_max = megabytes.parse::<u64>().unwrap() * 1_000_000 / u64::from(shard_count);
    for shard in (0..shard_count).map(ShardId) {
        let of_shard = rooms.iter().filter(|room| room.key().home(shard_count) == shard).cloned().collect();
        write_shard(Path::new(directory), shard, recorded_shard_count(shard_count), of_shard, bytes_max);
    }
}

fn write_shard(data: &Path, shard: ShardId, shard_count: u16, rooms: Vec<RoomName>, bytes_max: u64) {
    let directory = data.join(directory_name(shard));
    fs::create_dir_all(&directory).unwrap();
    let mut log =
        Appender::new(shard, SegmentNumber::FIRST, SEGMENT_BYTES, SEGMENT_BYTES, Durability::Commit);
    let mut messages: Vec<Message> = rooms.into_iter().map(first_message).collect();
    let mut file = SegmentFile::begin(&directory, shard, shard_count, SegmentNumber::FIRST);
    let (mut written, mut next) = (0, 0);
    while written < bytes_max {
        for _ in 0..MESSAGES_A_COMMIT {
            let message = &mut messages[next];
            log.append(message);
            (message.seq, message.time) = (message.seq.next(), Timestamp(message.time.0 + 15_000));
            next = (next + 1) % messages.len();
        }
        let batch = log.take_batch().unwrap();
        if let Some(left) = &batch.seals {
            file.bytes.extend(&left.frame);
            file.finish();
            file = SegmentFile::begin(&directory, shard, shard_count, batch.segment);
        }
        file.bytes.extend(&batch.bytes);
        written += batch.bytes.len() as u64;
        log.committed(batch);
    }
    file.bytes.extend(log.finish().unwrap().frame);
    file.finish();
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
        let header =
            SegmentHeader { shard, shard_count, segment, created_us: 0, capacity_bytes: SEGMENT_BYTES };
        SegmentFile { path: directory.join(file_name(segment)), bytes: header.encode().to_vec() }
    }

    fn finish(self) {
        fs::write(self.path, self.bytes).unwrap();
    }
}
