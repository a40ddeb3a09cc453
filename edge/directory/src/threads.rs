//! The threads that talk to the database: one that writes, two that read, each with its own connection.
//!
//! Whoever asks waits for the answer, but only so long. A full queue refuses at once: nobody waits behind more than it
//! holds.

use crate::error::{Cause, DirectoryError, Unavailable};
use crate::location::Location;
use crate::sql::{Database, QUERY_TIME_MAX, SqliteOpening};
use flume::{Receiver, Sender, TrySendError};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Writes that wait; beyond that they are refused as busy.
pub const WRITES_WAITING_MAX: usize = 256;
/// Reads that wait; beyond that they are refused as busy.
pub const READS_WAITING_MAX: usize = 256;
/// The threads that read.
pub const READERS: usize = 2;
/// How long anyone waits for an answer: for a query that is as slow as it may be, and one before it.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce(Result<&mut dyn Database, DirectoryError>) + Send>;

/// The threads, which end with this.
pub struct Threads {
    location: Location,
    writes: Option<Sender<Job>>,
    reads: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
    refused: AtomicU64,
}

/// How much waits, and how much was refused since the beginning.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct DirectoryLoad {
    /// Writes that wait.
    pub writes_waiting: usize,
    /// Reads that wait.
    pub reads_waiting: usize,
    /// Requests that were refused, as a queue was full.
    pub refused: u64,
}

impl Threads {
    /// Starts them. Each opens its connection when it is first asked.
    ///
    /// # Errors
    /// If the system has no more threads.
    pub fn start(location: &Location) -> Result<Threads, DirectoryError> {
        let (writes, to_write) = flume::bounded(WRITES_WAITING_MAX);
        let (reads, to_read) = flume::bounded(READS_WAITING_MAX);
        let mut threads = Threads {
            location: location.clone(),
            writes: Some(writes),
            reads: Some(reads),
            threads: Vec::new(),
            refused: AtomicU64::new(0),
        };
        threads.spawn("directory-write", to_write, |location| {
            location.connect(SqliteOpening::Existing, QUERY_TIME_MAX)
        })?;
        for _ in 0..READERS {
            threads.spawn("directory-read", to_read.clone(), |location| {
                location.connect_to_read(QUERY_TIME_MAX)
            })?;
        }
        Ok(threads)
    }

    fn spawn(
        &mut self,
        name: &str,
        jobs: Receiver<Job>,
        connect: fn(&Location) -> Result<Box<dyn Database>, DirectoryError>,
    ) -> Result<(), DirectoryError> {
        let location = self.location.clone();
        let started = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let mut connection: Option<Box<dyn Database>> = None;
            for job in jobs {
                // The server may have gone, and come back.
                let opened = match usable(connection.take()) {
                    Some(open) => Ok(open),
                    None => connect(&location),
                };
                match opened {
                    Ok(mut open) => {
                        job(Ok(open.as_mut()));
                        connection = Some(open);
                    }
                    Err(error) => job(Err(error)),
                }
            }
        });
        let refused = |error: io::Error| self.unavailable(Cause::Other, format!("no thread: {error}"));
        self.threads.push(started.map_err(refused)?);
        Ok(())
    }

    /// Has `work` done by the thread that writes, and waits for what it returns.
    ///
    /// # Errors
    /// Those of `work`; or the answer is late, and whether it was done is not known.
    pub fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Database) -> Result<T, DirectoryError> + Send + 'static,
    ) -> Result<T, DirectoryError> {
        self.ask(self.writes.as_ref(), work)
    }

    /// The same by one of those that read.
    ///
    /// # Errors
    /// As [`Threads::write`].
    pub fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Database) -> Result<T, DirectoryError> + Send + 'static,
    ) -> Result<T, DirectoryError> {
        self.ask(self.reads.as_ref(), work)
    }

    /// How much waits.
    pub fn load(&self) -> DirectoryLoad {
        let waiting = |queue: &Option<Sender<Job>>| queue.as_ref().map_or(0, Sender::len);
        DirectoryLoad {
            writes_waiting: waiting(&self.writes),
            reads_waiting: waiting(&self.reads),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    fn ask<T: Send + 'static>(
        &self,
        queue: Option<&Sender<Job>>,
        work: impl FnOnce(&mut dyn Database) -> Result<T, DirectoryError> + Send + 'static,
    ) -> Result<T, DirectoryError> {
        let (answer, answered) = flume::bounded(1);
        let deadline = Instant::now() + ANSWER_TIME_MAX;
        let job: Job = Box::new(move |database| {
            // Nobody waits for it any more.
            if Instant::now() < deadline {
                let _ = answer.send(database.and_then(work));
            }
        });
        match queue.map(|queue| queue.try_send(job)) {
            Some(Ok(())) => {}
            Some(Err(TrySendError::Full(_))) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                return Err(self.unavailable(Cause::Busy, "too many requests wait".to_owned()));
            }
            Some(Err(TrySendError::Disconnected(_))) | None => return Err(self.stopped()),
        }
        match answered.recv_deadline(deadline) {
            Ok(answer) => answer,
            Err(flume::RecvTimeoutError::Timeout) => {
                let said = format!("no answer within {} s", ANSWER_TIME_MAX.as_secs());
                Err(self.unavailable(Cause::TooSlow, said))
            }
            // A job that came too late says nothing.
            Err(flume::RecvTimeoutError::Disconnected) => Err(self.stopped()),
        }
    }

    fn stopped(&self) -> DirectoryError {
        self.unavailable(Cause::Stopped, "its threads have ended".to_owned())
    }

    fn unavailable(&self, cause: Cause, said: String) -> DirectoryError {
        DirectoryError::Unavailable(Unavailable { place: self.location.to_string(), cause, said })
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // They end when nothing can be asked any more, after what waits.
        drop((self.writes.take(), self.reads.take()));
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn usable(connection: Option<Box<dyn Database>>) -> Option<Box<dyn Database>> {
    let mut open = connection?;
    if open.is_usable() { Some(open) } else { None }
}
