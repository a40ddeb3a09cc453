//! What can be asked of `idle`.

use crate::error::BenchError;
use crate::options::{ENTRIES_PER_SECOND, Options, bounds, defaults, fields};
use crate::protocol::Protocol;
use crate::results::{Parameter, grouped};
use clap::Args;
use serde::Serialize;

/// Connections that log in and stay idle: memory, and logins a second
#[derive(Args, Serialize, Clone, PartialEq, Debug)]
#[command(after_help = "Example: madang bench idle --connections 50000")]
pub(crate) struct IdleOptions {
    /// Connections
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) connections: usize,
}

impl IdleOptions {
    pub(crate) const NAME: &str = "idle";
}

impl Default for IdleOptions {
    fn default() -> IdleOptions {
        defaults()
    }
}

impl Options for IdleOptions {
    fn name(&self) -> &'static str {
        IdleOptions::NAME
    }

    fn parameters(&self) -> Vec<Parameter> {
        fields(self)
    }

    fn title(&self) -> String {
        format!("idle: {} connections", self.connections)
    }

    fn label(&self) -> String {
        format!("idle, {} connections", grouped(self.connections))
    }

    fn is_spoken(&self, _protocol: Protocol) -> bool {
        true
    }

    fn check(&self, _protocol: Protocol) -> Result<(), BenchError> {
        bounds::within("connections", self.connections, 1, bounds::CONNECTIONS_MAX)
    }

    fn connections(&self) -> usize {
        self.connections
    }

    fn preparation_s(&self) -> f64 {
        self.connections as f64 / ENTRIES_PER_SECOND + 0.5
    }
}
