//! One segment, read whole.

use super::fault::{Fault, FaultKind, Location};
use super::plan::ReadPlan;
use crate::files::{Files, FilesError};
use crate::format::{
    HeaderFault, Scan, ScanItem, SegmentHeader, SegmentId, SegmentNumber, SegmentVerdict, StoredEntry,
    StoredFacts, StoredRecord,
};
use rkyv::util::AlignedVec;

/// How often a segment is read again when it seems damaged: it may be written at this moment.
pub const READS_OF_A_RUNNING_LOG: u32 = 4;

/// What a segment holds, borrowed from the buffer it was read into.
#[derive(Debug)]
pub struct SegmentContents<'a> {
    /// The length of the file.
    pub file_bytes: u64,
    pub header: Result<SegmentHeader, HeaderFault>,
    /// With the offset of each, in order.
    pub entries: Vec<(usize, StoredEntry<'a>)>,
    /// Records of facts, with the offset and the length of each frame, in order.
    pub facts: Vec<(usize, usize, StoredFacts<'a>)>,
    /// Records that are no entries, but for the seal.
    pub notes: usize,
    /// The furthest offset that a frame says to have been on disk.
    pub synced_bytes: usize,
    /// Damaged stretches: offset and length.
    pub damage: Vec<(usize, usize)>,
    pub verdict: SegmentVerdict,
}

impl<'a> SegmentContents<'a> {
    fn of(file: &'a [u8], plan: &ReadPlan, segment: SegmentNumber) -> SegmentContents<'a> {
        let header = SegmentHeader::decode(file, plan.shard, segment);
        let place = SegmentId { shard: plan.shard, segment };
        let mut scan = Scan::new(file, place, plan.limit_bytes(segment));
        let (mut entries, mut damage, mut notes, mut synced_bytes) = (Vec::new(), Vec::new(), 0, 0);
        let mut facts = Vec::new();
        for found in &mut scan {
            match found {
                ScanItem::Entry(frame, entry) => {
                    synced_bytes = synced_bytes.max(frame.synced_bytes);
                    entries.push((frame.offset_bytes, entry));
                }
                ScanItem::Note(frame, record) => {
                    if let StoredRecord::Facts(stored) = record {
                        facts.push((frame.offset_bytes, frame.end_bytes - frame.offset_bytes, stored));
                    }
                    synced_bytes = synced_bytes.max(frame.synced_bytes);
                    notes += 1;
                }
                ScanItem::Damage { offset_bytes, bytes } => damage.push((offset_bytes, bytes)),
            }
        }
        let verdict = scan.verdict().expect("a finished scan has a verdict");
        notes -= usize::from(matches!(verdict, SegmentVerdict::Sealed { .. }) && notes > 0);
        let file_bytes = file.len() as u64;
        SegmentContents { file_bytes, header, entries, facts, notes, synced_bytes, damage, verdict }
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.notes == 0 && self.damage.is_empty()
    }

    fn is_sound(&self) -> bool {
        self.damage.is_empty() && self.header.is_ok()
    }

    pub fn faults(&self, files: &dyn Files, plan: &ReadPlan, segment: SegmentNumber) -> Vec<Fault> {
        let fault = |offset: usize, kind| {
            let at = Location { shard: plan.shard, segment, offset_bytes: offset as u64 };
            Fault::new(files, at, kind)
        };
        let mut faults = Vec::new();
        if let Err(header) = &self.header {
            faults.push(fault(0, FaultKind::Header(header.clone())));
        }
        for (offset, bytes) in &self.damage {
            faults.push(fault(*offset, FaultKind::Damage { bytes: *bytes as u64 }));
        }
        if let SegmentVerdict::Sealed { seal, offset_bytes } = self.verdict
            && self.damage.is_empty()
            && seal.records != self.entries.len() as u64
        {
            let found = self.entries.len() as u64;
            faults.push(fault(offset_bytes, FaultKind::Miscounted { sealed: seal.records, found }));
        }
        faults
    }
}

/// Reads a segment into `buffer`, at most `reads` times until it is sound, and hands it to `read`.
pub fn with_segment<R>(
    files: &dyn Files,
    plan: &ReadPlan,
    segment: SegmentNumber,
    buffer: &mut AlignedVec,
    reads: u32,
    read: impl FnOnce(&SegmentContents<'_>) -> R,
) -> Result<R, FilesError> {
    let mut reads_left = reads;
    loop {
        plan.read(files, segment, buffer)?;
        reads_left = reads_left.saturating_sub(1);
        let contents = SegmentContents::of(buffer, plan, segment);
        if reads_left == 0 || contents.is_sound() {
            return Ok(read(&contents));
        }
    }
}
