//! What is read of the log, and the indexes by which it is found: work beside the turn.

use super::Turning;
use crate::connection::Surface;
use crate::log::{QueryFault, QueryOutcome, StoredFile};
use crate::runtime::bell::Bell;
use crate::runtime::indexer::{IndexDone, IndexJob, Indexer};
use crate::runtime::reader::{QUERIES_MAX, Reader};
use crate::shard::LookupId;
use crate::types::ShardId;
use std::rc::Rc;
use std::sync::Arc;

/// A start after a crash reads the indexes of so many segments at most.
const SEGMENTS_PER_SNAPSHOT: u64 = 16;

/// Who reads, the thread that writes this shard's indexes, and what that has done.
pub struct Lookups {
    pub reader: Rc<Reader>,
    shard: ShardId,
    bell: Arc<Bell>,
    indexer: Indexer,
    reply: flume::Sender<IndexDone>,
    pub done: flume::Receiver<IndexDone>,
    /// Jobs that are ordered and not done.
    under_way: usize,
}

impl Lookups {
    pub fn new(shard: ShardId, reader: Reader, indexer: Indexer, bell: Arc<Bell>) -> Lookups {
        // One answer a job, and a shard has few: its segments fill slowly, its lookups are bounded.
        let (reply, done) = flume::unbounded();
        Lookups { reader: Rc::new(reader), shard, bell, indexer, reply, done, under_way: 0 }
    }

    /// Gives the index thread something to do.
    pub fn order(&mut self, job: IndexJob) {
        self.under_way += 1;
        self.indexer.order(self.shard, job, self.reply.clone(), Arc::clone(&self.bell));
    }
}

impl<S: Surface> Turning<S> {
    /// Hands finished segments to the index thread, takes what it has done, and begins queries.
    pub(super) fn start_queries(&mut self) {
        while let Ok(done) = self.lookups.done.try_recv() {
            self.index_done(done);
        }
        for index in self.shard.archive().take_indexes() {
            let is_snapshot_due = index.segment().0.is_multiple_of(SEGMENTS_PER_SNAPSHOT);
            self.lookups.order(IndexJob::Write(index));
            if is_snapshot_due {
                self.lookups.order(IndexJob::Snapshot);
            }
        }
        while self.rest.queries.len() < QUERIES_MAX
            && let Some((id, query)) = self.shard.next_query()
        {
            self.rest.queries.push(self.lookups.reader.carry_out(id, query));
        }
    }

    fn index_done(&mut self, done: IndexDone) {
        self.lookups.under_way -= 1;
        match done {
            IndexDone::Written => self.shard.archive().index_written(),
            IndexDone::Snapshot(scope) => {
                self.lookups.reader.forget(self.shard.id(), StoredFile::Snapshot);
                scope.into_iter().for_each(|scope| self.shard.snapshot_renewed(scope));
            }
            IndexDone::Rebuilt { fault, lookup, is_there } => {
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
        for index in self.shard.archive().take_indexes() {
            self.lookups.order(IndexJob::Write(index));
        }
        // Behind the indexes on the same thread: a snapshot never tells of one that is not there.
        self.lookups.order(IndexJob::Snapshot);
        while self.lookups.under_way > 0
            && let Ok(done) = self.lookups.done.recv_async().await
        {
            self.index_done(done);
        }
    }

    pub(super) fn finish_query(&mut self, lookup: LookupId, found: Result<QueryOutcome, QueryFault>) {
        match found {
            Err(fault) if self.shard.archive().may_mend(lookup, &fault) => {
                self.lookups.order(IndexJob::Rebuild { fault, lookup });
            }
            found => self.shard.query_done(lookup, found),
        }
    }
}
