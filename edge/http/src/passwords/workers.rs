//! The threads that compute with passwords: 40 ms and 19 MiB each.
//!
//! They have a low priority, so that a storm of logins does not slow what else the process does, and a bounded queue.

use flume::{Receiver, Sender, TrySendError};
use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::oneshot;

/// Passwords that wait to be computed: with two threads for about 2.5 s.
pub const PASSWORDS_WAITING_MAX: usize = 128;
/// Threads, if there are so many processors.
const THREADS_MAX: usize = 2;
/// The niceness of the threads.
const NICENESS: i32 = 10;
/// After how long a full queue has room again.
const BUSY_WAIT: Duration = Duration::from_secs(2);

type PasswordJob = Box<dyn FnOnce() + Send>;

/// More passwords wait than are computed; try again after this long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Busy(pub Duration);

/// How much waits, and how much was done and refused since the beginning.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PasswordLoad {
    /// Passwords that wait.
    pub waiting: usize,
    /// Passwords that were computed.
    pub computed: u64,
    /// Requests that were refused, as the queue was full.
    pub refused: u64,
}

/// The threads, which end with this.
pub struct Workers {
    jobs: Option<Sender<PasswordJob>>,
    threads: Vec<JoinHandle<()>>,
    computed: Arc<AtomicU64>,
    refused: AtomicU64,
}

impl Workers {
    /// Starts them.
    ///
    /// # Errors
    /// If the system has no more threads.
    pub fn start() -> io::Result<Workers> {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        Workers::start_with(processors.min(THREADS_MAX), PASSWORDS_WAITING_MAX)
    }

    fn start_with(threads: usize, waiting_max: usize) -> io::Result<Workers> {
        let (jobs, waiting) = flume::bounded(waiting_max);
        let mut workers = Workers {
            jobs: Some(jobs),
            threads: Vec::new(),
            computed: Arc::new(AtomicU64::new(0)),
            refused: AtomicU64::new(0),
        };
        for _ in 0..threads {
            let waiting = waiting.clone();
            let thread = thread::Builder::new().name("passwords".to_owned()).spawn(move || work(&waiting))?;
            workers.threads.push(thread);
        }
        Ok(workers)
    }

    /// Has `compute` done, and waits for what it returns. If the caller does not wait any more when its turn comes, nothing
    /// is computed.
    ///
    /// # Errors
    /// [`Busy`].
    pub async fn run<T: Send + 'static>(
        &self,
        compute: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let (answer, answered) = oneshot::channel();
        let computed = Arc::clone(&self.computed);
        let job: PasswordJob = Box::new(move || {
            if !answer.is_closed() {
                computed.fetch_add(1, Ordering::Relaxed);
                let _ = answer.send(compute());
            }
        });
        match self.jobs.as_ref().map(|jobs| jobs.try_send(job)) {
            Some(Ok(())) => {}
            Some(Err(TrySendError::Full(_) | TrySendError::Disconnected(_))) | None => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                return Err(Busy(BUSY_WAIT));
            }
        }
        // A job that is dropped with the threads answers nothing.
        answered.await.map_err(|_| Busy(BUSY_WAIT))
    }

    /// How much waits.
    pub fn load(&self) -> PasswordLoad {
        PasswordLoad {
            waiting: self.jobs.as_ref().map_or(0, Sender::len),
            computed: self.computed.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }
}

fn work(jobs: &Receiver<PasswordJob>) {
    // Of this thread alone, as Linux does.
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::warn!(
            "passwords are computed with the priority of everything else, as setpriority is refused ({error}); allow it, as \
             SystemCallFilter= of the unit does"
        );
    }
    for job in jobs {
        job();
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // They end when nothing can be asked any more, after what waits.
        drop(self.jobs.take());
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_what_waits_is_done() {
        let workers = Arc::new(Workers::start_with(1, 3).unwrap());
        let (release, released) = mpsc::channel::<()>();
        let (begin, begun) = oneshot::channel();
        let run = |workers: &Arc<Workers>, work: Box<dyn FnOnce() -> i32 + Send>| {
            let workers = Arc::clone(workers);
            tokio::spawn(async move { workers.run(work).await })
        };
        let blocked = run(
            &workers,
            Box::new(move || {
                let _ = begin.send(());
                released.recv_timeout(Duration::from_secs(10)).map_or(-1, |()| 0)
            }),
        );
        begun.await.unwrap();
        let waiting: Vec<_> = (1..=3).map(|number| run(&workers, Box::new(move || number))).collect();
        while workers.load().waiting < 3 {
            tokio::task::yield_now().await;
        }
        assert_eq!(workers.run(|| 9).await, Err(Busy(BUSY_WAIT)));
        release.send(()).unwrap();
        assert_eq!(blocked.await.unwrap(), Ok(0));
        for (number, answer) in (1..).zip(waiting) {
            assert_eq!(answer.await.unwrap(), Ok(number));
        }
        assert_eq!(workers.load(), PasswordLoad { waiting: 0, computed: 4, refused: 1 });
    }

    #[tokio::test]
    async fn nothing_is_computed_for_who_does_not_wait_any_more() {
        let workers = Arc::new(Workers::start_with(1, 8).unwrap());
        let (release, released) = mpsc::channel::<()>();
        let first = Arc::clone(&workers);
        let blocked = tokio::spawn(async move { first.run(move || released.recv().is_ok()).await });
        while workers.load().computed < 1 {
            tokio::task::yield_now().await;
        }
        let second = Arc::clone(&workers);
        let gone = tokio::spawn(async move { second.run(|| ()).await });
        while workers.load().waiting < 1 {
            tokio::task::yield_now().await;
        }
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        release.send(()).unwrap();
        assert_eq!(blocked.await.unwrap(), Ok(true));
        assert_eq!(workers.run(|| 5).await, Ok(5));
        assert_eq!(workers.load().computed, 2);
    }

    #[tokio::test]
    async fn the_threads_have_a_low_priority_and_others_keep_theirs() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let before = niceness();
        let workers = Workers::start_with(1, 8).unwrap();
        assert_eq!(workers.run(niceness).await, Ok(NICENESS.max(before)));
        assert_eq!(niceness(), before);
    }
}
