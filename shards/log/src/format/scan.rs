//! Reading a segment from its first frame to its end, and distinguishing a torn tail from damage.
//!
//! A write that never completed may leave any subset of its sectors behind. So an invalid frame is
//! a *torn tail*, never acknowledged, unless something proves that it was on disk once: a valid
//! frame anywhere behind it whose `synced` lies beyond it, or an end that is known. Then it is
//! *damage*, reported with its bounds, and reading continues behind it.

use super::entry::StoredEntry;
use super::frame::{Frame, SegmentId, aligned, read_frame};
use super::record::{SealRecord, StoredRecord};
use super::segment::HEADER_BYTES;

/// What stands next in a segment.
#[derive(Clone, Copy, Debug)]
pub enum ScanItem<'a> {
    /// An entry of a room, with the frame that holds it.
    Entry(Frame<'a>, StoredEntry<'a>),
    /// Facts of a room, or a record that the log keeps for itself.
    Note(Frame<'a>, StoredRecord<'a>),
    /// Bytes that were on disk once and are no longer what they were, or cannot be read.
    Damage {
        /// Where they begin.
        offset_bytes: usize,
        /// How many they are.
        bytes: usize,
    },
}

/// How a segment ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SegmentVerdict {
    /// Behind the last frame there is nothing.
    End {
        /// Where that is.
        offset_bytes: usize,
    },
    /// It was finished; nothing behind this counts.
    Sealed {
        /// Where its seal ends.
        offset_bytes: usize,
        /// What the seal says.
        seal: SealRecord,
    },
    /// Behind the last good frame lies part of a write that never completed.
    Torn {
        /// Where that begins.
        offset_bytes: usize,
        /// How many bytes there are, up to the last that is not zero.
        bytes: usize,
        /// How many whole frames are among them.
        frames: usize,
    },
}

impl SegmentVerdict {
    /// Where the good part ends.
    pub fn end_bytes(&self) -> usize {
        match self {
            SegmentVerdict::End { offset_bytes }
            | SegmentVerdict::Sealed { offset_bytes, .. }
            | SegmentVerdict::Torn { offset_bytes, .. } => *offset_bytes,
        }
    }
}

/// A pass over the frames of one segment, in order.
#[derive(Debug)]
pub struct Scan<'a> {
    segment: &'a [u8],
    place: SegmentId,
    /// Where the committed part ends, when a later segment says so.
    limit_bytes: Option<usize>,
    position: usize,
    /// The furthest offset that frames behind the first hole prove to have been on disk.
    proven_bytes: Option<usize>,
    verdict: Option<SegmentVerdict>,
}

impl<'a> Scan<'a> {
    /// Begins behind the header. `segment` is the whole file, in memory aligned to 16 bytes;
    /// `limit_bytes` is where a later segment says that this one's committed part ends.
    pub fn new(segment: &'a [u8], place: SegmentId, limit_bytes: Option<usize>) -> Scan<'a> {
        let limit_bytes = limit_bytes.map(|limit| limit.clamp(HEADER_BYTES, segment.len().max(HEADER_BYTES)));
        Scan { segment, place, limit_bytes, position: HEADER_BYTES, proven_bytes: None, verdict: None }
    }

    /// Continues where a frame is known to begin.
    #[must_use]
    pub fn from(self, offset_bytes: usize) -> Scan<'a> {
        Scan { position: offset_bytes, ..self }
    }

    /// How the segment ends; `None` until everything was read.
    pub fn verdict(&self) -> Option<SegmentVerdict> {
        self.verdict
    }

    fn frame_at(&self, offset_bytes: usize) -> Option<Frame<'a>> {
        let frame = read_frame(self.segment, offset_bytes, self.place)?;
        let is_within = self.limit_bytes.is_none_or(|limit| frame.end_bytes <= limit);
        is_within.then_some(frame)
    }

    fn take(&mut self, frame: Frame<'a>) -> ScanItem<'a> {
        self.position = frame.end_bytes;
        match frame.record() {
            Some(record) => match StoredEntry::of(&record) {
                Some(entry) => ScanItem::Entry(frame, entry),
                None => {
                    self.verdict = self.seal_verdict(frame);
                    ScanItem::Note(frame, record)
                }
            },
            None => ScanItem::Damage {
                offset_bytes: frame.offset_bytes,
                bytes: frame.end_bytes - frame.offset_bytes,
            },
        }
    }

    fn seal_verdict(&self, frame: Frame<'a>) -> Option<SegmentVerdict> {
        let Some(StoredRecord::Seal(seal)) = frame.record() else { return None };
        Some(SegmentVerdict::Sealed { offset_bytes: frame.end_bytes, seal })
    }

    /// At the end that a later segment named: the seal may still stand behind it.
    fn end_at_limit(&mut self, limit: usize) {
        let seal = read_frame(self.segment, limit, self.place).and_then(|frame| self.seal_verdict(frame));
        self.verdict = Some(seal.unwrap_or(SegmentVerdict::End { offset_bytes: limit }));
    }

    /// What to make of a place where no valid frame starts.
    fn judge_hole(&mut self) -> Option<ScanItem<'a>> {
        let hole = self.position;
        let next = self.next_frame_behind(hole);
        let proven = match self.limit_bytes {
            Some(limit) => limit,
            None => *self.proven_bytes.get_or_insert_with(|| {
                // `synced` only ever rises, but a hole may hide the highest: look at every frame.
                HoleSurvey::of(self.segment, self.place, next).proven_bytes
            }),
        };
        if proven > hole {
            let end = next.map_or(proven, |frame| frame.offset_bytes);
            self.position = end;
            return Some(ScanItem::Damage { offset_bytes: hole, bytes: end - hole });
        }
        let bytes = bytes_until_zeros(&self.segment[hole.min(self.segment.len())..]);
        self.verdict = Some(if bytes == 0 {
            SegmentVerdict::End { offset_bytes: hole }
        } else {
            let frames = HoleSurvey::of(self.segment, self.place, next).frames;
            SegmentVerdict::Torn { offset_bytes: hole, bytes, frames }
        });
        None
    }

    fn next_frame_behind(&self, offset_bytes: usize) -> Option<Frame<'a>> {
        let end = self.limit_bytes.unwrap_or(self.segment.len());
        next_frame(self.segment, self.place, offset_bytes + aligned(1), end)
    }
}

impl<'a> Iterator for Scan<'a> {
    type Item = ScanItem<'a>;

    fn next(&mut self) -> Option<ScanItem<'a>> {
        if self.verdict.is_some() {
            return None;
        }
        if let Some(limit) = self.limit_bytes
            && self.position >= limit
        {
            self.end_at_limit(limit);
            return None;
        }
        match self.frame_at(self.position) {
            Some(frame) => Some(self.take(frame)),
            None => self.judge_hole(),
        }
    }
}

/// What lies behind a hole.
#[derive(Default)]
struct HoleSurvey {
    frames: usize,
    proven_bytes: usize,
}

impl HoleSurvey {
    fn of(segment: &[u8], place: SegmentId, first: Option<Frame<'_>>) -> HoleSurvey {
        let mut survey = HoleSurvey::default();
        let mut next = first;
        while let Some(frame) = next {
            survey.frames += 1;
            survey.proven_bytes = survey.proven_bytes.max(frame.synced_bytes);
            next = next_frame(segment, place, frame.end_bytes, segment.len());
        }
        survey
    }
}

const ZEROS_SKIPPED_BYTES: usize = 4096;

/// The first valid frame that starts in `from..end`. `from` is aligned.
pub fn next_frame(segment: &[u8], place: SegmentId, from: usize, end: usize) -> Option<Frame<'_>> {
    let mut at = from;
    while at < end {
        if let Some(chunk) = segment.get(at..at + ZEROS_SKIPPED_BYTES)
            && is_zero(chunk)
        {
            at += ZEROS_SKIPPED_BYTES;
            continue;
        }
        let chunk_end = end.min(at + ZEROS_SKIPPED_BYTES);
        while at < chunk_end {
            if let Some(frame) = read_frame(segment, at, place) {
                return (frame.end_bytes <= end).then_some(frame);
            }
            at += aligned(1);
        }
    }
    None
}

/// The length of `bytes` without the zeros at their end.
fn bytes_until_zeros(bytes: &[u8]) -> usize {
    let mut end = bytes.len();
    while end >= ZEROS_SKIPPED_BYTES && is_zero(&bytes[end - ZEROS_SKIPPED_BYTES..end]) {
        end -= ZEROS_SKIPPED_BYTES;
    }
    bytes[..end].iter().rposition(|b| *b != 0).map_or(0, |last| last + 1)
}

/// Without an early exit, so that it compiles to wide instructions.
fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().fold(0, |seen, b| seen | b) == 0
}
