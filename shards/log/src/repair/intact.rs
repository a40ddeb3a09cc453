//! The frames of a segment that a repair keeps.

use crate::format::{Frame, HEADER_BYTES, SegmentId, StoredRecord, next_frame};

/// Every intact frame that may count, with its record, but for the seal: also those behind damage
/// and behind a torn write, of which nobody can say which of the two it is.
pub fn intact_frames<'a>(
    segment: &'a [u8],
    place: SegmentId,
    limit_bytes: Option<usize>,
) -> impl Iterator<Item = (Frame<'a>, StoredRecord<'a>)> {
    let end = limit_bytes.unwrap_or(segment.len());
    let mut at = HEADER_BYTES;
    let frames = std::iter::from_fn(move || {
        let frame = next_frame(segment, place, at, end)?;
        at = frame.end_bytes;
        Some(frame)
    });
    let records = frames.filter_map(|frame| Some((frame, frame.record()?)));
    records.take_while(|(_, record)| !matches!(record, StoredRecord::Seal(_)))
}
