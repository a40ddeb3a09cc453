//! From the open batch to the disk and back: one commit at a time, while the turns continue.

use super::Turn;
use super::shell::{Disk, Shell};
use crate::shard::Storage;
use crate::store::{CommitError, Done, Work};
use madang_log::{Batch, Durability};
use madang_model::connection::Surface;

/// The settings of a shard's log.
#[derive(Clone, Copy, Debug)]
pub struct LogOptions {
    /// When a message counts as stored.
    pub durability: Durability,
    /// The size of the first segment after a start.
    pub first_segment_bytes: u64,
}

/// What the writer is to do next.
pub struct Commits {
    pub options: LogOptions,
    /// A batch whose segment could not be had: it is tried again at the next tick.
    stalled: Option<Batch>,
    /// A failed commit is tried again at the next tick, not at once.
    has_failed: bool,
    is_sync_due: bool,
}

impl Commits {
    pub fn new(options: LogOptions) -> Commits {
        Commits { options, stalled: None, has_failed: false, is_sync_due: false }
    }

    /// A second has passed: what failed may be tried again.
    pub fn tick(&mut self) {
        self.has_failed = false;
    }
}

impl<S: Surface> Turn<S> {
    /// Whether there is something to commit that could be begun at once.
    pub(super) fn can_commit<W: Shell>(&self, shell: &mut W) -> bool {
        !shell.disk().is_writing() && !self.commits.has_failed && !self.shard.log.is_idle()
    }

    /// Hands the open batch to the disk, unless a commit is under way: then it continues to fill.
    pub(super) fn start_commit<W: Shell>(&mut self, shell: &mut W) {
        let commits = &mut self.commits;
        if shell.disk().is_writing() || commits.has_failed {
            return;
        }
        let batch = commits.stalled.take().or_else(|| self.shard.log.take_batch());
        if batch.is_none() && !commits.is_sync_due {
            return;
        }
        if batch.as_ref().is_some_and(|batch| batch.seals.is_some()) {
            self.shard.next_segment_used();
        }
        if let Some(batch) = &batch {
            shell.commit_begins(batch.bytes.len(), self.shard.counters.messages);
        }
        // Only what was written before this batch: the batch may go to another segment.
        let sync_to = std::mem::take(&mut commits.is_sync_due).then(|| self.shard.log.written());
        shell.disk().begin(Work::Commit { sync_to, batch });
    }

    /// Takes the commit that is done, if it is.
    pub(super) fn finish_commit<W: Shell>(&mut self, shell: &mut W) {
        self.commits.is_sync_due |= shell.disk().take_sync_due();
        if !shell.disk().is_writing() {
            return;
        }
        let Some(Done { work, result }) = shell.disk().take_done() else { return };
        let Work::Commit { sync_to, batch } = work else { unreachable!("a shard that turns only commits") };
        shell.commit_ended(result.is_ok());
        if let Durability::Interval(interval) = self.commits.options.durability
            && shell.disk().has_unsynced()
        {
            shell.disk().remind_of_sync(interval);
        }
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

    /// The batch is kept, and tried again at the next tick: its authors wait, nothing is reported that is not on
    /// disk, and nothing new is accepted until the disk takes it.
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
    /// cannot be asked; what it left behind has room.
    pub(super) fn look_after_storage<W: Shell>(&mut self, shell: &mut W) {
        if !matches!(self.shard.storage(), Storage::Failing(_))
            && let Some(storage) = shell.disk().next_storage(self.shard.moment())
        {
            self.shard.set_storage(storage);
        }
    }
}
