//! Writes a log as a server would have, with the log's own writer.

use crate::error::BenchError;
use madang_log::{HistoryWriter, NewSegments, SegmentNumber, StdFiles, WriteError};
use madang_model::{Message, RoomName, Seq, ShardId, Text, Timestamp, UserName};
use std::path::Path;

const SEGMENT_BYTES: u64 = 64 << 20;
/// After so many it is asked whether to continue.
const MESSAGES_A_LOOK: u64 = 64 * 1024;
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
    let shown = plan.data.display();
    std::fs::create_dir_all(plan.data).map_err(BenchError::system(format!("make '{shown}'")))?;
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
    let place = NewSegments {
        shard,
        shard_count: plan.shard_count,
        first: SegmentNumber::FIRST,
        segment_bytes: SEGMENT_BYTES,
        created: Timestamp(1),
    };
    let mut segments = HistoryWriter::new(StdFiles::new(plan.data), place, hashbrown::HashMap::new());
    let mut next = 0;
    for _ in 0..messages {
        let message: &mut Message = &mut messages_of[next];
        segments.append(message).map_err(|error| refused(&error))?;
        (message.seq, message.time) = (message.seq.next(), Timestamp(message.time.0 + STEP_US));
        next = (next + 1) % messages_of.len();
        *written += 1;
        if written.is_multiple_of(MESSAGES_A_LOOK) {
            on_progress(*written as f64 / plan.messages as f64)?;
        }
    }
    segments.finish().map_err(|error| refused(&error))
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

fn refused(error: &WriteError) -> BenchError {
    BenchError::System {
        action: "write a log to measure; name a larger disk with --dir".to_owned(),
        source: std::io::Error::other(error.to_string()),
    }
}

/// What cannot be, as everything written here is made up by us.
fn invented(what: &str) -> BenchError {
    BenchError::System {
        action: "write a log to measure".to_owned(),
        source: std::io::Error::other(what.to_owned()),
    }
}
