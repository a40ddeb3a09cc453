//! The log of a shard on the disk of this machine: each part of the work has a thread of its own, or the
//! executor's ring.

use crate::runtime::bell::Bell;
use crate::runtime::indexer::Indexer;
use crate::runtime::log_thread::{Job, LogThread};
use crate::runtime::reader::LogReader;
use crate::runtime::wait::Rest;
use crate::runtime::writer::LogWriter;
use crate::shard::{LookupId, Storage};
use crate::store::{Done, IndexDone, IndexJob, Work};
use crate::turn::{Disk, Found};
use madang_log::{SegmentNumber, StoredFile, StoredQuery};
use madang_model::{Moment, ShardId};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The writer, the reader, the threads that write this shard's indexes and snapshot, and their results.
pub struct LogDisk {
    shard: ShardId,
    /// `None` while it is at work.
    writer: Option<Box<LogWriter>>,
    thread: LogThread,
    /// The job that the thread has done, if it was waited for.
    done: Option<(Box<LogWriter>, Done)>,
    reader: Rc<LogReader>,
    indexer: Indexer,
    bell: Arc<Bell>,
    reply: flume::Sender<IndexDone>,
    indexed: flume::Receiver<IndexDone>,
    /// The same, of indexes.
    first_indexed: Option<IndexDone>,
    /// The queries under way, and when a sync is due.
    pub rest: Rest,
    /// Queries that are done.
    pub found: VecDeque<Found>,
}

impl LogDisk {
    pub fn new(
        shard: ShardId,
        (writer, thread): (LogWriter, LogThread),
        reader: LogReader,
        indexer: Indexer,
        bell: Arc<Bell>,
        rest: Rest,
    ) -> LogDisk {
        // One answer a job, and those are bounded.
        let (reply, indexed) = flume::unbounded();
        LogDisk {
            shard,
            writer: Some(Box::new(writer)),
            thread,
            done: None,
            reader: Rc::new(reader),
            indexer,
            bell,
            reply,
            indexed,
            first_indexed: None,
            rest,
            found: VecDeque::new(),
        }
    }

    /// Waits until the writer is done, or the time is over.
    pub fn wait_for_writer(&mut self, time_max: Duration) {
        self.done = self.thread.wait_done(time_max);
    }

    /// Waits until an index or a chore is done, or the time is over.
    pub fn wait_for_indexes(&mut self, time_max: Duration) {
        self.first_indexed = self.indexed.recv_timeout(time_max).ok();
    }
}

impl Disk for LogDisk {
    #[inline]
    fn is_writing(&self) -> bool {
        self.writer.is_none()
    }

    fn begin(&mut self, work: Work) {
        let writer = self.writer.take().expect("the writer is given one thing at a time");
        self.thread.order(Job { writer, work });
    }

    #[inline]
    fn take_done(&mut self) -> Option<Done> {
        let (writer, done) = self.done.take().or_else(|| self.thread.take_done())?;
        self.writer = Some(writer);
        Some(done)
    }

    #[inline]
    fn next_storage(&mut self, now: Moment) -> Option<Storage> {
        self.writer.as_mut().map(|writer| writer.next_storage(now))
    }

    fn begin_again(&mut self, first: SegmentNumber, capacity_bytes: u64) {
        if let Some(writer) = &mut self.writer {
            writer.begin_again(first, capacity_bytes);
        }
    }

    fn has_unsynced(&self) -> bool {
        self.writer.as_ref().is_some_and(|writer| writer.has_unsynced())
    }

    fn remind_of_sync(&mut self, after: Duration) {
        self.rest.sync_at.get_or_insert_with(|| Instant::now() + after);
    }

    #[inline]
    fn take_sync_due(&mut self) -> bool {
        self.rest.take_sync_due()
    }

    fn tick(&mut self) {
        // Files that retention has removed are kept open no longer than this.
        self.rest.has_chores |= self.reader.close_files();
        if let Some(writer) = &mut self.writer {
            writer.retry_next();
        }
    }

    #[inline]
    fn queries_under_way(&self) -> usize {
        self.rest.queries.len()
    }

    fn begin_query(&mut self, id: LookupId, query: StoredQuery) {
        self.rest.queries.push(self.reader.carry_out(id, query));
    }

    #[inline]
    fn take_found(&mut self) -> Option<Found> {
        self.found.pop_front()
    }

    fn forget(&mut self, directory: ShardId, file: StoredFile) {
        self.reader.forget(directory, file);
    }

    fn order(&mut self, job: IndexJob) {
        self.indexer.order(self.shard, job, self.reply.clone(), Arc::clone(&self.bell));
    }

    #[inline]
    fn take_index_done(&mut self) -> Option<IndexDone> {
        self.first_indexed.take().or_else(|| self.indexed.try_recv().ok())
    }
}
