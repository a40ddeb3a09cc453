//! The message rate of one connection: a token bucket in eight bytes.

use crate::Moment;
use std::time::Duration;

/// How many messages a connection may send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FloodLimit {
    /// In the long run, a second; 0 is no limit.
    pub messages_per_second: u32,
    /// At once, after silence. At least 1 is used.
    pub burst: u32,
}

/// What a connection has used of its allowance, as the moment at which it will all be back.
///
/// The bucket is full when that moment has passed: an idle connection needs no timer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flood {
    /// Microseconds on the monotonic clock.
    full_at_us: u64,
}

impl Flood {
    /// How long until all of it is back.
    pub fn used(&self, now: Moment) -> Duration {
        Duration::from_micros(self.full_at_us.saturating_sub(now.0.saturating_mul(1000)))
    }

    /// An allowance of which this much is used.
    pub fn with_used(used: Duration, now: Moment) -> Flood {
        let used_us = u64::try_from(used.as_micros()).unwrap_or(u64::MAX);
        Flood { full_at_us: now.0.saturating_mul(1000).saturating_add(used_us) }
    }

    /// Takes what costs as much as `count` messages from the allowance; what costs more than all of it, all.
    ///
    /// # Errors
    /// How long until that is allowed.
    pub fn spend(&mut self, count: u32, limit: &FloodLimit, now: Moment) -> Result<(), Duration> {
        if limit.messages_per_second == 0 {
            return Ok(());
        }
        let now_us = now.0.saturating_mul(1000);
        let cost_us = 1_000_000 / u64::from(limit.messages_per_second).min(1_000_000);
        let burst = u64::from(limit.burst.max(1));
        let depth_us = cost_us * burst;
        let cost_us = cost_us * u64::from(count).min(burst);
        let full_at_us = self.full_at_us.max(now_us).saturating_add(cost_us);
        if full_at_us - now_us > depth_us {
            return Err(Duration::from_micros(full_at_us - now_us - depth_us));
        }
        self.full_at_us = full_at_us;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: FloodLimit = FloodLimit { messages_per_second: 20, burst: 40 };

    #[test]
    fn a_burst_passes_and_the_next_message_waits_one_interval() {
        let mut flood = Flood::default();
        let now = Moment(5_000);
        for _ in 0..40 {
            assert_eq!(flood.spend(1, &LIMIT, now), Ok(()));
        }
        assert_eq!(flood.spend(1, &LIMIT, now), Err(Duration::from_millis(50)));
        assert_eq!(flood.spend(1, &LIMIT, Moment(5_050)), Ok(()));
    }

    #[test]
    fn the_long_run_rate_holds() {
        let mut flood = Flood::default();
        let passed = (0..100_000_u64).filter(|ms| flood.spend(1, &LIMIT, Moment(*ms)).is_ok()).count();
        assert_eq!(passed, 40 + 100 * 20 - 1);
    }

    /// No monotonic clock does this; with one that does there is a refusal, and no panic.
    #[test]
    fn a_clock_that_goes_back_refuses_until_it_is_where_it_was() {
        let mut flood = Flood::default();
        assert!((0..40).all(|_| flood.spend(1, &LIMIT, Moment(60_000)).is_ok()));
        assert_eq!(flood.spend(1, &LIMIT, Moment(0)), Err(Duration::from_millis(60_050)));
        assert_eq!(flood.spend(1, &LIMIT, Moment(60_050)), Ok(()));
        assert!(flood.spend(1, &LIMIT, Moment(u64::MAX)).is_ok());
    }

    #[test]
    fn what_costs_more_takes_more_but_never_more_than_there_can_be() {
        let mut flood = Flood::default();
        let now = Moment(5_000);
        for _ in 0..10 {
            assert_eq!(flood.spend(4, &LIMIT, now), Ok(()));
        }
        assert_eq!(flood.spend(4, &LIMIT, now), Err(Duration::from_millis(200)));
        assert_eq!(flood.spend(1, &LIMIT, Moment(5_050)), Ok(()));
        assert_eq!(flood.spend(100, &LIMIT, Moment(7_049)), Err(Duration::from_millis(1)));
        assert_eq!(flood.spend(100, &LIMIT, Moment(7_050)), Ok(()), "all of it is enough");
    }

    #[test]
    fn zero_is_no_limit() {
        let mut flood = Flood::default();
        let none = FloodLimit { messages_per_second: 0, burst: 0 };
        assert!((0..10_000).all(|_| flood.spend(1, &none, Moment(0)).is_ok()));
    }
}
