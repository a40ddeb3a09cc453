//! What can be asked of `history`.

use crate::error::BenchError;
use crate::options::{Options, bounds, defaults, fields};
use crate::protocol::Protocol;
use crate::results::{Parameter, grouped};
use clap::Args;
use serde::Serialize;

/// Messages a second that fill a room, about.
const FILL_PER_SECOND: f64 = 50_000.0;

/// Pages of 50 stored messages from anywhere in a room
#[derive(Args, Serialize, Clone, PartialEq, Debug)]
#[command(after_help = "Example: madang bench history --messages 1000000 --rate 500")]
pub(crate) struct HistoryOptions {
    /// Messages stored in the room before
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub(crate) messages: u64,
    /// Connections that ask for pages, in turn
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub(crate) readers: usize,
    /// Pages asked for a second
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub(crate) rate: u64,
    /// Text of a message, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    pub(crate) size: usize,
    /// For how long pages are asked for: --seconds of every workload.
    #[arg(skip = 5.0)]
    pub(crate) seconds: f64,
}

impl HistoryOptions {
    pub(crate) const NAME: &str = "history";
}

impl Default for HistoryOptions {
    fn default() -> HistoryOptions {
        defaults()
    }
}

impl Options for HistoryOptions {
    fn name(&self) -> &'static str {
        HistoryOptions::NAME
    }

    fn parameters(&self) -> Vec<Parameter> {
        fields(self)
    }

    fn title(&self) -> String {
        let HistoryOptions { messages, readers, rate, seconds, .. } = self;
        format!(
            "history: pages of 50 from a room of {messages} messages, {readers} readers, {rate} pages/s, open \
             loop, {seconds} s"
        )
    }

    fn label(&self) -> String {
        format!("history, 50 of {}, {} /s", grouped(self.messages), grouped(self.rate))
    }

    fn check(&self, protocol: Protocol) -> Result<(), BenchError> {
        bounds::within("messages", self.messages as usize, 100, 10_000_000)?;
        bounds::within("readers", self.readers, 1, 1_000)?;
        bounds::size(self.size, protocol)?;
        bounds::seconds(self.seconds)?;
        bounds::rate(self.rate, self.seconds)
    }

    fn connections(&self) -> usize {
        self.readers + 1
    }

    fn members(&self) -> usize {
        self.readers + 1
    }

    fn preparation_s(&self) -> f64 {
        self.messages as f64 / FILL_PER_SECOND
    }
}
