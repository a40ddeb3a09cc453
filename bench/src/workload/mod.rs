//! What is measured: each workload with its options.

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

pub(crate) use options::{EchoOptions, FanOutOptions, HistoryOptions, IdleOptions, WhisperOptions};
pub(crate) use run::measure;

use crate::error::BenchError;
use crate::log::LogOptions;
use crate::options::Options;
use crate::protocol::Protocol;
use crate::results::Parameter;
use clap::Subcommand;
use options::{MixedOptions, SlowReadersOptions, StormOptions, UpgradeOptions};

/// A workload with its options: the commands of `madang bench`. Their help is that of the options.
#[derive(Subcommand, Clone, PartialEq, Debug)]
pub(crate) enum Workload {
    #[command(name = EchoOptions::NAME)]
    Echo(EchoOptions),
    #[command(name = FanOutOptions::NAME)]
    FanOut(FanOutOptions),
    #[command(name = WhisperOptions::NAME)]
    Whisper(WhisperOptions),
    #[command(name = IdleOptions::NAME)]
    Idle(IdleOptions),
    #[command(name = StormOptions::NAME)]
    Storm(StormOptions),
    #[command(name = HistoryOptions::NAME)]
    History(HistoryOptions),
    #[command(name = MixedOptions::NAME)]
    Mixed(MixedOptions),
    #[command(name = SlowReadersOptions::NAME)]
    SlowReaders(SlowReadersOptions),
    #[command(name = UpgradeOptions::NAME)]
    Upgrade(UpgradeOptions),
    #[command(name = LogOptions::NAME)]
    Log(LogOptions),
}

impl Workload {
    fn options(&self) -> &dyn Options {
        match self {
            Workload::Echo(options) => options,
            Workload::FanOut(options) => options,
            Workload::Whisper(options) => options,
            Workload::Idle(options) => options,
            Workload::Storm(options) => options,
            Workload::History(options) => options,
            Workload::Mixed(options) => options,
            Workload::SlowReaders(options) => options,
            Workload::Upgrade(options) => options,
            Workload::Log(options) => options,
        }
    }

    /// Its name on the command line.
    pub(crate) fn name(&self) -> &'static str {
        self.options().name()
    }

    /// Workload and options in words; the same for every round and every server.
    pub(crate) fn title(&self) -> String {
        self.options().title()
    }

    /// The same in the few words that a table has room for.
    pub(crate) fn label(&self) -> String {
        self.options().label()
    }

    /// Every option that is in force, by its name on the command line.
    pub(crate) fn parameters(&self) -> Vec<Parameter> {
        self.options().parameters()
    }

    /// For how long it sends, in seconds; `None` when it ends as soon as it is done.
    pub(crate) fn seconds(&mut self) -> Option<&mut f64> {
        match self {
            Workload::Echo(options) => Some(&mut options.seconds),
            Workload::FanOut(options) => Some(&mut options.seconds),
            Workload::Whisper(options) => Some(&mut options.seconds),
            Workload::History(options) => Some(&mut options.seconds),
            Workload::Mixed(options) => Some(&mut options.seconds),
            Workload::SlowReaders(options) => Some(&mut options.seconds),
            Workload::Idle(_) | Workload::Storm(_) | Workload::Upgrade(_) | Workload::Log(_) => None,
        }
    }

    /// About how long one measurement takes without what every server needs, in seconds.
    pub(crate) fn expected_s(&self) -> f64 {
        let sending_s = self.clone().seconds().map_or(0.0, |seconds| *seconds);
        self.options().preparation_s() + sending_s
    }

    /// Each measurement that it takes: the log is measured part by part.
    pub(crate) fn each(&self) -> Vec<Workload> {
        match self {
            Workload::Log(log) => log.each_part().map(Workload::Log).collect(),
            other => vec![other.clone()],
        }
    }

    /// Whether it can be measured over this protocol, before anything is started.
    ///
    /// # Errors
    /// [`BenchError::BadOption`] names the option, [`BenchError::Unsupported`] the protocol.
    pub(crate) fn check(&self, protocol: Protocol) -> Result<(), BenchError> {
        if !self.options().is_spoken(protocol) {
            return Err(BenchError::Unsupported { workload: self.name(), protocol: protocol.name() });
        }
        self.options().check(protocol)
    }

    fn connections(&self) -> usize {
        self.options().connections()
    }

    /// What a server of our own needs for it.
    fn server_settings(&self) -> Vec<String> {
        vec![
            "limits.messages_per_second=0".to_owned(),
            format!("rooms.members_max={}", self.options().members().max(100)),
            "telemetry.level=warn".to_owned(),
        ]
    }
}
