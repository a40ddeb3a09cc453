//! From the open batch to the disk and back: one commit at a time, while the turns go on.

use super::Turning;
use crate::connection::Surface;
use crate::log::{Batch, Durability};
use crate::runtime::log_thread::{Job, LogThread};
use crate::runtime::writer::LogWriter;
use crate::shard::Storage;
use crate::store::{CommitError, Done, Work};
use std::time::Instant;

/// The writer, and what it is to do next.
pub struct Commits {
    durability: Durability,
    thread: LogThread,
    /// The writer, while no commit is under way.
    pub writer: Option<Box<LogWriter>>,
    /// A batch whose segment could not be had: it is tried again at the next tick.
    stalled: Option<Batch>,
    /// A failed commit is tried again at the next tick, not at once.
    has_failed: bool,
    pub is_sync_due: bool,
}

impl Commits {
    pub fn new(thread: LogThread, writer: LogWriter, durability: Durability) -> Commits {
        let writer = Some(Box::new(writer));
        Commits { durability, thread, writer, stalled: None, has_failed: false, is_sync_due: false }
    }

    /// Whether the log thread has the writer.
    pub fn is_under_way(&self) -> bool {
        self.writer.is_none()
    }

    /// A second has passed: what failed may be tried again.
    pub fn tick(&mut self) {
        self.has_failed = false;
        if let Some(writer) = &mut self.writer {
            writer.retry_next();
        }
    }
}

impl<S: Surface> Turning<S> {
    /// Whether there is something to commit that could be begun at once.
    pub(super) fn can_commit(&self) -> bool {
        !self.commits.is_under_way() && !self.commits.has_failed && !self.shard.log.is_idle()
    }

    /// Hands the open batch to the disk, unless a commit is under way: then it goes on filling.
    pub(super) fn start_commit(&mut self) {
        let commits = &mut self.commits;
        if commits.is_under_way() || commits.has_failed {
            return;
        }
        let batch = commits.stalled.take().or_else(|| self.shard.log.take_batch());
        if batch.is_none() && !commits.is_sync_due {
            return;
        }
        let Some(writer) = commits.writer.take() else { return };
        if batch.as_ref().is_some_and(|batch| batch.seals.is_some()) {
            self.shard.next_segment_used();
        }
        if let Some(batch) = &batch {
            self.monitor.commit_begins(batch.bytes.len(), self.shard.counters.messages);
        }
        // Only what was written before this batch: the batch may go to another segment.
        let sync_to = std::mem::take(&mut commits.is_sync_due).then(|| self.shard.log.written());
        commits.thread.order(Job { writer, work: Work::Commit { sync_to, batch } });
    }

    /// Takes the commit that is done, if it is.
    pub(super) fn finish_commit(&mut self) {
        if !self.commits.is_under_way() {
            return;
        }
        let Some((writer, Done { work, result })) = self.commits.thread.take_done() else { return };
        let Work::Commit { sync_to, batch } = work else { unreachable!("a shard that turns only commits") };
        self.monitor.commit_ended(result.is_ok());
        if let Durability::Interval(interval) = self.commits.durability
            && writer.has_unsynced()
        {
            self.rest.sync_at.get_or_insert_with(|| Instant::now() + interval);
        }
        self.commits.writer = Some(writer);
        if let Err(error) = result {
            return self.commit_failed(batch, &error);
        }
        if let Some(position) = sync_to {
            self.shard.log.synced(position);
        }
        if let Some(batch) = batch {
            if matches!(self.shard.storage(), Storage::Failing(_)) {
                tracing::info!(shard = self.shard.id().0, "the log can be written again");
                self.shard.set_storage(Storage::Preparing);
            }
            self.shard.committed(batch);
        }
    }

    /// The batch is kept, and tried again at the next tick: its authors wait, nobody is told of
    /// what is not on disk, and nothing new is accepted until the disk takes it.
    fn commit_failed(&mut self, batch: Option<Batch>, error: &CommitError) {
        let shard = self.shard.id().0;
        let Some(batch) = batch else {
            // What it should have made sure of was shown before, as `interval` promises no more.
            // No batch waits that could find out when the disk works again: the next one will.
            tracing::error!(shard, %error, "messages shown since the last sync may be lost in a power cut");
            return self.shard.log.sync_failed();
        };
        self.commits.has_failed = true;
        if !matches!(self.shard.storage(), Storage::Failing(_)) {
            tracing::error!(shard, %error, "the log cannot be written: messages are refused until it can");
        }
        self.shard.set_storage(Storage::Failing(error.reason()));
        match error {
            CommitError::Prepare(_) => self.commits.stalled = Some(batch),
            CommitError::File { .. } => self.shard.log.failed(batch),
        }
    }

    /// Whether there will be a segment after the open one. While a commit is under way the writer
    /// is out; what it left behind has room.
    pub(super) fn look_after_storage(&mut self) {
        if let Some(writer) = &mut self.commits.writer
            && !matches!(self.shard.storage(), Storage::Failing(_))
        {
            self.shard.set_storage(writer.next_storage(self.clock.now().monotonic));
        }
    }
}
