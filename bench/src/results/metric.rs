//! Single figures and distributions.

use hdrhistogram::Histogram;

/// Which way a figure should go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Better {
    /// Less is better: latencies, processor time, bytes.
    Lower,
    /// More is better: deliveries a second.
    Higher,
    /// It describes the run and is not compared.
    Neither,
}

/// One figure.
#[derive(Clone, PartialEq, Debug)]
pub struct Metric {
    /// Stable and machine-readable, with its unit last: `server_cpu_us_per_delivery`.
    pub key: &'static str,
    /// As people read it: `server CPU per delivery`.
    pub label: String,
    /// Its value in `unit`.
    pub value: f64,
    /// As people read it: `µs`, `/s`, `bytes`; empty for counts.
    pub unit: &'static str,
    /// Digits shown after the point.
    pub decimals: usize,
    /// Which way it should go.
    pub better: Better,
}

/// A distribution of times, in nanoseconds.
#[derive(Clone, Debug)]
pub struct Latency {
    /// Stable and machine-readable: `delivery`, `send_lag`, `page`.
    pub key: &'static str,
    /// As people read it: `latency`.
    pub label: String,
    /// Nanoseconds; from the *intended* time of the work to its end.
    pub histogram_ns: Histogram<u64>,
    /// Whether it is compared with other runs (a load's own lag is not).
    pub is_compared: bool,
}
