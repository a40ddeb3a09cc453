//! What a log consists of.

use super::plan::ReadPlan;
use super::segment::READS_OF_A_RUNNING_LOG;
use super::walk::{Role, SegmentReport, Visit, walk_unknown};
use crate::files::{Files, FilesError};
use crate::format::{SealRecord, StoredEntry};
use hashbrown::{HashMap, HashSet};
use madang_model::{RoomKey, RoomName, ShardId};
use rkyv::util::AlignedVec;

/// Of one directory, or of all.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    /// Whose directory; `None` is all of them.
    pub shard: Option<ShardId>,
    /// Finished segments, also those that a failure finished.
    pub sealed: u64,
    /// Segments that are appended to, or were at a crash.
    pub open: u64,
    /// Segments prepared and never used.
    pub unused: u64,
    /// Rooms with messages.
    pub rooms: u64,
    /// Records of facts of rooms.
    pub facts: u64,
    /// The bytes of their frames.
    pub facts_bytes: u64,
    /// Messages, and the times of the earliest and the latest.
    pub counts: SealRecord,
    /// The length of the files.
    pub file_bytes: u64,
    /// What of them is used.
    pub used_bytes: u64,
    /// Damaged places and whatever else `verify` would report of segments.
    pub faults: u64,
}

impl Statistics {
    fn count(&mut self, report: &SegmentReport) {
        match report.role {
            Role::Sealed | Role::Abandoned => self.sealed += 1,
            Role::Open => self.open += 1,
            Role::Unused => self.unused += 1,
        }
        self.counts.merge(report.counts);
        self.file_bytes += report.file_bytes;
        if report.role != Role::Unused {
            self.used_bytes += report.verdict.end_bytes() as u64;
        }
        self.faults += report.faults.len() as u64;
    }

    fn add(&mut self, other: &Statistics) {
        self.sealed += other.sealed;
        self.open += other.open;
        self.unused += other.unused;
        self.counts.merge(other.counts);
        self.file_bytes += other.file_bytes;
        self.used_bytes += other.used_bytes;
        self.facts += other.facts;
        self.facts_bytes += other.facts_bytes;
        self.faults += other.faults;
    }
}

/// Reads every segment: first each directory's, then all together. `progress` receives the length
/// of each segment read.
///
/// # Errors
/// [`FilesError`] when a segment cannot be read.
pub fn statistics(files: &dyn Files, progress: &mut dyn FnMut(u64)) -> Result<Vec<Statistics>, FilesError> {
    let mut keys: HashMap<Box<str>, Option<RoomKey>> = HashMap::new();
    let mut all_rooms: HashSet<RoomKey> = HashSet::new();
    let mut total = Statistics::default();
    let mut found = Vec::new();
    let mut buffer = AlignedVec::new();
    for shard in files.shards()? {
        let plan = ReadPlan::of(files, shard)?;
        let mut statistics = Statistics { shard: Some(shard), ..Statistics::default() };
        let mut rooms: HashSet<RoomKey> = HashSet::new();
        let mut visit = |_, entry: &StoredEntry<'_>| {
            let key = keys.get(entry.room()).copied().unwrap_or_else(|| {
                let key = RoomName::from_log(entry.room()).ok().map(|name| name.key());
                keys.insert(entry.room().into(), key);
                key
            });
            rooms.extend(key);
        };
        let (mut facts, mut facts_bytes) = (0, 0);
        let visit = &mut Visit {
            entry: &mut visit,
            facts: &mut |_, bytes, _| (facts, facts_bytes) = (facts + 1, facts_bytes + bytes),
            segment: &mut |report| {
                progress(report.file_bytes);
                statistics.count(&report);
            },
        };
        walk_unknown(files, &plan, &mut buffer, READS_OF_A_RUNNING_LOG, &mut |_| None, visit)?;
        (statistics.facts, statistics.facts_bytes) = (facts, facts_bytes);
        statistics.rooms = rooms.len() as u64;
        total.add(&statistics);
        all_rooms.extend(rooms);
        found.push(statistics);
    }
    total.rooms = all_rooms.len() as u64;
    found.push(total);
    Ok(found)
}
