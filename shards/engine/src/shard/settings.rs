//! What the operator has decided for all shards.

use crate::room::RoomLimits;
use crate::user::UserLimits;
use madang_model::RoomName;
use madang_model::connection::{FloodLimit, Networks};
use std::net::{IpAddr, Ipv6Addr};
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
    /// What a connection from there is counted against, if it is: IPv6 by its prefix, and an IPv4 address that is
    /// written as IPv6 (RFC 4291, section 2.5.5.2) as what it is.
    pub fn counted(&self, address: IpAddr) -> Option<IpAddr> {
        let address = address.to_canonical();
        let is_counted = self.connections_per_address > 0 && !address.is_loopback();
        is_counted.then(|| match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(address) => {
                let host_bits = 128_u32.saturating_sub(u32::from(self.ipv6_prefix));
                let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
            }
        })
    }

    /// What a page of history may weigh: it and what else a reader is sent in a turn must fit into an
    /// outbox.
    pub fn page_bytes_max(&self) -> usize {
        self.outbox_bytes_max / 2
    }
}
