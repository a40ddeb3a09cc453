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
    /// It was stopped before its end, and reports what it has.
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
    /// The same in the few words that a table has room for.
    pub label: String,
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
    /// It was never to be measured there, as [`failure`](Self::failure) says.
    pub is_left_out: bool,
}

impl Run {
    /// Whether no server was measured. The load's own floor is none.
    pub fn is_empty(&self) -> bool {
        self.entries
            .iter()
            .filter(|entry| entry.workload != "floor")
            .all(|entry| entry.columns.iter().all(|column| column.rounds.is_empty()))
    }

    /// Adds a round to the workload and the server that it is of; they are added when they are new.
    pub fn add(&mut self, measurement: Measurement) {
        let is_of = |entry: &Entry| {
            entry.workload == measurement.workload && entry.parameters == measurement.parameters
        };
        let position = self.entries.iter().position(is_of).unwrap_or_else(|| {
            self.entries.push(Entry {
                workload: measurement.workload.to_owned(),
                title: measurement.title.clone(),
                label: measurement.label.clone(),
                parameters: measurement.parameters.clone(),
                columns: Vec::new(),
            });
            self.entries.len() - 1
        });
        self.entries[position].column(&measurement.server).rounds.push(measurement);
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

impl Entry {
    /// What was found of this server; empty when it is new.
    pub fn column(&mut self, server: &str) -> &mut Column {
        let position = self.columns.iter().position(|column| column.server == server).unwrap_or_else(|| {
            self.columns.push(Column {
                server: server.to_owned(),
                rounds: Vec::new(),
                failure: None,
                is_left_out: false,
            });
            self.columns.len() - 1
        });
        &mut self.columns[position]
    }
}

impl Column {
    /// Its figures, each with its value in every round.
    pub fn figures(&self) -> Vec<Figure> {
        figures(&self.rounds)
    }
}

#[cfg(test)]
mod tests {
    use crate::results::example;

    #[test]
    fn rounds_find_their_workload_and_their_server() {
        let mut run = example::run(&[("madang", &[100])]);
        run.add(example::measurement("madang", 120));
        run.add(example::measurement("redis", 80));
        let mut other = example::measurement("madang", 90);
        other.parameters = example::parameters(500);
        run.add(other);
        let rounds = |entry: usize| {
            let columns = run.entries[entry].columns.iter();
            columns.map(|column| (column.server.as_str(), column.rounds.len())).collect::<Vec<_>>()
        };
        assert_eq!(rounds(0), [("madang", 2), ("redis", 1)]);
        assert_eq!(rounds(1), [("madang", 1)]);
        assert!(run.is_comparison() && run.is_faultless() && !run.is_empty());
    }
}
