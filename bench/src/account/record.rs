//! Latencies of one kind, as a whole and step by step.

use super::timeline::Timeline;
use crate::results::Series;
use hdrhistogram::Histogram;
use std::time::Duration;

/// The longest latency a histogram holds, in nanoseconds.
const LATENCY_MAX_NS: u64 = 60_000_000_000;

/// Deliveries by their latency and time.
#[derive(Debug)]
pub(crate) struct Record {
    /// From the intended sending to the reading of each delivery.
    pub(crate) latency_ns: Histogram<u64>,
    timeline: Timeline,
    last_ns: u64,
}

impl Record {
    /// For a measurement that begins at `start_ns` and lasts about `duration`.
    pub(crate) fn new(start_ns: u64, duration: Duration) -> Record {
        let timeline = Timeline::new(start_ns, duration);
        Record { latency_ns: empty_histogram(), timeline, last_ns: start_ns }
    }

    /// Notes one delivery.
    pub(crate) fn delivery(&mut self, intended_ns: u64, read_at_ns: u64) {
        let latency_ns = read_at_ns.saturating_sub(intended_ns);
        self.latency_ns.saturating_record(latency_ns);
        self.timeline.record(read_at_ns, latency_ns);
        self.last_ns = self.last_ns.max(read_at_ns);
    }

    /// From the beginning to the last delivery, in nanoseconds.
    pub(crate) fn span_ns(&self) -> u64 {
        self.last_ns - self.timeline.start_ns()
    }

    /// Histogram and series.
    pub(crate) fn finish(self) -> (Histogram<u64>, Vec<Series>) {
        (self.latency_ns, self.timeline.into_series(self.last_ns))
    }
}

/// A histogram of nanoseconds up to a minute, to three digits.
pub(crate) fn empty_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MAX_NS, 3).expect("bounds and digits are constants that fit")
}
