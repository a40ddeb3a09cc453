//! A frame that was read by itself.

use crate::format::{Frame, SegmentId, lengths, stamp_frames};
use crate::index::bytes::field;
use rkyv::util::AlignedVec;

const FRAME_HEADER_BYTES: usize = 16;

/// The frame in `bytes`, which were read at `offset_bytes` of a segment and may lie anywhere in
/// memory; it is copied to `aligned`, to be used in place. `None` when it is not what was written
/// there.
pub fn frame_alone<'a>(
    bytes: &[u8],
    place: SegmentId,
    offset_bytes: usize,
    aligned: &'a mut AlignedVec,
) -> Option<Frame<'a>> {
    let header = bytes.first_chunk::<FRAME_HEADER_BYTES>()?;
    let (length, head_bytes) = lengths(header);
    let end = FRAME_HEADER_BYTES.checked_add(length)?;
    if length == 0 || head_bytes > length || end.checked_next_multiple_of(FRAME_HEADER_BYTES)? != bytes.len()
    {
        return None;
    }
    let batch = u32::from_le_bytes(field(header, 8));
    let synced_bytes = u32::from_le_bytes(field(header, 12)) as usize * 16;
    aligned.clear();
    aligned.extend_from_slice(bytes);
    // The checksum is right if stamping the frame again, for the place it was read from, gives the
    // same one: what it covers is known to `stamp_frames` alone.
    stamp_frames(aligned, place, offset_bytes, batch, synced_bytes);
    if aligned[..FRAME_HEADER_BYTES] != header[..] {
        return None;
    }
    Some(Frame {
        offset_bytes,
        end_bytes: offset_bytes + bytes.len(),
        batch,
        synced_bytes,
        payload: &aligned[FRAME_HEADER_BYTES..end],
        head_bytes,
    })
}
