//! Time as it is handed in: nothing in the engine's cores asks a clock.

use std::time::Duration;

/// Wall-clock time: microseconds since the Unix epoch, UTC. For people to read, never to sort by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Timestamp(pub i64);

/// Monotonic time: milliseconds since the process started. For deadlines and rates.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Moment(pub u64);

impl Moment {
    /// The moment this much later.
    #[must_use]
    pub fn after(self, wait: Duration) -> Moment {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        Moment(self.0.saturating_add(wait_ms))
    }

    /// Milliseconds from `earlier` to this moment; 0 when it is not earlier.
    pub fn since_ms(self, earlier: Moment) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The two clocks of one turn, read once and handed to everything in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// What people see beside a message.
    pub wall: Timestamp,
    /// What deadlines and rates are counted by.
    pub monotonic: Moment,
}
