//! Checking a whole log without changing it, also one that is being written.

use super::evidence::{Evidence, Proven};
use super::fault::{Fault, FaultKind, Location, SnapshotNote};
use super::heads::{Depth, check_heads};
use super::lost::LostRange;
use super::plan::ReadPlan;
use super::readable::Readable;
use super::recovery::begin_late;
use super::rooms::StoredRooms;
use super::segment::READS_OF_A_RUNNING_LOG;
use super::walk::{SegmentReport, walk};
use crate::files::{Files, FilesError};
use crate::format::StoredMessage;
use rkyv::util::AlignedVec;

/// What a log turned out to be.
#[derive(Debug, Default)]
pub struct Verification {
    /// Every segment, with what is wrong with it.
    pub segments: Vec<SegmentReport>,
    /// How many rooms have messages.
    pub rooms: u64,
    /// What is wrong with the numbers of messages.
    pub faults: Vec<Fault>,
    /// What must have been stored in segments that lack something.
    pub(crate) proven: Vec<Proven>,
    /// Snapshots that are made again without any loss.
    pub snapshot_notes: Vec<SnapshotNote>,
    /// What repairs recorded as lost: no fault any more.
    pub lost: Vec<LostRange>,
}

impl Verification {
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
    let mut rooms: StoredRooms<()> = StoredRooms::new();
    let mut verification = Verification::default();
    let mut buffer = AlignedVec::new();
    for shard in files.shards()? {
        let beside = files.beside().map(|beside| Ok((beside, Evidence::of(beside, shard)?))).transpose()?;
        let plan = ReadPlan::of(files, shard)?;
        let mut of_directory: StoredRooms<()> = StoredRooms::new();
        plan.lost.iter().for_each(|lost| of_directory.excuse(lost));
        verification.lost.extend(plan.lost.iter().cloned());
        let mut readable = Readable::default();
        let faults = &mut verification.faults;
        let mut count = |at: Location, message: &StoredMessage<'_>| {
            let counted = of_directory.count(at, message).map(|_| ());
            if let Err(error) = counted.and_then(|()| readable.check(message)) {
                faults.push(Fault::new(files, at, FaultKind::Unreadable(error)));
            }
        };
        let mut reports = Vec::new();
        walk(files, &plan, &mut buffer, READS_OF_A_RUNNING_LOG, &mut count, &mut |report| {
            progress(&report);
            reports.push(report);
        })?;
        if let Some((beside, evidence)) = beside {
            let mut proven = Vec::new();
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
            proven.iter().for_each(|proven| of_directory.prove(proven));
            verification.proven.extend(proven);
        }
        verification.segments.extend(reports);
        rooms.absorb(of_directory, |(), ()| ());
    }
    let late = begin_late(&verification.segments);
    for mut room in rooms.into_rooms() {
        verification.rooms += u64::from(room.has_messages());
        room.check(files, &late, &mut verification.faults);
    }
    Ok(verification)
}
