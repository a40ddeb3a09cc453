//! What is read of the log, and the indexes by which it is found: work beside the turn.

use super::Turning;
use crate::connection::Surface;
use crate::log::{QueryFault, QueryOutcome, StoredFile};
use crate::runtime::bell::Bell;
use crate::runtime::indexer::{Chore, IndexDone, IndexJob, Indexer, REBUILDS_MAX};
use crate::runtime::reader::{QUERIES_MAX, Reader};
use crate::shard::LookupId;
use crate::types::ShardId;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

/// A start after a crash reads the indexes of so many segments at most.
const SEGMENTS_PER_SNAPSHOT: u64 = 16;

/// Who reads, the threads that write this shard's indexes and snapshot, and what they have done.
pub struct Lookups {
    pub reader: Rc<Reader>,
    shard: ShardId,
    bell: Arc<Bell>,
    indexer: Indexer,
    reply: flume::Sender<IndexDone>,
    pub done: flume::Receiver<IndexDone>,
    /// Jobs that are ordered and not done.
    under_way: usize,
    snapshot: SnapshotState,
    /// Lookups that miss a file, and wait until those before them have theirs again: no more than there are
    /// lookups.
    missed: VecDeque<(QueryFault, LookupId)>,
    rebuilds_under_way: usize,
}

/// Of a shard one snapshot at most is under way. Another may become due meanwhile.
#[derive(Default)]
struct SnapshotState {
    is_due: bool,
    is_under_way: bool,
}

impl Lookups {
    pub fn new(shard: ShardId, reader: Reader, indexer: Indexer, bell: Arc<Bell>) -> Lookups {
        // One answer a job, and those are bounded.
        let (reply, done) = flume::unbounded();
        let snapshot = SnapshotState::default();
        Lookups {
            reader: Rc::new(reader),
            shard,
            bell,
            indexer,
            reply,
            done,
            under_way: 0,
            snapshot,
            missed: VecDeque::new(),
            rebuilds_under_way: 0,
        }
    }

    fn start_rebuilds(&mut self) {
        while self.rebuilds_under_way < REBUILDS_MAX
            && let Some((fault, lookup)) = self.missed.pop_front()
        {
            self.rebuilds_under_way += 1;
            self.order(IndexJob::Chore(Chore::Rebuild { fault, lookup }));
        }
    }

    fn order(&mut self, job: IndexJob) {
        self.under_way += 1;
        self.hand_over(job);
    }

    fn hand_over(&self, job: IndexJob) {
        self.indexer.order(self.shard, job, self.reply.clone(), Arc::clone(&self.bell));
    }
}

impl<S: Surface> Turning<S> {
    /// Hands finished segments to the index thread, takes what is done, and begins queries.
    pub(super) fn start_queries(&mut self) {
        while let Ok(done) = self.lookups.done.try_recv() {
            self.index_done(done);
        }
        self.write_indexes();
        self.start_snapshot();
        if self.shard.begin_reading_looks() {
            // Nothing waits for it: not a freeze, and not the end.
            self.lookups.hand_over(IndexJob::Looks);
        }
        while self.rest.queries.len() < QUERIES_MAX
            && let Some((id, query)) = self.shard.next_query()
        {
            self.rest.queries.push(self.lookups.reader.carry_out(id, query));
        }
    }

    fn write_indexes(&mut self) {
        for index in self.shard.archive().take_indexes() {
            self.lookups.snapshot.is_due |= index.segment().0.is_multiple_of(SEGMENTS_PER_SNAPSHOT);
            self.lookups.order(IndexJob::Write(index));
        }
    }

    /// Has the snapshot written that is due. Another thread does that: not before the indexes are on disk,
    /// or it would not tell of their segments.
    fn start_snapshot(&mut self) {
        let archive = self.shard.archive();
        let snapshot = &mut self.lookups.snapshot;
        snapshot.is_due |= archive.has_unindexed();
        if !snapshot.is_due || snapshot.is_under_way || archive.index_jobs() > 0 {
            return;
        }
        *snapshot = SnapshotState { is_due: false, is_under_way: true };
        let unindexed = archive.take_unindexed();
        self.lookups.order(IndexJob::Chore(Chore::Snapshot { unindexed }));
    }

    fn index_done(&mut self, done: IndexDone) {
        if !matches!(done, IndexDone::Looks(_)) {
            self.lookups.under_way -= 1;
        }
        match done {
            IndexDone::Written => self.shard.archive().index_written(),
            IndexDone::Snapshot(scope) => {
                self.lookups.snapshot.is_under_way = false;
                self.lookups.reader.forget(self.shard.id(), StoredFile::Snapshot);
                scope.into_iter().for_each(|scope| self.shard.snapshot_renewed(scope));
            }
            IndexDone::Looks(read) => self.shard.looks_read(read),
            IndexDone::Rebuilt { fault, lookup, is_there } => {
                self.lookups.rebuilds_under_way -= 1;
                self.lookups.start_rebuilds();
                if let Some((directory, file)) = fault.mendable() {
                    self.lookups.reader.forget(directory, file);
                }
                if is_there {
                    self.shard.archive().ask_again(lookup);
                } else {
                    self.shard.query_done(lookup, Err(fault));
                }
            }
        }
    }

    /// Has the indexes of finished segments written, then the snapshot, and waits for both.
    pub(super) async fn finish_indexes(&mut self) {
        self.write_indexes();
        self.lookups.snapshot.is_due = true;
        self.start_snapshot();
        while self.lookups.under_way > 0
            && let Ok(done) = self.lookups.done.recv_async().await
        {
            self.index_done(done);
            self.start_snapshot();
        }
    }

    pub(super) fn finish_query(&mut self, lookup: LookupId, found: Result<QueryOutcome, QueryFault>) {
        match found {
            Err(fault) if self.shard.archive().may_mend(lookup, &fault) => {
                self.lookups.missed.push_back((fault, lookup));
                self.lookups.start_rebuilds();
            }
            found => self.shard.query_done(lookup, found),
        }
    }
}
