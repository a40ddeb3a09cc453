//! An index made again from its segment.

use super::builder::IndexBuilder;
use super::facts_scan::FactsScan;
use super::fault::RebuildFault;
use super::position::FramePosition;
use crate::format::{HEADER_BYTES, Scan, ScanItem, SegmentId, SegmentNumber, StoredRecord};
use hashbrown::HashMap;
use madang_model::{RoomName, Seq, ShardId};

impl IndexBuilder {
    /// Reads a segment again: what the shard knew of it when it was sealed, and where its
    /// committed part ends, for [`seal`](Self::seal). `file` is the whole segment in memory aligned
    /// to 16 bytes, `limit_bytes` where a later segment says that its committed part ends.
    ///
    /// # Errors
    /// [`RebuildFault`] when the segment is damaged: an index never hides that.
    pub fn scan(
        file: &[u8],
        directory: ShardId,
        segment: SegmentNumber,
        limit_bytes: Option<usize>,
    ) -> Result<(IndexBuilder, u64), RebuildFault> {
        let mut builder = IndexBuilder::new(directory, segment);
        let mut names: HashMap<&str, RoomName> = HashMap::new();
        let (mut end_bytes, mut facts) = (HEADER_BYTES, FactsScan::default());
        for found in Scan::new(file, SegmentId { shard: directory, segment }, limit_bytes) {
            let (frame, message) = match found {
                ScanItem::Message(frame, message) => (frame, message),
                ScanItem::Note(_, StoredRecord::Seal(_)) => continue,
                ScanItem::Note(frame, StoredRecord::Facts(stored)) => {
                    end_bytes = frame.end_bytes;
                    facts.take(&mut builder, frame, &stored)?;
                    continue;
                }
                ScanItem::Note(frame, _) => {
                    end_bytes = frame.end_bytes;
                    continue;
                }
                ScanItem::Damage { offset_bytes, bytes } => {
                    let (offset_bytes, bytes) = (offset_bytes as u64, bytes as u64);
                    return Err(RebuildFault::Damaged { offset_bytes, bytes });
                }
            };
            end_bytes = frame.end_bytes;
            let name = match names.get(message.room) {
                Some(name) => name,
                None => names.entry(message.room).or_insert(message.room_name()?),
            };
            let seq = message.seq;
            let expected = builder.room(name.key()).map(|(first, all)| Seq(first.0 + all.len() as u64));
            // Damage would have been found: a number that is skipped was lost and repaired before.
            builder.skip_to(name.key(), seq);
            if let Some(expected) = expected.filter(|expected| *expected > seq) {
                let room = name.as_str().to_owned();
                return Err(RebuildFault::OutOfOrder { room, expected, found: seq });
            }
            let length = (frame.end_bytes - frame.offset_bytes) as u64;
            builder.push(name, seq, FramePosition::new(frame.offset_bytes as u64, length));
        }
        Ok((builder, end_bytes as u64))
    }
}
