//! What a connection is doing: shared by its socket, its requests and the task that ends it.

use crate::bounds::{GIVEN_UP_MAX, HEAD_TIME_MAX, IDLE_BYTES_MAX, KEEP_ALIVE_TIME_MAX, WRITE_TIME_MAX};
use crate::counters::{Counters, Refused};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Whether a head that has begun has a deadline of its own: not in HTTP/2, where bytes may be anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heads {
    /// Bytes between requests begin a head (HTTP/1).
    BeginWithBytes,
    /// They need not (HTTP/2).
    AreFrames,
}

/// The activity of a connection. Times are milliseconds since it was accepted, and at least 1.
#[derive(Debug)]
pub struct Activity {
    counters: Arc<Counters>,
    heads: Heads,
    began: Instant,
    /// Requests whose answer is not complete.
    open_requests: AtomicU32,
    /// Since when there are none.
    idle_since: AtomicU64,
    /// Since when a head comes; 0 is none.
    head_since: AtomicU64,
    requests: AtomicU64,
    given_up: AtomicU64,
    /// Bytes read since a request began or a piece of a body came.
    idle_bytes: AtomicU64,
    /// Answers of which there is a piece that the connection has not passed on.
    held_answers: AtomicU32,
    /// When the last piece of an answer was passed on.
    answered_at: AtomicU64,
    /// A deadline may be earlier than it was.
    changed: Notify,
}

impl Activity {
    /// A connection that has sent nothing yet.
    pub fn new(counters: Arc<Counters>, heads: Heads) -> Arc<Activity> {
        Arc::new(Activity {
            counters,
            heads,
            began: Instant::now(),
            open_requests: AtomicU32::new(0),
            idle_since: AtomicU64::new(1),
            // The first head is waited for from the beginning.
            head_since: AtomicU64::new(u64::from(heads == Heads::BeginWithBytes)),
            requests: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
            idle_bytes: AtomicU64::new(0),
            held_answers: AtomicU32::new(0),
            answered_at: AtomicU64::new(0),
            changed: Notify::new(),
        })
    }

    /// What the edge counts.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    /// Bytes came.
    ///
    /// # Errors
    /// They are too many without anything that they are for.
    pub fn read(&self, bytes: usize) -> Result<(), Refused> {
        if self.heads == Heads::BeginWithBytes
            && self.open_requests.load(Ordering::Acquire) == 0
            && self.head_since.load(Ordering::Acquire) == 0
        {
            self.head_since.store(self.now_ms(), Ordering::Release);
            self.changed.notify_one();
        }
        let bytes = bytes as u64;
        match self.idle_bytes.fetch_add(bytes, Ordering::AcqRel) + bytes > IDLE_BYTES_MAX {
            true => Err(Refused::IdleFlood),
            false => Ok(()),
        }
    }

    /// A piece of a body came: what was read has a purpose.
    pub fn has_body(&self) {
        self.idle_bytes.store(0, Ordering::Release);
    }

    /// A request begins.
    pub fn begin(&self) {
        self.counters.request();
        self.requests.fetch_add(1, Ordering::AcqRel);
        self.open_requests.fetch_add(1, Ordering::AcqRel);
        self.head_since.store(0, Ordering::Release);
        self.idle_bytes.store(0, Ordering::Release);
    }

    /// The answer to a request is complete; or it `is_given_up` before.
    pub fn end(&self, is_given_up: bool) {
        if is_given_up {
            self.counters.give_up();
            self.given_up.fetch_add(1, Ordering::AcqRel);
            self.changed.notify_one();
        }
        self.idle_since.store(self.now_ms(), Ordering::Release);
        if self.open_requests.fetch_sub(1, Ordering::AcqRel) == 1 {
            // From now on it idles.
            self.changed.notify_one();
        }
    }

    /// A piece of an answer was given to the connection, the first since nothing of it waited.
    pub fn hold(&self) {
        self.answered_at.store(self.now_ms(), Ordering::Release);
        if self.held_answers.fetch_add(1, Ordering::AcqRel) == 0 {
            self.changed.notify_one();
        }
    }

    /// The connection has passed on what it was given of an answer.
    pub fn passed_on(&self) {
        self.answered_at.store(self.now_ms(), Ordering::Release);
    }

    /// Nothing of an answer waits any more.
    pub fn release(&self) {
        self.held_answers.fetch_sub(1, Ordering::AcqRel);
    }

    /// Until when something must have happened, and what is refused if not.
    pub fn deadline(&self) -> Option<(Instant, Refused)> {
        let after = |since_ms: u64, time: Duration| self.began + Duration::from_millis(since_ms) + time;
        if self.held_answers.load(Ordering::Acquire) > 0 {
            let since_ms = self.answered_at.load(Ordering::Acquire);
            return Some((after(since_ms, WRITE_TIME_MAX), Refused::WriteTime));
        }
        if self.open_requests.load(Ordering::Acquire) > 0 {
            return None;
        }
        match self.head_since.load(Ordering::Acquire) {
            0 => {
                let since_ms = self.idle_since.load(Ordering::Acquire);
                Some((after(since_ms, KEEP_ALIVE_TIME_MAX), Refused::HeadTime))
            }
            since_ms => Some((after(since_ms, HEAD_TIME_MAX), Refused::HeadTime)),
        }
    }

    /// Whether its client gives up more requests than it lets be answered.
    pub fn is_flooded_by_resets(&self) -> bool {
        let (given_up, requests) =
            (self.given_up.load(Ordering::Acquire), self.requests.load(Ordering::Acquire));
        given_up > GIVEN_UP_MAX && 2 * given_up > requests
    }

    /// Whether any request was answered: closing a connection that idles after that is no refusal.
    pub fn has_served(&self) -> bool {
        self.requests.load(Ordering::Acquire) > 0
    }

    /// Returns when a deadline may be earlier than it was.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Waker};

    /// While a request is open there is no deadline to wait for.
    #[test]
    fn whoever_waits_for_a_deadline_is_told_that_a_connection_idles_again() {
        let activity = Activity::new(Arc::default(), Heads::AreFrames);
        let mut cx = Context::from_waker(Waker::noop());
        activity.begin();
        assert!(activity.deadline().is_none() && pin!(activity.changed()).poll(&mut cx).is_pending());
        activity.end(false);
        assert!(activity.deadline().is_some() && pin!(activity.changed()).poll(&mut cx).is_ready());
    }
}
