//! From the open batch to the disk and back: one commit at a time, while the turns go on.

use super::Turning;
use crate::connection::Surface;
use crate::log::{Batch, Durability, Position};
use crate::runtime::writer::{CommitError, Writer};
use crate::shard::Storage;
use glommio::timer::Timer;
use std::future::Future;
use std::pin::Pin;

/// A commit under way. It owns the writer, so that there is never a second one.
pub type Commit = Pin<Box<dyn Future<Output = Committed>>>;

/// What a commit ends with.
pub struct Committed {
    writer: Writer,
    batch: Option<Batch>,
    /// What is on disk, when a sync was part of it that the log does not know of.
    synced: Option<Position>,
    result: Result<(), CommitError>,
}

/// The writer, and what it is to do next.
pub struct Commits {
    durability: Durability,
    /// The writer, while no commit is under way.
    pub writer: Option<Writer>,
    /// A batch whose segment could not be had: it is tried again at the next tick.
    stalled: Option<Batch>,
    /// A failed commit is tried again at the next tick, not at once.
    has_failed: bool,
    pub is_sync_due: bool,
}

impl Commits {
    pub fn new(writer: Writer, durability: Durability) -> Commits {
        Commits { durability, writer: Some(writer), stalled: None, has_failed: false, is_sync_due: false }
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
        self.awaited.commit.is_none() && !self.commits.has_failed && !self.shard.log.is_idle()
    }

    /// Hands the open batch to the disk, unless a commit is under way: then it goes on filling.
    pub(super) fn start_commit(&mut self) {
        let commits = &mut self.commits;
        if self.awaited.commit.is_some() || commits.has_failed {
            return;
        }
        let batch = commits.stalled.take().or_else(|| self.shard.log.take_batch());
        if batch.is_none() && !commits.is_sync_due {
            return;
        }
        let Some(mut writer) = commits.writer.take() else { return };
        let is_sync_due = std::mem::take(&mut commits.is_sync_due);
        // Only what was written before this batch: the batch may go to another segment.
        let written = self.shard.log.written();
        self.awaited.commit = Some(Box::pin(async move {
            let mut result = Ok(());
            if is_sync_due {
                result = writer.sync().await;
            }
            if result.is_ok()
                && let Some(batch) = &batch
            {
                result = writer.commit(batch).await;
            }
            Committed { writer, batch, synced: is_sync_due.then_some(written), result }
        }));
    }

    pub(super) fn finish_commit(&mut self, committed: Committed) {
        let Committed { writer, batch, synced, result } = committed;
        if let Durability::Interval(interval) = self.commits.durability
            && writer.has_unsynced()
            && self.awaited.sync_timer.is_none()
        {
            self.awaited.sync_timer = Some(Timer::new(interval));
        }
        self.commits.writer = Some(writer);
        if let Err(error) = result {
            return self.commit_failed(batch, &error);
        }
        if let Some(position) = synced {
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
            self.shard.set_storage(writer.next_storage());
        }
    }
}
