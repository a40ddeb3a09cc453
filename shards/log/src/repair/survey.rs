//! Finding out what is to be done.

use super::facts::FactsSurvey;
use super::intact::intact_frames;
use super::numbers::Numbers;
use super::{NextSegment, RepairChange, RepairError, RepairPlan, SegmentChange};
use crate::files::Files;
use crate::format::{
    HeaderFault, SegmentId, SegmentNumber, SegmentVerdict, StoredEntry, StoredRecord, unchecked_record,
};
use crate::read::for_repair::{ReadPlan, Readable, begin_late, covered, read_table};
use crate::read::{Fault, FaultKind, Role, SegmentReport, SnapshotLack, verify};
use hashbrown::HashSet;
use madang_model::ShardId;
use rkyv::util::AlignedVec;

/// More missing segments than this in a row are a wrong name rather than a loss.
const MISSING_SEGMENTS_MAX: u64 = 10_000;

/// Reads the whole log twice, reports the length of each segment read to `progress`, and returns what a
/// repair would do. Nothing is changed. No server may write it meanwhile.
///
/// # Errors
/// [`RepairError`] when a file cannot be read, or the log is one that must not be touched.
pub fn plan(files: &dyn Files, progress: &mut dyn FnMut(u64)) -> Result<RepairPlan, RepairError> {
    let verification = verify(files, &mut |report| progress(report.file_bytes))?;
    let faults: Vec<Fault> = verification.all_faults().cloned().collect();
    refuse_future_versions(&faults)?;
    let mut reports = verification.segments;
    let is_whole = |report: &SegmentReport| report.torn().is_none() && !report.lacks_seal;
    if faults.is_empty() && reports.iter().all(is_whole) {
        return Ok(RepairPlan::default());
    }
    let is_of_a_copy = is_of_a_copy(&faults, &reports);
    reports.sort_unstable_by_key(|report| (report.shard, report.segment));
    let late = begin_late(&reports);
    let mut survey = LogSurvey::default();
    verification.proven.messages.iter().for_each(|proven| survey.numbers.prove(proven));
    for shard in files.shards()? {
        let plan = ReadPlan::of(files, shard)?;
        plan.lost.iter().for_each(|lost| survey.numbers.excuse(lost));
        let of_shard = reports.iter().filter(|report| report.shard == shard);
        survey.directory(files, &plan, of_shard, &verification.faults, progress)?;
    }
    let lost = survey.numbers.lost(&late);
    let behind: HashSet<ShardId> = lost.iter().map(|lost| lost.shard).collect();
    let damaged_frames = survey.numbers.damaged_frames();
    survey.facts.prove(&verification.proven.facts, &verification.faults, damaged_frames);
    let facts = survey.facts.repaired(files, &reports, &survey.changes, &survey.next_segments, &behind)?;
    // What is followed by what a repair adds must be finished.
    for report in survey.unfinished {
        let is_followed = facts.iter().any(|segment| segment.next.shard == report.shard);
        if is_followed || behind.contains(&report.shard) {
            let SegmentReport { shard, segment, ref path, .. } = report;
            let path = path.clone();
            let change = RepairChange::Cut { report: Box::new(report), torn_bytes: 0 };
            survey.changes.push(SegmentChange { shard, segment, path, change });
        }
    }
    survey.changes.sort_unstable_by_key(|change| (change.shard, change.segment));
    let (changes, next_segments) = (survey.changes, survey.next_segments);
    let needs_expiry = faults.iter().any(|fault| {
        use FaultKind::{HeadsUnknown, MissingNewest, MissingSegments};
        matches!(
            fault.kind,
            MissingSegments { .. } | HeadsUnknown { .. } | MissingNewest { is_indexed: true, .. }
        )
    });
    let unknown = |fault: &Fault| match fault.kind {
        FaultKind::HeadsUnknown { shard, .. } => Some(shard),
        _ => None,
    };
    let unknown_heads = faults.iter().filter_map(unknown).collect();
    let living = survey.numbers.living().collect();
    Ok(RepairPlan {
        faults,
        changes,
        lost,
        facts,
        living,
        next_segments,
        is_of_a_copy,
        needs_expiry,
        unknown_heads,
    })
}

/// Whether a copy that was taken while a server wrote looks so, and nothing else is wrong: its files are of
/// different times. A segment that was copied before it was sealed has the length it was made with, and
/// later ones hold messages; a snapshot that was copied late covers segments that were not yet listed; some expired
/// before they were copied, though not those before them, or not their indexes; and a snapshot that was copied
/// early covers less than what has expired since.
fn is_of_a_copy(faults: &[Fault], reports: &[SegmentReport]) -> bool {
    let is_full = |fault: &Fault| reports.iter().any(|report| report.path == fault.path && !report.is_short);
    let is_cause = |fault: &&Fault| match fault.kind {
        FaultKind::Unsealed => is_full(fault),
        FaultKind::MissingNewest { .. } | FaultKind::MissingSegments { .. } => true,
        FaultKind::HeadsUnknown { lack: SnapshotLack::Behind { .. }, .. } => true,
        _ => false,
    };
    let is_consequence = |fault: &Fault| {
        use FaultKind::{FactsIncomplete, FactsLost, Lost};
        matches!(fault.kind, Lost { .. } | FactsLost { .. } | FactsIncomplete { .. })
    };
    faults.iter().any(|fault| is_cause(&fault))
        && faults.iter().all(|fault| is_cause(&fault) || is_consequence(fault))
}

fn refuse_future_versions(faults: &[Fault]) -> Result<(), RepairError> {
    let is_future =
        |fault: &&Fault| matches!(fault.kind, FaultKind::Header(HeaderFault::FutureVersion { .. }));
    faults.iter().find(is_future).map_or(Ok(()), |fault| Err(RepairError::FutureVersion(fault.clone())))
}

#[derive(Default)]
struct LogSurvey {
    numbers: Numbers,
    facts: FactsSurvey,
    readable: Readable,
    buffer: AlignedVec,
    changes: Vec<SegmentChange>,
    /// Segments that a start would continue from and finish.
    unfinished: Vec<SegmentReport>,
    next_segments: Vec<NextSegment>,
}

impl LogSurvey {
    fn directory<'a>(
        &mut self,
        files: &dyn Files,
        plan: &ReadPlan,
        reports: impl Iterator<Item = &'a SegmentReport>,
        faults: &[Fault],
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), RepairError> {
        let shard_count = plan.shard_count.unwrap_or_default();
        let mut next = SegmentNumber::FIRST;
        for report in reports {
            for fault in &report.faults {
                if let FaultKind::MissingSegments { first, last } = fault.kind {
                    self.fill_missing(files, fault, plan.shard, (first, last), shard_count)?;
                }
            }
            if plan.is_void(report.segment) {
                continue;
            }
            if report.role != Role::Unused {
                next = report.segment.next();
                progress(report.file_bytes);
            }
            if let Some(change) = self.segment(files, plan, report)? {
                let SegmentReport { shard, segment, ref path, .. } = *report;
                self.changes.push(SegmentChange { shard, segment, path: path.clone(), change });
            } else if report.role == Role::Open {
                self.unfinished.push(report.clone());
            }
        }
        for fault in faults {
            let FaultKind::MissingNewest { first, last, .. } = fault.kind else { continue };
            if fault.path != files.path(plan.shard, last) {
                continue;
            }
            self.fill_missing(files, fault, plan.shard, (first, last), shard_count)?;
            next = last.next();
        }
        self.next_segments.push(NextSegment { shard: plan.shard, segment: next, shard_count });
        Ok(())
    }

    fn fill_missing(
        &mut self,
        files: &dyn Files,
        fault: &Fault,
        shard: ShardId,
        (first, last): (SegmentNumber, SegmentNumber),
        shard_count: u16,
    ) -> Result<(), RepairError> {
        if last.0 - first.0 >= MISSING_SEGMENTS_MAX || last.0 >= u64::MAX - 1 {
            return Err(RepairError::TooManyMissing { fault: fault.clone() });
        }
        let beside = files.beside();
        let covers = beside.map(|beside| covered(beside, shard)).transpose()?.flatten();
        for segment in (first.0..=last.0).map(SegmentNumber) {
            let is_indexed = match beside {
                Some(beside) => read_table(beside, shard, segment)?.is_some(),
                None => false,
            };
            let is_proven = is_indexed || covers.is_some_and(|covers| segment <= covers);
            let (path, change) = (files.path(shard, segment), RepairChange::Fill { shard_count, is_proven });
            self.changes.push(SegmentChange { shard, segment, path, change });
        }
        Ok(())
    }

    /// Takes note of the messages of a segment, and says what must be done to it.
    fn segment(
        &mut self,
        files: &dyn Files,
        plan: &ReadPlan,
        report: &SegmentReport,
    ) -> Result<Option<RepairChange>, RepairError> {
        let place = SegmentId { shard: report.shard, segment: report.segment };
        if report.role == Role::Unused {
            let remove =
                |(torn_offset_bytes, torn_bytes)| RepairChange::Remove { torn_offset_bytes, torn_bytes };
            return Ok(report.torn().map(remove));
        }
        let limit_bytes = plan.limit_bytes(report.segment);
        files.read(report.shard, report.segment, &mut self.buffer)?;
        let (mut dropped, mut messages) = (Vec::new(), 0);
        for (frame, record) in intact_frames(&self.buffer, place, limit_bytes) {
            if let StoredRecord::Facts(facts) = &record
                && !self.facts.insert(facts, place)
            {
                dropped.push(frame.offset_bytes);
            }
            let Some(entry) = StoredEntry::of(&record) else { continue };
            let is_kept =
                match self.readable.check(&entry).and_then(|()| self.numbers.insert(&entry, place.shard)) {
                    Ok(is_new) => is_new,
                    Err(_) => {
                        self.numbers.hint(&entry, place.shard);
                        false
                    }
                };
            if is_kept {
                messages += 1;
            } else {
                dropped.push(frame.offset_bytes);
            }
        }
        self.read_damage(report);
        let must_rewrite = |fault: &Fault| {
            use FaultKind::{Cut, CutOff, MissingSegments, Unsealed};
            !matches!(fault.kind, Unsealed | MissingSegments { .. } | Cut { .. } | CutOff)
        };
        let has_loose =
            matches!(report.verdict, SegmentVerdict::Torn { frames: 1.., .. }) && limit_bytes.is_none();
        if has_loose || !dropped.is_empty() || report.faults.iter().any(must_rewrite) {
            return Ok(Some(RepairChange::Rewrite { file_bytes: report.file_bytes, messages, dropped }));
        }
        let torn_bytes = report.torn().map_or(0, |(_, bytes)| bytes);
        let is_unsealed = report.lacks_seal || report.faults.iter().any(is_end_lost);
        let cut = || RepairChange::Cut { report: Box::new(report.clone()), torn_bytes };
        Ok((torn_bytes > 0 || is_unsealed).then(cut))
    }

    /// Looks for what damaged bytes may have held.
    fn read_damage(&mut self, report: &SegmentReport) {
        for fault in &report.faults {
            let FaultKind::Damage { bytes } = fault.kind else { continue };
            self.numbers.damaged_bytes += bytes;
            let start = fault.offset_bytes as usize;
            for at in (start..start + bytes as usize).step_by(16) {
                let Some(record) = unchecked_record(&self.buffer, at) else { continue };
                if let StoredRecord::Facts(facts) = &record {
                    self.facts.hint(facts);
                } else if let Some(entry) = StoredEntry::of(&record) {
                    self.numbers.hint(&entry, report.shard);
                }
            }
        }
    }
}

/// Whether it says that a segment ends too early.
pub fn is_end_lost(fault: &Fault) -> bool {
    matches!(fault.kind, FaultKind::Unsealed | FaultKind::Cut { .. } | FaultKind::CutOff)
}
