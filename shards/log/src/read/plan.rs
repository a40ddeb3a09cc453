//! Which segments of a directory there are, and where those end that failed.

use super::lost::{LostRange, lost_ranges};
use super::segment::{READS_OF_A_RUNNING_LOG, SegmentContents, with_segment};
use crate::files::{Files, FilesError};
use crate::format::{
    HEADER_BYTES, SegmentHeader, SegmentId, SegmentNumber, SegmentVerdict, StoredRecord, declared_bytes,
    read_frame,
};
use hashbrown::HashMap;
use madang_model::ShardId;
use rkyv::util::AlignedVec;

/// Enough for the header and the longest note that can be a segment's first frame.
pub const START_BYTES: usize = 4096;

/// The segments of one shard's directory.
#[derive(Debug)]
pub struct ReadPlan {
    pub shard: ShardId,
    /// In rising order.
    pub segments: Vec<SegmentNumber>,
    /// Whose header is damaged or of a later version: to be read, whatever an index says.
    unsound: Vec<SegmentNumber>,
    /// The last that begins with a frame.
    last_used: Option<SegmentNumber>,
    /// What segments say of earlier ones that failed.
    abandoned: Vec<Abandoned>,
    /// What repairs recorded as lost.
    pub lost: Vec<LostRange>,
    /// How many shards there were, when all headers agree on it.
    pub shard_count: Option<u16>,
    /// How much is read of segments that a server has continued since this was planned.
    ends_bytes: HashMap<SegmentNumber, usize>,
}

#[derive(Clone, Copy, Debug)]
struct Abandoned {
    left: SegmentNumber,
    end_bytes: usize,
    /// The segment that says so, and repeats what `left` holds behind its end.
    by: SegmentNumber,
}

impl ReadPlan {
    pub fn of(files: &dyn Files, shard: ShardId) -> Result<ReadPlan, FilesError> {
        ReadPlan::of_all_but(files, shard, &mut |error| Err(error))
    }

    /// The same, without the segments that cannot be read where `failed` lets that pass.
    pub fn of_all_but(
        files: &dyn Files,
        shard: ShardId,
        failed: &mut dyn FnMut(FilesError) -> Result<(), FilesError>,
    ) -> Result<ReadPlan, FilesError> {
        let mut segments = files.segments(shard)?;
        let (mut gone, mut unsound, mut begun) = (Vec::new(), Vec::new(), Vec::new());
        let mut start = AlignedVec::new();
        let (mut abandoned, mut lost, mut shard_counts) = (Vec::new(), Vec::new(), Vec::new());
        for &by in &segments {
            match files.read_start(shard, by, START_BYTES, &mut start) {
                Err(error) if error.is_gone() => {
                    gone.push(by);
                    continue;
                }
                Err(error) => {
                    failed(error)?;
                    gone.push(by);
                    continue;
                }
                Ok(()) => {}
            }
            let place = SegmentId { shard, segment: by };
            let header = SegmentHeader::decode(&start, shard, by).ok();
            if header.is_none() {
                unsound.push(by);
            }
            // 0 says nothing.
            shard_counts.push(header.map(|header| header.shard_count).filter(|count| *count > 0));
            let first = read_frame(&start, HEADER_BYTES, place);
            let begins = start.get(HEADER_BYTES..).and_then(declared_bytes);
            begun.extend(begins.map(|bytes| (by, HEADER_BYTES + bytes)));
            match first.and_then(|frame| frame.record()) {
                Some(StoredRecord::Abandoned(note)) => {
                    let left = SegmentNumber(note.segment);
                    let end_bytes = usize::try_from(note.end_offset_bytes).unwrap_or(usize::MAX);
                    abandoned.push(Abandoned { left, end_bytes, by });
                }
                Some(StoredRecord::Lost(_)) => match files.read(shard, by, &mut start) {
                    Ok(()) => lost.extend(lost_ranges(&start, place)),
                    Err(error) => failed(error)?,
                },
                _ => {}
            }
        }
        let last_used = last_used(files, shard, &begun, failed)?;
        segments.retain(|segment| !gone.contains(segment));
        shard_counts.dedup();
        let shard_count = if let [one] = shard_counts[..] { one } else { None };
        let ends_bytes = HashMap::new();
        Ok(ReadPlan { shard, segments, unsound, last_used, abandoned, lost, shard_count, ends_bytes })
    }

    /// What there is at this moment, though it is read later while a server continues writing: what is finished
    /// by then, and of the rest as much as is there now. The newest is looked at first, so that whatever is in
    /// it, all before it is read, too.
    pub fn as_it_stands(
        files: &dyn Files,
        shard: ShardId,
        buffer: &mut AlignedVec,
    ) -> Result<ReadPlan, FilesError> {
        let mut plan = ReadPlan::of(files, shard)?;
        let mut is_used = false;
        for segment in plan.segments.clone().into_iter().rev() {
            if plan.limit_bytes(segment).is_some() {
                is_used = true;
                continue;
            }
            let look = |contents: &SegmentContents<'_>| (contents.verdict, contents.is_empty());
            let found = with_segment(files, &plan, segment, buffer, READS_OF_A_RUNNING_LOG, look);
            match found {
                Err(error) if error.is_gone() => continue,
                Ok((SegmentVerdict::Sealed { .. }, _)) => break,
                Ok((_, true)) if !is_used => plan.segments.retain(|listed| *listed != segment),
                Ok((verdict, _)) => {
                    is_used = true;
                    plan.ends_bytes.insert(segment, verdict.end_bytes());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(plan)
    }

    /// Whether every failure that a later plan knows of was known here.
    pub fn knows_all_of(&self, later: &ReadPlan) -> bool {
        let is_known = |one: &Abandoned| self.abandoned.iter().any(|known| known.left == one.left);
        later.abandoned.iter().all(is_known)
    }

    /// Reads what is to be read of a segment.
    pub fn read(
        &self,
        files: &dyn Files,
        segment: SegmentNumber,
        into: &mut AlignedVec,
    ) -> Result<(), FilesError> {
        let bytes_max = self.ends_bytes.get(&segment).copied().unwrap_or(usize::MAX);
        files.read_start(self.shard, segment, bytes_max, into)
    }

    /// Where the committed part of a segment ends, if a later one says so.
    pub fn limit_bytes(&self, segment: SegmentNumber) -> Option<usize> {
        let own = self.abandoned.iter().filter(|a| a.left == segment).map(|a| a.end_bytes);
        own.chain(self.is_void(segment).then_some(HEADER_BYTES)).min()
    }

    /// Whether an index or a snapshot may speak for the segment: its header is as it must be.
    pub fn is_sound(&self, segment: SegmentNumber) -> bool {
        !self.unsound.contains(&segment)
    }

    /// Whether a later segment proves that this one is finished: one is begun behind a seal that is on disk, or
    /// with a note that says where this one ends.
    pub fn is_followed(&self, segment: SegmentNumber) -> bool {
        self.last_used.is_some_and(|last| segment < last)
    }

    /// Whether nothing was written to it when this was planned.
    pub fn is_unused(&self, segment: SegmentNumber) -> bool {
        self.last_used.is_none_or(|last| segment > last)
    }

    /// Whether nothing in the segment counts, or it need not even exist: every write to it failed.
    pub fn is_void(&self, segment: SegmentNumber) -> bool {
        self.abandoned.iter().any(|a| a.left < segment && segment < a.by)
    }

    /// Whether a later segment says that nothing in this one counts.
    pub fn is_empty(&self, segment: SegmentNumber) -> bool {
        self.limit_bytes(segment).is_some_and(|limit_bytes| limit_bytes <= HEADER_BYTES)
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

/// The last of the segments that begin with a whole frame, of those that seem to, each with where that would end: a batch
/// may be much longer than [`START_BYTES`].
fn last_used(
    files: &dyn Files,
    shard: ShardId,
    begun: &[(SegmentNumber, usize)],
    failed: &mut dyn FnMut(FilesError) -> Result<(), FilesError>,
) -> Result<Option<SegmentNumber>, FilesError> {
    let mut start = AlignedVec::new();
    for &(segment, end_bytes) in begun.iter().rev() {
        match files.read_start(shard, segment, end_bytes, &mut start) {
            Ok(()) if read_frame(&start, HEADER_BYTES, SegmentId { shard, segment }).is_some() => {
                return Ok(Some(segment));
            }
            Ok(()) => {}
            Err(error) if error.is_gone() => {}
            Err(error) => failed(error)?,
        }
    }
    Ok(None)
}
