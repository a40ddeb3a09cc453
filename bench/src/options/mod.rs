//! What options are, below all workloads: each declares its own once.
//!
//! A workload's options are a struct, and its fields are named as they are typed: clap makes help, parser and
//! defaults of it, serde the parameters of the results. What is allowed and what it is called is said beside
//! it ([`Options`]).

pub(crate) mod bounds;

use crate::error::BenchError;
use crate::protocol::Protocol;
use crate::results::Parameter;
use clap::{Args, Command};
use serde::Serialize;
use serde_json::Value;

/// The options of one workload: what they mean together, and what is to be known before it is measured.
pub(crate) trait Options {
    /// The workload's name on the command line.
    fn name(&self) -> &'static str;

    /// Every option that is in force, by its name on the command line.
    fn parameters(&self) -> Vec<Parameter>;

    /// Workload and options in words; the same for every round and every server.
    fn title(&self) -> String;

    /// What distinguishes it from others of its kind, in so few words that they fit a table.
    fn label(&self) -> String;

    /// Whether a server of this protocol can do such work.
    fn is_spoken(&self, protocol: Protocol) -> bool {
        protocol == Protocol::Line
    }

    /// Whether every value is one that can be measured.
    fn check(&self, protocol: Protocol) -> Result<(), BenchError>;

    /// How many connections it takes at once.
    fn connections(&self) -> usize;

    /// Members of its largest room.
    fn members(&self) -> usize {
        1
    }

    /// About how long it takes besides what it sends for, in seconds.
    fn preparation_s(&self) -> f64 {
        0.0
    }
}

/// Connections a second that are brought in, about.
pub(crate) const ENTRIES_PER_SECOND: f64 = 10_000.0;

/// The options as they are when nothing is typed.
pub(crate) fn defaults<T: Args>() -> T {
    let command = T::augment_args(Command::new("defaults").no_binary_name(true));
    let matches = command.try_get_matches_from(std::iter::empty::<&str>());
    matches.and_then(|matches| T::from_arg_matches(&matches)).expect("every option has a default")
}

/// The fields of some options, each in words.
pub(crate) fn fields(options: &impl Serialize) -> Vec<Parameter> {
    let Ok(Value::Object(fields)) = serde_json::to_value(options) else {
        unreachable!("options are a struct of numbers and words")
    };
    let in_words = |value: Value| match value {
        Value::String(words) => words,
        // 5 and not 5.0.
        Value::Number(number) if number.is_f64() => {
            number.as_f64().map_or_else(String::new, |number| number.to_string())
        }
        other => other.to_string(),
    };
    fields.into_iter().map(|(name, value)| Parameter { name, value: in_words(value) }).collect()
}
