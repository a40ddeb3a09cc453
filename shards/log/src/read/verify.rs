//! Checking a whole log without changing it, also one that is being written.

use super::evidence::{AllProven, Evidence};
use super::facts_check::FactsCheck;
use super::fault::{Fault, FaultKind, Location, SnapshotNote};
use super::heads::{Depth, check_heads};
use super::lost::LostRange;
use super::plan::ReadPlan;
use super::readable::Readable;
use super::recovery::begin_late;
use super::rooms::StoredRooms;
use super::segment::READS_OF_A_RUNNING_LOG;
use super::tails::read_table;
use super::walk::{SegmentReport, Visit, walk_unknown};
use crate::files::{Files, FilesError, IndexFiles};
use crate::format::{SEAL_FRAME_BYTES, SegmentNumber, StoredEntry, StoredFacts};
use hashbrown::HashMap;
use madang_model::{ShardId, Timestamp};
use rkyv::util::AlignedVec;

/// What a log turned out to be.
#[derive(Debug, Default)]
pub struct Verification {
    /// Every segment, with what is wrong with it.
    pub segments: Vec<SegmentReport>,
    /// How many rooms have messages.
    pub rooms: u64,
    /// How many rooms have facts.
    pub rooms_with_facts: u64,
    /// What is wrong with the numbers of messages, and with facts.
    pub faults: Vec<Fault>,
    /// What must have been stored in segments that lack something.
    pub(crate) proven: AllProven,
    /// Snapshots that are made again without any loss.
    pub snapshot_notes: Vec<SnapshotNote>,
    /// What repairs recorded as lost: no fault any more.
    pub lost: Vec<LostRange>,
}

impl Verification {
    /// When the newest entry was accepted; `None` where there is none.
    pub fn newest(&self) -> Option<Timestamp> {
        let counts = self.segments.iter().map(|report| report.counts).filter(|counts| counts.records > 0);
        counts.map(|counts| Timestamp(counts.last_time_us)).max()
    }

    /// Everything that is wrong.
    pub fn all_faults(&self) -> impl Iterator<Item = &Fault> {
        self.segments.iter().flat_map(|report| &report.faults).chain(&self.faults)
    }
}

/// Reads every segment, and reports each to `progress` when it was read. Directories come in
/// rising order, the segments of each in falling order.
///
/// # Errors
/// [`FilesError`] when a file cannot be read.
pub fn verify(
    files: &dyn Files,
    progress: &mut dyn FnMut(&SegmentReport),
) -> Result<Verification, FilesError> {
    verify_believing(files, &|_, _| false, progress)
}

/// The same, but of sealed segments that are `believed`, as they were read before, only the index is read: it says which
/// messages they hold. One whose index is missing or damaged is read all the same.
///
/// # Errors
/// As [`verify`].
pub fn verify_believing(
    files: &dyn Files,
    believed: &dyn Fn(ShardId, SegmentNumber) -> bool,
    progress: &mut dyn FnMut(&SegmentReport),
) -> Result<Verification, FilesError> {
    let mut rooms: StoredRooms<()> = StoredRooms::new();
    let (mut verification, mut facts) = (Verification::default(), FactsCheck::default());
    let mut buffer = AlignedVec::new();
    for shard in files.shards()? {
        let beside = files.beside().map(|beside| Ok((beside, Evidence::of(beside, shard)?))).transpose()?;
        let plan = ReadPlan::of(files, shard)?;
        let mut of_directory: StoredRooms<()> = StoredRooms::new();
        plan.lost.iter().for_each(|lost| of_directory.excuse(lost));
        verification.lost.extend(plan.lost.iter().cloned());
        let mut known = HashMap::new();
        if let Some((beside, _)) = &beside {
            known = believed_reports(*beside, &plan, believed, &mut of_directory, &mut facts)?;
        }
        let mut readable = Readable::default();
        let (mut fact_faults, faults) = (Vec::new(), &mut verification.faults);
        let mut count_facts = |at: Location, bytes, stored: &StoredFacts<'_>| {
            if let Err(kind) = facts.count(at, bytes, stored) {
                fact_faults.push(Fault::new(files, at, kind));
            }
        };
        let mut count = |at: Location, entry: &StoredEntry<'_>| {
            let counted = of_directory.count(at, entry).map(|_| ());
            if let Err(error) = counted.and_then(|()| readable.check(entry)) {
                faults.push(Fault::new(files, at, FaultKind::Unreadable(error)));
            }
        };
        let mut reports = Vec::new();
        let mut known = |segment| known.remove(&segment);
        let mut report = |report| {
            progress(&report);
            reports.push(report);
        };
        let visit = &mut Visit { entry: &mut count, facts: &mut count_facts, segment: &mut report };
        walk_unknown(files, &plan, &mut buffer, READS_OF_A_RUNNING_LOG, &mut known, visit)?;
        verification.faults.extend(fact_faults);
        if let Some((beside, evidence)) = beside {
            let mut proven = AllProven::default();
            // One that is no file stops a start, whatever the segments are.
            for segment in beside.indexes(shard)? {
                beside.read_index_start(shard, segment)?;
            }
            evidence.check(beside, &plan, &mut reports, &mut verification.faults, &mut proven)?;
            if let Some(oldest) = evidence.oldest(beside, &plan)? {
                let heads = check_heads(beside, shard, oldest, Depth::Whole)?;
                verification.faults.extend(heads.fault);
                verification.snapshot_notes.extend(heads.notes);
            }
            proven.messages.iter().for_each(|proven| of_directory.prove(proven));
            verification.proven.messages.extend(proven.messages);
            verification.proven.facts.extend(proven.facts);
        }
        verification.segments.extend(reports);
        rooms.absorb(of_directory, |(), ()| ());
    }
    let late = begin_late(&verification.segments);
    for mut room in rooms.into_rooms() {
        verification.rooms += u64::from(room.has_messages());
        room.check(files, &late, &mut verification.faults);
    }
    verification.rooms_with_facts = facts.rooms();
    facts.check(files, &late, &verification.proven.facts, &mut verification.faults);
    Ok(verification)
}

/// The reports of segments that are believed, by their indexes, whose rooms are counted.
fn believed_reports(
    files: &dyn IndexFiles,
    plan: &ReadPlan,
    believed: &dyn Fn(ShardId, SegmentNumber) -> bool,
    rooms: &mut StoredRooms<()>,
    facts: &mut FactsCheck,
) -> Result<HashMap<SegmentNumber, SegmentReport>, FilesError> {
    let shard = plan.shard;
    let mut known = HashMap::new();
    for &segment in plan.segments.iter().filter(|segment| believed(shard, **segment)) {
        let file_bytes = files.length_bytes(shard, segment)?;
        let Some(table) = read_table(files, shard, segment)? else { continue };
        let is_as_listed = file_bytes == table.end_offset_bytes() + SEAL_FRAME_BYTES as u64;
        if !plan.is_sound(segment) || plan.limit_bytes(segment).is_some() || !is_as_listed {
            continue;
        }
        let Ok(tails) = table.tails().collect::<Result<Vec<_>, _>>() else { continue };
        for (name, tail) in tails {
            let at = Location { shard, segment, offset_bytes: 0 };
            rooms.count_run(&name, tail.last.first, tail.head, at);
        }
        facts.believe(shard, segment, &table);
        known.insert(segment, SegmentReport::believed(files, (shard, segment), file_bytes, table.messages()));
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemoryFiles;
    use crate::read::open_log;
    use crate::testing::{SHARD, Writer, message, on_disk};
    use std::fs;

    #[test]
    fn of_a_segment_that_is_believed_only_the_index_is_read_if_that_is_whole() {
        let memory = MemoryFiles::default();
        let mut writer = Writer::new(&memory, SHARD, SegmentNumber::FIRST);
        (1..=9).for_each(|number| writer.commit(&[message("r1", number, "said")]));
        let sealed = writer.finish();
        let end_bytes = sealed.end_offset_bytes as usize + sealed.frame.len();
        memory.edit(SHARD, SegmentNumber::FIRST, |bytes| bytes.truncate(end_bytes));
        let (_data, files) = on_disk(&memory);
        open_log(&files, 1).expect("nothing is wrong");
        let path = files.path(SHARD, SegmentNumber::FIRST);
        let mut bytes = fs::read(&path).expect("a segment");
        bytes[200] ^= 1;
        fs::write(&path, bytes).expect("space");
        let verified = |is_believed: bool| {
            let found = verify_believing(&files, &|_, _| is_believed, &mut |_| ()).expect("it can be read");
            let messages: u64 = found.segments.iter().map(|report| report.counts.records).sum();
            (messages, found.rooms, found.all_faults().count())
        };
        assert_eq!(verified(true), (9, 1, 0));
        let read = verified(false);
        assert!(read.0 == 8 && read.2 > 0, "{read:?}");
        fs::remove_file(path.with_extension("idx")).expect("an index");
        assert_eq!(verified(true), verified(false));
    }
}
