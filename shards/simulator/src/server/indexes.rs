//! The thread that writes indexes, and the one that writes snapshots, makes lost ones again, and removes
//! what expired: which of them does its next job is a matter of chance.

use super::StepContext;
use madang_engine::mutation::{Mutation, is_on};
use madang_engine::store::{
    Chore, ChoreNotes, IndexDone, IndexJob, LooksReader, Renewing, do_chore, remove_expired, write_index,
};
use madang_log::{IndexError, QueryFault, Removed, Retention, SegmentIndex, SegmentNumber, StoredLooks};
use madang_model::ShardId;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

/// What is reported to a shard of its jobs.
pub type JobsDone = VecDeque<IndexDone>;

/// Jobs in the order in which they came, for all shards.
pub struct Jobs {
    /// Those of the thread that writes indexes.
    writes: VecDeque<(ShardId, SegmentIndex)>,
    /// Those of the other; with `None` it looks for what has expired.
    chores: VecDeque<Option<(ShardId, Chore)>>,
    is_look_due: bool,
    looks: LooksReader,
    shard_count: u16,
    retention: Retention,
    renewing: Renewing,
    /// Shards that wait for facts to be renewed.
    idle_homes: Vec<ShardId>,
    /// Segments that expired and were not recorded yet.
    pub expired: Vec<(ShardId, SegmentNumber)>,
    notes: Notes,
}

/// What the operator would read. Failures are: indexes and snapshots are made again.
#[derive(Default)]
struct Notes(RefCell<Vec<String>>);

impl ChoreNotes for Notes {
    fn failed(&self) {}

    fn rebuilt(&self, fault: &QueryFault, made: &Result<(), IndexError>) {
        self.0.borrow_mut().push(format!("what a lookup misses is made again: {fault}: {made:?}"));
    }

    fn removed(&self, _: &Removed) {}
}

impl Jobs {
    pub fn new(retention: Retention, shard_count: u16) -> Jobs {
        Jobs {
            looks: LooksReader::default(),
            shard_count,
            writes: VecDeque::new(),
            chores: VecDeque::new(),
            is_look_due: false,
            retention,
            renewing: Renewing::new(shard_count),
            idle_homes: Vec::new(),
            expired: Vec::new(),
            notes: Notes::default(),
        }
    }

    pub fn order(&mut self, shard: ShardId, job: IndexJob) {
        match job {
            IndexJob::Write(index) => self.writes.push_back((shard, index)),
            IndexJob::Chore(chore) => self.chores.push_back(Some((shard, chore))),
            IndexJob::Looks => self.looks.ask(shard),
            IndexJob::Facts(report) => {
                self.idle_homes.push(shard);
                if self.renewing.report(report) && !std::mem::replace(&mut self.is_look_due, true) {
                    self.chores.push_back(None);
                }
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.chores.is_empty() && !self.looks.has_work()
    }

    pub fn take_notes(&mut self) -> Vec<String> {
        self.notes.0.take()
    }

    /// Does the next job of one of the threads, whichever. Whether there was any, and the shards that ordered
    /// it with what is reported to them.
    pub fn step(&mut self, world: &mut StepContext<'_>) -> (bool, Vec<(usize, IndexDone)>) {
        let is_write = !self.writes.is_empty() && (self.chores.is_empty() || world.chance.one_in(2));
        if is_write && let Some((shard, index)) = self.writes.pop_front() {
            write_index(world.disk, shard, &index, &self.notes);
            if !std::mem::replace(&mut self.is_look_due, true) {
                self.chores.push_back(None);
            }
            return (true, vec![(shard.index(), IndexDone::Written)]);
        }
        match self.chores.pop_front() {
            Some(Some((shard, chore))) => {
                (true, vec![(shard.index(), do_chore(world.disk, shard, chore, &self.notes))])
            }
            Some(None) => {
                self.is_look_due = false;
                self.remove_expired(world);
                (true, self.take_orders())
            }
            None if self.looks.has_work() => (true, self.read_looks(world)),
            None => (false, Vec::new()),
        }
    }

    fn read_looks(&mut self, world: &mut StepContext<'_>) -> Vec<(usize, IndexDone)> {
        let rooms_max = world.chance.between(1, 8);
        let read = self.looks.step(world.disk, (self.shard_count, rooms_max), &self.notes);
        let report = |(shard, done): (ShardId, IndexDone)| {
            let done = if is_on(Mutation::ForgetStoredLooks) {
                IndexDone::Looks(Some(StoredLooks::default()))
            } else {
                done
            };
            (shard.index(), done)
        };
        read.into_iter().map(report).collect()
    }

    /// What shards that wait for it are to store once more.
    fn take_orders(&mut self) -> Vec<(usize, IndexDone)> {
        let mut orders = Vec::new();
        for shard in std::mem::take(&mut self.idle_homes) {
            match self.renewing.take_order(shard) {
                Some(order) => orders.push((shard.index(), IndexDone::Facts(order))),
                None => self.idle_homes.push(shard),
            }
        }
        orders
    }

    fn remove_expired(&mut self, world: &mut StepContext<'_>) {
        let disk = world.disk;
        let now = SystemTime::UNIX_EPOCH + Duration::from_micros(world.now.wall.0.unsigned_abs());
        // By the names that are gone: the power may go off between the removal and its report.
        let before = disk.all_segments();
        remove_expired(disk, &self.retention, now, &mut self.renewing, &self.notes);
        self.expired.extend(before.difference(&disk.all_segments()));
    }
}
