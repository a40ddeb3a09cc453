//! Everything that stands in a segment, in place.

use super::plan::ReadPlan;
use super::segment::{READS_OF_A_RUNNING_LOG, with_segment};
use crate::files::{Files, FilesError};
use crate::format::{
    Frame, HeaderFault, Scan, ScanItem, SegmentHeader, SegmentId, SegmentNumber, StoredRecord,
};
use crate::format::{SegmentVerdict, next_frame};
use madang_model::ShardId;
use rkyv::util::AlignedVec;
use std::io;
use std::path::PathBuf;

/// A segment of which the entries follow.
#[derive(Debug)]
pub struct DumpedSegment {
    /// Its file.
    pub path: PathBuf,
    /// Its header.
    pub header: Result<SegmentHeader, HeaderFault>,
    /// Where a later segment says that its committed part ends.
    pub limit_bytes: Option<usize>,
}

/// What stands next in it.
#[derive(Clone, Copy, Debug)]
pub enum Dumped<'a> {
    /// A whole frame that counts.
    Record(Frame<'a>, StoredRecord<'a>),
    /// Bytes that were on disk once and are no longer what they were.
    Damage {
        /// Where.
        offset_bytes: usize,
        /// How many.
        bytes: usize,
    },
    /// A write that never completed, up to the next whole frame or the end of what is not zero.
    Torn {
        /// Where.
        offset_bytes: usize,
        /// How many.
        bytes: usize,
    },
    /// A whole frame that does not count: behind a torn write.
    Loose(Frame<'a>, StoredRecord<'a>),
    /// The end of what counts.
    End(SegmentVerdict),
}

/// Gives each segment of `shard` and `segment` (all of them when `None`) to `sink`, and each of its
/// entries with it.
///
/// # Errors
/// [`FilesError`] when a segment cannot be read; the inner one is of `sink`.
pub fn dump(
    files: &dyn Files,
    shard: Option<ShardId>,
    segment: Option<SegmentNumber>,
    sink: &mut dyn FnMut(&DumpedSegment, Dumped<'_>) -> io::Result<()>,
) -> Result<io::Result<u64>, FilesError> {
    let mut buffer = AlignedVec::new();
    let mut segments = 0;
    for of in files.shards()?.into_iter().filter(|of| shard.is_none_or(|shard| shard == *of)) {
        let plan = ReadPlan::of(files, of)?;
        let wanted = plan.segments.iter().filter(|number| segment.is_none_or(|one| one == **number));
        for &number in wanted {
            // It may be written at this moment.
            let read = with_segment(files, &plan, number, &mut buffer, READS_OF_A_RUNNING_LOG, |_| ());
            match read {
                Err(error) if error.is_gone() => continue,
                result => result?,
            }
            segments += 1;
            if let Err(error) = dump_segment(files, &plan, number, &buffer, sink) {
                return Ok(Err(error));
            }
        }
    }
    Ok(Ok(segments))
}

fn dump_segment(
    files: &dyn Files,
    plan: &ReadPlan,
    number: SegmentNumber,
    bytes: &[u8],
    sink: &mut dyn FnMut(&DumpedSegment, Dumped<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let segment = DumpedSegment {
        path: files.path(plan.shard, number),
        header: SegmentHeader::decode(bytes, plan.shard, number),
        limit_bytes: plan.limit_bytes(number),
    };
    let place = SegmentId { shard: plan.shard, segment: number };
    let mut scan = Scan::new(bytes, place, segment.limit_bytes);
    for found in &mut scan {
        let dumped = match found {
            ScanItem::Damage { offset_bytes, bytes } => Dumped::Damage { offset_bytes, bytes },
            ScanItem::Entry(frame, _) | ScanItem::Note(frame, _) => match frame.record() {
                Some(record) => Dumped::Record(frame, record),
                None => continue,
            },
        };
        sink(&segment, dumped)?;
    }
    let verdict = scan.verdict().expect("a finished scan has a verdict");
    if let SegmentVerdict::Torn { offset_bytes, bytes: torn, .. } = verdict {
        let end = offset_bytes + torn;
        let mut at = offset_bytes;
        while at < end {
            let frame = next_frame(bytes, place, at, bytes.len());
            let stop = frame.map_or(end, |frame| frame.offset_bytes);
            if stop > at {
                sink(&segment, Dumped::Torn { offset_bytes: at, bytes: stop - at })?;
            }
            let Some(frame) = frame else { break };
            match frame.record() {
                Some(record) => sink(&segment, Dumped::Loose(frame, record))?,
                None => {
                    let (offset_bytes, bytes) = (frame.offset_bytes, frame.end_bytes - frame.offset_bytes);
                    sink(&segment, Dumped::Torn { offset_bytes, bytes })?;
                }
            }
            at = frame.end_bytes;
        }
    }
    sink(&segment, Dumped::End(verdict))
}
