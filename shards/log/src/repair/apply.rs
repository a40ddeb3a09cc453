//! Doing it.

use super::facts::{FactsSegment, RepairedFacts};
use super::intact::intact_frames;
use super::{Keeper, LostMessages, NextSegment, RepairChange, RepairPlan, SegmentChange};
use crate::MissingRange;
use crate::append::seal_frame;
use crate::files::{Files, FilesError};
use crate::format::{
    AuthorKind, FRAME_BYTES_MAX, HEADER_BYTES, Record, RecordKind, SEAL_FRAME_BYTES, SealRecord,
    SegmentHeader, SegmentId, StoredEntry, StoredFacts, push_frame, stamp_frames,
};
use crate::read::for_repair::{ReadPlan, snapshot_of_expired, start_of};
use madang_model::Timestamp;
use rkyv::util::AlignedVec;
use std::path::PathBuf;

impl RepairPlan {
    /// Does what was planned, and reports to `kept` each file that holds what was cut or replaced.
    ///
    /// # Errors
    /// [`FilesError`] when a file cannot be used. Then nothing was changed, or, where names could not be
    /// changed at last, the rest can be planned and done again.
    pub fn apply(
        &self,
        files: &dyn Files,
        keeper: &dyn Keeper,
        now: Timestamp,
        kept: &mut dyn FnMut(PathBuf),
    ) -> Result<(), FilesError> {
        self.stage(files, keeper, now, kept)?;
        self.put_in_place(files, keeper)
    }

    /// Writes everything new beside what there is. After an error nothing of it is left.
    ///
    /// # Errors
    /// [`FilesError`] when a file cannot be read or written. Nothing was changed.
    pub fn stage(
        &self,
        files: &dyn Files,
        keeper: &dyn Keeper,
        now: Timestamp,
        kept: &mut dyn FnMut(PathBuf),
    ) -> Result<(), FilesError> {
        self.try_stage(files, keeper, now, kept).inspect_err(|_| keeper.give_up())
    }

    fn try_stage(
        &self,
        files: &dyn Files,
        keeper: &dyn Keeper,
        now: Timestamp,
        kept: &mut dyn FnMut(PathBuf),
    ) -> Result<(), FilesError> {
        for change in &self.changes {
            stage_change(files, keeper, change, now, kept)?;
        }
        for FactsSegment { next, rooms } in &self.facts {
            keeper.stage(next.shard, next.segment, &repaired_facts(next, rooms, now))?;
        }
        for next in &self.next_segments {
            let lost = self.lost_of(next);
            if !lost.is_empty() {
                keeper.stage(next.shard, next.segment, &record_of_losses(next, &lost, now))?;
            }
            if self.is_indexed_anew(next) {
                let first = files.segments(next.shard)?.first().copied();
                let filled = self.changes.iter().filter(|change| change.shard == next.shard);
                let first = first.into_iter().chain(filled.map(|change| change.segment)).min();
                let expired = match (files.beside(), first) {
                    (Some(beside), Some(first)) => {
                        let has_messages = |room| self.living.contains(&(next.shard, room));
                        snapshot_of_expired(beside, next.shard, first, &has_messages)?
                    }
                    _ => None,
                };
                keeper.stage_indexes(next.shard, expired.as_deref())?;
            }
        }
        Ok(())
    }

    /// Puts in place what was staged.
    ///
    /// # Errors
    /// [`FilesError`] when a name cannot be changed. What was done until then holds; the rest can be planned
    /// and done again.
    pub fn put_in_place(&self, files: &dyn Files, keeper: &dyn Keeper) -> Result<(), FilesError> {
        // These make room: the record of losses takes the next free number.
        for SegmentChange { shard, segment, change, .. } in &self.changes {
            if matches!(change, RepairChange::Remove { .. }) {
                files.remove(*shard, *segment)?;
            }
        }
        // Before the rest, because what indexes and damaged bytes show of losses is gone afterwards.
        for next in self.next_segments.iter().filter(|next| !self.lost_of(next).is_empty()) {
            keeper.put_in_place(next.shard, next.segment)?;
        }
        for FactsSegment { next, .. } in &self.facts {
            keeper.put_in_place(next.shard, next.segment)?;
        }
        for next in self.next_segments.iter().filter(|next| self.is_indexed_anew(next)) {
            keeper.take_indexes_away(next.shard)?;
        }
        for SegmentChange { shard, segment, change, .. } in &self.changes {
            if !matches!(change, RepairChange::Remove { .. }) {
                keeper.put_in_place(*shard, *segment)?;
            }
        }
        Ok(())
    }

    fn lost_of(&self, next: &NextSegment) -> Vec<&LostMessages> {
        self.lost.iter().filter(|lost| lost.shard == next.shard).collect()
    }

    /// Whether something of a directory is moved or missing, or its snapshot is, so that its indexes must be made
    /// again.
    fn is_indexed_anew(&self, next: &NextSegment) -> bool {
        let mut own = self.changes.iter().filter(|change| change.shard == next.shard);
        own.any(|change| change.change.moves_records())
            || !self.lost_of(next).is_empty()
            || self.facts.iter().any(|segment| segment.next.shard == next.shard)
            || self.unknown_heads.contains(&next.shard)
    }
}

fn stage_change(
    files: &dyn Files,
    keeper: &dyn Keeper,
    segment_change: &SegmentChange,
    now: Timestamp,
    kept: &mut dyn FnMut(PathBuf),
) -> Result<(), FilesError> {
    let SegmentChange { shard, segment, ref change, .. } = *segment_change;
    let place = SegmentId { shard, segment };
    match change {
        RepairChange::Fill { shard_count, .. } => {
            let created_us = created_beside(files, place, now)?;
            keeper.stage(shard, segment, &Rewritten::new(place, *shard_count, created_us).finish(now))
        }
        RepairChange::Remove { torn_offset_bytes, torn_bytes } => {
            let range_bytes = *torn_offset_bytes..torn_offset_bytes + torn_bytes;
            kept(keeper.keep(shard, segment, range_bytes)?);
            Ok(())
        }
        RepairChange::Cut { report, torn_bytes } => {
            let end_bytes = report.verdict.end_bytes() as u64;
            if *torn_bytes > 0 {
                kept(keeper.keep(shard, segment, end_bytes..end_bytes + torn_bytes)?);
            }
            let mut bytes = AlignedVec::new();
            files.read_start(shard, segment, report.verdict.end_bytes(), &mut bytes)?;
            bytes.extend_from_slice(&seal_frame(place, end_bytes, u32::MAX, report.counts));
            keeper.stage(shard, segment, &bytes)
        }
        RepairChange::Rewrite { file_bytes, dropped, .. } => {
            let bytes = rewritten(files, place, dropped, now)?;
            kept(keeper.keep(shard, segment, 0..*file_bytes)?);
            keeper.stage(shard, segment, &bytes)
        }
    }
}

fn rewritten(
    files: &dyn Files,
    place: SegmentId,
    dropped: &[usize],
    now: Timestamp,
) -> Result<Vec<u8>, FilesError> {
    let plan = ReadPlan::of(files, place.shard)?;
    let mut bytes = AlignedVec::new();
    files.read(place.shard, place.segment, &mut bytes)?;
    let (shard_count, created_us, generation) =
        match SegmentHeader::decode(&bytes, place.shard, place.segment) {
            Ok(header) => (header.shard_count, header.created_us, header.generation),
            Err(_) => (0, created_beside(files, place, now)?, 0),
        };
    let mut segment = Rewritten::new(place, shard_count, created_us);
    segment.header.generation = generation;
    for (frame, record) in intact_frames(&bytes, place, plan.limit_bytes(place.segment)) {
        if dropped.binary_search(&frame.offset_bytes).is_ok() {
            continue;
        }
        if let Some(entry) = StoredEntry::of(&record) {
            segment.counts.count(entry.time().0);
        }
        segment.move_in(&bytes[frame.offset_bytes..frame.end_bytes], frame.batch);
    }
    Ok(segment.finish(now))
}

/// When a segment was made that does not say it itself: when the one before it was, or the one behind. By
/// these times an index that is made again finds what a room has in earlier segments of other directories.
fn created_beside(files: &dyn Files, place: SegmentId, now: Timestamp) -> Result<i64, FilesError> {
    let segments = files.segments(place.shard)?;
    let before = segments.iter().rev().filter(|segment| **segment < place.segment);
    let behind = segments.iter().filter(|segment| **segment > place.segment);
    for &segment in before.chain(behind) {
        if let Some(header) = start_of(files, place.shard, segment)? {
            return Ok(header.created_us);
        }
    }
    Ok(now.0)
}

fn record_of_losses(next: &NextSegment, lost: &[&LostMessages], now: Timestamp) -> Vec<u8> {
    let place = SegmentId { shard: next.shard, segment: next.segment };
    let mut segment = Rewritten::new(place, next.shard_count, now.0);
    let mut frame = Vec::with_capacity(FRAME_BYTES_MAX);
    for lost in lost {
        frame.clear();
        let MissingRange { first, last } = lost.gap;
        push_frame(&mut frame, &Record::Lost { room: &lost.room, first, last });
        segment.move_in(&frame, 1);
    }
    segment.finish(now)
}

fn repaired_facts(next: &NextSegment, rooms: &[RepairedFacts], now: Timestamp) -> Vec<u8> {
    let place = SegmentId { shard: next.shard, segment: next.segment };
    let mut segment = Rewritten::new(place, next.shard_count, now.0);
    let mut frame = Vec::with_capacity(FRAME_BYTES_MAX);
    for RepairedFacts { room, revision, bodies, .. } in rooms {
        for body in bodies {
            frame.clear();
            let (kind, author) = (RecordKind::FactsCheckpoint, (AuthorKind::None, 0));
            let room = room.as_str();
            let facts = StoredFacts { kind, room, revision: revision.0, time: now, author, body };
            push_frame(&mut frame, &Record::Facts(facts));
            segment.move_in(&frame, 1);
        }
    }
    segment.finish(now)
}

/// A segment that is made as a whole, sealed, before it gets its name.
struct Rewritten {
    place: SegmentId,
    header: SegmentHeader,
    bytes: Vec<u8>,
    counts: SealRecord,
}

impl Rewritten {
    /// `shard_count` is 0 when nobody knows it: readers then look where rooms were.
    fn new(place: SegmentId, shard_count: u16, created_us: i64) -> Rewritten {
        let SegmentId { shard, segment } = place;
        let header =
            SegmentHeader { shard, shard_count, segment, created_us, capacity_bytes: 0, generation: 0 };
        Rewritten { place, header, bytes: vec![0; HEADER_BYTES], counts: SealRecord::default() }
    }

    /// Adds a frame from elsewhere. The file is synced as a whole, so all before it is on disk.
    fn move_in(&mut self, frame: &[u8], batch: u32) {
        let offset_bytes = self.bytes.len();
        self.bytes.extend_from_slice(frame);
        stamp_frames(&mut self.bytes[offset_bytes..], self.place, offset_bytes, batch, offset_bytes);
    }

    fn finish(mut self, now: Timestamp) -> Vec<u8> {
        if self.counts.records == 0 {
            // Retention goes by these: what records a loss must outlive what stands before it.
            (self.counts.first_time_us, self.counts.last_time_us) = (now.0, now.0);
        }
        let end_bytes = self.bytes.len() as u64;
        self.bytes.extend(seal_frame(self.place, end_bytes, u32::MAX, self.counts));
        self.header.capacity_bytes = end_bytes + SEAL_FRAME_BYTES as u64;
        self.bytes[..HEADER_BYTES].copy_from_slice(&self.header.encode());
        self.bytes
    }
}
