//! The thread that writes indexes, and the one that writes snapshots, makes lost ones again, and removes
//! what expired.

use super::super::mutation::mutated;
use super::World;
use madang_shards::log::{
    IndexFiles, QueryFault, Retention, SegmentIndex, SegmentNumber, SnapshotScope, StoredFile, StoredLooks,
    load_looks, mend_snapshot, rebuild_index, renew_snapshot, retain,
};
use madang_shards::shard::LookupId;
use madang_shards::types::ShardId;
use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

/// Work for the threads.
pub enum Job {
    Write(SegmentIndex),
    Chore(Chore),
}

/// Work for the second.
pub enum Chore {
    Snapshot { unindexed: Vec<SegmentNumber> },
    Rebuild { fault: QueryFault, lookup: LookupId },
    Looks { shard_count: u16 },
}

/// What a shard hears of it.
#[derive(Debug)]
pub enum IndexDone {
    Written,
    Snapshot(Option<SnapshotScope>),
    /// A lookup has missed a file: not done yet, to be ordered.
    Wanted {
        fault: QueryFault,
        lookup: LookupId,
    },
    Rebuilt {
        fault: QueryFault,
        lookup: LookupId,
        is_there: bool,
    },
    Looks(Option<StoredLooks>),
}

/// Jobs in the order in which they came, for all shards.
pub struct Jobs {
    /// Those of the thread that writes indexes.
    writes: VecDeque<(ShardId, SegmentIndex)>,
    /// Those of the other; with `None` it looks for what has expired.
    chores: VecDeque<Option<(ShardId, Chore)>>,
    is_look_due: bool,
    retention: Retention,
    /// Segments that expired and nobody has taken note of yet.
    pub expired: Vec<(ShardId, SegmentNumber)>,
    /// What the operator would read.
    pub notes: Vec<String>,
}

impl Jobs {
    pub fn new(retention: Retention) -> Jobs {
        Jobs {
            writes: VecDeque::new(),
            chores: VecDeque::new(),
            is_look_due: false,
            retention,
            expired: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub fn order(&mut self, shard: ShardId, job: Job) {
        match job {
            Job::Write(index) => self.writes.push_back((shard, index)),
            Job::Chore(chore) => self.chores.push_back(Some((shard, chore))),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.chores.is_empty()
    }

    /// Does the next job of one of the threads, whichever. Whether there was any, and the shard that ordered
    /// it with what it hears.
    pub fn step(&mut self, world: &mut World<'_>) -> (bool, Option<(usize, IndexDone)>) {
        let is_write = !self.writes.is_empty() && (self.chores.is_empty() || world.chance.one_in(2));
        if is_write && let Some((shard, index)) = self.writes.pop_front() {
            // Failures are the operator's to read: indexes and snapshots are made again.
            let _ = world.disk.write_index(shard, index.segment(), &index.encode());
            if !std::mem::replace(&mut self.is_look_due, true) {
                self.chores.push_back(None);
            }
            return (true, Some((shard.index(), IndexDone::Written)));
        }
        match self.chores.pop_front() {
            Some(Some((shard, chore))) => (true, Some((shard.index(), self.carry_out(shard, chore, world)))),
            Some(None) => {
                self.is_look_due = false;
                self.remove_expired(world);
                (true, None)
            }
            None => (false, None),
        }
    }

    fn carry_out(&mut self, shard: ShardId, chore: Chore, world: &mut World<'_>) -> IndexDone {
        let disk = world.disk;
        match chore {
            Chore::Snapshot { unindexed } => {
                for segment in unindexed {
                    let _ = rebuild_index(disk, shard, segment);
                }
                let renewed = renew_snapshot(disk, shard, false).ok().flatten();
                IndexDone::Snapshot(renewed.map(|snapshot| snapshot.scope))
            }
            Chore::Looks { shard_count } => self.looks_of(shard, shard_count, world),
            Chore::Rebuild { fault, lookup } => {
                let made = match fault.mendable() {
                    Some((directory, StoredFile::Index(segment))) => rebuild_index(disk, directory, segment),
                    Some((directory, _)) => mend_snapshot(disk, directory).map_err(Into::into),
                    None => Ok(()),
                };
                self.notes.push(format!("what a lookup misses is made again: {fault}: {made:?}"));
                let is_there = made.is_ok();
                IndexDone::Rebuilt { fault, lookup, is_there }
            }
        }
    }

    fn looks_of(&mut self, shard: ShardId, shard_count: u16, world: &World<'_>) -> IndexDone {
        if mutated!(ForgetStoredLooks) {
            return IndexDone::Looks(Some(StoredLooks::default()));
        }
        match load_looks(world.disk, shard_count) {
            Ok(mut read) => IndexDone::Looks(Some(read.swap_remove(shard.index()))),
            Err(error) => {
                self.notes.push(format!("what stored rooms look like cannot be read: {error}"));
                IndexDone::Looks(None)
            }
        }
    }

    fn remove_expired(&mut self, world: &mut World<'_>) {
        let disk = world.disk;
        let now = SystemTime::UNIX_EPOCH + Duration::from_micros(world.now.wall.0.unsigned_abs());
        // By the names that are gone: the power may go off between the removal and its report.
        let before = disk.all_segments();
        let _ = retain(disk, &self.retention, now, &mut |_| {});
        self.expired.extend(before.difference(&disk.all_segments()));
    }
}
