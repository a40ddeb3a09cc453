//! The thread that writes indexes and snapshots, makes lost ones again, and removes what expired.

use super::World;
use madang_shards::log::{
    IndexFiles, QueryFault, Retention, SegmentIndex, SegmentNumber, SnapshotScope, StoredFile, rebuild_index,
    remake_snapshot, renew_snapshot, retain,
};
use madang_shards::shard::LookupId;
use madang_shards::types::ShardId;
use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

/// Work for the thread.
pub enum Job {
    Write(SegmentIndex),
    Snapshot,
    Rebuild { fault: QueryFault, lookup: LookupId },
}

/// What a shard hears of it.
#[derive(Clone, Debug)]
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
}

/// Jobs in the order in which they came, for all shards.
pub struct Jobs {
    queue: VecDeque<(ShardId, Job)>,
    retention: Retention,
    /// Segments that expired and nobody has taken note of yet.
    pub expired: Vec<(ShardId, SegmentNumber)>,
    /// What the operator would read.
    pub notes: Vec<String>,
}

impl Jobs {
    pub fn new(retention: Retention) -> Jobs {
        Jobs { queue: VecDeque::new(), retention, expired: Vec::new(), notes: Vec::new() }
    }

    pub fn order(&mut self, shard: ShardId, job: Job) {
        self.queue.push_back((shard, job));
    }

    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Does the next job. Gives the shard that ordered it, and what it hears.
    pub fn step(&mut self, world: &mut World<'_>) -> Option<(usize, IndexDone)> {
        let (shard, job) = self.queue.pop_front()?;
        let disk = world.disk;
        // Failures are the operator's to read: indexes and snapshots are made again.
        let done = match job {
            Job::Write(index) => {
                let _ = disk.write_index(shard, index.segment(), &index.encode());
                IndexDone::Written
            }
            Job::Snapshot => {
                let renewed = renew_snapshot(disk, shard, false).ok().flatten();
                IndexDone::Snapshot(renewed.map(|snapshot| snapshot.scope))
            }
            Job::Rebuild { fault, lookup } => {
                let made = match fault.mendable() {
                    Some((directory, StoredFile::Index(segment))) => rebuild_index(disk, directory, segment),
                    Some((directory, _)) => {
                        remake_snapshot(disk, directory, false).map(|_| ()).map_err(Into::into)
                    }
                    None => Ok(()),
                };
                self.notes.push(format!("what a lookup misses is made again: {fault}: {made:?}"));
                let is_there = made.is_ok();
                IndexDone::Rebuilt { fault, lookup, is_there }
            }
        };
        if matches!(done, IndexDone::Written) {
            let now = SystemTime::UNIX_EPOCH + Duration::from_micros(world.now.wall.0.unsigned_abs());
            // By the names that are gone: the power may go off between the removal and its report.
            let before = disk.all_segments();
            let _ = retain(disk, &self.retention, now, &mut |_| {});
            self.expired.extend(before.difference(&disk.all_segments()));
        }
        Some((shard.index(), done))
    }
}
