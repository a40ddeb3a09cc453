//! What can be asked of `upgrade`.

use crate::error::BenchError;
use crate::options::{Options, bounds, defaults, fields};
use crate::protocol::Protocol;
use crate::results::{Parameter, grouped};
use clap::Args;
use serde::Serialize;

/// Messages a second that are written to a log without a server, about.
const WRITTEN_PER_SECOND: f64 = 500_000.0;

/// Upgrades in place: how long clients wait while another process takes over
#[derive(Args, Serialize, Clone, PartialEq, Debug)]
#[command(after_help = "Example: madang bench upgrade --connections 5000 --upgrades 10")]
pub(crate) struct UpgradeOptions {
    /// Connections, all of which talk
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) connections: usize,
    /// Members of each room
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) members: usize,
    /// Number of upgrades
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) upgrades: u32,
    /// Messages stored before, in a thousand rooms
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub(crate) messages: u64,
    /// Messages a second over all rooms
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pub(crate) rate: u64,
    /// Text of a message, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    pub(crate) size: usize,
}

impl UpgradeOptions {
    pub(crate) const NAME: &str = "upgrade";
}

impl Default for UpgradeOptions {
    fn default() -> UpgradeOptions {
        defaults()
    }
}

impl Options for UpgradeOptions {
    fn name(&self) -> &'static str {
        UpgradeOptions::NAME
    }

    fn parameters(&self) -> Vec<Parameter> {
        fields(self)
    }

    fn title(&self) -> String {
        let UpgradeOptions { connections, members, upgrades, messages, rate, .. } = self;
        format!(
            "upgrade: {connections} connections in rooms of {members}, {upgrades} upgrades with {messages} messages \
             stored, {rate} messages/s, open loop"
        )
    }

    fn label(&self) -> String {
        format!("upgrades, {} connections", grouped(self.connections))
    }

    fn check(&self, protocol: Protocol) -> Result<(), BenchError> {
        bounds::within("members", self.members, 1, 1_000)?;
        bounds::within("connections", self.connections, self.members, bounds::TALKERS_MAX)?;
        if !self.connections.is_multiple_of(self.members) {
            let allowed = format!("a multiple of --members, {}", self.members);
            let value = self.connections.to_string();
            return Err(BenchError::BadOption { option: "connections", value, allowed });
        }
        bounds::within("upgrades", self.upgrades as usize, 1, 100)?;
        bounds::within("messages", self.messages as usize, 0, 100_000_000)?;
        bounds::size(self.size, protocol)?;
        bounds::rate(self.rate, bounds::SECONDS_MAX)
    }

    fn connections(&self) -> usize {
        self.connections
    }

    fn members(&self) -> usize {
        self.members
    }

    fn preparation_s(&self) -> f64 {
        self.messages as f64 / WRITTEN_PER_SECOND + 2.0 + 2.5 * f64::from(self.upgrades)
    }
}
