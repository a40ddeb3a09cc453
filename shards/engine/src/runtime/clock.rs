//! The only place that asks what time it is.

use madang_model::{Moment, Now, Timestamp};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Both clocks of a shard.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// A monotonic clock that starts now.
    pub fn start() -> Clock {
        Clock { started: Instant::now() }
    }

    /// The time of both clocks.
    pub fn now(&self) -> Now {
        let monotonic_ms = self.started.elapsed().as_millis();
        Now { wall: wall_clock(), monotonic: Moment(u64::try_from(monotonic_ms).unwrap_or(u64::MAX)) }
    }

    /// The instant of a moment of this clock.
    pub fn instant_of(&self, moment: Moment) -> Instant {
        self.started + Duration::from_millis(moment.0)
    }
}

/// Microseconds since the Unix epoch; 0 when the machine's clock is set before it.
pub fn wall_clock() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}
