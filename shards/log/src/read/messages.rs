//! Every entry that is stored, in one pass and in no order of rooms.

use super::fault::Fault;
use super::plan::ReadPlan;
use super::segment::READS_OF_A_RUNNING_LOG;
use super::walk::walk;
use crate::files::{Files, FilesError};
use crate::format::StoredEntry;
use rkyv::util::AlignedVec;

/// Shows every entry there is, also while a server writes. Returns what is wrong with segments: entries may be
/// missing then. So does a file that cannot be read. `progress` receives the bytes that were read.
///
/// # Errors
/// When the directory of data cannot be listed.
pub fn read_messages(
    files: &dyn Files,
    visit: &mut dyn FnMut(&StoredEntry<'_>),
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<Fault>, FilesError> {
    let (mut faults, mut buffer) = (Vec::new(), AlignedVec::new());
    for shard in files.shards()? {
        let mut unusable = Vec::new();
        let plan = ReadPlan::of_all_but(files, shard, &mut |error| {
            unusable.push(error);
            Ok(())
        });
        let walked = plan.and_then(|plan| {
            walk(
                files,
                &plan,
                &mut buffer,
                READS_OF_A_RUNNING_LOG,
                &mut |_, entry| visit(entry),
                &mut |report| {
                    progress(report.file_bytes);
                    faults.extend(report.faults);
                },
            )
        });
        unusable.extend(walked.err());
        faults.extend(unusable.into_iter().map(Fault::unusable));
    }
    Ok(faults)
}
