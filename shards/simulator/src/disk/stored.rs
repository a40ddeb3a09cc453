//! What is on disk, read from the bytes that were synced, or written, and from nothing else.

use super::file::File;
use madang_log::{HEADER_BYTES, Scan, ScanItem, SegmentId, SegmentNumber};
use madang_model::ShardId;

/// A message that no fault in the session can lose any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DurableMessage {
    /// In which segment.
    pub at: (ShardId, SegmentNumber),
    /// Of which room.
    pub room: Box<str>,
    /// Its number.
    pub seq: u64,
    /// When it was accepted, in microseconds since 1970.
    pub time_us: i64,
    /// Who said it.
    pub author: Box<str>,
    /// The author's id of it; empty is none.
    pub draft: Box<str>,
    /// What was said.
    pub text: Box<str>,
}

/// Frames begin and end at multiples of this.
const ALIGN_BYTES: usize = 16;

/// Reads the messages of a segment behind those that were read before.
pub fn read_new(
    file: &mut File,
    contents: fn(&File) -> &[u8],
    at: (ShardId, SegmentNumber),
    stored: &mut Vec<DurableMessage>,
) {
    let from = file.read_bytes.max(HEADER_BYTES);
    file.read_bytes = read_from(contents(file), at, from, stored);
}

/// Reads the messages of a segment from a place on, and says where they end.
fn read_from(
    contents: &[u8],
    at: (ShardId, SegmentNumber),
    mut position: usize,
    stored: &mut Vec<DurableMessage>,
) -> usize {
    let place = SegmentId { shard: at.0, segment: at.1 };
    // Zeros end it: to search what lies behind them would cost more than all else here.
    let has_more = |position: usize| {
        contents.get(position..position + ALIGN_BYTES).is_some_and(|start| start.iter().any(|b| *b != 0))
    };
    let mut scan = Scan::new(contents, place, None).from(position);
    while has_more(position) {
        let frame = match scan.next() {
            Some(ScanItem::Message(frame, message)) => {
                stored.push(DurableMessage {
                    at,
                    room: message.room.into(),
                    seq: message.seq.0,
                    time_us: message.time.0,
                    author: message.author.name.into(),
                    draft: message.draft.into(),
                    text: message.text.into(),
                });
                frame
            }
            Some(ScanItem::Note(frame, _)) => frame,
            Some(ScanItem::Damage { .. }) | None => break,
        };
        position = frame.end_bytes;
    }
    position
}
