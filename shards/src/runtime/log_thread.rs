//! The thread that carries a shard's batches to the disk.
//!
//! A buffered write and an `fdatasync` on ext4 block. Through io_uring each would be handed to a
//! worker thread of the kernel: two wakes there and two back a commit. Here it is one of each.

use super::bell::Bell;
use super::writer::{CommitError, Writer};
use crate::log::{Batch, Position};
use crate::types::ShardId;
use std::io;
use std::sync::Arc;

/// What is to be done with the writer, which travels along: so there is never a second commit.
pub struct Job {
    pub writer: Box<Writer>,
    /// To be written and, where the durability asks for it, synced.
    pub batch: Option<Batch>,
    /// Before the batch, what was written so far is synced: up to this place.
    pub sync_to: Option<Position>,
}

/// A job that is done, or failed.
pub struct Done {
    pub writer: Box<Writer>,
    pub batch: Option<Batch>,
    /// What is on disk, when a sync was part of it that the log does not know of.
    pub synced: Option<Position>,
    pub result: Result<(), CommitError>,
}

/// A shard's end of the thread.
pub struct LogThread {
    jobs: flume::Sender<Job>,
    done: flume::Receiver<Done>,
}

impl LogThread {
    /// Starts the thread; `bell` rings when a job is done. It ends when this end is dropped.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub fn start(shard: ShardId, bell: Arc<Bell>) -> io::Result<LogThread> {
        // The writer is in one place at a time, so there is one job at a time.
        let (jobs, receiver) = flume::bounded::<Job>(1);
        let (sender, done) = flume::bounded(1);
        std::thread::Builder::new().name(format!("madang-log-{shard}")).spawn(move || {
            for job in receiver {
                // A shard that no longer listens is ending.
                let _ = sender.send(carry_out(job));
                bell.ring();
            }
        })?;
        Ok(LogThread { jobs, done })
    }

    /// Hands a job over.
    pub fn order(&self, job: Job) {
        self.jobs.send(job).unwrap_or_else(|_| panic!("the log thread lives as long as its shard"));
    }

    /// Takes the job that is done, if it is.
    pub fn take_done(&self) -> Option<Done> {
        self.done.try_recv().ok()
    }
}

fn carry_out(job: Job) -> Done {
    let Job { mut writer, batch, sync_to } = job;
    let mut result = if sync_to.is_some() { writer.sync() } else { Ok(()) };
    if result.is_ok()
        && let Some(batch) = &batch
    {
        result = writer.commit(batch);
    }
    Done { writer, batch, synced: sync_to, result }
}
