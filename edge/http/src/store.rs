//! The directory, asked without blocking the threads that serve.

use crate::problem::{Problem, ProblemCode};
use madang_directory::{Directory, DirectoryError};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Questions that are with the directory at the same time, each on a thread that waits for it.
const AT_ONCE_MAX: usize = 64;
/// Requests that wait for their turn; beyond that they are refused.
const WAITING_MAX: usize = 1_024;
/// After how long there is room again.
const BUSY_WAIT: Duration = Duration::from_secs(1);

/// The directory.
pub struct Store {
    directory: Arc<Directory>,
    turns: Semaphore,
    waiting: AtomicUsize,
}

impl Store {
    /// Of an open directory.
    pub fn new(directory: Arc<Directory>) -> Store {
        Store { directory, turns: Semaphore::new(AT_ONCE_MAX), waiting: AtomicUsize::new(0) }
    }

    /// The directory itself, for whoever may wait.
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.directory)
    }

    /// Asks it, and waits for the answer.
    ///
    /// # Errors
    /// What it refuses, or that too many ask.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Directory) -> Result<T, DirectoryError> + Send + 'static,
    ) -> Result<T, Problem> {
        let _turn = self.turn().await?;
        let directory = self.directory();
        match tokio::task::spawn_blocking(move || question(&directory)).await {
            Ok(answer) => Ok(answer?),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The runtime ends.
            Err(_) => Err(busy()),
        }
    }

    async fn turn(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Problem> {
        if let Ok(turn) = self.turns.try_acquire() {
            return Ok(turn);
        }
        let waiting = WaitingQuestion::begin(&self.waiting);
        if waiting.before >= WAITING_MAX {
            return Err(busy());
        }
        self.turns.acquire().await.map_err(|_| busy())
    }
}

fn busy() -> Problem {
    Problem::plain(ProblemCode::Busy).retry_after(BUSY_WAIT)
}

/// One that waits, until it is dropped: the request may end before its turn.
struct WaitingQuestion<'a> {
    count: &'a AtomicUsize,
    before: usize,
}

impl<'a> WaitingQuestion<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        WaitingQuestion { count, before: count.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for WaitingQuestion<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}
