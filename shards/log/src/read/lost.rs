//! Messages that are known to be lost: what repairs recorded, so that a gap is no fault.

use super::fault::Location;
use crate::format::{HEADER_BYTES, SegmentId, StoredRecord, read_frame};
use madang_model::{RoomName, Seq};

/// Numbers of messages that are not there. Empty when `first > last`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct MissingRange {
    /// The first.
    pub first: Seq,
    /// The last.
    pub last: Seq,
}

impl MissingRange {
    /// What lies between two messages.
    pub fn between(before: Seq, after: Seq) -> MissingRange {
        MissingRange { first: before.next(), last: Seq(after.0.saturating_sub(1)) }
    }

    fn is_empty(self) -> bool {
        self.first > self.last
    }

    /// The parts that none of `lost` covers; sorts `lost`.
    pub fn unknown(self, lost: &mut [MissingRange]) -> Vec<MissingRange> {
        lost.sort_unstable();
        let (mut left, mut parts) = (self, Vec::new());
        for known in lost.iter().filter(|known| !known.is_empty()) {
            if left.is_empty() || known.last < left.first {
                continue;
            }
            let part =
                MissingRange { first: left.first, last: left.last.min(Seq(known.first.0.saturating_sub(1))) };
            parts.extend((!part.is_empty()).then_some(part));
            left.first = left.first.max(Seq(known.last.0.saturating_add(1)));
        }
        parts.extend((!left.is_empty()).then_some(left));
        parts
    }

    /// The parts that `lost` covers; sorts `lost`.
    pub fn known(self, lost: &mut [MissingRange]) -> Vec<MissingRange> {
        let mut unknown = self.unknown(lost);
        self.unknown(&mut unknown)
    }
}

/// A loss that a repair recorded.
#[derive(Clone, Debug)]
pub struct LostRange {
    /// The room.
    pub room: RoomName,
    /// The numbers.
    pub gap: MissingRange,
    /// Where it is recorded.
    pub at: Location,
}

/// The losses that a segment begins with. A name that is none is left out: the gap it excused is
/// then a fault again, and named.
pub fn lost_ranges(segment: &[u8], place: SegmentId) -> Vec<LostRange> {
    let mut found = Vec::new();
    let mut offset_bytes = HEADER_BYTES;
    while let Some(frame) = read_frame(segment, offset_bytes, place) {
        let Some(StoredRecord::Lost(lost)) = frame.record() else { break };
        if let Ok(room) = RoomName::from_log(lost.room) {
            let gap = MissingRange { first: lost.first, last: lost.last };
            let at = Location {
                shard: place.shard,
                segment: place.segment,
                offset_bytes: frame.offset_bytes as u64,
            };
            found.push(LostRange { room, gap, at });
        }
        offset_bytes = frame.end_bytes;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(first: u64, last: u64) -> MissingRange {
        MissingRange { first: Seq(first), last: Seq(last) }
    }

    #[test]
    fn a_gap_is_parted_into_what_is_known_and_what_is_not() {
        let mut lost = [gap(9, 9), gap(3, 4), gap(12, 30), gap(4, 5), gap(1, 1)];
        assert_eq!(gap(2, 15).unknown(&mut lost), [gap(2, 2), gap(6, 8), gap(10, 11)]);
        assert_eq!(gap(2, 15).known(&mut lost), [gap(3, 5), gap(9, 9), gap(12, 15)]);
        assert_eq!(gap(3, 5).unknown(&mut lost), []);
        assert_eq!(gap(31, 33).known(&mut lost), []);
        assert_eq!(gap(5, 4).unknown(&mut lost), []);
    }
}
