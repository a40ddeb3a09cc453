//! Going through all files that may hold what is to be erased.

use super::replacing::Replaced;
use super::rewriting::{Rewriting, rewrite_aside, rewrite_segment};
use super::rules::ErasureMatcher;
use super::{Eraser, Erasures, PassStep, UnfinishedSegment};
use crate::files::{ErasureFiles, FilesError};
use crate::format::{SegmentId, SegmentNumber, SegmentVerdict, directory_shard, file_segment};
use crate::read::for_erasure::{ReadPlan, read_table};
use crate::read::{Fault, FaultKind, Location};
use rkyv::util::AlignedVec;
use std::io;

impl<F: ErasureFiles> Eraser<'_, F> {
    pub(super) fn erase_all(&mut self, erasures: &Erasures) -> Result<(), FilesError> {
        let mut matcher = ErasureMatcher::new(erasures);
        let mut buffer = AlignedVec::new();
        for shard in self.files.shards()? {
            let plan = ReadPlan::of(self.files, shard)?;
            for &segment in &plan.segments {
                if self.may_hold(&plan, segment, erasures)? {
                    self.erase_in_segment(&plan, segment, &mut matcher, &mut buffer)?;
                }
            }
        }
        for name in self.files.names()? {
            if let Some((place, from_bytes)) = set_aside(&name) {
                self.erase_aside(&name, place, from_bytes, &mut matcher, &mut buffer)?;
            }
        }
        Ok(())
    }

    /// Whether a segment is to be read: not when its index lists nothing of what is to be erased. Of one that failed, a part
    /// may be in it that no index lists.
    fn may_hold(
        &self,
        plan: &ReadPlan,
        segment: SegmentNumber,
        erasures: &Erasures,
    ) -> Result<bool, FilesError> {
        if plan.limit_bytes(segment).is_some() || !plan.is_sound(segment) {
            return Ok(true);
        }
        let Some(beside) = self.files.beside() else { return Ok(true) };
        let Some(table) = read_table(beside, plan.shard, segment)? else { return Ok(true) };
        // A name that cannot be read back is for the segment itself to show.
        let mut tails = table.tails();
        Ok(tails.any(|tail| tail.is_ok_and(|(room, tail)| erasures.may_reach(room.key(), tail.head))))
    }

    fn erase_in_segment(
        &mut self,
        plan: &ReadPlan,
        segment: SegmentNumber,
        matcher: &mut ErasureMatcher<'_>,
        buffer: &mut AlignedVec,
    ) -> Result<(), FilesError> {
        let name = self.files.segment_name(plan.shard, segment);
        let old = match self.files.open_file(&name) {
            // It has expired meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened.map_err(self.failed(&name))?,
        };
        self.files.read_file(&old, buffer).map_err(self.failed(&name))?;
        (self.step)(PassStep::Read(buffer.len() as u64));
        let place = SegmentId { shard: plan.shard, segment };
        let (is_served, is_opened) = (self.is_served, self.is_opened);
        let mut is_torn = false;
        let is_finished = |verdict: SegmentVerdict, file_bytes: usize| match verdict {
            // While a server writes, the last seal may be read before what stands behind it is cut off.
            SegmentVerdict::Sealed { .. } => {
                !is_served || plan.is_followed(segment) || verdict.end_bytes() == file_bytes
            }
            SegmentVerdict::End { .. } => is_opened,
            SegmentVerdict::Torn { .. } => {
                is_torn = true;
                false
            }
        };
        let limit_bytes = plan.limit_bytes(segment);
        let found = match rewrite_segment(buffer, place, limit_bytes, is_finished, matcher) {
            Ok(found) => found,
            Err(_) if plan.is_void(segment) || !plan.is_followed(segment) => return Ok(()),
            Err(header) => {
                self.note_fault(place, 0, FaultKind::Header(header));
                return Ok(());
            }
        };
        for (offset_bytes, bytes) in found.damage {
            self.note_fault(place, offset_bytes, FaultKind::Damage { bytes: bytes as u64 });
        }
        // Of what was torn and opening did not cut nobody can say whose text is in it.
        if found.is_wanted_open || is_opened && is_torn {
            let (path, is_followed) = (self.files.path_of(&name), plan.is_followed(segment));
            self.outcome.open.push(UnfinishedSegment { path, is_followed });
        }
        let Some(rewriting) = found.rewriting else { return Ok(()) };
        self.replace_counted((&name, &old), buffer, &rewriting)
    }

    fn erase_aside(
        &mut self,
        name: &str,
        place: SegmentId,
        from_bytes: usize,
        matcher: &mut ErasureMatcher<'_>,
        buffer: &mut AlignedVec,
    ) -> Result<(), FilesError> {
        let old = self.files.open_file(name).map_err(self.failed(name))?;
        self.files.read_file(&old, buffer).map_err(self.failed(name))?;
        (self.step)(PassStep::Read(buffer.len() as u64));
        let rewriting = rewrite_aside(buffer, place, from_bytes, matcher);
        if rewriting.ranges.is_empty() {
            return Ok(());
        }
        // Not in place: a write that is in memory only would be believed by the next pass.
        self.replace_counted((name, &old), buffer, &rewriting)
    }

    fn replace_counted(
        &mut self,
        old: (&str, &F::OpenFile),
        bytes: &[u8],
        rewriting: &Rewriting,
    ) -> Result<(), FilesError> {
        let replaced = match self.replace(old, bytes, rewriting) {
            // It has expired meanwhile.
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => return Ok(()),
            replaced => replaced?,
        };
        match replaced {
            Replaced::Wholly => {}
            Replaced::Held => self.outcome.held += 1,
            Replaced::Waits => {
                // It was counted as it was found.
                self.outcome.held = self.outcome.held.max(1);
                return Ok(());
            }
        }
        self.outcome.files += 1;
        self.outcome.entries += rewriting.erased;
        Ok(())
    }

    fn note_fault(&mut self, place: SegmentId, offset_bytes: usize, kind: FaultKind) {
        let at = Location { shard: place.shard, segment: place.segment, offset_bytes: offset_bytes as u64 };
        self.outcome.faults.push(Fault::new(self.files, at, kind));
    }
}

/// Which part of which segment a file holds that a repair has set aside, by its name; `None` when it holds none.
fn set_aside(name: &str) -> Option<(SegmentId, usize)> {
    let mut parts = name.rsplit('/');
    let (file, shard) = (parts.next()?, directory_shard(parts.next()?)?);
    let (segment, range) = file.split_once(".bytes-")?;
    let (from_bytes, to_bytes) = range.split_once('-')?;
    let _: u64 = to_bytes.parse().ok()?;
    Some((SegmentId { shard, segment: file_segment(segment)? }, from_bytes.parse().ok()?))
}
