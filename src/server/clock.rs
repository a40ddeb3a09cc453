//! The clocks of the machine: the monotonic one, which all processes share, and the one that people set.

use madang_model::Timestamp;
use std::time::SystemTime;

/// Microseconds since a moment that is the same for all processes.
pub fn now_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec * 1_000_000 + now.tv_nsec / 1_000).unwrap_or_default()
}

/// The time by the clock that people set.
pub fn wall_time() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}
