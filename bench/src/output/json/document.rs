//! The schema. Fields are only added to a version; what is renamed, removed or measured otherwise
//! makes a new one.

use crate::machine::MachineFacts;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Of the schema below.
pub const SCHEMA_VERSION: u64 = 1;

/// A file of results.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Document {
    /// [`SCHEMA_VERSION`] of the program that wrote it.
    pub schema_version: u64,
    /// Which program measured.
    pub program: ProgramRecord,
    /// RFC 3339, in UTC.
    pub started_at: String,
    /// What was typed, word by word.
    pub command: Vec<String>,
    /// How often everything was to be measured.
    pub rounds: usize,
    /// It was stopped before its end.
    pub is_cut_short: bool,
    /// Sentences that must be known to read the figures rightly.
    pub notes: Vec<String>,
    /// Where.
    pub machine: MachineFacts,
    /// What was measured, the one that others are compared with first.
    pub servers: Vec<ServerRecord>,
    /// With what, and what was found.
    pub workloads: Vec<WorkloadRecord>,
}

/// Which program measured.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProgramRecord {
    /// `madang`.
    pub name: String,
    /// `0.1.0`.
    pub version: String,
}

/// A server that was measured.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ServerRecord {
    /// As under `workloads`.
    pub name: String,
    /// `madang`, `irc`, `redis` or `nats`.
    pub protocol: String,
    /// Where it ran; `null` for one that was started for each measurement.
    pub address: Option<String>,
    /// What becomes of a message that it has taken.
    pub promise: String,
    /// Of a server that was started: when a message may be seen.
    pub durability: Option<String>,
    /// Of a server that was started: settings that were asked for.
    pub settings: Vec<String>,
}

/// One workload with its parameters.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct WorkloadRecord {
    /// Its name on the command line.
    pub name: String,
    /// Workload and parameters in words.
    pub title: String,
    /// The same in the few words that a table has room for; empty in files of older programs.
    #[serde(default)]
    pub label: String,
    /// Every parameter by its name on the command line, with its value in words.
    pub parameters: BTreeMap<String, String>,
    /// What was found of each server.
    pub servers: Vec<ServerRounds>,
}

/// One workload against one server.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ServerRounds {
    /// The server.
    pub name: String,
    /// Why there are no more rounds, when it could not be measured.
    pub failure: Option<String>,
    /// What each round found.
    pub rounds: Vec<RoundRecord>,
}

/// One workload against one server, once.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RoundRecord {
    /// Single figures.
    pub metrics: Vec<MetricRecord>,
    /// Distributions.
    pub latencies: Vec<LatencyRecord>,
    /// What happened second by second.
    pub series: Vec<SeriesRecord>,
    /// What was wrong.
    pub faults: FaultCounts,
    /// Why the figures describe the load rather than the server, when they do.
    pub load_limit: Option<String>,
    /// Sentences that must be known to read the figures rightly.
    pub notes: Vec<String>,
    /// It was stopped before its time.
    pub is_cut_short: bool,
}

/// A single figure.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MetricRecord {
    /// Stable; its unit is its end: `server_cpu_us_per_delivery`.
    pub key: String,
    /// As people read it.
    pub label: String,
    /// In `unit`.
    pub value: f64,
    /// `µs`, `/s`, `bytes`, empty for counts.
    pub unit: String,
    /// Digits worth showing after the point.
    pub decimals: usize,
    /// `lower`, `higher` or `neither`.
    pub better: String,
}

/// A distribution of times.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LatencyRecord {
    /// Stable: `delivery`.
    pub key: String,
    /// As people read it.
    pub label: String,
    /// Whether it is compared with other runs.
    pub is_compared: bool,
    /// How many times were recorded.
    pub count: u64,
    /// Their mean, in microseconds.
    pub mean_us: f64,
    /// The shortest, in microseconds.
    pub min_us: f64,
    /// `p50`, `p90`, `p99`, `p99_9` and `max`, in microseconds.
    pub percentiles_us: BTreeMap<String, f64>,
    /// All of it, in nanoseconds: HdrHistogram's compressed V2 encoding in base64, as in its logs.
    pub histogram_ns: String,
}

/// A figure over time.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SeriesRecord {
    /// Stable; its unit is its end.
    pub key: String,
    /// As people read it.
    pub label: String,
    /// Of the values.
    pub unit: String,
    /// Length of a step in milliseconds.
    pub step_ms: u64,
    /// One a step; `null` where there was nothing to measure.
    pub values: Vec<Option<f64>>,
}

/// What was wrong with what came.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FaultCounts {
    /// Never came.
    pub lost: u64,
    /// Came again.
    pub repeated: u64,
    /// Came out of order.
    pub disordered: u64,
    /// Was not what was sent.
    pub damaged: u64,
    /// The first of each kind, in words.
    pub examples: Vec<String>,
}
