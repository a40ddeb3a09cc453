//! What can be asked of `storm`.

use crate::error::BenchError;
use crate::options::{ENTRIES_PER_SECOND, Options, bounds, defaults, fields};
use crate::protocol::Protocol;
use crate::results::{Parameter, grouped};
use clap::Args;
use serde::Serialize;

/// Messages are sent for less than this, in seconds.
const SENDING_S_MAX: f64 = 60.0;

/// A reconnect storm: everyone is cut off, returns, and catches up on what was missed
#[derive(Args, Serialize, Clone, PartialEq, Debug)]
#[command(after_help = "Example: madang bench storm --connections 10000")]
pub(crate) struct StormOptions {
    /// Connections that are cut off
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    pub(crate) connections: usize,
    /// Members of each room
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) members: usize,
    /// Messages a second over all rooms, all the time
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub(crate) rate: u64,
    /// Text of a message, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    pub(crate) size: usize,
}

impl StormOptions {
    pub(crate) const NAME: &str = "storm";

    /// Users that stay and talk: one for each room.
    pub(crate) fn talkers(&self) -> usize {
        self.connections.div_ceil(self.members.saturating_sub(1).max(1))
    }
}

impl Default for StormOptions {
    fn default() -> StormOptions {
        defaults()
    }
}

impl Options for StormOptions {
    fn name(&self) -> &'static str {
        StormOptions::NAME
    }

    fn parameters(&self) -> Vec<Parameter> {
        fields(self)
    }

    fn title(&self) -> String {
        let StormOptions { connections, members, rate, .. } = self;
        format!(
            "storm: {connections} connections in rooms of {members} are cut off and return, {rate} messages/s \
             meanwhile"
        )
    }

    fn label(&self) -> String {
        format!("reconnect storm, {} connections", grouped(self.connections))
    }

    fn check(&self, protocol: Protocol) -> Result<(), BenchError> {
        bounds::within("connections", self.connections, 1, bounds::TALKERS_MAX)?;
        bounds::within("members", self.members, 2, 1_000)?;
        bounds::size(self.size, protocol)?;
        bounds::rate(self.rate, SENDING_S_MAX)
    }

    fn connections(&self) -> usize {
        self.connections + self.talkers()
    }

    fn members(&self) -> usize {
        self.members
    }

    fn preparation_s(&self) -> f64 {
        3.0 * self.connections as f64 / ENTRIES_PER_SECOND + 3.0
    }
}
