//! The segment that is appended to.

use super::batch::SealedSegment;
use crate::format::{
    HEADER_BYTES, Record, SEAL_FRAME_BYTES, SealRecord, SegmentId, SegmentNumber, push_frame, stamp_frames,
};
use madang_model::ShardId;

/// Where the first batch of a segment goes.
pub const START_BYTES: u64 = HEADER_BYTES as u64;

/// The segment that is appended to. Invariant: `synced_bytes <= end_bytes <= capacity_bytes`.
#[derive(Debug)]
pub struct Current {
    pub number: SegmentNumber,
    pub capacity_bytes: u64,
    /// Where the next batch goes.
    pub end_bytes: u64,
    /// All below was written and synced.
    pub synced_bytes: u64,
    /// The commits it has seen.
    pub batches: u32,
    /// What it holds, by committed batches.
    pub counts: SealRecord,
}

impl Current {
    /// A fresh one: nothing but its header.
    pub fn start(number: SegmentNumber, capacity_bytes: u64) -> Current {
        Current {
            number,
            capacity_bytes,
            end_bytes: START_BYTES,
            synced_bytes: START_BYTES,
            batches: 0,
            counts: SealRecord::default(),
        }
    }

    /// This segment, with the bytes that finish it.
    pub fn sealed(&self, shard: ShardId, is_abandoned: bool) -> SealedSegment {
        let place = SegmentId { shard, segment: self.number };
        let frame = seal_frame(place, self.end_bytes, self.batches + 1, self.counts);
        SealedSegment { number: self.number, end_offset_bytes: self.end_bytes, frame, is_abandoned }
    }
}

/// The bytes that finish a segment at `end_bytes`, to be written once all before them is on disk.
pub fn seal_frame(place: SegmentId, end_bytes: u64, batch: u32, counts: SealRecord) -> Vec<u8> {
    let mut frame = Vec::with_capacity(SEAL_FRAME_BYTES);
    push_frame(&mut frame, &Record::Seal(counts));
    assert_eq!(frame.len(), SEAL_FRAME_BYTES, "the room kept for a seal is a seal's");
    stamp_frames(&mut frame, place, end_bytes as usize, batch, end_bytes as usize);
    frame
}
