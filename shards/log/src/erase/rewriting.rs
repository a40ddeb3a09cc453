//! What becomes of the bytes of a file. Pure: [`pass`](super::pass) reads and writes.

use super::rules::ErasureMatcher;
use crate::format::{
    Frame, HEADER_BYTES, HeaderFault, Scan, ScanItem, SegmentHeader, SegmentId, SegmentVerdict, StoredEntry,
    aligned, erase_frame, read_frame_at,
};
use rkyv::util::AlignedVec;
use std::ops::Range;

/// What is different in a file.
#[derive(Debug, Default)]
pub struct Rewriting {
    /// The bytes that change, in order; of a segment the header first.
    pub ranges: Vec<Range<usize>>,
    /// Where the contents end; behind it are zeros.
    pub end_bytes: usize,
    /// How many entries are erased.
    pub erased: u64,
}

/// What a segment turned out to be.
#[derive(Debug)]
pub struct RewrittenSegment {
    /// What changes; `None` when nothing does, or nothing may as it is not finished.
    pub rewriting: Option<Rewriting>,
    /// Whether something of what is to be erased is in it, though it is not finished.
    pub is_wanted_open: bool,
    /// Damaged stretches, of which nobody can say what is in them: offset and length.
    pub damage: Vec<(usize, usize)>,
}

/// Erases in a segment that is in memory. `limit_bytes` is where a later one says that it ends, and `is_finished` says
/// whether nobody writes to it any more if it ends so.
///
/// # Errors
/// When its header is none.
pub fn rewrite_segment(
    bytes: &mut AlignedVec,
    place: SegmentId,
    limit_bytes: Option<usize>,
    is_finished: impl FnOnce(SegmentVerdict, usize) -> bool,
    matcher: &mut ErasureMatcher<'_>,
) -> Result<RewrittenSegment, HeaderFault> {
    let header = SegmentHeader::decode(bytes, place.shard, place.segment)?;
    let (mut wanted, mut damage) = (Vec::new(), Vec::new());
    let mut scan = Scan::new(bytes, place, limit_bytes);
    for found in &mut scan {
        match found {
            ScanItem::Damage { offset_bytes, bytes } => damage.push((offset_bytes, bytes)),
            ScanItem::Entry(frame, entry) => {
                if matcher.wants_entry(&entry) {
                    wanted.push(frame.offset_bytes..frame.end_bytes);
                }
            }
            ScanItem::Note(..) => {}
        }
    }
    let verdict = scan.verdict().expect("a finished scan has a verdict");
    let mut found = RewrittenSegment { rewriting: None, is_wanted_open: false, damage };
    if limit_bytes.is_none() && !is_finished(verdict, bytes.len()) {
        found.is_wanted_open = !wanted.is_empty();
        return Ok(found);
    }
    let end_bytes = verdict.end_bytes().min(bytes.len());
    let erased = wanted.len() as u64;
    // What was never committed: a later segment repeats it, so that it is the same text once more.
    if bytes[end_bytes..].iter().any(|byte| *byte != 0) {
        wanted.push(end_bytes..bytes.len());
        bytes[end_bytes..].fill(0);
    }
    if wanted.is_empty() {
        return Ok(found);
    }
    for range in wanted.iter().filter(|range| range.end <= end_bytes) {
        let is_erased = erase_frame(&mut bytes[range.clone()], place, range.start);
        assert!(is_erased, "an entry that was read can be erased");
    }
    let generation = generation_of(&bytes[HEADER_BYTES..], header.generation);
    let header = SegmentHeader { generation, ..header };
    bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
    wanted.insert(0, 0..HEADER_BYTES);
    found.rewriting = Some(Rewriting { ranges: wanted, end_bytes, erased });
    Ok(found)
}

/// Takes everything out of a file in which nothing counts.
pub fn blanked(bytes: &mut [u8]) -> Rewriting {
    bytes.fill(0);
    Rewriting { ranges: std::iter::once(0..bytes.len()).collect(), end_bytes: bytes.len(), erased: 0 }
}

/// What tells an erased segment from the same one with more or less of it erased, whichever copies of a log that happened
/// in: numbers that count would meet again there. 0 is for a segment in which nothing was ever erased.
fn generation_of(contents: &[u8], before: u32) -> u32 {
    let checksum = crc32c::crc32c(contents).max(1);
    if checksum == before { checksum.checked_add(1).unwrap_or(1) } else { checksum }
}

/// Erases in a part of a segment that a repair has set aside, and which begins at `from_bytes` of it. It may be damaged:
/// of what is no entry nobody can say whose text is in it, so that it goes, too.
pub fn rewrite_aside(
    bytes: &mut [u8],
    place: SegmentId,
    from_bytes: usize,
    matcher: &mut ErasureMatcher<'_>,
) -> Rewriting {
    let mut rewriting = Rewriting { end_bytes: bytes.len(), ..Rewriting::default() };
    let mut lined_up = AlignedVec::<16>::new();
    let is_header = from_bytes == 0
        && !matches!(SegmentHeader::decode(bytes, place.shard, place.segment), Err(HeaderFault::Invalid));
    let mut at = if is_header { HEADER_BYTES.min(bytes.len()) } else { 0 };
    while at < bytes.len() {
        let offset = from_bytes + at;
        let found = read_aligned(&bytes[at..], offset, place, &mut lined_up).and_then(|frame| {
            let entry = StoredEntry::of(&frame.record()?);
            Some((frame.end_bytes - offset, entry.is_some_and(|entry| matcher.wants_entry(&entry))))
        });
        let end = found.map_or((at + aligned(1)).min(bytes.len()), |(frame_bytes, _)| at + frame_bytes);
        let range = at..end;
        match found {
            Some((_, false)) => {}
            Some((_, true)) => {
                rewriting.erased += u64::from(erase_frame(&mut bytes[range.clone()], place, offset));
                rewriting.ranges.push(range);
            }
            None if bytes[range.clone()].iter().any(|byte| *byte != 0) => {
                bytes[range.clone()].fill(0);
                rewriting.ranges.push(range);
            }
            None => {}
        }
        at = end;
    }
    rewriting
}

/// The frame at the start of `rest`, copied to where its record can be used in place.
fn read_aligned<'a>(
    rest: &[u8],
    offset_bytes: usize,
    place: SegmentId,
    lined_up: &'a mut AlignedVec<16>,
) -> Option<Frame<'a>> {
    let found = read_frame_at(rest, offset_bytes, place)?;
    lined_up.clear();
    lined_up.extend_from_slice(&rest[..found.end_bytes - offset_bytes]);
    read_frame_at(lined_up, offset_bytes, place)
}
