//! The thread beside the shards: it ticks once a second, checks that every shard turns, and leads the drain.

use super::bell::Bell;
use super::endpoint_status::Closing;
use super::handover::Beginning;
use super::lifecycle::{Lifecycle, Stop};
use crate::turn::Phase;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_secs(1);
/// How often a drain is checked.
const DRAIN_LOOK: Duration = Duration::from_millis(5);
/// How long what was read may take to be stored and sent.
const DRAINING_TIME_MAX: Duration = Duration::from_millis(1500);
/// How long a drain may take in all. Less than systemd waits (`TimeoutStopSec`) before it kills the process.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(12);
/// A shard that has not turned for this many ticks ends the process; one line a tick warns before.
const STUCK_TICKS_MAX: u64 = 30;

/// What the supervisor observes, for code that reports it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// A second has passed, and every shard has turned in it.
    AllTurned,
    /// A second has passed, and this shard has not turned for this many.
    Stuck {
        /// Which shard.
        shard: usize,
        /// For this many seconds.
        seconds: u64,
    },
    /// No connection is accepted or read any more; what was read is processed to its end.
    Draining,
}

/// Receives what the supervisor observes, on its thread: it must not wait.
pub type Notices = Box<dyn FnMut(Notice) + Send>;

/// What the supervisor holds of each shard and of the process.
pub struct Supervisor {
    pub bells: Vec<Arc<Bell>>,
    pub lifecycle: Arc<Lifecycle>,
    pub stops: flume::Receiver<Stop>,
    pub notices: Notices,
    /// Set when this process takes over from an old one.
    pub beginning: Option<Beginning>,
}

impl Supervisor {
    /// Ticks until a stop comes, then leads the drain up to the closing of all connections.
    pub fn run(&mut self) {
        if let Some(beginning) = self.beginning.take() {
            self.begin(&beginning);
        }
        let mut turns_seen = vec![0; self.bells.len()];
        loop {
            match self.stops.recv_timeout(TICK) {
                Ok(Stop::HandOver(order)) => self.hand_over(&order),
                Ok(stop) => {
                    match stop {
                        Stop::HandOver(_) => {}
                        Stop::Signal(name) => tracing::info!(signal = name, "draining"),
                        Stop::Asked => tracing::info!("draining, as requested over the control socket"),
                    }
                    return self.drain();
                }
                Err(flume::RecvTimeoutError::Disconnected) => return,
                Err(flume::RecvTimeoutError::Timeout) => {}
            }
            self.tick();
            self.watch(&mut turns_seen);
        }
    }

    pub(super) fn tick(&self) {
        for (index, bell) in self.bells.iter().enumerate() {
            self.lifecycle.shard(index).has_ticked.store(true, Ordering::Release);
            bell.ring_loudly();
        }
    }

    /// Every shard turns at least once a tick, as its bell rings then.
    pub(super) fn watch(&mut self, turns_seen: &mut [u64]) {
        let mut have_all_turned = true;
        for (index, seen) in turns_seen.iter_mut().enumerate() {
            let status = self.lifecycle.shard(index);
            let turns = status.turns.load(Ordering::Acquire);
            let seconds = if turns == *seen { status.stuck_seconds.load(Ordering::Relaxed) + 1 } else { 0 };
            status.stuck_seconds.store(seconds, Ordering::Relaxed);
            *seen = turns;
            if seconds == 0 {
                continue;
            }
            have_all_turned = false;
            (self.notices)(Notice::Stuck { shard: index, seconds });
            if seconds >= Lifecycle::STUCK_SECONDS {
                tracing::warn!(shard = index, seconds, "a shard is stuck");
            }
            assert!(
                seconds < STUCK_TICKS_MAX,
                "shard {index} has been stuck for {STUCK_TICKS_MAX} s: ending the process"
            );
        }
        if have_all_turned {
            (self.notices)(Notice::AllTurned);
        }
    }

    fn drain(&mut self) {
        let began = Instant::now();
        self.lifecycle.forget_idleness();
        self.lifecycle.endpoint.ask(Some(Closing::Stop));
        self.lifecycle.enter(Phase::Draining);
        (self.notices)(Notice::Draining);
        self.await_quiet(DRAINING_TIME_MAX, DRAIN_LOOK);
        self.lifecycle.enter(Phase::Closing);
        self.ring_all();
        // Shards that wait for slow peers need their ticks; this thread ends with the process.
        while began.elapsed() < DRAIN_TIME_MAX {
            std::thread::sleep(TICK);
            self.tick();
        }
        // A disk that hangs, or a shard that does. A caller that stops the server must not wait for it: what was
        // acknowledged is stored as its durability says, and the next start mends the rest.
        tracing::error!(
            seconds = DRAIN_TIME_MAX.as_secs(),
            "the drain did not finish: the process ends as in a crash, and the next start takes longer"
        );
        std::process::exit(1);
    }

    /// Waits until all shards are idle and nothing is between them; false when they are not in time.
    pub(super) fn await_quiet(&self, time_max: Duration, look: Duration) -> bool {
        let started = Instant::now();
        let mut last_quiet = None;
        while started.elapsed() < time_max {
            self.ring_all();
            std::thread::sleep(look);
            let quiet = self.lifecycle.quiet_sum();
            if quiet.is_some() && quiet == last_quiet {
                return true;
            }
            last_quiet = quiet;
        }
        false
    }

    pub(super) fn ring_all(&self) {
        for bell in &self.bells {
            bell.ring_loudly();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn one_shard_that_does_not_turn_keeps_the_watchdog_unfed() {
        let heard: Arc<Mutex<Vec<Notice>>> = Arc::default();
        let hearer = Arc::clone(&heard);
        let lifecycle = Arc::new(Lifecycle::new(2, None));
        let mut supervisor = Supervisor {
            bells: [(); 2].map(|()| Arc::new(Bell::new().expect("a descriptor"))).to_vec(),
            lifecycle: Arc::clone(&lifecycle),
            stops: flume::bounded(1).1,
            beginning: None,
            notices: Box::new(move |notice| hearer.lock().expect("not poisoned").push(notice)),
        };
        let turn = |shard: usize| lifecycle.shard(shard).turns.fetch_add(1, Ordering::AcqRel);
        let mut seen = [0, 0];
        turn(0);
        turn(1);
        supervisor.watch(&mut seen);
        for _ in 0..2 {
            turn(0);
            supervisor.watch(&mut seen);
        }
        assert_eq!(lifecycle.shard(1).stuck_seconds.load(Ordering::Relaxed), 2);
        turn(0);
        turn(1);
        supervisor.watch(&mut seen);
        let stuck = |seconds| Notice::Stuck { shard: 1, seconds };
        assert_eq!(
            *heard.lock().expect("not poisoned"),
            [Notice::AllTurned, stuck(1), stuck(2), Notice::AllTurned]
        );
        assert_eq!(lifecycle.shard(1).stuck_seconds.load(Ordering::Relaxed), 0);
    }
}
