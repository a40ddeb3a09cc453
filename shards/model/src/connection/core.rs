//! The part of a connection that every protocol shares.

use super::closing::CloseReason;
use super::entrance::EntranceKind;
use super::flood::Flood;
use super::rooms::Subscription;
use super::style::Style;
use crate::{ClaimNumber, SessionId, UserName};
use smallvec::SmallVec;
use std::net::IpAddr;

/// What the engine knows of one connection.
#[derive(Debug)]
pub struct Core {
    /// Its identity on every shard.
    pub session: SessionId,
    /// How it came in.
    pub entrance: EntranceKind,
    /// Where it came from, when it is counted against its address.
    pub counted_address: Option<IpAddr>,
    /// Its user, once claimed.
    pub user: Option<UserName>,
    /// The grant of the user's name.
    pub claim: ClaimNumber,
    /// The rooms it is in, as its shard holds them.
    pub subscriptions: SmallVec<[Subscription; 1]>,
    /// Bytes that wait to be sent. No capacity is held while it is empty and idle.
    pub outbox: Vec<u8>,
    /// How room events are written to it.
    pub style: Style,
    /// Whether its own messages come back.
    pub is_echoed: bool,
    /// Sends that are not answered yet.
    pub outstanding: u32,
    /// Its message allowance.
    pub flood: Flood,
    /// Set when it shall end.
    pub closing: Option<CloseReason>,
}

// One a connection: what is added goes where bytes are left.
const _: () = assert!(size_of::<Core>() <= 136);

impl Core {
    /// A connection that just came.
    pub fn new(session: SessionId, entrance: EntranceKind) -> Core {
        Core {
            session,
            entrance,
            counted_address: None,
            user: None,
            claim: ClaimNumber::default(),
            subscriptions: SmallVec::new(),
            outbox: Vec::new(),
            style: Style { surface: entrance.surface, form: 0 },
            is_echoed: true,
            outstanding: 0,
            flood: Flood::default(),
            closing: None,
        }
    }
}
