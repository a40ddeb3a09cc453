//! What can be asked of each workload.

mod echo;
mod fan_out;
mod history;
mod idle;
mod mixed;
mod slow_readers;
mod storm;
#[cfg(test)]
mod tests;
mod upgrade;
mod whisper;

pub(crate) use echo::EchoOptions;
pub(crate) use fan_out::{FanOutOptions, Pace};
pub(crate) use history::HistoryOptions;
pub(crate) use idle::IdleOptions;
pub(crate) use mixed::MixedOptions;
pub(crate) use slow_readers::SlowReadersOptions;
pub(crate) use storm::StormOptions;
pub(crate) use upgrade::UpgradeOptions;
pub(crate) use whisper::WhisperOptions;
