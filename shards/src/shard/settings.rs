//! What the operator has decided for all shards.

use crate::connection::FloodLimit;
use crate::room::RoomLimits;
use crate::types::RoomName;
use crate::user::UserLimits;
use std::time::Duration;

/// The bounds and names that all shards share.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many shards there are.
    pub shard_count: u16,
    /// The room everyone lands in.
    pub lobby: RoomName,
    /// The bounds of rooms.
    pub rooms: RoomLimits,
    /// The bounds of users.
    pub users: UserLimits,
    /// The message rate of a connection.
    pub flood: FloodLimit,
    /// Connections from one address other than loopback; 0 is no limit.
    pub connections_per_address: u32,
    /// Bytes that may wait for one connection.
    pub outbox_bytes_max: usize,
    /// Bytes that may wait for all connections of a shard together.
    pub outbox_total_bytes_max: usize,
    /// How long a connection may take to say its name.
    pub login: Duration,
}

impl Settings {
    /// What a page of history may weigh: it and what else a reader is told in a turn must fit into an
    /// outbox.
    pub fn page_bytes_max(&self) -> usize {
        self.outbox_bytes_max / 2
    }
}
