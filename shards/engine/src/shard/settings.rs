//! What the operator has decided for all shards.

use crate::room::RoomLimits;
use crate::user::UserLimits;
use madang_model::RoomName;
use madang_model::connection::{FloodLimit, Networks, counted_address};
use std::net::IpAddr;
use std::time::Duration;

/// The bounds and names that all shards share.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many shards there are.
    pub shard_count: u16,
    /// The room that every user joins first.
    pub lobby: RoomName,
    /// The bounds of rooms.
    pub rooms: RoomLimits,
    /// The bounds of users.
    pub users: UserLimits,
    /// The message rate of a connection.
    pub flood: FloodLimit,
    /// Connections from one address other than loopback; 0 is no limit.
    pub connections_per_address: u32,
    /// The leading bits of an IPv6 address that count as one address: a household has all that begin so.
    pub ipv6_prefix: u8,
    /// Bytes that may wait for one connection.
    pub outbox_bytes_max: usize,
    /// Bytes that may wait for all connections of a shard together.
    pub outbox_total_bytes_max: usize,
    /// How long a connection may take to say its name.
    pub login: Duration,
    /// Where proxies connect from: a connection from there begins with a PROXY header.
    pub proxy_from: Networks,
}

impl Settings {
    /// What a connection from there is counted against, if it is.
    pub fn counted(&self, address: IpAddr) -> Option<IpAddr> {
        if self.connections_per_address == 0 { None } else { counted_address(address, self.ipv6_prefix) }
    }

    /// What a page of history may weigh: it and what else a reader is sent in a turn must fit into an
    /// outbox.
    pub fn page_bytes_max(&self) -> usize {
        self.outbox_bytes_max / 2
    }
}
