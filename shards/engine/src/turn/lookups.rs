//! What is read of the log, and the indexes by which it is found: work beside the turn.

use super::Turn;
use super::shell::{Disk, Shell};
use crate::shard::LookupId;
use crate::store::{Chore, IndexDone, IndexJob, REBUILDS_MAX};
use madang_log::{QueryFault, QueryOutcome, StoredFile};
use madang_model::connection::Surface;
use std::collections::VecDeque;

/// Queries carried out at a time.
pub const QUERIES_MAX: usize = 32;

/// A start after a crash reads the indexes of at most this many segments.
const SEGMENTS_PER_SNAPSHOT: u64 = 16;

/// What is ordered for this shard's indexes and snapshot.
#[derive(Default)]
pub struct Lookups {
    /// Jobs that are ordered and not done.
    under_way: usize,
    snapshot: SnapshotState,
    /// Lookups that miss a file, and wait until the earlier ones have theirs again: at most as many as there are
    /// lookups.
    missed: VecDeque<(QueryFault, LookupId)>,
    rebuilds_under_way: usize,
}

/// At most one snapshot of a shard is under way. Another may become due meanwhile.
#[derive(Default)]
struct SnapshotState {
    is_due: bool,
    is_under_way: bool,
}

impl Lookups {
    fn start_rebuilds(&mut self, disk: &mut impl Disk) {
        while self.rebuilds_under_way < REBUILDS_MAX
            && let Some((fault, lookup)) = self.missed.pop_front()
        {
            self.rebuilds_under_way += 1;
            self.order(IndexJob::Chore(Chore::Rebuild { fault, lookup }), disk);
        }
    }

    fn order(&mut self, job: IndexJob, disk: &mut impl Disk) {
        self.under_way += 1;
        disk.order(job);
    }
}

impl<S: Surface> Turn<S> {
    /// Orders indexes of finished segments, takes what is done, and begins queries.
    pub(super) fn start_queries<W: Shell>(&mut self, shell: &mut W) {
        let disk = shell.disk();
        self.take_index_jobs(disk);
        if self.shard.begin_reading_looks() {
            // Nothing waits for it: not a snapshot, and not the end.
            disk.order(IndexJob::Looks);
        }
        if let Some(report) = self.shard.take_facts_report() {
            // Nor for this.
            disk.order(IndexJob::Facts(report));
        }
        while disk.queries_under_way() < QUERIES_MAX
            && let Some((id, query)) = self.shard.next_query()
        {
            disk.begin_query(id, query);
        }
    }

    fn take_index_jobs(&mut self, disk: &mut impl Disk) {
        while let Some(done) = disk.take_index_done() {
            self.index_done(done, disk);
        }
        self.write_indexes(disk);
        self.start_snapshot(disk);
    }

    fn write_indexes(&mut self, disk: &mut impl Disk) {
        for index in self.shard.archive().take_indexes() {
            self.lookups.snapshot.is_due |= index.segment().0.is_multiple_of(SEGMENTS_PER_SNAPSHOT);
            self.lookups.order(IndexJob::Write(index), disk);
        }
    }

    /// Orders the snapshot that is due: not before the indexes are on disk, or it would not cover their segments.
    fn start_snapshot(&mut self, disk: &mut impl Disk) {
        let archive = self.shard.archive();
        let snapshot = &mut self.lookups.snapshot;
        snapshot.is_due |= archive.has_unindexed();
        if !snapshot.is_due || snapshot.is_under_way || archive.index_jobs() > 0 {
            return;
        }
        *snapshot = SnapshotState { is_due: false, is_under_way: true };
        let unindexed = archive.take_unindexed();
        self.lookups.order(IndexJob::Chore(Chore::Snapshot { unindexed }), disk);
    }

    fn index_done(&mut self, done: IndexDone, disk: &mut impl Disk) {
        if !matches!(done, IndexDone::Looks(_) | IndexDone::Facts(_)) {
            self.lookups.under_way -= 1;
        }
        match done {
            IndexDone::Written => self.shard.archive().index_written(),
            IndexDone::Snapshot(scope, sources) => {
                self.lookups.snapshot.is_under_way = false;
                disk.forget(self.shard.id(), StoredFile::Snapshot);
                self.shard.snapshot_renewed(scope, sources.as_deref());
            }
            IndexDone::Looks(read) => self.shard.looks_read(read),
            IndexDone::Facts(order) => self.shard.renew_facts(order),
            IndexDone::Rebuilt { fault, lookup, is_there } => {
                self.lookups.rebuilds_under_way -= 1;
                self.lookups.start_rebuilds(disk);
                if let Some((directory, file)) = fault.mendable() {
                    disk.forget(directory, file);
                }
                if is_there {
                    self.shard.archive().ask_again(lookup);
                } else {
                    self.shard.query_done(lookup, Err(fault));
                }
            }
        }
    }

    /// Orders the indexes of finished segments, then the snapshot.
    pub(super) fn begin_last_indexes(&mut self, disk: &mut impl Disk) {
        self.lookups.snapshot.is_due = true;
        self.take_index_jobs(disk);
    }

    /// Whether all of that is done.
    pub(super) fn are_indexes_done(&mut self, disk: &mut impl Disk) -> bool {
        self.take_index_jobs(disk);
        self.lookups.under_way == 0
    }

    /// Takes what queries have found.
    pub(super) fn take_found<W: Shell>(&mut self, shell: &mut W) {
        while let Some((lookup, found)) = shell.disk().take_found() {
            self.finish_query(lookup, found, shell.disk());
        }
    }

    fn finish_query(
        &mut self,
        lookup: LookupId,
        found: Result<QueryOutcome, QueryFault>,
        disk: &mut impl Disk,
    ) {
        match found {
            Err(fault) if self.shard.archive().may_mend(lookup, &fault) => {
                self.lookups.missed.push_back((fault, lookup));
                self.lookups.start_rebuilds(disk);
            }
            found => self.shard.query_done(lookup, found),
        }
    }
}
