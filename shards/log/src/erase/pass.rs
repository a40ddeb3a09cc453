//! Going through all files that may hold what is to be erased.

use super::replacing::Replaced;
use super::rewriting::{Rewriting, RewrittenSegment, blanked, rewrite_aside, rewrite_segment};
use super::rules::ErasureMatcher;
use super::{Eraser, Erasures, PassStep, UnfinishedSegment};
use crate::files::{ErasureFiles, FilesError};
use crate::format::{
    HeaderFault, SegmentHeader, SegmentId, SegmentNumber, SegmentVerdict, directory_shard, file_segment,
};
use crate::read::for_erasure::{READS_OF_A_RUNNING_LOG, ReadPlan, read_own_table};
use crate::read::{Fault, FaultKind, Location};
use rkyv::util::AlignedVec;
use rustix::io::Errno;
use std::io;

impl<F: ErasureFiles> Eraser<'_, F> {
    pub(super) fn erase_all(&mut self, erasures: &Erasures) -> Result<(), FilesError> {
        let mut matcher = ErasureMatcher::new(erasures);
        let mut buffer = AlignedVec::new();
        for shard in self.files.shards()? {
            let mut unusable = Vec::new();
            let plan = ReadPlan::of_all_but(self.files, shard, &mut |error| {
                unusable.push(error);
                Ok(())
            });
            unusable.into_iter().for_each(|error| self.note_unusable(error));
            let Some(plan) = self.noted(plan)? else { continue };
            for &segment in &plan.segments {
                if self.may_hold(&plan, segment, erasures) {
                    let erased = self.erase_in_segment(&plan, segment, &mut matcher, &mut buffer);
                    self.noted(erased)?;
                }
            }
        }
        for name in self.names()? {
            if let Some((place, from_bytes)) = set_aside(&name) {
                let erased = self.erase_aside(&name, place, from_bytes, &mut matcher, &mut buffer);
                self.noted(erased)?;
            }
        }
        Ok(())
    }

    /// What is wrong with one file is noted, so that the pass continues with the others; what ends the pass is an error:
    /// a full disk, for one.
    pub(super) fn noted<T>(&mut self, result: Result<T, FilesError>) -> Result<Option<T>, FilesError> {
        match result {
            Ok(done) => Ok(Some(done)),
            Err(error) if is_of_one_file(&error) => {
                self.note_unusable(error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The names of all files. A directory that cannot be listed is noted.
    pub(super) fn names(&mut self) -> Result<Vec<String>, FilesError> {
        let mut failed = Vec::new();
        let names = self.files.names(&mut |error| failed.push(error))?;
        failed.into_iter().for_each(|error| self.note_unusable(error));
        Ok(names)
    }

    fn note_unusable(&mut self, error: FilesError) {
        if !self.outcome.faults.iter().any(|fault| fault.is_unusable() && fault.path == error.path) {
            self.outcome.faults.push(Fault::unusable(error));
        }
    }

    /// Whether a segment is to be read: not when its index lists nothing of what is to be erased. Of one that failed, a part
    /// may be in it that no index lists; and an index that cannot be used says nothing.
    fn may_hold(&self, plan: &ReadPlan, segment: SegmentNumber, erasures: &Erasures) -> bool {
        if !self.is_served || plan.limit_bytes(segment).is_some() || !plan.is_sound(segment) {
            return true;
        }
        let Some(beside) = self.files.beside() else { return true };
        let Ok(Some(table)) = read_own_table(beside, plan.shard, segment) else { return true };
        // A name that cannot be read back is for the segment itself to show.
        let mut tails = table.tails();
        tails.any(|tail| tail.is_ok_and(|(room, tail)| erasures.may_reach(room.key(), tail.head)))
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
        let place = SegmentId { shard: plan.shard, segment };
        // A server may be writing the header at this moment.
        for _ in 0..READS_OF_A_RUNNING_LOG {
            self.files.read_file(&old, buffer).map_err(self.failed(&name))?;
            (self.step)(PassStep::Read(buffer.len() as u64));
            if !self.is_served || SegmentHeader::decode(buffer, plan.shard, segment).is_ok() {
                break;
            }
        }
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
            // Prepared and never used, or all that was written to it failed.
            Err(HeaderFault::Blank)
                if (plan.is_void(segment) || !plan.is_followed(segment))
                    && buffer.iter().all(|byte| *byte == 0) =>
            {
                return Ok(());
            }
            // Nothing in it counts, and a later segment repeats what was written to it.
            Err(HeaderFault::Blank | HeaderFault::Invalid) if plan.is_void(segment) => {
                let rewriting = blanked(buffer);
                return self.replace_counted((&name, &old), buffer, &rewriting);
            }
            Err(header) => {
                self.note_fault(place, 0, FaultKind::Header(header));
                return Ok(());
            }
        };
        self.note_damage(place, &found);
        // Of what was torn and opening did not cut nobody can say whose text is in it.
        if found.is_wanted_open || is_opened && is_torn {
            let (path, is_followed) = (self.files.path_of(&name), plan.is_followed(segment));
            self.outcome.open.push(UnfinishedSegment { path, is_followed });
        }
        let Some(rewriting) = found.rewriting else { return Ok(()) };
        self.replace_counted((&name, &old), buffer, &rewriting)
    }

    fn note_damage(&mut self, place: SegmentId, found: &RewrittenSegment) {
        for &(offset_bytes, bytes) in &found.damage {
            self.note_fault(place, offset_bytes, FaultKind::Damage { bytes: bytes as u64 });
        }
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

/// Whether an error says something of one file alone.
fn is_of_one_file(error: &FilesError) -> bool {
    let is_broken = error.source.raw_os_error() == Some(Errno::IO.raw_os_error());
    is_broken || matches!(error.source.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput)
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
