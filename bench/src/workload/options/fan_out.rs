//! What can be asked of `fanout`.

use crate::error::BenchError;
use crate::options::{Options, bounds, defaults, fields};
use crate::protocol::Protocol;
use crate::results::{Parameter, grouped};
use clap::Args;
use serde::Serialize;

/// Rooms in which all members write and read
#[derive(Args, Serialize, Clone, PartialEq, Debug)]
#[serde(rename_all = "kebab-case")]
#[command(after_help = "Examples:
  madang bench fanout --rooms 10 --members 10 --in-flight 32   as fast as it goes
  madang bench fanout --rate 1000                              at times that do not wait (open loop)")]
pub(crate) struct FanOutOptions {
    /// Rooms
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) rooms: usize,
    /// Members of each room
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) members: usize,
    /// Messages a second over all rooms, sent on time however slow the server is
    #[arg(long, value_name = "N", conflicts_with_all = ["in_flight", "saturate"])]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rate: Option<u64>,
    /// As fast as the server accepts messages; the default without --rate
    #[arg(long)]
    #[serde(skip)]
    pub(crate) saturate: bool,
    /// Messages in flight in each room; each that comes back is followed by the next
    #[arg(long, value_name = "N", default_value_t = 32)]
    pub(crate) in_flight: usize,
    /// Text of a message, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    pub(crate) size: usize,
    /// For how long it sends: --seconds of every workload.
    #[arg(skip = 5.0)]
    pub(crate) seconds: f64,
}

/// When messages are sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pace {
    /// As fast as the server takes them: each message that has come back is followed by a next.
    Saturated {
        /// Messages on their way in each room, shared out among its members.
        in_flight: usize,
    },
    /// At fixed times whatever the server does, so that a stall counts against every message it
    /// delays.
    Rate {
        /// Messages a second, over all rooms.
        messages_per_second: u64,
    },
}

impl FanOutOptions {
    pub(crate) const NAME: &str = "fanout";

    /// When messages are sent.
    pub(crate) fn pace(&self) -> Pace {
        let saturated = Pace::Saturated { in_flight: self.in_flight };
        self.rate.map_or(saturated, |messages_per_second| Pace::Rate { messages_per_second })
    }
}

impl Default for FanOutOptions {
    fn default() -> FanOutOptions {
        defaults()
    }
}

impl Options for FanOutOptions {
    fn name(&self) -> &'static str {
        FanOutOptions::NAME
    }

    fn parameters(&self) -> Vec<Parameter> {
        let mut parameters = fields(self);
        // At a rate nothing waits for what is on its way.
        parameters.retain(|parameter| self.rate.is_none() || parameter.name != "in-flight");
        parameters
    }

    fn title(&self) -> String {
        let FanOutOptions { rooms, members, size, seconds, .. } = self;
        let pace = match self.pace() {
            Pace::Saturated { in_flight } => format!("saturated, {in_flight} in flight per room"),
            Pace::Rate { messages_per_second } => format!("{messages_per_second} messages/s, open loop"),
        };
        format!("fan-out: {rooms} rooms x {members} members, {size}-byte messages, {pace}, {seconds} s")
    }

    fn label(&self) -> String {
        let pace = match self.pace() {
            Pace::Saturated { in_flight } => format!("saturated ({} in flight)", grouped(in_flight)),
            Pace::Rate { messages_per_second } => format!("{} messages/s", grouped(messages_per_second)),
        };
        format!("fan-out {} × {}, {pace}", grouped(self.rooms), grouped(self.members))
    }

    fn is_spoken(&self, _protocol: Protocol) -> bool {
        true
    }

    fn check(&self, protocol: Protocol) -> Result<(), BenchError> {
        // An IRC server sends a member everything but its own messages.
        let members_min = if protocol == Protocol::Irc { 2 } else { 1 };
        bounds::rooms_and_members(self.rooms, self.members, members_min)?;
        bounds::size(self.size, protocol)?;
        bounds::seconds(self.seconds)?;
        match self.pace() {
            Pace::Saturated { in_flight } => bounds::within("in-flight", in_flight, 1, 1_000_000),
            Pace::Rate { messages_per_second } => bounds::rate(messages_per_second, self.seconds),
        }
    }

    fn connections(&self) -> usize {
        self.rooms.saturating_mul(self.members)
    }

    fn members(&self) -> usize {
        self.members
    }
}
