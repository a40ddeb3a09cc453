//! What a server is beside its log, as bytes: connections, names, members.
//!
//! The format has no version of its own: the sender says which it is, and a receiver that does not
//! know that version refuses.

mod coding;
mod share;

pub use coding::{read_carried, write_carried};
pub use share::{Portion, share_out};

use super::Saved;
use madang_model::connection::EntranceKind;
use madang_model::{Carried, ConnectionId, ShardId, UserName};
use std::net::IpAddr;
use std::time::Duration;

/// A connection, without its socket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectionImage {
    /// How it came in. Not written with the rest: the handover says it beside the images.
    pub entrance: EntranceKind,
    /// Its user, once claimed.
    pub user: Option<UserName>,
    /// Where it came from, when it is counted against its address.
    pub address: Option<IpAddr>,
    /// Bytes that wait to be sent.
    pub outbox: Vec<u8>,
    /// Bytes that were read and not understood yet.
    pub unread: Vec<u8>,
    /// The form of its protocol in which room events are written to it.
    pub form: u8,
    /// Whether its own messages come back.
    pub is_echoed: bool,
    /// How long until its allowance is whole again.
    pub used: Duration,
    /// The peer will send no more.
    pub has_input_ended: bool,
    /// Only its outbox is still to be sent.
    pub is_ending: bool,
    /// What its protocol remembers of it.
    pub protocol: Vec<u8>,
}

/// All that a shard knows and the log does not.
#[derive(Clone, Debug)]
pub struct ShardImage {
    /// Which shard.
    pub shard: ShardId,
    /// Its connections.
    pub connections: Vec<(ConnectionId, Saved)>,
    /// What homes there know. Sessions are named as that shard's process knew them.
    pub carried: Vec<Carried>,
}

impl ShardImage {
    /// Adds what `came` from each connection after what it has read, and is not in its socket any more.
    pub fn add_unread<'a>(&mut self, came: impl Fn(ConnectionId) -> &'a [u8]) {
        for (id, saved) in &mut self.connections {
            if let Saved::Image(image) = saved {
                image.unread.extend_from_slice(came(*id));
            }
        }
    }
}
