//! What can be asked of `echo`.

use crate::error::BenchError;
use crate::options::{Options, bounds, defaults, fields};
use crate::protocol::Protocol;
use crate::results::{Parameter, grouped};
use clap::Args;
use serde::Serialize;

/// Latency without load: one connection that talks to itself, one message at a time
#[derive(Args, Serialize, Clone, PartialEq, Debug)]
#[command(after_help = "Example: madang bench echo --seconds 10 --rounds 5")]
pub(crate) struct EchoOptions {
    /// Text of a message, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    pub(crate) size: usize,
    /// For how long it sends: --seconds of every workload.
    #[arg(skip = 3.0)]
    pub(crate) seconds: f64,
}

impl EchoOptions {
    pub(crate) const NAME: &str = "echo";
}

impl Default for EchoOptions {
    fn default() -> EchoOptions {
        defaults()
    }
}

impl Options for EchoOptions {
    fn name(&self) -> &'static str {
        EchoOptions::NAME
    }

    fn parameters(&self) -> Vec<Parameter> {
        fields(self)
    }

    fn title(&self) -> String {
        let EchoOptions { size, seconds } = self;
        format!("echo: 1 connection, {size}-byte messages, one at a time, {seconds} s")
    }

    fn label(&self) -> String {
        format!("echo, one at a time, {} B", grouped(self.size))
    }

    fn is_spoken(&self, _protocol: Protocol) -> bool {
        true
    }

    fn check(&self, protocol: Protocol) -> Result<(), BenchError> {
        bounds::size(self.size, protocol)?;
        bounds::seconds(self.seconds)
    }

    fn connections(&self) -> usize {
        1
    }
}
