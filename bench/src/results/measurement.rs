//! One workload, measured once, against one server.

use super::metric::{Latency, Metric};

/// What one workload found in one round against one server.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// The workload's name, as on the command line: `fanout`.
    pub workload: &'static str,
    /// Workload and parameters in words; the same for every round and every server.
    pub title: String,
    /// What distinguishes it from others of its kind, in so few words that they fit a table.
    pub label: String,
    /// Which server: `madang`, `redis`, `irc`, `nats`, and for two of a kind with its address.
    pub server: String,
    /// Every parameter by its name on the command line.
    pub parameters: Vec<Parameter>,
    /// Figures, in the order in which they are shown.
    pub metrics: Vec<Metric>,
    /// Distributions, in the order in which they are shown.
    pub latencies: Vec<Latency>,
    /// What happened second by second.
    pub series: Vec<Series>,
    /// What was wrong; empty is the promise.
    pub faults: Faults,
    /// Why the figures describe the load rather than the server, when they do.
    pub load_limit: Option<String>,
    /// Sentences that must be known to read the figures rightly.
    pub notes: Vec<String>,
    /// It was stopped before its time, and reports what it has.
    pub is_cut_short: bool,
}

/// A parameter by its name on the command line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parameter {
    /// Such as `rooms`.
    pub name: String,
    /// Its value in words.
    pub value: String,
}

/// A figure over time, in steps of equal length.
#[derive(Clone, PartialEq, Debug)]
pub struct Series {
    /// Stable and machine-readable, with its unit last: `deliveries_per_second`, `delivery_p99_us`.
    pub key: &'static str,
    /// As people read it.
    pub label: String,
    /// Of the values.
    pub unit: &'static str,
    /// Length of a step in milliseconds.
    pub step_ms: u64,
    /// One value a step; `None` where nothing happened that could be measured.
    pub values: Vec<Option<f64>>,
}

/// What was wrong with what came. All zero is the promise.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Faults {
    /// Deliveries that never came.
    pub lost: u64,
    /// Deliveries that came again.
    pub repeated: u64,
    /// Deliveries that came after a later one of the same author in the same room, or in another
    /// order than other members saw.
    pub disordered: u64,
    /// Deliveries that were not what was sent, or went to somebody they were not meant for.
    pub damaged: u64,
    /// The first of each kind, in words that name room, author and number.
    pub examples: Vec<String>,
}

impl Faults {
    /// Whether nothing was wrong.
    pub fn is_none(&self) -> bool {
        self.lost == 0 && self.repeated == 0 && self.disordered == 0 && self.damaged == 0
    }
}
