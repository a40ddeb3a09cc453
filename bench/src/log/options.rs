//! What can be asked of `log`.

use crate::error::BenchError;
use crate::options::{Options, defaults, fields};
use crate::protocol::Protocol;
use crate::results::{Parameter, grouped};
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use serde::{Serialize, Serializer};
use std::path::PathBuf;

/// The log alone: starts, pages, appending, export, space
#[derive(Args, Serialize, Clone, PartialEq, Debug)]
#[command(after_help = "Examples:
  madang bench log                               all parts: a minute, and 7 GB of --dir meanwhile
  madang bench log --part rest --dir /srv/disk2  what a commit takes there, compared with that disk alone")]
pub(crate) struct LogOptions {
    /// Messages of the large log; a tenth of them in the room that pages are read of
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    pub(crate) messages: u64,
    /// Rooms of the large log
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub(crate) rooms: u64,
    /// Only this part; may be repeated
    #[arg(long = "part", value_name = "PART")]
    #[serde(skip)]
    only: Vec<LogPart>,
    /// Directory on the file system that is measured [default: TMPDIR]
    #[arg(long, value_name = "DIR")]
    #[serde(skip)]
    pub(crate) dir: Option<PathBuf>,
    /// Which part this is about: one measurement is made of each.
    #[arg(skip)]
    pub(crate) part: LogPart,
}

/// What is measured of the log.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum LogPart {
    /// A large log: started from in every way, verified, exported and weighed.
    #[default]
    Starts,
    /// Pages of a large room, with nothing in the page cache.
    Pages,
    /// Appending as fast as it goes.
    Saturated,
    /// Appending one message at a time, in turns with the disk by itself.
    Rest,
}

impl LogPart {
    /// All of them, in the order in which they are measured.
    const ALL: [LogPart; 4] = [LogPart::Starts, LogPart::Pages, LogPart::Saturated, LogPart::Rest];

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            LogPart::Starts => "starts",
            LogPart::Pages => "pages",
            LogPart::Saturated => "saturated",
            LogPart::Rest => "rest",
        }
    }
}

impl ValueEnum for LogPart {
    fn value_variants<'a>() -> &'a [LogPart] {
        &LogPart::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

impl Serialize for LogPart {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl LogOptions {
    pub(crate) const NAME: &str = "log";

    /// Of each part that was asked for: all of them when none was named.
    pub(crate) fn each_part(&self) -> impl Iterator<Item = LogOptions> {
        let is_wanted = |part: &LogPart| self.only.is_empty() || self.only.contains(part);
        LogPart::ALL.into_iter().filter(is_wanted).map(|part| LogOptions { part, ..self.clone() })
    }

    /// Messages in the room that pages are read of.
    pub(crate) fn room_messages(&self) -> u64 {
        self.messages / 10
    }

    /// The size of segments that servers begin. A log too small to represent a large server shows that all of this
    /// works: then no disk is kept busy with zeros, of which a server writes 128 MiB a shard.
    pub(crate) fn segment_bytes(&self) -> Option<u64> {
        const SMALL_MESSAGES: u64 = 100_000;
        const SMALL_SEGMENT_BYTES: u64 = 4 << 20;
        (self.messages < SMALL_MESSAGES).then_some(SMALL_SEGMENT_BYTES)
    }
}

impl Default for LogOptions {
    fn default() -> LogOptions {
        defaults()
    }
}

impl Options for LogOptions {
    fn name(&self) -> &'static str {
        LogOptions::NAME
    }

    fn parameters(&self) -> Vec<Parameter> {
        fields(self)
    }

    fn title(&self) -> String {
        match self.part {
            LogPart::Starts => format!("log: {} messages in {} rooms", self.messages, self.rooms),
            LogPart::Pages => {
                format!("log: pages of 50 from a room of {} messages, cold page cache", self.room_messages())
            }
            LogPart::Saturated => "log: append with commit at saturation, one shard".to_owned(),
            LogPart::Rest => "log: one message at a time, beside the disk alone".to_owned(),
        }
    }

    fn label(&self) -> String {
        match self.part {
            LogPart::Starts => format!("log, starts, {} messages", grouped(self.messages)),
            LogPart::Pages => "log, cold pages of 50".to_owned(),
            LogPart::Saturated | LogPart::Rest => format!("log, {}", self.part.name()),
        }
    }

    fn check(&self, _protocol: Protocol) -> Result<(), BenchError> {
        let bad = |option, value: u64, allowed: &str| {
            Err(BenchError::BadOption { option, value: value.to_string(), allowed: allowed.to_owned() })
        };
        if !(10_000..=1_000_000_000).contains(&self.messages) {
            return bad("messages", self.messages, "10000 to 1000000000 here");
        }
        if !(1..=self.messages).contains(&self.rooms) {
            return bad("rooms", self.rooms, "1 to as many as there are messages here");
        }
        Ok(())
    }

    /// A handful, which fits anywhere.
    fn connections(&self) -> usize {
        0
    }

    fn preparation_s(&self) -> f64 {
        let millions = self.messages as f64 / 1e6;
        match self.part {
            LogPart::Starts => 3.0 + 4.0 * millions,
            LogPart::Pages => 1.0 + 0.3 * millions,
            LogPart::Saturated => 1.0 + 5.0 * millions.min(1.0),
            LogPart::Rest => 2.0,
        }
    }
}
