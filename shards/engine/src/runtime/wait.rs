//! What a shard waits for when it has nothing to do, and how it yields to its executor when it has.
//!
//! A shard sleeps in the ring of its sockets, not in its executor: everything that can wake it is
//! there (sockets, and the bell that other threads ring), and glommio 0.9 takes five to seven system
//! calls to park and three SQEs to arm timers, where one call does. Only while stored messages are
//! read, which goes through the executor's ring, does it wait there.

use super::bell::Bell;
use super::reader::Reading;
use super::sockets::RingSockets;
use crate::turn::Found;
use glommio::timer::Timer;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Long enough to make the executor look at its rings and at other threads' wakes; a plain yield
/// does not: both stalled for 99 to 200 ms, and with this for 0.3 ms.
const BREATH: Duration = Duration::from_nanos(500);
/// How long work continues before the executor runs, while that has something to do.
const BREATH_INTERVAL: Duration = Duration::from_micros(200);
/// How long queries are polled in one turn; one that is being polled runs on until it waits or is done.
const LOOK_MAX: Duration = Duration::from_micros(200);

/// What a shard waits for besides its sockets and its bell, and how.
pub struct Rest {
    /// The queries under way. Each is taken out when it is done.
    pub queries: Vec<Reading>,
    /// When what is written must be synced, under `interval` durability.
    pub sync_at: Option<Instant>,
    /// The executor has something to do that no query waits for: files to close.
    pub has_chores: bool,
    /// How long to spin before sleeping.
    spin: Option<Duration>,
    /// When the executor last ran.
    last_breath: Instant,
}

impl Rest {
    /// Nothing to wait for yet.
    pub fn new(spin: Option<Duration>) -> Rest {
        Rest { queries: Vec::new(), sync_at: None, has_chores: false, spin, last_breath: Instant::now() }
    }

    /// Whether the time of the next sync has come; it is taken out then.
    pub fn take_sync_due(&mut self) -> bool {
        self.sync_at.take_if(|at| *at <= Instant::now()).is_some()
    }

    /// With more work at hand: polls the queries, and lets the executor run when it is time.
    pub async fn between_turns(&mut self, bell: &Bell) -> Vec<Found> {
        bell.answer();
        let is_time = !self.queries.is_empty() && self.last_breath.elapsed() > BREATH_INTERVAL;
        if is_time || self.has_chores {
            self.breathe().await;
        }
        if self.queries.is_empty() {
            return Vec::new();
        }
        let queries = &mut self.queries;
        std::future::poll_fn(|context| Poll::Ready(look(queries, context))).await
    }

    /// With nothing to do: waits until a socket is ready, the bell rings, a query is done, the sync is due, or it is
    /// `wake_at`.
    ///
    /// # Errors
    /// When the ring of the sockets can no longer be waited for.
    pub async fn until_woken(
        &mut self,
        sockets: &mut RingSockets,
        bell: &Bell,
        wake_at: Option<Instant>,
    ) -> io::Result<Vec<Found>> {
        if self.has_chores {
            self.breathe().await;
        }
        let found = if self.queries.is_empty() {
            self.sleep(sockets, bell, wake_at).map(|()| Vec::new())
        } else {
            self.sleep_in_executor(sockets, bell, wake_at).await
        };
        bell.answer();
        found
    }

    /// How long to sleep at most.
    fn time_max(&self, wake_at: Option<Instant>) -> Option<Duration> {
        let earliest = self.sync_at.into_iter().chain(wake_at).min();
        earliest.map(|at| at.saturating_duration_since(Instant::now()))
    }

    fn sleep(&mut self, sockets: &mut RingSockets, bell: &Bell, wake_at: Option<Instant>) -> io::Result<()> {
        if let Some(spin) = self.spin {
            let started = Instant::now();
            while started.elapsed() < spin {
                if bell.has_rung() || sockets.look()? {
                    return Ok(());
                }
                std::hint::spin_loop();
            }
        }
        let time_max = self.time_max(wake_at);
        if bell.may_sleep() { sockets.sleep(time_max) } else { Ok(()) }
    }

    async fn sleep_in_executor(
        &mut self,
        sockets: &mut RingSockets,
        bell: &Bell,
        wake_at: Option<Instant>,
    ) -> io::Result<Vec<Found>> {
        let time_max = self.time_max(wake_at);
        let mut timer = pin!(time_max.map(Timer::new));
        let queries = &mut self.queries;
        if !bell.may_sleep() {
            return Ok(std::future::poll_fn(|context| Poll::Ready(look(queries, context))).await);
        }
        let found = std::future::poll_fn(|context| {
            let found = look(queries, context);
            let is_readable = match sockets.poll_ready(context) {
                Ok(polled) => polled.is_ready(),
                Err(error) => return Poll::Ready(Err(error)),
            };
            let is_late = timer.as_mut().as_pin_mut().is_some_and(|timer| timer.poll(context).is_ready());
            if is_readable || is_late || !found.is_empty() { Poll::Ready(Ok(found)) } else { Poll::Pending }
        })
        .await;
        self.last_breath = Instant::now();
        self.has_chores = true;
        found
    }

    async fn breathe(&mut self) {
        let_executor_in(BREATH).await;
        self.has_chores = false;
        self.last_breath = Instant::now();
    }
}

/// Lets the executor look at its rings: nothing that it was given is submitted before. A timer that has expired when
/// it is checked, as a short one often has on a processor that has just woken, would not achieve that; then a longer
/// one is used.
async fn let_executor_in(mut breath: Duration) {
    let mut timer = Timer::new(breath);
    let mut was_let_in = false;
    std::future::poll_fn(|context| {
        while !was_let_in && Pin::new(&mut timer).poll(context).is_ready() {
            breath = 2 * breath + BREATH;
            timer = Timer::new(breath);
        }
        if std::mem::replace(&mut was_let_in, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Polls the queries, at most one of them past the time for it: what is in memory is found without waiting, and other
/// work must get its turn. The rest are polled in the next.
fn look<T>(queries: &mut Vec<Pin<Box<dyn Future<Output = T>>>>, context: &mut Context<'_>) -> Vec<T> {
    let (mut found, began) = (Vec::new(), Instant::now());
    queries.retain_mut(|query| {
        if !found.is_empty() && began.elapsed() > LOOK_MAX {
            return true;
        }
        match Pin::as_mut(query).poll(context) {
            Poll::Pending => true,
            Poll::Ready(answer) => {
                found.push(answer);
                false
            }
        }
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use glommio::LocalExecutor;
    use glommio::io::BufferedFile;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_dropped_file_is_closed_however_late_a_breath_is_looked_at() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        LocalExecutor::default().run(async {
            let open = BufferedFile::open(file.path()).await.expect("open it");
            let descriptor = format!("/proc/self/fd/{}", open.as_raw_fd());
            let is_open = || std::fs::read_link(&descriptor).is_ok_and(|path| path == file.path());
            assert!(is_open());
            drop(open);
            let_executor_in(Duration::ZERO).await;
            // Some file systems have the kernel's workers close it, a moment later.
            let asked_at = Instant::now();
            while is_open() {
                assert!(asked_at.elapsed() < Duration::from_secs(10), "{descriptor} was not closed");
                std::thread::yield_now();
            }
        });
    }

    #[test]
    fn queries_that_are_answered_from_memory_leave_time_for_the_turn_between() {
        let slow = |number: usize| -> Pin<Box<dyn Future<Output = usize>>> {
            Box::pin(async move {
                std::thread::sleep(2 * LOOK_MAX);
                number
            })
        };
        let mut queries: Vec<_> = (0..5).map(slow).collect();
        let mut context = Context::from_waker(std::task::Waker::noop());
        for number in 0..5 {
            assert_eq!(look(&mut queries, &mut context), [number], "one past the time, and in order");
        }
        assert!(queries.is_empty());
    }
}
