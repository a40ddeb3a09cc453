//! What the appender hands to the writer.

use crate::format::SegmentNumber;

/// A batch of the log, counted from 1 for the life of the process, across segments.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct BatchId(pub u64);

impl BatchId {
    /// Before the first batch.
    pub const ZERO: BatchId = BatchId(0);

    /// The batch after this one.
    #[must_use]
    pub fn next(self) -> BatchId {
        BatchId(self.0 + 1)
    }
}

/// One write: whole frames that lie together in one segment.
#[derive(Debug)]
pub struct Batch {
    /// Which.
    pub id: BatchId,
    /// The segment that it goes to.
    pub segment: SegmentNumber,
    /// Where in the segment.
    pub offset_bytes: u64,
    /// What to write there.
    pub bytes: Vec<u8>,
    /// The segment that this batch leaves behind: to be sealed **before** this batch is written.
    pub seals: Option<SealedSegment>,
}

impl Batch {
    /// Where the next batch of the segment would go.
    pub fn end_bytes(&self) -> u64 {
        self.offset_bytes + self.bytes.len() as u64
    }
}

/// A segment that nothing more is appended to.
///
/// To seal it: `fdatasync` it (needless under `commit` durability), write `frame` at
/// `end_offset_bytes`, `fdatasync` again. The order makes the seal a proof of all before it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealedSegment {
    /// Which.
    pub number: SegmentNumber,
    /// Where its committed part ends.
    pub end_offset_bytes: u64,
    /// The bytes of its seal.
    pub frame: Vec<u8>,
    /// Writing to it failed. Sealing it may fail too, and need not succeed: the next segment
    /// shows where this one ends.
    pub is_abandoned: bool,
}
