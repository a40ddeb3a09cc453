//! The thread beside the shards: it keeps the second, watches that every shard turns, and leads
//! the drain.

use super::bell::Bell;
use super::lifecycle::{Lifecycle, Phase, Stop};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_secs(1);
/// How often a drain is looked at.
const DRAIN_LOOK: Duration = Duration::from_millis(5);
/// How long what was read may take to be stored and sent.
const DRAINING_TIME_MAX: Duration = Duration::from_millis(1500);
/// A shard that has not turned for so many ticks is stuck; one line a tick warns before.
const STUCK_TICKS_WARN: u32 = 5;
const STUCK_TICKS_MAX: u32 = 30;

/// What the supervisor holds of each shard and of the process.
pub struct Supervisor {
    pub bells: Vec<Arc<Bell>>,
    pub lifecycle: Arc<Lifecycle>,
    pub stops: flume::Receiver<Stop>,
}

impl Supervisor {
    /// Ticks until a stop comes, then leads the drain up to the closing of all connections.
    pub fn run(self) {
        let mut turns_seen = vec![0; self.bells.len()];
        let mut stuck_ticks = vec![0; self.bells.len()];
        loop {
            match self.stops.recv_timeout(TICK) {
                Ok(Stop::Signal(name)) => {
                    tracing::info!(signal = name, "draining");
                    return self.drain();
                }
                Err(flume::RecvTimeoutError::Disconnected) => return,
                Err(flume::RecvTimeoutError::Timeout) => {}
            }
            self.tick();
            self.watch(&mut turns_seen, &mut stuck_ticks);
        }
    }

    fn tick(&self) {
        for (index, bell) in self.bells.iter().enumerate() {
            self.lifecycle.shard(index).has_ticked.store(true, Ordering::Release);
            bell.ring_loudly();
        }
    }

    /// Every shard turns at least once a tick, as its bell rings then.
    fn watch(&self, turns_seen: &mut [u64], stuck_ticks: &mut [u32]) {
        for (index, seen) in turns_seen.iter_mut().enumerate() {
            let turns = self.lifecycle.shard(index).turns.load(Ordering::Acquire);
            stuck_ticks[index] = if turns == *seen { stuck_ticks[index] + 1 } else { 0 };
            *seen = turns;
            if stuck_ticks[index] >= STUCK_TICKS_WARN {
                tracing::warn!(shard = index, seconds = stuck_ticks[index], "a shard does not turn");
            }
            assert!(
                stuck_ticks[index] < STUCK_TICKS_MAX,
                "shard {index} has not turned for {STUCK_TICKS_MAX} s: ending the process"
            );
        }
    }

    fn drain(&self) {
        self.lifecycle.enter(Phase::Draining);
        let started = Instant::now();
        let mut last_quiet = None;
        while started.elapsed() < DRAINING_TIME_MAX {
            self.ring_all();
            std::thread::sleep(DRAIN_LOOK);
            let quiet = self.lifecycle.quiet_sum();
            if quiet.is_some() && quiet == last_quiet {
                break;
            }
            last_quiet = quiet;
        }
        self.lifecycle.enter(Phase::Closing);
        self.ring_all();
        // Shards that wait for slow peers need their ticks; this thread ends with the process.
        loop {
            std::thread::sleep(TICK);
            self.tick();
        }
    }

    fn ring_all(&self) {
        for bell in &self.bells {
            bell.ring_loudly();
        }
    }
}
