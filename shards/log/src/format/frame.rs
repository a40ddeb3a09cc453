//! A frame: one record with its length, its checksum and what was known to be on disk before it.
//!
//! Sixteen bytes, little-endian: `length` of the payload in 24 bits, and in 8 the length of the record's
//! [head](super::head), with which the payload begins, in units of 8 bytes (0 in frames of format 2, which have none);
//! `checksum` (CRC-32C), `batch` (which commit of the segment, from 1) and `synced` (the offset, in units of 16 bytes,
//! below which the segment was known to be on disk when the frame was written). The payload follows, then zeros up
//! to the next multiple of 16. The checksum covers all of it, and the frame's place: shard,
//! segment and offset. A frame found anywhere else, such as in a reused block, is none.

use super::entry::StoredEntry;
use super::head::{HEAD_ALIGN_BYTES, RecordHead, RecordKind, draft_and_time_of};
use super::record::{Record, StoredRecord};
use super::segment::SegmentNumber;
use super::version_2;
use madang_model::{Seq, ShardId};
use rkyv::util::AlignedVec;

/// Frames start at multiples of this; a payload is then aligned for use in place.
const ALIGN_BYTES: usize = 16;
const FRAME_HEADER_BYTES: usize = 16;

/// The longest text that a message may have, in bytes.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;
/// The longest payload: the longest text, and room for the names, the draft id and the fields.
const PAYLOAD_BYTES_MAX: usize = TEXT_BYTES_MAX + 2048;
/// The longest frame, in bytes.
pub const FRAME_BYTES_MAX: usize = FRAME_HEADER_BYTES + PAYLOAD_BYTES_MAX;
/// The frame of a seal, in every format.
pub const SEAL_FRAME_BYTES: usize = 80;
/// The frame of the note about a segment that was abandoned. Format 2 wrote a longer one.
pub const ABANDONED_FRAME_BYTES: usize = 64;
/// The bits of the first field that are the length of the payload.
const LENGTH_MASK: u32 = 0x00ff_ffff;

/// The segment that a frame belongs to; its checksum covers it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentId {
    /// Whose log.
    pub shard: ShardId,
    /// Which segment of it.
    pub segment: SegmentNumber,
}

/// A frame whose checksum is right.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Where it starts in its segment.
    pub offset_bytes: usize,
    /// Where the next one starts.
    pub end_bytes: usize,
    /// The commit of the segment that wrote it, from 1.
    pub batch: u32,
    /// Everything below this offset was on disk when it was written.
    pub synced_bytes: usize,
    /// The record's head, and its archived body; not validated yet.
    pub payload: &'a [u8],
    /// The length of the head; 0 in frames of format 2.
    pub head_bytes: usize,
}

impl<'a> Frame<'a> {
    /// The record, validated; `None` when this program cannot read it.
    pub fn record(&self) -> Option<StoredRecord<'a>> {
        stored_record(self.payload, self.head_bytes)
    }
}

/// The record in the payload of a frame, which is aligned; `None` when this program cannot read it. A head of 0 bytes is
/// none: then format 2 wrote it.
pub fn stored_record(payload: &[u8], head_bytes: usize) -> Option<StoredRecord<'_>> {
    if head_bytes == 0 {
        return version_2::read(payload);
    }
    let (head, body) = payload.split_at_checked(head_bytes)?;
    StoredRecord::read(head, body)
}

/// The next multiple of the frame alignment.
pub const fn aligned(bytes: usize) -> usize {
    bytes.next_multiple_of(ALIGN_BYTES)
}

/// Appends a frame whose batch, place and checksum are still open: see [`stamp_frames`].
///
/// # Panics
/// When the record is longer than its parts may be: its types or its caller broke their promise.
pub fn push_frame(bytes: &mut Vec<u8>, record: &Record<'_>) {
    let start = bytes.len();
    debug_assert_eq!(start % ALIGN_BYTES, 0, "frames start aligned");
    bytes.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
    let head_units = record.push(bytes);
    let length = bytes.len() - start - FRAME_HEADER_BYTES;
    assert!(length <= PAYLOAD_BYTES_MAX, "a record has at most {PAYLOAD_BYTES_MAX} bytes, not {length}");
    let lengths = length as u32 | u32::from(head_units) << LENGTH_MASK.count_ones();
    bytes[start..start + 4].copy_from_slice(&lengths.to_le_bytes());
    bytes.resize(aligned(bytes.len()), 0);
}

/// Gives a whole frame another payload, with a head of so many units, that fills it; what is left is zeros. Its batch and
/// what was synced before it stay.
///
/// # Panics
/// When the frame is shorter.
pub fn refill_frame(frame: &mut [u8], payload: &[u8], head_units: u8, place: SegmentId, offset_bytes: usize) {
    let room = frame.len() - FRAME_HEADER_BYTES;
    assert!(payload.len() <= room, "a payload of {} bytes has room in {room}", payload.len());
    // Of how long the old payload was nothing is left, either.
    let lengths = room as u32 | u32::from(head_units) << LENGTH_MASK.count_ones();
    frame[..4].copy_from_slice(&lengths.to_le_bytes());
    frame[FRAME_HEADER_BYTES..][..payload.len()].copy_from_slice(payload);
    frame[FRAME_HEADER_BYTES + payload.len()..].fill(0);
    let checksum = checksum_of(frame, place, offset_bytes);
    frame[4..8].copy_from_slice(&checksum.to_le_bytes());
}

/// The lengths of the payload and of the head, of a frame that begins so.
pub fn lengths(frame: &[u8]) -> (usize, usize) {
    let lengths = u32_at(frame, 0);
    let head_units = lengths >> LENGTH_MASK.count_ones();
    ((lengths & LENGTH_MASK) as usize, head_units as usize * HEAD_ALIGN_BYTES)
}

/// How many bytes a frame has that begins so; `None` where none begins.
pub fn declared_bytes(rest: &[u8]) -> Option<usize> {
    let (length, head_bytes) = lengths(rest.get(..FRAME_HEADER_BYTES)?);
    (length > 0 && length <= PAYLOAD_BYTES_MAX && head_bytes <= length)
        .then(|| FRAME_HEADER_BYTES + aligned(length))
}

/// Completes frames that will lie at `offset_bytes` of a segment.
///
/// # Panics
/// When `bytes` are not whole frames of [`push_frame`].
pub fn stamp_frames(
    bytes: &mut [u8],
    place: SegmentId,
    offset_bytes: usize,
    batch: u32,
    synced_bytes: usize,
) {
    let synced = u32::try_from(synced_bytes / ALIGN_BYTES).expect("segments are below 64 GiB");
    let mut at = 0;
    while at < bytes.len() {
        let end = at + frame_bytes(&bytes[at..]);
        let frame = &mut bytes[at..end];
        frame[8..12].copy_from_slice(&batch.to_le_bytes());
        frame[12..16].copy_from_slice(&synced.to_le_bytes());
        let checksum = checksum_of(frame, place, offset_bytes + at);
        frame[4..8].copy_from_slice(&checksum.to_le_bytes());
        at = end;
    }
}

/// The bytes of a frame that begins so, to where the next one begins.
///
/// # Panics
/// When there are fewer than four.
pub fn frame_bytes(frame: &[u8]) -> usize {
    FRAME_HEADER_BYTES + aligned(lengths(frame).0)
}

/// What kind of record a whole frame of this format holds.
pub fn kind_of(frame: &[u8]) -> Option<RecordKind> {
    frame.get(FRAME_HEADER_BYTES).copied().and_then(RecordKind::of_number)
}

/// The entry in a whole frame that was not read from a segment, and may lie anywhere in memory; it is copied to
/// `aligned`, to be used in place.
pub fn entry_of<'a>(frame: &[u8], aligned: &'a mut AlignedVec) -> Option<StoredEntry<'a>> {
    let (length, head_bytes) = lengths(frame);
    aligned.clear();
    aligned.extend_from_slice(frame.get(FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + length)?);
    StoredEntry::of(&stored_record(aligned, head_bytes)?)
}

/// Of the entry in a whole frame: how many of its room's entries before it are no messages, and its target.
pub fn counts_of(frame: &[u8]) -> Option<(u64, Seq)> {
    let (_, head_bytes) = lengths(frame);
    let head = RecordHead::read(frame.get(FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + head_bytes)?)?;
    Some((head.amendments_before, Seq(head.target)))
}

/// Of the entry in a whole frame: its author's draft, or 0, and when it was accepted, in microseconds.
pub fn draft_and_time(frame: &[u8]) -> (u64, i64) {
    frame.get(FRAME_HEADER_BYTES..).and_then(draft_and_time_of).unwrap_or((0, i64::MAX))
}

/// The frame that starts at `offset_bytes` of a whole segment; `None` when none does.
pub fn read_frame(segment: &[u8], offset_bytes: usize, place: SegmentId) -> Option<Frame<'_>> {
    read_frame_at(segment.get(offset_bytes..)?, offset_bytes, place)
}

/// The frame that `rest` begins with, which stands at `offset_bytes` of its segment; `None` when it begins with none.
#[inline]
pub fn read_frame_at(rest: &[u8], offset_bytes: usize, place: SegmentId) -> Option<Frame<'_>> {
    if rest.len() < FRAME_HEADER_BYTES {
        return None;
    }
    let (length, head_bytes) = lengths(rest);
    // What is never written is refused before the checksum is computed: a search through damaged
    // bytes stays quick.
    if length == 0 || length > PAYLOAD_BYTES_MAX || head_bytes > length {
        return None;
    }
    let synced_bytes = u32_at(rest, 12) as usize * ALIGN_BYTES;
    if synced_bytes > offset_bytes {
        return None;
    }
    let frame = rest.get(..FRAME_HEADER_BYTES + aligned(length))?;
    if checksum_of(frame, place, offset_bytes) != u32_at(frame, 4) {
        return None;
    }
    Some(Frame {
        offset_bytes,
        end_bytes: offset_bytes + frame.len(),
        batch: u32_at(frame, 8),
        synced_bytes,
        payload: &frame[FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + length],
        head_bytes,
    })
}

/// What the bytes at `offset_bytes` appear to be, **whatever their checksum says**: a guess at what a
/// damaged frame held.
pub fn unchecked_record(segment: &[u8], offset_bytes: usize) -> Option<StoredRecord<'_>> {
    let rest = segment.get(offset_bytes..)?;
    if rest.len() < FRAME_HEADER_BYTES {
        return None;
    }
    let (length, head_bytes) = lengths(rest);
    if length == 0 || length > PAYLOAD_BYTES_MAX {
        return None;
    }
    let payload = rest.get(FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + length)?;
    stored_record(payload, head_bytes)
}

fn checksum_of(frame: &[u8], place: SegmentId, offset_bytes: usize) -> u32 {
    let mut covered = [0; 32];
    covered[..4].copy_from_slice(&frame[..4]);
    covered[4..12].copy_from_slice(&frame[8..16]);
    covered[12..14].copy_from_slice(&place.shard.0.to_le_bytes());
    covered[16..24].copy_from_slice(&place.segment.0.to_le_bytes());
    covered[24..].copy_from_slice(&(offset_bytes as u64).to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&covered), &frame[FRAME_HEADER_BYTES..])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes are four"))
}
