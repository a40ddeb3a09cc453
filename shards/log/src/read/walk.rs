//! Going through a directory, newest entry first.
//!
//! Backwards, because then it is known of each segment whether anything follows it, and because
//! a reader that wants the newest entries of each room need not look at the others.

use super::fault::{Fault, FaultKind, Location};
use super::plan::ReadPlan;
use super::segment::{READS_OF_A_RUNNING_LOG, SegmentContents, with_segment};
use crate::files::{Files, FilesError};
use crate::format::{HeaderFault, SealRecord, SegmentNumber, SegmentVerdict, StoredEntry, StoredFacts};
use madang_model::ShardId;
use rkyv::util::AlignedVec;
use std::path::PathBuf;

/// What a segment is to its directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Finished.
    Sealed,
    /// The one that was appended to last.
    Open,
    /// Finished by a failure; a later one says where.
    Abandoned,
    /// Prepared, and never used.
    Unused,
}

/// What a segment turned out to be.
#[derive(Clone, Debug)]
pub struct SegmentReport {
    /// Whose.
    pub shard: ShardId,
    /// Which.
    pub segment: SegmentNumber,
    /// Its file.
    pub path: PathBuf,
    /// What it is to its directory.
    pub role: Role,
    /// Its length.
    pub file_bytes: u64,
    /// Whether it is shorter than it was made: sealing cuts it, and so does damage.
    pub is_short: bool,
    /// Whether nothing of it is missing but its seal, as its index proves.
    pub lacks_seal: bool,
    /// What is before this offset was known to be on disk when the last frame was written.
    pub synced_bytes: u64,
    /// The entries in it.
    pub counts: SealRecord,
    /// How it ends.
    pub verdict: SegmentVerdict,
    /// What is wrong with it.
    pub faults: Vec<Fault>,
}

impl SegmentReport {
    /// That of a sealed segment which was not read, as its index or a snapshot lists what is in it.
    pub(super) fn believed(
        files: &dyn Files,
        (shard, segment): (ShardId, SegmentNumber),
        file_bytes: u64,
        records: u64,
    ) -> SegmentReport {
        let counts = SealRecord { records, ..SealRecord::default() };
        SegmentReport {
            shard,
            segment,
            path: files.path(shard, segment),
            role: Role::Sealed,
            file_bytes,
            is_short: true,
            lacks_seal: false,
            synced_bytes: file_bytes,
            counts,
            verdict: SegmentVerdict::Sealed { offset_bytes: file_bytes as usize, seal: counts },
            faults: Vec::new(),
        }
    }

    /// Where the torn write begins, and its length, if there is one.
    pub fn torn(&self) -> Option<(u64, u64)> {
        match self.verdict {
            SegmentVerdict::Torn { offset_bytes, bytes, .. } if self.role != Role::Abandoned => {
                Some((offset_bytes as u64, bytes as u64))
            }
            _ => None,
        }
    }
}

/// Reads every segment of a directory, `reads` times at most, and shows each entry, the newest
/// first, and each segment once its entries were shown.
pub fn walk(
    files: &dyn Files,
    plan: &ReadPlan,
    buffer: &mut AlignedVec,
    reads: u32,
    visit_entry: &mut dyn FnMut(Location, &StoredEntry<'_>),
    visit_segment: &mut dyn FnMut(SegmentReport),
) -> Result<(), FilesError> {
    let visit = &mut Visit { entry: visit_entry, facts: &mut |_, _, _| (), segment: visit_segment };
    walk_unknown(files, plan, buffer, reads, &mut |_| None, visit)
}

/// Who is shown what stands in a directory.
pub struct Visit<'v> {
    /// Each entry, the newest first.
    pub entry: &'v mut dyn FnMut(Location, &StoredEntry<'_>),
    /// Each record of facts, the newest first, with the length of its frame.
    pub facts: &'v mut dyn FnMut(Location, u64, &StoredFacts<'_>),
    /// Each segment, once what it holds was shown.
    pub segment: &'v mut dyn FnMut(SegmentReport),
}

/// The same, but a segment of which `known` has a report is not read.
pub fn walk_unknown(
    files: &dyn Files,
    plan: &ReadPlan,
    buffer: &mut AlignedVec,
    reads: u32,
    known: &mut dyn FnMut(SegmentNumber) -> Option<SegmentReport>,
    visit: &mut Visit<'_>,
) -> Result<(), FilesError> {
    let mut is_followed = false;
    for (index, &segment) in plan.segments.iter().enumerate().rev() {
        let known = known(segment);
        let read = known.map_or_else(
            || {
                with_segment(files, plan, segment, buffer, reads, |contents| {
                    for (offset, entry) in contents.entries.iter().rev() {
                        let offset_bytes = *offset as u64;
                        (visit.entry)(Location { shard: plan.shard, segment, offset_bytes }, entry);
                    }
                    for (offset, bytes, facts) in contents.facts.iter().rev() {
                        let offset_bytes = *offset as u64;
                        let at = Location { shard: plan.shard, segment, offset_bytes };
                        (visit.facts)(at, *bytes as u64, facts);
                    }
                    report_of(files, plan, segment, contents, is_followed)
                })
            },
            Ok,
        );
        let mut report = match read {
            Err(error) if error.is_gone() && reads == READS_OF_A_RUNNING_LOG => continue,
            report => report?,
        };
        let before = index.checked_sub(1).map(|earlier| plan.segments[earlier]);
        if let Some((first, last)) = before.and_then(|before| plan.missing_between(before, segment)) {
            let at = Location { shard: plan.shard, segment, offset_bytes: 0 };
            report.faults.push(Fault::new(files, at, FaultKind::MissingSegments { first, last }));
        }
        is_followed |= report.role != Role::Unused && !plan.is_void(segment);
        (visit.segment)(report);
    }
    Ok(())
}

fn report_of(
    files: &dyn Files,
    plan: &ReadPlan,
    segment: SegmentNumber,
    contents: &SegmentContents<'_>,
    is_followed: bool,
) -> SegmentReport {
    let is_blank = matches!(contents.header, Err(HeaderFault::Blank));
    let role = match contents.verdict {
        _ if plan.limit_bytes(segment).is_some() => Role::Abandoned,
        SegmentVerdict::Sealed { .. } => Role::Sealed,
        SegmentVerdict::End { .. } if is_blank && contents.is_empty() && !is_followed => Role::Unused,
        _ if !is_blank && contents.header.is_ok() && contents.is_empty() && !is_followed => Role::Unused,
        _ => Role::Open,
    };
    let mut faults = contents.faults(files, plan, segment);
    if role == Role::Unused || plan.is_void(segment) {
        // Its header may never have reached the disk; nothing in it counts.
        faults.clear();
    }
    if role == Role::Open && is_followed {
        let offset_bytes = contents.verdict.end_bytes() as u64;
        let at = Location { shard: plan.shard, segment, offset_bytes };
        faults.push(Fault::new(files, at, FaultKind::Unsealed));
    }
    let mut counts = SealRecord::default();
    for (_, entry) in &contents.entries {
        counts.count(entry.time().0);
    }
    SegmentReport {
        shard: plan.shard,
        segment,
        path: files.path(plan.shard, segment),
        role,
        file_bytes: contents.file_bytes,
        is_short: contents.header.as_ref().map_or(true, |header| contents.file_bytes < header.capacity_bytes),
        lacks_seal: false,
        synced_bytes: contents.synced_bytes as u64,
        counts,
        verdict: contents.verdict,
        faults,
    }
}
