//! What can be asked of `slow-readers`.

use crate::error::BenchError;
use crate::options::{Options, bounds, defaults, fields};
use crate::protocol::Protocol;
use crate::results::{Parameter, grouped};
use clap::Args;
use serde::Serialize;

/// Some members stop reading: the latency of the others must not change
#[derive(Args, Serialize, Clone, PartialEq, Debug)]
#[command(after_help = "Example: madang bench slow-readers --slow 3 --rate 20000")]
pub(crate) struct SlowReadersOptions {
    /// Rooms
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) rooms: usize,
    /// Members of each room who read
    #[arg(long, value_name = "N", default_value_t = 9)]
    pub(crate) members: usize,
    /// Members of each room who do not, in the second half
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) slow: usize,
    /// Messages a second over all rooms
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) rate: u64,
    /// Text of a message, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 1000)]
    pub(crate) size: usize,
    /// For how long it sends, half without slow readers and half with: --seconds of every workload. Long enough
    /// for what waits for one reader to pass the kernel's buffers and the outbox.
    #[arg(skip = 10.0)]
    pub(crate) seconds: f64,
}

impl SlowReadersOptions {
    pub(crate) const NAME: &str = "slow-readers";
}

impl Default for SlowReadersOptions {
    fn default() -> SlowReadersOptions {
        defaults()
    }
}

impl Options for SlowReadersOptions {
    fn name(&self) -> &'static str {
        SlowReadersOptions::NAME
    }

    fn parameters(&self) -> Vec<Parameter> {
        fields(self)
    }

    fn title(&self) -> String {
        let SlowReadersOptions { rooms, members, slow, rate, size, seconds } = self;
        format!(
            "slow readers: {rooms} rooms x {members} members who read and {slow} who do not, {size}-byte messages, \
             {rate} messages/s, open loop, {seconds} s"
        )
    }

    fn label(&self) -> String {
        let [members, slow] = [self.members, self.slow].map(grouped);
        format!("slow readers, {slow} of {members}+{slow}")
    }

    fn check(&self, protocol: Protocol) -> Result<(), BenchError> {
        bounds::rooms_and_members(self.rooms, self.members, 1)?;
        bounds::within("slow", self.slow, 1, 1_000)?;
        bounds::size(self.size, protocol)?;
        bounds::seconds(self.seconds)?;
        bounds::rate(self.rate, self.seconds)
    }

    fn connections(&self) -> usize {
        self.rooms.saturating_mul(self.members + self.slow)
    }

    fn members(&self) -> usize {
        self.members + self.slow
    }
}
