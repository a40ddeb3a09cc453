//! Waiting for resources that a process which has ended keeps for a moment.

use std::fmt::Display;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a process that has ended may keep its addresses, because the kernel frees its rings after its end: some
/// milliseconds, and more on a busy machine.
pub const ADDRESS_TIME_MAX: Duration = Duration::from_secs(5);
/// A shorter wait is not logged.
const UNLOGGED_TIME_MAX: Duration = Duration::from_millis(20);
const LOOK: Duration = Duration::from_millis(5);

/// Calls `take` until it succeeds, or its error has lasted longer than `time_max` allows for it.
///
/// # Errors
/// The last error.
pub fn patiently<T, E: Display>(
    time_max: impl Fn(&E) -> Duration,
    take: impl Fn() -> Result<T, E>,
) -> Result<T, E> {
    let started = Instant::now();
    let mut is_logged = false;
    loop {
        let error = match take() {
            Ok(taken) => return Ok(taken),
            Err(error) => error,
        };
        let time_max = time_max(&error);
        if started.elapsed() >= time_max {
            return Err(error);
        }
        if !is_logged && started.elapsed() >= UNLOGGED_TIME_MAX {
            tracing::warn!(
                "waiting up to {} s, because a server that has ended keeps its addresses for a moment: {error}",
                time_max.as_secs()
            );
            is_logged = true;
        }
        sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn it_is_tried_until_it_works_or_the_error_has_lasted_too_long() {
        let tries = Cell::new(0);
        let take = || {
            tries.set(tries.get() + 1);
            if tries.get() < 3 { Err("in use") } else { Ok(()) }
        };
        assert_eq!(patiently(|_| ADDRESS_TIME_MAX, take), Ok(()));
        assert_eq!(tries.take(), 3);
        assert_eq!(patiently(|_| Duration::ZERO, take), Err("in use"));
        assert_eq!(tries.get(), 1, "an error that does not pass is not waited for");
    }
}
