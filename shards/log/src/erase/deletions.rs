//! Messages that their authors have deleted: which of them are to be erased.

use super::rules::{ErasureRule, Erasures};
use crate::files::{FilesError, IndexFiles};
use crate::format::{SegmentNumber, StoredChange, StoredEntry};
use crate::read::for_erasure::{
    READS_OF_A_RUNNING_LOG, ReadPlan, read_own_header, read_own_table, start_of, with_segment,
};
use hashbrown::{HashMap, HashSet};
use madang_model::{RoomKey, RoomName, Seq, ShardId, Timestamp};
use rkyv::util::AlignedVec;

/// Looks through a log for deletions, again and again, while a server appends to it. A finished segment is looked at once.
#[derive(Debug, Default)]
pub struct DeletionSearch {
    /// Finished segments of which every deletion was given out.
    known: HashSet<(ShardId, SegmentNumber)>,
    /// How many deletions were committed before the last look that found all; `None` when there was none.
    looked_at: Option<u64>,
}

/// What a look has found.
#[derive(Debug)]
pub struct FoundDeletions {
    /// Messages that were deleted and that nobody has asked to erase. Numbers of a room that follow one another are one rule.
    pub rules: Vec<ErasureRule>,
    /// None was deleted earlier; of what indexes list, when the segment was made.
    pub since: Timestamp,
    /// Whether that is all of them: if not, the next look finds more.
    pub is_complete: bool,
    /// Segments that were read whole, as they have no index yet.
    pub segments_read: u64,
    segments: Vec<(ShardId, SegmentNumber)>,
}

impl FoundDeletions {
    /// Of numbers that were given nothing stays, however late the clock says that they were.
    pub const UNTIL: Timestamp = Timestamp(i64::MAX);
}

impl DeletionSearch {
    /// Begins.
    pub fn new() -> DeletionSearch {
        DeletionSearch::default()
    }

    /// Looks for deletions of messages that are not in `asked`, and stops after the segment in which it has `count_max`.
    ///
    /// Of a finished segment its index is read, and of that the first block alone where nothing was amended in it; one that
    /// has no index is read whole. `pause` is called after each file.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn look(
        &self,
        files: &dyn IndexFiles,
        asked: &Erasures,
        now: Timestamp,
        count_max: usize,
        pause: &mut dyn FnMut(),
    ) -> Result<FoundDeletions, FilesError> {
        let mut look = DeletionLook {
            files,
            asked,
            rooms: HashMap::new(),
            count: 0,
            now,
            found: FoundDeletions {
                rules: Vec::new(),
                since: now,
                is_complete: true,
                segments_read: 0,
                segments: Vec::new(),
            },
            buffer: AlignedVec::new(),
        };
        'directories: for shard in files.shards()? {
            let plan = ReadPlan::of(files, shard)?;
            let is_new = |segment: &&SegmentNumber| {
                !plan.is_unused(**segment) && !self.known.contains(&(shard, **segment))
            };
            for &segment in plan.segments.iter().filter(is_new) {
                if look.count >= count_max {
                    look.found.is_complete = false;
                    break 'directories;
                }
                look.look_at(&plan, segment)?;
                pause();
            }
        }
        Ok(look.finish())
    }

    /// Whether there may be deletions that were not found, where so many were committed since the process began.
    pub fn is_due(&self, committed: u64) -> bool {
        self.looked_at != Some(committed)
    }

    /// Everything that a look has found is asked for: where it has looked need not be looked again. So many deletions had been
    /// committed before it, which it could read.
    pub fn asked(&mut self, found: &FoundDeletions, committed: u64) {
        self.known.extend(&found.segments);
        // The rest of one that is not complete is found by the next.
        if found.is_complete {
            self.looked_at = Some(committed);
        }
    }
}

struct DeletionLook<'a> {
    files: &'a dyn IndexFiles,
    asked: &'a Erasures,
    rooms: HashMap<RoomKey, (RoomName, Vec<Seq>)>,
    count: usize,
    now: Timestamp,
    found: FoundDeletions,
    buffer: AlignedVec,
}

impl DeletionLook<'_> {
    fn look_at(&mut self, plan: &ReadPlan, segment: SegmentNumber) -> Result<(), FilesError> {
        let place = (plan.shard, segment);
        // Of one that failed, a part may be in it that no index lists.
        let is_indexed = plan.limit_bytes(segment).is_none() && plan.is_sound(segment);
        // An index that cannot be read says nothing.
        let header =
            if is_indexed { read_own_header(self.files, plan.shard, segment).ok().flatten() } else { None };
        let Some(header) = header else { return self.read_whole(plan, segment) };
        if header.amendments.is_some() {
            let Ok(Some(table)) = read_own_table(self.files, plan.shard, segment) else {
                return self.read_whole(plan, segment);
            };
            let amended = table.amendments().rooms();
            if amended.values().flat_map(|targets| targets.values()).any(|changes| changes.deletion.is_some())
            {
                let created = self.created(plan, segment)?;
                for entry in table.rooms() {
                    let Some(targets) = amended.get(&entry.key()) else { continue };
                    // A name that cannot be read back is no room's.
                    let Ok(room) = entry.room_name() else { continue };
                    for (target, _) in targets.iter().filter(|(_, changes)| changes.deletion.is_some()) {
                        self.add(&room, *target, created);
                    }
                }
            }
        }
        self.found.segments.push(place);
        Ok(())
    }

    /// Nothing in a segment was deleted before this.
    fn created(&self, plan: &ReadPlan, segment: SegmentNumber) -> Result<Timestamp, FilesError> {
        let header = match start_of(self.files, plan.shard, segment) {
            Err(error) if error.is_gone() => None,
            read => read?,
        };
        Ok(Timestamp(header.map_or(i64::MIN, |header| header.created_us)))
    }

    fn read_whole(&mut self, plan: &ReadPlan, segment: SegmentNumber) -> Result<(), FilesError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let reads = READS_OF_A_RUNNING_LOG;
        let read = with_segment(self.files, plan, segment, &mut buffer, reads, |contents| {
            for (_, entry) in &contents.entries {
                if let StoredEntry::Amendment(amendment) = entry
                    && matches!(amendment.change, StoredChange::Deletion)
                    && let Ok(room) = RoomName::from_log(amendment.room)
                {
                    self.add(&room, amendment.target, amendment.time);
                }
            }
        });
        self.buffer = buffer;
        self.found.segments_read += 1;
        if plan.limit_bytes(segment).is_some() {
            // Nothing is appended to one that failed.
            self.found.segments.push((plan.shard, segment));
        }
        match read {
            // It has expired meanwhile.
            Err(error) if error.is_gone() => Ok(()),
            read => read,
        }
    }

    /// A message was deleted at this time or later. Only what was asked for without an end surely includes it: when it was
    /// said, indexes do not tell.
    fn add(&mut self, room: &RoomName, target: Seq, deleted: Timestamp) {
        if !self.asked.covers(room.key(), target, self.now) {
            self.rooms.entry(room.key()).or_insert_with(|| (room.clone(), Vec::new())).1.push(target);
            self.count += 1;
            self.found.since = self.found.since.min(deleted);
        }
    }

    fn finish(mut self) -> FoundDeletions {
        for (room, mut numbers) in self.rooms.into_values() {
            numbers.sort_unstable();
            numbers.dedup();
            let runs = numbers.chunk_by(|one, next| one.next() == *next);
            self.found.rules.extend(runs.map(|run| ErasureRule::Entries {
                room: room.clone(),
                first: run[0],
                last: run[run.len() - 1],
            }));
        }
        self.found
    }
}
