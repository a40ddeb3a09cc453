//! Indexes made again in one pass over the log, the earliest segment first: each directory is listed once, and
//! each index read once, however many are missing.

use super::lost::{LostRange, MissingRange};
use super::plan::ReadPlan;
use super::tails::{
    IndexError, Tails, earliest_first, is_sealed, known_before, read_table, start_of, take_table,
};
use crate::files::{FilesError, IndexFiles};
use crate::format::{HEADER_BYTES, SegmentNumber};
use crate::index::{IndexBuilder, SegmentTable};
use hashbrown::HashMap;
use madang_model::{RoomKey, Seq, ShardId};
use rkyv::util::AlignedVec;

type At = (ShardId, SegmentNumber);

/// How far the log was gone through, and what was met.
pub struct Pass<'f> {
    files: &'f dyn IndexFiles,
    plans: HashMap<ShardId, ReadPlan>,
    /// Once something earlier is asked for: all segments that hold something, the earliest first.
    ordered: Option<Ordered>,
    /// The newest entry of each room in the segments that were passed.
    passed: Tails,
    /// What repairs recorded as lost, by room.
    lost: HashMap<RoomKey, Vec<MissingRange>>,
    buffer: AlignedVec,
}

struct Ordered {
    segments: Vec<At>,
    places: HashMap<At, usize>,
    /// All before this place were passed.
    next: usize,
    /// Whether the number of shards has changed, so that rooms may have moved between directories.
    has_moved: bool,
}

impl<'f> Pass<'f> {
    /// A pass that has not begun.
    pub fn new(files: &'f dyn IndexFiles) -> Pass<'f> {
        let (plans, lost) = (HashMap::new(), HashMap::new());
        Pass { files, plans, ordered: None, passed: Tails::default(), lost, buffer: AlignedVec::new() }
    }

    /// Makes and writes the index of a segment, by the tails that are known before it. Where they do not cover
    /// all its rooms, the pass comes up to it, and makes the indexes that earlier segments lack: or what they hold
    /// would pass for lost. `None` when the segment holds neither messages nor facts.
    ///
    /// # Errors
    /// [`IndexError`] when an index cannot be made.
    pub fn make(&mut self, at: At, known: &Tails) -> Result<Option<SegmentTable>, IndexError> {
        self.make_of(at, known, false)
    }

    /// The same, also of a segment that holds no entry, if `is_missed`: then the index says that.
    pub fn make_of(
        &mut self,
        at: At,
        known: &Tails,
        is_missed: bool,
    ) -> Result<Option<SegmentTable>, IndexError> {
        let ((shard, segment), files) = (at, self.files);
        let limit_bytes = self.plan(shard)?.limit_bytes(segment);
        files.read(shard, segment, &mut self.buffer)?;
        let scanned = IndexBuilder::scan(&self.buffer, shard, segment, limit_bytes);
        let (mut builder, end_bytes) =
            scanned.map_err(|source| IndexError::Rebuild { path: files.path(shard, segment), source })?;
        if builder.is_empty() && (!is_missed || end_bytes <= HEADER_BYTES as u64) {
            return Ok(None);
        }
        let (mut tails, unsure) = known_before(&builder, known);
        if !unsure.is_empty() {
            self.advance_to(at)?;
            tails.absorb(self.before(&unsure)?);
        }
        let tails = tails.rooms;
        builder.excuse_gaps(|key| tails.get(&key));
        let index = builder.seal(end_bytes, |room| tails.get(&room.key()))?;
        let bytes = index.encode();
        // An index proves the seal to the next start. That of a segment that nothing follows may be in memory
        // only, after a sync of it that failed.
        if !self.plan(shard)?.is_followed(segment) {
            files.make_sure(shard, segment, end_bytes)?;
        }
        files.write_index(shard, segment, &bytes)?;
        let table = SegmentTable::decode(&bytes, shard, segment).expect("what was just encoded can be read");
        Ok(Some(table))
    }

    fn plan(&mut self, shard: ShardId) -> Result<&ReadPlan, FilesError> {
        if !self.plans.contains_key(&shard) {
            self.plans.insert(shard, ReadPlan::of(self.files, shard)?);
        }
        Ok(&self.plans[&shard])
    }

    /// Goes through the segments before this one, as far as it did not yet.
    fn advance_to(&mut self, target: At) -> Result<(), IndexError> {
        if self.ordered.is_none() {
            self.ordered = Some(self.order()?);
        }
        while let Some(ordered) = &mut self.ordered
            && ordered.places.get(&target).is_some_and(|place| ordered.next < *place)
        {
            let at = ordered.segments[ordered.next];
            ordered.next += 1;
            match self.pass(at) {
                // It has expired meanwhile, and with it what it covered.
                Err(IndexError::Files(error)) if error.is_gone() => {}
                passed => passed?,
            }
        }
        Ok(())
    }

    fn order(&mut self) -> Result<Ordered, FilesError> {
        let mut all = Vec::new();
        for shard in self.files.shards()? {
            let plan = self.plan(shard)?;
            let holding = plan.segments.iter().filter(|segment| !plan.is_void(**segment));
            all.extend(holding.map(|segment| (shard, *segment)));
        }
        for LostRange { room, gap, .. } in self.plans.values().flat_map(|plan| &plan.lost) {
            self.lost.entry(room.key()).or_default().push(*gap);
        }
        let mut counts = self.plans.values().map(|plan| plan.shard_count);
        let first = counts.next().flatten();
        let has_moved = first.is_none() || counts.any(|count| count != first);
        let segments = earliest_first(self.files, all)?;
        let places = segments.iter().enumerate().map(|(place, at)| (*at, place)).collect();
        Ok(Ordered { segments, places, next: 0, has_moved })
    }

    fn pass(&mut self, at: At) -> Result<(), IndexError> {
        let ((shard, segment), files) = (at, self.files);
        let mut table = read_table(files, shard, segment)?;
        if table.is_none() && self.is_finished(at)? {
            table = self.make(at, &Tails::default())?;
        }
        if let Some(table) = table {
            take_table(&table, &mut self.passed);
        }
        Ok(())
    }

    /// Sealing cuts a segment off: one of full length is still appended to, or was not used, or its seal is the
    /// last that fitted, or a crash came before the cut. One whose writing failed keeps its length, and a later
    /// one says where it ends.
    fn is_finished(&mut self, (shard, segment): At) -> Result<bool, FilesError> {
        let files = self.files;
        let Some(header) = start_of(files, shard, segment)? else { return Ok(false) };
        Ok(self.plan(shard)?.limit_bytes(segment).is_some()
            || files.length_bytes(shard, segment)? < header.capacity_bytes
            || is_sealed(files, shard, segment)?)
    }

    /// The tails of rooms before the numbers given, as the segments say that were passed.
    fn before(&mut self, firsts: &HashMap<RoomKey, Seq>) -> Result<Tails, IndexError> {
        let mut before = Tails::default();
        let mut loose = HashMap::new();
        for (key, first) in firsts {
            let passed = self.passed.rooms.get(key).filter(|tail| tail.head < *first);
            if passed.is_none_or(|tail| tail.head.next() != *first) {
                loose.insert(*key, *first);
            }
            passed.into_iter().for_each(|tail| before.take(*key, tail.clone()));
        }
        // Between directories only the clock shows which was filled earlier, and it may have been set back.
        if !loose.is_empty() && self.ordered.as_ref().is_some_and(|ordered| ordered.has_moved) {
            before.absorb(self.anywhere_before(&loose)?);
        }
        // A hole that no repair recorded has expired, and what is before it is as good as gone: with
        // another number of shards the room was stored elsewhere, where the newest segment is kept.
        before.rooms.retain(|key, tail| {
            let gap = MissingRange::between(tail.head, firsts.get(key).copied().unwrap_or_default());
            gap.unknown(self.lost.entry(*key).or_default()).is_empty()
        });
        Ok(before)
    }

    fn anywhere_before(&self, firsts: &HashMap<RoomKey, Seq>) -> Result<Tails, IndexError> {
        let mut before = Tails::default();
        for plan in self.plans.values() {
            for segment in &plan.segments {
                let Some(table) = read_table(self.files, plan.shard, *segment)? else { continue };
                for (name, tail) in table.tails().flatten() {
                    if firsts.get(&name.key()).is_some_and(|first| tail.head < *first) {
                        before.take(name.key(), tail);
                    }
                }
            }
        }
        Ok(before)
    }
}
