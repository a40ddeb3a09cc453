//! What of a shard's log there is at one moment, for a copy of it that is made while a server continues writing.

use super::plan::ReadPlan;
use super::segment::{READS_OF_A_RUNNING_LOG, SegmentContents, with_segment};
use crate::files::{FilesError, IndexFiles};
use crate::format::{SegmentNumber, SegmentVerdict};
use madang_model::ShardId;
use rkyv::util::AlignedVec;

/// A write that failed meanwhile says in a later segment where an earlier one ends: then it is looked at again.
const LOOKS_MAX: u32 = 4;

/// How much of a segment counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extent {
    /// All of it: it does not change any more. Also of one that is not as it must be.
    Whole,
    /// It is appended to, and its later bytes may change.
    Committed {
        /// Where the last whole frame ends.
        end_bytes: u64,
        /// How long the file was made, with zeros behind what is written.
        capacity_bytes: u64,
    },
}

/// A segment that is part of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StandingSegment {
    /// Which.
    pub segment: SegmentNumber,
    /// How much of it counts.
    pub extent: Extent,
}

/// The segments of a shard that hold messages, in rising order. `covered` is the last that a snapshot covers which was
/// opened before. The newest is looked at first, so that whatever is in it, all before it is there, too.
///
/// # Errors
/// When a file cannot be read.
pub fn standing(
    files: &dyn IndexFiles,
    shard: ShardId,
    covered: Option<SegmentNumber>,
) -> Result<Vec<StandingSegment>, FilesError> {
    let mut buffer = AlignedVec::new();
    let mut looks_left = LOOKS_MAX;
    loop {
        let plan = ReadPlan::of(files, shard)?;
        let standing = of_plan(files, &plan, covered, &mut buffer)?;
        looks_left -= 1;
        if looks_left == 0 || plan.knows_all_of(&ReadPlan::of(files, shard)?) {
            return Ok(standing);
        }
    }
}

fn of_plan(
    files: &dyn IndexFiles,
    plan: &ReadPlan,
    covered: Option<SegmentNumber>,
    buffer: &mut AlignedVec,
) -> Result<Vec<StandingSegment>, FilesError> {
    let mut standing = Vec::new();
    let (mut is_used, mut is_followed_seal) = (false, false);
    for &segment in plan.segments.iter().rev() {
        let mut add = |extent| standing.push(StandingSegment { segment, extent });
        if is_followed_seal || plan.limit_bytes(segment).is_some() {
            is_used = true;
            add(Extent::Whole);
            continue;
        }
        // To be asked for before the segment is read: only what is sealed has an index.
        let is_proven =
            covered.is_some_and(|covered| segment <= covered) || files.has_index(plan.shard, segment)?;
        let look = |contents: &SegmentContents<'_>| {
            let capacity_bytes = contents.header.as_ref().ok().map(|header| header.capacity_bytes);
            (contents.verdict, contents.is_empty(), capacity_bytes)
        };
        match with_segment(files, plan, segment, buffer, READS_OF_A_RUNNING_LOG, look) {
            Err(error) if error.is_gone() => continue,
            Err(error) => return Err(error),
            Ok((SegmentVerdict::Sealed { .. }, ..)) => {
                is_followed_seal = true;
                add(Extent::Whole);
            }
            Ok((_, true, _)) if !is_used && !is_proven => continue,
            Ok((verdict, _, Some(capacity_bytes))) if !is_used && !is_proven => {
                add(Extent::Committed { end_bytes: verdict.end_bytes() as u64, capacity_bytes });
            }
            Ok(_) => add(Extent::Whole),
        }
        is_used = true;
    }
    standing.reverse();
    Ok(standing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemoryFiles;
    use crate::testing::{SHARD, Writer, message, on_disk};

    fn found(files: &MemoryFiles, covered: Option<u64>) -> Vec<(u64, Option<u64>)> {
        let (_data, files) = on_disk(files);
        let found = standing(&files, SHARD, covered.map(SegmentNumber)).expect("it can be read");
        let shown = |one: StandingSegment| match one.extent {
            Extent::Whole => (one.segment.0, None),
            Extent::Committed { end_bytes, capacity_bytes } => {
                assert!(end_bytes <= capacity_bytes);
                (one.segment.0, Some(end_bytes))
            }
        };
        found.into_iter().map(shown).collect()
    }

    #[test]
    fn the_open_segment_ends_with_its_last_frame_and_a_prepared_one_does_not_count() {
        let files = MemoryFiles::default();
        let mut writer = Writer::new(&files, SHARD, SegmentNumber::FIRST);
        assert!(found(&files, None).is_empty(), "nothing is written yet");
        writer.commit(&[message("r1", 1, "one")]);
        writer.finish();
        let mut writer = Writer::new(&files, SHARD, SegmentNumber(2));
        writer.commit(&[message("r1", 2, "two")]);
        let end_bytes = writer.appender.written().offset_bytes;
        assert_eq!(found(&files, Some(1)), [(1, None), (2, Some(end_bytes))]);
        // Part of a write that is under way.
        files.edit(SHARD, SegmentNumber(2), |bytes| bytes[end_bytes as usize + 40] = 1);
        assert_eq!(found(&files, Some(1)), [(1, None), (2, Some(end_bytes))]);
        // What a snapshot covers was sealed: as it is not, something is wrong with it, which a copy is to show.
        assert_eq!(found(&files, Some(2)), [(1, None), (2, None)]);
    }

    #[test]
    fn a_segment_that_was_left_by_a_failure_is_copied_as_it_is() {
        let files = MemoryFiles::default();
        let mut writer = Writer::new(&files, SHARD, SegmentNumber::FIRST);
        writer.commit(&[message("r1", 1, "one")]);
        let end_bytes = writer.appender.written().offset_bytes;
        writer.appender.append(&message("r1", 2, "unlucky"));
        let unlucky = writer.write().expect("a message waits");
        // It may be on disk, though nobody was shown it.
        assert!(found(&files, None)[0].1 > Some(end_bytes));
        writer.appender.failed(unlucky);
        let again = writer.write().expect("a batch waits");
        writer.appender.committed(again);
        let end_bytes = writer.appender.written().offset_bytes;
        assert_eq!(found(&files, None), [(1, None), (2, Some(end_bytes))]);
    }
}
