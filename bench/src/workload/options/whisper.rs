//! What can be asked of `whisper`.

use crate::error::BenchError;
use crate::options::{Options, bounds, defaults, fields};
use crate::protocol::Protocol;
use crate::results::{Parameter, grouped};
use clap::Args;
use serde::Serialize;

/// Pairs who whisper to each other, at a fixed rate
#[derive(Args, Serialize, Clone, PartialEq, Debug)]
#[command(after_help = "Example: madang bench whisper --pairs 100 --rate 5000")]
pub(crate) struct WhisperOptions {
    /// Pairs
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) pairs: usize,
    /// Whispers a second over all pairs
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) rate: u64,
    /// Text of a message, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    pub(crate) size: usize,
    /// For how long it sends: --seconds of every workload.
    #[arg(skip = 5.0)]
    pub(crate) seconds: f64,
}

impl WhisperOptions {
    pub(crate) const NAME: &str = "whisper";
}

impl Default for WhisperOptions {
    fn default() -> WhisperOptions {
        defaults()
    }
}

impl Options for WhisperOptions {
    fn name(&self) -> &'static str {
        WhisperOptions::NAME
    }

    fn parameters(&self) -> Vec<Parameter> {
        fields(self)
    }

    fn title(&self) -> String {
        let WhisperOptions { pairs, rate, size, seconds } = self;
        format!("whisper: {pairs} pairs, {size}-byte whispers, {rate} whispers/s, open loop, {seconds} s")
    }

    fn label(&self) -> String {
        format!("whispers, {} pairs, {} /s", grouped(self.pairs), grouped(self.rate))
    }

    fn is_spoken(&self, protocol: Protocol) -> bool {
        matches!(protocol, Protocol::Line | Protocol::Irc)
    }

    fn check(&self, protocol: Protocol) -> Result<(), BenchError> {
        bounds::within("pairs", self.pairs, 1, bounds::TALKERS_MAX / 2)?;
        bounds::size(self.size, protocol)?;
        bounds::seconds(self.seconds)?;
        bounds::rate(self.rate, self.seconds)
    }

    fn connections(&self) -> usize {
        2 * self.pairs
    }
}
