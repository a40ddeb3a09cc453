//! The thread that carries a shard's batches to the disk.
//!
//! A buffered write and an `fdatasync` on ext4 block. Through io_uring each would be handed to a worker thread of the
//! kernel: two wakes there and two back per commit. Here it is one of each.

use super::bell::Bell;
use super::writer::LogWriter;
use crate::store::{Done, Work};
use madang_model::ShardId;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A job for the writer, which moves along with it: so there is never a second commit.
pub struct Job {
    pub writer: Box<LogWriter>,
    pub work: Work,
}

/// A shard's end of the thread.
pub struct LogThread {
    jobs: flume::Sender<Job>,
    done: flume::Receiver<(Box<LogWriter>, Done)>,
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
            for Job { mut writer, work } in receiver {
                let done = writer.carry_out(work);
                // A shard that no longer listens is ending.
                let _ = sender.send((writer, done));
                bell.ring();
            }
        })?;
        Ok(LogThread { jobs, done })
    }

    /// Hands a job over.
    pub fn order(&self, job: Job) {
        self.jobs.send(job).unwrap_or_else(|_| panic!("the log thread lives as long as its shard"));
    }

    /// Takes the job if it is done.
    pub fn take_done(&self) -> Option<(Box<LogWriter>, Done)> {
        self.done.try_recv().ok()
    }

    /// The same, after waiting for at most `time_max`.
    pub fn wait_done(&self, time_max: Duration) -> Option<(Box<LogWriter>, Done)> {
        self.done.recv_timeout(time_max).ok()
    }
}
