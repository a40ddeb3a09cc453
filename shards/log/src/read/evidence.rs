//! What indexes and snapshots prove of the segments beside them.
//!
//! Both are written once what they list is sealed and synced. So a segment that holds less than they list
//! of was cut, and one that is not there was taken away: nothing that a crash can do. A segment that still
//! has the length it was made with was never sealed there, and an index says nothing of it.

use super::fault::{Fault, FaultKind, Location};
use super::lost::MissingRange;
use super::plan::ReadPlan;
use super::snapshots::{info_of, open};
use super::tails::{read_table, start_of};
use super::walk::{Role, SegmentReport};
use crate::facts::{FactsPointer, FactsVersion};
use crate::files::{Files, FilesError, IndexFiles};
use crate::format::{HeaderFault, SEAL_FRAME_BYTES, SegmentNumber};
use crate::index::{RoomTail, SegmentTable, SnapshotFile};
use hashbrown::HashSet;
use madang_model::{RoomName, ShardId};

/// Messages that must have been stored.
#[derive(Clone, Debug)]
pub struct Proven {
    pub room: RoomName,
    pub gap: MissingRange,
    /// The segment that held them.
    pub at: Location,
}

/// Facts of a room that must have been stored.
#[derive(Clone, Debug)]
pub struct ProvenFacts {
    pub room: RoomName,
    /// Their newest record.
    pub version: FactsVersion,
    /// The segment that held it.
    pub at: Location,
}

/// What must have been stored in segments that lack something.
#[derive(Debug, Default)]
pub struct AllProven {
    pub messages: Vec<Proven>,
    pub facts: Vec<ProvenFacts>,
}

/// What lies beside the segments of a directory. To be listed before the segments are: then a server that
/// writes meanwhile only adds segments that nothing is said of.
#[derive(Debug)]
pub struct Evidence {
    shard: ShardId,
    /// The segments that have an index.
    indexes: Vec<SegmentNumber>,
    /// The newest segment that has an index or that the snapshot covers.
    newest: Option<SegmentNumber>,
    /// The last segment that the snapshot or its copy covers.
    covers: Option<SegmentNumber>,
    /// Whether a copy of the snapshot was ever written.
    has_copy: bool,
}

impl Evidence {
    pub fn of(files: &dyn IndexFiles, shard: ShardId) -> Result<Evidence, FilesError> {
        let mut covers = None;
        for file in SnapshotFile::ALL {
            covers = covers.max(info_of(files, shard, file)?.map(|snapshot| snapshot.scope.covers));
        }
        let indexes = files.indexes(shard)?;
        let indexed = indexes.iter().rev().copied();
        // One that is not whole proves nothing.
        let mut newest = covers;
        for segment in indexed.take_while(|segment| covers.is_none_or(|covers| *segment > covers)) {
            if read_table(files, shard, segment)?.is_some() {
                newest = Some(segment);
                break;
            }
        }
        let has_copy = files.read_snapshot_end(shard, SnapshotFile::Copy)?.is_some();
        Ok(Evidence { shard, indexes, newest, covers, has_copy })
    }

    /// The oldest segment that there must be, those that only their index shows included; all before it have
    /// expired. `None` where nothing shows any.
    pub fn oldest(
        &self,
        files: &dyn IndexFiles,
        plan: &ReadPlan,
    ) -> Result<Option<SegmentNumber>, FilesError> {
        let Some(mut oldest) = plan.segments.first().copied() else {
            return Ok(self.indexes.first().copied());
        };
        if self.leftover(oldest).is_some() {
            return Ok(Some(oldest));
        }
        // Retention removes the index first: only what it did not remove leaves one.
        for &segment in self.indexes.iter().rev() {
            if segment.next() == oldest && files.has_index(self.shard, segment)? {
                oldest = segment;
            }
        }
        Ok(Some(oldest))
    }

    /// The index of the segment before the first one, where it is left over from a removal: versions that made no
    /// copy of the snapshot removed the segment first, one after the other, and a power cut may have come in
    /// between. Of the first segment of all nobody knows that anything had expired.
    pub fn leftover(&self, first: SegmentNumber) -> Option<SegmentNumber> {
        let left = SegmentNumber(first.0.checked_sub(1)?);
        let mut before = self.indexes.iter().filter(|segment| **segment < first);
        let is_alone = before.next() == Some(&left) && before.next().is_none();
        let is_covered = self.covers.is_some_and(|covers| left <= covers);
        (is_alone && is_covered && !self.has_copy && left > SegmentNumber::FIRST).then_some(left)
    }

    /// Looks for what is missing of the segments in `reports`, which are those of one directory in
    /// any order. A segment that lacks nothing but its seal is marked so; of one that lacks more, and of
    /// those that are not there at all, the reports and `faults` say it, and `proven` what they held.
    pub fn check(
        &self,
        files: &dyn IndexFiles,
        plan: &ReadPlan,
        reports: &mut [SegmentReport],
        faults: &mut Vec<Fault>,
        proven: &mut AllProven,
    ) -> Result<(), FilesError> {
        let mut lacking = HashSet::new();
        let first = reports.iter_mut().min_by_key(|report| report.segment);
        if let (Some(first), Some(oldest)) = (first, self.oldest(files, plan)?)
            && plan.segments.first() == Some(&first.segment)
            && oldest < first.segment
        {
            let at = Location { shard: self.shard, segment: first.segment, offset_bytes: 0 };
            let kind = FaultKind::MissingSegments { first: oldest, last: SegmentNumber(first.segment.0 - 1) };
            first.faults.push(Fault::new(files, at, kind));
        }
        for report in reports.iter_mut() {
            if matches!(report.role, Role::Open | Role::Unused) && !plan.is_void(report.segment) {
                let table = read_table(files, self.shard, report.segment)?;
                let was_unused = report.role == Role::Unused;
                if self.check_segment(files, report, table.as_ref()) {
                    lacking.insert(report.segment);
                    // Of one that was not used that would be no fault.
                    if was_unused && start_of(files, self.shard, report.segment)?.is_none() {
                        let at = Location { shard: self.shard, segment: report.segment, offset_bytes: 0 };
                        report.faults.push(Fault::new(files, at, FaultKind::Header(HeaderFault::Blank)));
                    }
                }
            }
            for fault in &report.faults {
                match fault.kind {
                    FaultKind::MissingSegments { first, last } => {
                        lacking.extend(self.missing_between(first, last))
                    }
                    FaultKind::Damage { .. } | FaultKind::Header(_) | FaultKind::Unsealed => {
                        lacking.insert(report.segment);
                    }
                    _ => {}
                }
            }
        }
        let used = reports.iter().filter(|report| report.role != Role::Unused);
        let last_used = used.map(|report| report.segment).max().unwrap_or(SegmentNumber(0));
        if let Some(newest) = self.newest.filter(|newest| *newest > last_used && !lacking.contains(newest)) {
            // Where all are gone nobody knows which had expired before.
            let is_first_known = last_used > SegmentNumber(0);
            let first = if is_first_known {
                last_used.next()
            } else {
                self.indexes.first().copied().unwrap_or(newest)
            };
            let first = first.min(newest);
            let at = Location { shard: self.shard, segment: newest, offset_bytes: 0 };
            let is_indexed = files.indexes(self.shard)?.iter().any(|indexed| *indexed >= first);
            let kind = FaultKind::MissingNewest { first, last: newest, is_indexed };
            faults.push(Fault::new(files, at, kind));
            lacking.extend(self.missing_between(first, newest));
        }
        if !lacking.is_empty() {
            self.prove(files, &lacking, proven)?;
        }
        Ok(())
    }

    /// The numbers of a range, at most to the newest segment: a wrong name may make it very long.
    fn missing_between(
        &self,
        first: SegmentNumber,
        last: SegmentNumber,
    ) -> impl Iterator<Item = SegmentNumber> {
        let last = self.newest.map_or(SegmentNumber(0), |newest| newest.min(last));
        (first.0..=last.0).map(SegmentNumber)
    }

    /// Whether messages of a segment that has no seal are missing.
    fn check_segment(
        &self,
        files: &dyn Files,
        report: &mut SegmentReport,
        table: Option<&SegmentTable>,
    ) -> bool {
        let end_bytes = report.verdict.end_bytes() as u64;
        let at = Location { shard: self.shard, segment: report.segment, offset_bytes: end_bytes };
        let Some(table) = table else {
            // A snapshot covers sealed segments only.
            let is_covered = self.covers.is_some_and(|covers| report.segment <= covers);
            let is_reported = report.faults.iter().any(|fault| fault.kind == FaultKind::Unsealed);
            let kind = if report.is_short { FaultKind::CutOff } else { FaultKind::Unsealed };
            if is_covered && (report.is_short || !is_reported) {
                report.role = Role::Open;
                report.faults.push(Fault::new(files, at, kind));
            }
            return is_covered;
        };
        let proven_bytes = table.end_offset_bytes();
        let is_finished = report.is_short || report.file_bytes == proven_bytes + SEAL_FRAME_BYTES as u64;
        if !is_finished {
            return false;
        }
        let found = report.counts.records;
        let is_whole = end_bytes >= proven_bytes;
        if is_whole {
            report.lacks_seal = true;
            report.faults.retain(|fault| fault.kind != FaultKind::Unsealed);
        } else {
            report.role = Role::Open;
            report.faults.retain(|fault| fault.kind != FaultKind::Unsealed);
            let messages = table.messages().saturating_sub(found);
            report.faults.push(Fault::new(files, at, FaultKind::Cut { proven_bytes, messages }));
        }
        !is_whole
    }

    /// What was in these segments, by their indexes and by the snapshot.
    fn prove(
        &self,
        files: &dyn IndexFiles,
        segments: &HashSet<SegmentNumber>,
        proven: &mut AllProven,
    ) -> Result<(), FilesError> {
        let shard = self.shard;
        let at = |segment| Location { shard, segment, offset_bytes: 0 };
        let mut add = |room: RoomName, tail: &RoomTail| {
            let gap = MissingRange { first: tail.last.first, last: tail.head };
            proven.messages.push(Proven { room, gap, at: at(tail.last.segment) });
        };
        let mut add_facts = |room: RoomName, facts: &FactsPointer| {
            let (version, at) = (facts.version, at(facts.link.segment));
            proven.facts.push(ProvenFacts { room, version, at });
        };
        for &segment in segments {
            let Some(table) = read_table(files, shard, segment)? else { continue };
            table.tails().flatten().for_each(|(room, tail)| add(room, &tail));
            table.named_facts().for_each(|(room, facts)| add_facts(room, &facts.pointer));
        }
        for file in SnapshotFile::ALL {
            for room in open(files, shard, file)?.into_iter().flatten().map_while(Result::ok) {
                let Ok(name) = room.room_name() else { continue };
                let is_there = |directory, segment| directory == shard && segments.contains(&segment);
                if let Some(tail) = room.tail.filter(|tail| is_there(tail.last.directory, tail.last.segment))
                {
                    add(name.clone(), &tail);
                }
                if let Some(facts) =
                    room.facts.filter(|facts| is_there(facts.link.directory, facts.link.segment))
                {
                    add_facts(name, &facts);
                }
            }
        }
        Ok(())
    }
}
