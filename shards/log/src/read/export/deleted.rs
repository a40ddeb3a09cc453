//! Which messages were deleted: what comes later in a log says of what an export gives earlier.

use super::History;
use super::selection::RoomTable;
use crate::files::{Files, FilesError};
use crate::format::{Scan, ScanItem, SegmentId, SegmentNumber, StoredChange, StoredEntry};
use crate::read::plan::ReadPlan;
use crate::read::tails::read_header;
use hashbrown::HashSet;
use rkyv::util::AlignedVec;

/// Notes the messages that were deleted in each selected room: 8 bytes and more for each. Segments whose index says that
/// they have no amendments are not read.
pub fn note_deleted(
    files: &dyn Files,
    plans: &[ReadPlan],
    rooms: &mut RoomTable<'_, History>,
    buffer: &mut AlignedVec,
    progress: &mut dyn FnMut(u64),
) -> Result<(), FilesError> {
    for plan in plans {
        for &segment in &plan.segments {
            if plan.is_void(segment) || is_plain(files, plan, segment)? {
                continue;
            }
            match plan.read(files, segment, buffer) {
                Err(error) if error.is_gone() => continue,
                result => result?,
            }
            progress(buffer.len() as u64);
            let place = SegmentId { shard: plan.shard, segment };
            for found in Scan::new(buffer, place, plan.limit_bytes(segment)) {
                let ScanItem::Entry(_, StoredEntry::Amendment(amendment)) = found else { continue };
                let is_deletion = matches!(amendment.change, StoredChange::Deletion);
                if let Some(room) = rooms.find(amendment.room).filter(|_| is_deletion) {
                    room.deleted.get_or_insert_with(Box::<HashSet<_>>::default).insert(amendment.target);
                }
            }
        }
    }
    Ok(())
}

fn is_plain(files: &dyn Files, plan: &ReadPlan, segment: SegmentNumber) -> Result<bool, FilesError> {
    let Some(beside) = files.beside() else { return Ok(false) };
    let header = read_header(beside, plan.shard, segment)?;
    Ok(header.is_some_and(|header| header.amendments.is_none()))
}
