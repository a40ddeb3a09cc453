//! Open loop: what is to be done when, whatever the server does.

use crate::account::empty_histogram;
use crate::crowd::{Arrived, Crowd};
use crate::error::BenchError;
use crate::watch::Watch;
use hdrhistogram::Histogram;
use std::time::Duration;

/// The longest wait for events in one turn, so that somebody who stops it is heard.
pub(crate) const TURN_MAX_NS: u64 = 100_000_000;
/// Sent late at once at most, before what has come is read.
const BURST_MAX: usize = 64;

/// A load that does one thing at a time, and takes what comes.
pub(crate) trait Load {
    /// Does the `number`th thing, which was to be done at `intended_ns`.
    fn send(&mut self, number: u64, intended_ns: u64, crowd: &mut Crowd) -> Result<(), BenchError>;

    /// Takes account of a frame, and may answer it.
    fn take(&mut self, arrived: Arrived<'_>, outbox: &mut Vec<u8>) -> Result<(), BenchError>;

    /// Whether everything that was asked for has come.
    fn is_settled(&self) -> bool;
}

/// Intended times at an even rate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    start_ns: u64,
    per_second: u64,
    total: u64,
}

impl Schedule {
    /// As many as `per_second` makes in `duration`, the first one at once.
    pub(crate) fn new(start_ns: u64, per_second: u64, duration: Duration) -> Schedule {
        let total = (u128::from(per_second) * duration.as_nanos()).div_ceil(1_000_000_000) as u64;
        Schedule { start_ns, per_second, total }
    }

    fn intended_ns(&self, number: u64) -> u64 {
        self.start_ns + (u128::from(number) * 1_000_000_000 / u128::from(self.per_second)) as u64
    }
}

/// How well the load kept its pace.
#[derive(Debug)]
pub(crate) struct Kept {
    /// From the intended to the real sending of each.
    pub(crate) lag_ns: Histogram<u64>,
    /// It was stopped before its time.
    pub(crate) is_cut_short: bool,
}

/// Where a load is in its schedule.
#[derive(Debug)]
pub(crate) struct Pacer {
    schedule: Schedule,
    number: u64,
    /// From the intended to the real sending of each.
    pub(crate) lag_ns: Histogram<u64>,
}

impl Pacer {
    /// At its beginning.
    pub(crate) fn new(schedule: Schedule) -> Pacer {
        Pacer { schedule, number: 0, lag_ns: empty_histogram() }
    }

    /// Does what is due, and returns when the next thing is. What is very late is done a few at a time, so that
    /// reading continues.
    pub(crate) fn send_due(&mut self, load: &mut impl Load, crowd: &mut Crowd) -> Result<u64, BenchError> {
        for _ in 0..BURST_MAX {
            let (now_ns, intended_ns) = (crowd.now_ns(), self.schedule.intended_ns(self.number));
            if self.is_done() || intended_ns > now_ns {
                break;
            }
            self.lag_ns.saturating_record(now_ns - intended_ns);
            load.send(self.number, intended_ns, crowd)?;
            self.number += 1;
        }
        Ok(self.schedule.intended_ns(self.number))
    }

    /// Whether everything was done.
    pub(crate) fn is_done(&self) -> bool {
        self.number == self.schedule.total
    }

    /// The share that was done.
    pub(crate) fn share(&self) -> f64 {
        self.number as f64 / self.schedule.total.max(1) as f64
    }
}

/// Does everything at its time, or as soon after that as it can, and reads all the while.
pub(crate) async fn keep_rate(
    load: &mut impl Load,
    crowd: &mut Crowd,
    schedule: Schedule,
    watch: &mut Watch<'_>,
) -> Result<Kept, BenchError> {
    let mut pacer = Pacer::new(schedule);
    let mut is_cut_short = false;
    while !pacer.is_done() && !is_cut_short {
        let next_ns = pacer.send_due(load, crowd)?;
        let now_ns = crowd.now_ns();
        crowd.turn(next_ns.min(now_ns + TURN_MAX_NS), |arrived, outbox| load.take(arrived, outbox)).await?;
        is_cut_short = watch.look(now_ns, "measuring", pacer.share()) && !pacer.is_done();
    }
    Ok(Kept { lag_ns: pacer.lag_ns, is_cut_short })
}

/// Continues a schedule for `duration`. `what` is shown meanwhile, and as done what `share` makes of the part of the
/// time that is over. Returns whether somebody stopped it.
pub(crate) async fn keep_rate_for(
    duration: Duration,
    load: &mut impl Load,
    pacer: &mut Pacer,
    crowd: &mut Crowd,
    watch: &mut Watch<'_>,
    (what, share): (&str, impl Fn(f64) -> f64),
) -> Result<bool, BenchError> {
    let start_ns = crowd.now_ns();
    let end_ns = start_ns + duration.as_nanos() as u64;
    loop {
        let now_ns = crowd.now_ns();
        if now_ns >= end_ns {
            return Ok(false);
        }
        if watch.look(now_ns, what, share((now_ns - start_ns) as f64 / duration.as_nanos() as f64)) {
            return Ok(true);
        }
        let next_ns = pacer.send_due(load, crowd)?;
        let until_ns = next_ns.min(end_ns).min(now_ns + TURN_MAX_NS);
        crowd.turn(until_ns, |arrived, outbox| load.take(arrived, outbox)).await?;
    }
}

/// Waits until everything has come, for at most `longest`; after a stop, for a second.
pub(crate) async fn drain(
    load: &mut impl Load,
    crowd: &mut Crowd,
    longest: Duration,
    watch: &mut Watch<'_>,
) -> Result<(), BenchError> {
    const STOPPED_MAX: Duration = Duration::from_secs(1);
    let start_ns = crowd.now_ns();
    while !load.is_settled() {
        let now_ns = crowd.now_ns();
        let is_stopped = watch.look(now_ns, "waiting for the last deliveries", 1.0);
        let longest = if is_stopped { longest.min(STOPPED_MAX) } else { longest };
        if now_ns - start_ns >= longest.as_nanos() as u64 {
            break;
        }
        crowd.turn(now_ns + TURN_MAX_NS, |arrived, outbox| load.take(arrived, outbox)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intended_times_do_not_drift() {
        let schedule = Schedule::new(7, 3, Duration::from_secs(1_000_000));
        assert_eq!(schedule.total, 3_000_000);
        assert_eq!(
            [0, 1, 2, 3].map(|number| schedule.intended_ns(number)),
            [7, 333_333_340, 666_666_673, 1_000_000_007]
        );
        assert_eq!(schedule.intended_ns(3_000_000), 1_000_000_000_000_007);
    }
}
