//! How often a processor is not there: a host gives a virtual machine's processors to others, and says so or not.
//! What waits for a processor that is away is late by as much, whatever the server.

use crate::error::BenchError;
use crate::machine::Placement;
use crate::watch::Stop;
use serde::{Deserialize, Serialize};
use std::thread;
use std::time::{Duration, Instant};

/// What is shorter is an interrupt of the system's own.
const STALL_MIN: Duration = Duration::from_micros(500);

/// What threads that do nothing but look at the clock, one on the server's processor and one on the
/// load's, saw of times in which they did not run. Other programs' turns count as well.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Stalls {
    /// How long they looked, all together, in microseconds.
    pub looked_us: f64,
    /// How often half a millisecond or more was missing.
    pub count: u64,
    /// How much of the time that was, from 0 to 1.
    pub share: f64,
    /// The longest, in microseconds.
    pub max_us: f64,
}

impl Stalls {
    /// Looks for `duration`, on both processors at once. `None` when it was stopped before.
    ///
    /// # Errors
    /// [`BenchError::System`] when there is no thread to be had, or no processor to choose.
    pub fn measure(duration: Duration, stop: &Stop) -> Result<Option<Stalls>, BenchError> {
        let placement = Placement::choose()?;
        if placement.load_processor().is_none() {
            return Ok(Stalls::of(&[watch_clock(duration, stop)]));
        }
        let seen = thread::scope(|scope| {
            let server = thread::Builder::new()
                .name("madang-clock".into())
                .spawn_scoped(scope, || placement.move_to_server().map(|()| watch_clock(duration, stop)))
                .map_err(BenchError::system("start a thread"))?;
            placement.move_to_load()?;
            let load = watch_clock(duration, stop);
            Ok::<_, BenchError>([server.join().unwrap_or_else(|_| Ok(Seen::default()))?, load])
        })?;
        Ok(Stalls::of(&seen).filter(|_| !stop.is_asked()))
    }

    fn of(seen: &[Seen]) -> Option<Stalls> {
        let looked: Duration = seen.iter().map(|seen| seen.looked).sum();
        let missing: Duration = seen.iter().map(|seen| seen.missing).sum();
        let longest = seen.iter().map(|seen| seen.longest).max().unwrap_or_default();
        (!looked.is_zero()).then(|| Stalls {
            looked_us: microseconds(looked),
            count: seen.iter().map(|seen| seen.count).sum(),
            share: missing.as_secs_f64() / looked.as_secs_f64(),
            max_us: microseconds(longest),
        })
    }

    /// In words, for people.
    pub(crate) fn described(&self) -> String {
        format!(
            "{:.1} % of the time in {} stalls, at most {:.1} ms at once",
            self.share * 100.0,
            self.count,
            self.max_us / 1e3
        )
    }
}

#[derive(Default)]
struct Seen {
    looked: Duration,
    missing: Duration,
    longest: Duration,
    count: u64,
}

fn watch_clock(duration: Duration, stop: &Stop) -> Seen {
    let mut seen = Seen::default();
    let began = Instant::now();
    let mut last = began;
    while seen.looked < duration && !stop.is_asked() {
        let now = Instant::now();
        let step = now - last;
        if step >= STALL_MIN {
            seen.missing += step;
            seen.count += 1;
            seen.longest = seen.longest.max(step);
        }
        seen.looked = now - began;
        last = now;
    }
    seen
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    #[test]
    fn both_processors_are_looked_at_and_given_back() {
        let before = rustix::thread::sched_getaffinity(None).expect("the processors");
        let stop = Stop::new();
        let stalls = Stalls::measure(SOON, &stop).expect("threads").expect("some time");
        let processors = thread::available_parallelism().map_or(1, usize::from).min(2);
        assert!(stalls.looked_us >= processors as f64 * microseconds(SOON), "{stalls:?}");
        assert!((0.0..1.0).contains(&stalls.share), "{stalls:?}");
        assert_eq!(stalls.count == 0, stalls.max_us == 0.0, "{stalls:?}");
        assert_eq!(rustix::thread::sched_getaffinity(None).expect("the processors"), before);
        stop.ask();
        assert_eq!(Stalls::measure(SOON, &stop).expect("threads"), None);
    }

    #[test]
    fn a_thread_that_was_kept_from_running_sees_it() {
        // More threads than the processor has room for: each must wait for its turn.
        let seen = thread::scope(|scope| {
            let placement = Placement::choose().expect("processors");
            placement.move_to_load().expect("a processor");
            let others: Vec<_> =
                (0..3).map(|_| scope.spawn(|| watch_clock(8 * SOON, &Stop::new()))).collect();
            let seen = watch_clock(8 * SOON, &Stop::new());
            others.into_iter().for_each(|other| drop(other.join()));
            seen
        });
        assert!(seen.count > 0 && seen.longest >= STALL_MIN && seen.missing <= seen.looked);
    }
}
