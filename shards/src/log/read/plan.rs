//! Which segments of a directory there are, and where those end that failed.

use crate::log::files::{Files, FilesError};
use crate::log::format::{
    ABANDONED_FRAME_BYTES, HEADER_BYTES, Place, SegmentNumber, StoredRecord, read_frame,
};
use crate::types::ShardId;
use rkyv::util::AlignedVec;

/// The segments of one shard's directory.
#[derive(Debug)]
pub struct Plan {
    pub shard: ShardId,
    /// In rising order.
    pub segments: Vec<SegmentNumber>,
    /// What segments say of earlier ones that failed.
    abandoned: Vec<Abandoned>,
}

#[derive(Clone, Copy, Debug)]
struct Abandoned {
    left: SegmentNumber,
    end_bytes: usize,
    /// The segment that says so, and repeats what `left` holds behind its end.
    by: SegmentNumber,
}

impl Plan {
    pub fn of(files: &dyn Files, shard: ShardId) -> Result<Plan, FilesError> {
        let segments = files.segments(shard)?;
        let mut start = AlignedVec::new();
        let mut abandoned = Vec::new();
        for &by in &segments {
            files.read_start(shard, by, HEADER_BYTES + ABANDONED_FRAME_BYTES, &mut start)?;
            let place = Place { shard, segment: by };
            let first = read_frame(&start, HEADER_BYTES, place).and_then(|frame| frame.record());
            if let Some(StoredRecord::Abandoned(note)) = first {
                let left = SegmentNumber(note.segment.to_native());
                let end_bytes = usize::try_from(note.end_offset_bytes.to_native()).unwrap_or(usize::MAX);
                abandoned.push(Abandoned { left, end_bytes, by });
            }
        }
        Ok(Plan { shard, segments, abandoned })
    }

    /// Where the committed part of a segment ends, if a later one says so.
    pub fn limit_bytes(&self, segment: SegmentNumber) -> Option<usize> {
        let own = self.abandoned.iter().filter(|a| a.left == segment).map(|a| a.end_bytes);
        own.chain(self.is_void(segment).then_some(HEADER_BYTES)).min()
    }

    /// Whether nothing in the segment counts, or it need not even exist: every write to it failed.
    pub fn is_void(&self, segment: SegmentNumber) -> bool {
        self.abandoned.iter().any(|a| a.left < segment && segment < a.by)
    }

    /// The numbers below `segment` and above `before` that should have a file and do not.
    pub fn missing_between(
        &self,
        before: SegmentNumber,
        segment: SegmentNumber,
    ) -> Option<(SegmentNumber, SegmentNumber)> {
        let mut first = before.next();
        while first < segment && self.is_void(first) {
            first = first.next();
        }
        (first < segment).then_some((first, SegmentNumber(segment.0 - 1)))
    }
}
