//! What is measured: each workload with its parameters.

mod check;
mod echo;
mod fan_out;
mod history;
mod idle;
mod measuring;
mod mixed;
mod options;
mod run;
mod slow_readers;
mod storm;
mod talk;
#[cfg(test)]
mod tests;
mod upgrade;
mod whisper;
mod words;

pub use options::{
    EchoOptions, FanOutOptions, HistoryOptions, IdleOptions, MixedOptions, Pace, SlowReadersOptions,
    StormOptions, UpgradeOptions, WhisperOptions,
};

pub use run::measure;

use crate::error::BenchError;
use crate::log::LogOptions;
use crate::protocol::Protocol;
use crate::results::Parameter;

/// A workload with its parameters, as on the command line.
#[derive(Clone, PartialEq, Debug)]
pub enum Workload {
    /// Latency at rest.
    Echo(EchoOptions),
    /// Talk in rooms.
    FanOut(FanOutOptions),
    /// Whispers and their receipts.
    Whisper(WhisperOptions),
    /// Memory of a connection, and how fast connections come in.
    Idle(IdleOptions),
    /// Everyone is cut off and returns.
    Storm(StormOptions),
    /// Pages of stored messages.
    History(HistoryOptions),
    /// Talk, whispers and moves together.
    Mixed(MixedOptions),
    /// Members who never read.
    SlowReaders(SlowReadersOptions),
    /// Another process takes over while everyone talks.
    Upgrade(UpgradeOptions),
    /// A part of the log by itself.
    Log(LogOptions),
}

impl Workload {
    /// Its name on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Workload::Echo(_) => "echo",
            Workload::FanOut(_) => "fanout",
            Workload::Whisper(_) => "whisper",
            Workload::Idle(_) => "idle",
            Workload::Storm(_) => "storm",
            Workload::History(_) => "history",
            Workload::Mixed(_) => "mixed",
            Workload::SlowReaders(_) => "slow-readers",
            Workload::Upgrade(_) => "upgrade",
            Workload::Log(_) => "log",
        }
    }

    /// Workload and parameters in words; the same for every round and every server.
    pub fn title(&self) -> String {
        words::title(self)
    }

    /// Every parameter by its name on the command line.
    pub fn parameters(&self) -> Vec<Parameter> {
        words::parameters(self)
    }

    /// Whether it can be measured over this protocol, before anything is started.
    ///
    /// # Errors
    /// [`BenchError::BadOption`] names the option, [`BenchError::Unsupported`] the protocol.
    pub fn check(&self, protocol: Protocol) -> Result<(), BenchError> {
        check::check(self, protocol)
    }
}
