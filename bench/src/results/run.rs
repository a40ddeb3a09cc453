//! Everything that one call of `madang bench` found.

use super::{Figure, Measurement, Parameter, figures};
use crate::machine::MachineFacts;

/// Everything that one call of `madang bench` found.
#[derive(Clone, Debug)]
pub struct Run {
    /// Of the program that measured: `0.1.0`.
    pub program_version: String,
    /// RFC 3339, in UTC.
    pub started_at: String,
    /// What was typed, word by word.
    pub command: Vec<String>,
    /// How often everything was to be measured.
    pub rounds: usize,
    /// Where.
    pub machine: MachineFacts,
    /// What was measured, the one that others are compared with first.
    pub servers: Vec<ServerFacts>,
    /// What was found, in the order in which it was measured.
    pub entries: Vec<Entry>,
    /// Sentences that must be known to read the figures rightly.
    pub notes: Vec<String>,
    /// It was stopped before its end, and tells of what it has.
    pub is_cut_short: bool,
}

/// A server that was measured, and what it promises.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerFacts {
    /// As in [`Column::server`].
    pub name: String,
    /// What it speaks: `madang`, `irc`, `redis`, `nats`.
    pub protocol: String,
    /// Where it runs; `None` for one that was started for each measurement.
    pub address: Option<String>,
    /// Its process, when known and not started here.
    pub pid: Option<u32>,
    /// What becomes of a message that it has taken, in a sentence.
    pub promise: String,
    /// Of a server started here: when a message may be seen.
    pub durability: Option<String>,
    /// Of a server started here: settings that were asked for, `KEY=VALUE`.
    pub settings: Vec<String>,
}

/// One workload with its parameters, against every server.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name on the command line.
    pub workload: String,
    /// Workload and parameters in words.
    pub title: String,
    /// Every parameter by its name on the command line.
    pub parameters: Vec<Parameter>,
    /// One for each server, in the order of [`Run::servers`] as far as they were asked.
    pub columns: Vec<Column>,
}

/// One workload against one server.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name in the report.
    pub server: String,
    /// What each round found.
    pub rounds: Vec<Measurement>,
    /// Why there are no (more) rounds, when it could not be measured.
    pub failure: Option<String>,
}

impl Run {
    /// Whether any measurement was made.
    pub fn is_empty(&self) -> bool {
        self.entries.iter().all(|entry| entry.columns.iter().all(|column| column.rounds.is_empty()))
    }

    /// Every measurement, in order.
    pub fn measurements(&self) -> impl Iterator<Item = &Measurement> {
        self.entries.iter().flat_map(|entry| &entry.columns).flat_map(|column| &column.rounds)
    }

    /// Whether everything came once, whole and in order, everywhere.
    pub fn is_faultless(&self) -> bool {
        self.measurements().all(|measurement| measurement.faults.is_none())
    }

    /// Whether more than one server was measured with the same work.
    pub fn is_comparison(&self) -> bool {
        self.entries.iter().any(|entry| entry.columns.len() > 1)
    }
}

impl Column {
    /// Its figures, each with its value in every round.
    pub fn figures(&self) -> Vec<Figure> {
        figures(&self.rounds)
    }
}
