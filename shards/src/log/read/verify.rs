//! Checking a whole log without changing it, also one that is being written.

use super::fault::{Fault, FaultKind, Location};
use super::plan::Plan;
use super::recovery::begins_late;
use super::rooms::Rooms;
use super::segment::READS_OF_A_RUNNING_LOG;
use super::walk::{SegmentReport, walk};
use crate::log::files::{Files, FilesError};
use crate::log::format::StoredMessage;
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
    let mut rooms: Rooms<()> = Rooms::new();
    let mut verification = Verification::default();
    let mut buffer = AlignedVec::new();
    for shard in files.shards()? {
        let plan = Plan::of(files, shard)?;
        let mut of_directory: Rooms<()> = Rooms::new();
        let faults = &mut verification.faults;
        let mut count = |at: Location, message: &StoredMessage| {
            if let Err(error) = of_directory.count(at, message) {
                faults.push(Fault::new(files, at, FaultKind::Unreadable(error)));
            }
        };
        walk(files, &plan, &mut buffer, READS_OF_A_RUNNING_LOG, &mut count, &mut |report| {
            progress(&report);
            verification.segments.push(report);
        })?;
        rooms.absorb(of_directory, |(), ()| ());
    }
    let may_begin_late = begins_late(&verification.segments);
    for mut room in rooms.into_rooms() {
        verification.rooms += 1;
        room.check(files, may_begin_late, &mut verification.faults);
    }
    Ok(verification)
}
