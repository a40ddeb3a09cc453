//! What a fan-out measurement found, and how far it can be trusted.

use super::ledger::Faults;
use super::options::FanOutOptions;
use crate::report::Figures;
use crate::workload::Pace;
use hdrhistogram::Histogram;
use std::fmt;

/// Above this share of a processor the load itself may be what limits.
const LOAD_SHARE_MAX: f64 = 0.9;
/// A message that goes out later than this, in nanoseconds, was not sent when it was meant to be.
const SEND_LAG_P99_MAX_NS: u64 = 1_000_000;

/// What was measured.
#[derive(Clone, Debug)]
pub struct FanOutReport {
    pub(super) options: FanOutOptions,
    pub(super) messages: u64,
    pub(super) deliveries: u64,
    pub(super) faults: Faults,
    pub(super) latency_ns: Histogram<u64>,
    pub(super) send_lag_ns: Histogram<u64>,
    /// From the first message to the last delivery.
    pub(super) span_ns: u64,
    /// Processor time of the load.
    pub(super) load_time_ns: u64,
    /// Processor time of the server, when its process is known.
    pub(super) server_time_ns: Option<u64>,
    pub(super) site: String,
}

impl FanOutReport {
    /// Messages sent.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Deliveries that came, each counted once.
    pub fn deliveries(&self) -> u64 {
        self.deliveries
    }

    /// What was wrong with the deliveries.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// From the intended sending of a message to the reading of each of its deliveries.
    pub fn latency_ns(&self) -> &Histogram<u64> {
        &self.latency_ns
    }

    /// Processor time of the server for one delivery, in microseconds.
    pub fn server_time_us_per_delivery(&self) -> Option<f64> {
        let spent_ns = self.server_time_ns? as f64;
        (self.deliveries > 0).then(|| spent_ns / 1e3 / self.deliveries as f64)
    }

    pub(crate) fn deliveries_per_second(&self) -> f64 {
        self.deliveries as f64 * 1e9 / self.span_ns.max(1) as f64
    }

    pub(crate) fn size_bytes(&self) -> usize {
        self.options.size_bytes
    }

    pub(crate) fn site(&self) -> &str {
        &self.site
    }

    /// Adds what the server's processor did, for each `unit` and as a share of one processor.
    pub(crate) fn add_server_time(&self, figures: &mut Figures, unit: &str) {
        match self.server_time_ns.zip(self.server_time_us_per_delivery()) {
            Some((spent_ns, each_us)) => {
                figures.measure(format!("server CPU per {unit}"), each_us, 3, "µs");
                figures.measure("server CPU", 100.0 * self.share(spent_ns), 1, "% of one processor");
            }
            None => figures.note("server CPU is unknown: pass the server's process id with --pid"),
        }
    }

    fn share(&self, spent_ns: u64) -> f64 {
        spent_ns as f64 / self.span_ns.max(1) as f64
    }

    fn title(&self) -> String {
        let FanOutOptions { rooms, members, size_bytes, duration, pace, .. } = &self.options;
        let pace = match pace {
            Pace::Saturated { in_flight } => format!("saturated, {in_flight} in flight a room"),
            Pace::Rate { messages_per_second } => format!("{messages_per_second} messages/s, open loop"),
        };
        let seconds = duration.as_secs_f64();
        format!("fan-out: {rooms} rooms x {members} members, {size_bytes}-byte messages, {pace}, {seconds} s")
    }

    /// Says when the figures are the load's and not the server's.
    fn add_own_limits(&self, figures: &mut Figures) {
        let share = self.share(self.load_time_ns);
        figures.measure("load CPU", 100.0 * share, 1, "% of one processor");
        if matches!(self.options.pace, Pace::Rate { .. }) {
            figures.measure("send lag p50", self.send_lag_ns.value_at_quantile(0.5) as f64 / 1e3, 1, "µs");
            figures.measure("send lag p99", self.send_lag_ns.value_at_quantile(0.99) as f64 / 1e3, 1, "µs");
            figures.measure("send lag max", self.send_lag_ns.max() as f64 / 1e3, 1, "µs");
        }
        if share > LOAD_SHARE_MAX {
            figures.note("the load is at its own limit: the server may be faster than deliveries/s says");
        }
        if self.send_lag_ns.value_at_quantile(0.99) > SEND_LAG_P99_MAX_NS {
            figures.note("the load did not keep its pace: the latencies hold its own delay as well");
        }
    }
}

impl fmt::Display for FanOutReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut figures = Figures::new(self.title());
        figures.count("messages", self.messages, "");
        figures.count("deliveries", self.deliveries, "");
        let per_second = self.deliveries as f64 * 1e9 / self.span_ns.max(1) as f64;
        figures.count("deliveries a second", per_second as u64, "/s");
        self.add_server_time(&mut figures, "delivery");
        figures.latency("latency", &self.latency_ns);
        self.add_own_limits(&mut figures);
        self.faults.add_to(&mut figures);
        figures.note(self.site());
        figures.fmt(f)
    }
}
