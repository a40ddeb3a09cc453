//! Writes a log as a server would have, with the engine's own appender and indexes.

use crate::error::BenchError;
use madang_log::{
    Appender, Batch, Durability, HEADER_BYTES, IndexBuilder, IndexFiles, RoomTail, SealedSegment,
    SegmentHeader, SegmentNumber, StdFiles, directory_name, file_name,
};
use madang_model::{
    Message, RoomKey, RoomName, Seq, ShardId, Text, Timestamp, UserName, recorded_shard_count,
};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

const SEGMENT_BYTES: u64 = 64 << 20;
/// As many as a busy shard commits at once.
const MESSAGES_A_COMMIT: u64 = 64;
/// 64 bytes.
const TEXT: &str = "sixty-four bytes of talk, as a match has them, and then some mor";
/// Between two messages of a room, in microseconds.
const STEP_US: i64 = 15_000;

/// What is written.
pub(crate) struct LogPlan<'a> {
    pub(crate) data: &'a Path,
    pub(crate) shard_count: u16,
    pub(crate) rooms: u64,
    pub(crate) messages: u64,
}

/// Hears which share is written, once in a while, and may end it.
pub(crate) type OnProgress<'a> = &'a mut dyn FnMut(f64) -> Result<(), BenchError>;

/// The name of a room.
pub(super) fn room(number: u64) -> String {
    format!("match-{number}")
}

/// Writes it, each room's messages spread over the whole time.
pub(crate) fn write(plan: &LogPlan<'_>, on_progress: OnProgress<'_>) -> Result<(), BenchError> {
    let name = |number| RoomName::parse(&room(number)).map_err(|error| invented(&error.to_string()));
    let rooms: Vec<RoomName> = (0..plan.rooms).map(name).collect::<Result<_, _>>()?;
    let mut written = 0;
    for shard in (0..plan.shard_count).map(ShardId) {
        let of_shard: Vec<RoomName> =
            rooms.iter().filter(|room| room.key().home(plan.shard_count) == shard).cloned().collect();
        let messages = plan.messages * of_shard.len() as u64 / plan.rooms;
        if messages == 0 {
            continue;
        }
        write_shard(on_progress, plan, shard, of_shard, messages, &mut written)?;
    }
    Ok(())
}

fn write_shard(
    on_progress: OnProgress<'_>,
    plan: &LogPlan<'_>,
    shard: ShardId,
    rooms: Vec<RoomName>,
    messages: u64,
    written: &mut u64,
) -> Result<(), BenchError> {
    let mut messages_of: Vec<Message> = rooms.into_iter().map(first_message).collect::<Result<_, _>>()?;
    let mut log =
        Appender::new(shard, SegmentNumber::FIRST, SEGMENT_BYTES, SEGMENT_BYTES, Durability::Commit);
    let mut segments = Segments::begin(plan, shard)?;
    let (mut left, mut next) = (messages, 0);
    let mut said = Vec::new();
    while left > 0 {
        for _ in 0..left.min(MESSAGES_A_COMMIT) {
            let message: &mut Message = &mut messages_of[next];
            log.append(message);
            said.push((message.room.clone(), message.seq));
            (message.seq, message.time) = (message.seq.next(), Timestamp(message.time.0 + STEP_US));
            next = (next + 1) % messages_of.len();
        }
        left -= said.len() as u64;
        *written += said.len() as u64;
        let batch = log.take_batch().ok_or_else(|| invented("messages were appended, and no batch came"))?;
        segments.write(&batch, &said)?;
        log.committed(batch);
        said.clear();
        if written.is_multiple_of(64 * 1024) {
            on_progress(*written as f64 / plan.messages as f64)?;
        }
    }
    let sealed = log.finish().ok_or_else(|| invented("a log that holds messages cannot be finished"))?;
    segments.seal(&sealed)
}

fn first_message(room: RoomName) -> Result<Message, BenchError> {
    Ok(Message {
        room,
        seq: Seq(1),
        time: Timestamp(1_795_176_191_000_000),
        author: UserName::parse("gildong").map_err(|error| invented(&error.to_string()))?,
        draft: None,
        text: Text::sanitise(TEXT).ok_or_else(|| invented("the text is none"))?,
    })
}

/// The segments of one shard, with their indexes; each is written at once.
struct Segments<'a> {
    plan: &'a LogPlan<'a>,
    shard: ShardId,
    files: StdFiles,
    bytes: Vec<u8>,
    index: IndexBuilder,
    tails: HashMap<RoomKey, RoomTail>,
}

impl<'a> Segments<'a> {
    fn begin(plan: &'a LogPlan<'a>, shard: ShardId) -> Result<Segments<'a>, BenchError> {
        let directory = plan.data.join(directory_name(shard));
        fs::create_dir_all(&directory)
            .map_err(BenchError::system(format!("make '{}'", directory.display())))?;
        let index = IndexBuilder::new(shard, SegmentNumber::FIRST);
        let files = StdFiles::new(plan.data);
        let mut segments = Segments { plan, shard, files, bytes: Vec::new(), index, tails: HashMap::new() };
        segments.start(SegmentNumber::FIRST);
        Ok(segments)
    }

    fn start(&mut self, segment: SegmentNumber) {
        let header = SegmentHeader {
            shard: self.shard,
            shard_count: recorded_shard_count(self.plan.shard_count),
            segment,
            created_us: segment.0 as i64,
            capacity_bytes: SEGMENT_BYTES,
        };
        self.bytes.clear();
        self.bytes.extend_from_slice(&header.encode());
        debug_assert_eq!(self.bytes.len(), HEADER_BYTES);
        self.index = IndexBuilder::new(self.shard, segment);
    }

    fn write(&mut self, batch: &Batch, said: &[(RoomName, Seq)]) -> Result<(), BenchError> {
        if let Some(sealed) = &batch.seals {
            self.seal(sealed)?;
            self.start(batch.segment);
        }
        self.bytes.extend_from_slice(&batch.bytes);
        self.index.committed(batch, said.iter().map(|(room, seq)| (room, *seq)));
        Ok(())
    }

    fn seal(&mut self, sealed: &SealedSegment) -> Result<(), BenchError> {
        self.bytes.extend_from_slice(&sealed.frame);
        let path = self.plan.data.join(directory_name(self.shard)).join(file_name(sealed.number));
        fs::write(&path, &self.bytes).and_then(|()| fs::File::open(&path)?.sync_data()).map_err(
            BenchError::system(format!("write '{}'; name a larger disk with --dir", path.display())),
        )?;
        let empty = IndexBuilder::new(self.shard, sealed.number);
        let index = std::mem::replace(&mut self.index, empty);
        let tails = &self.tails;
        let index = index
            .seal(sealed.end_offset_bytes, |room| tails.get(&room.key()))
            .map_err(|fault| invented(&fault.to_string()))?;
        self.tails.extend(index.tails().map(|(room, tail)| (room.key(), tail)));
        self.files
            .write_index(self.shard, index.segment(), &index.encode())
            .map_err(|error| invented(&error.to_string()))
    }
}

/// What cannot be, as everything written here is made up by us; or the disk's own words.
fn invented(what: &str) -> BenchError {
    BenchError::System {
        action: "write a log to measure".to_owned(),
        source: std::io::Error::other(what.to_owned()),
    }
}
