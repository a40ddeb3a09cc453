//! The part of a connection that every protocol shares.

use super::entrance::EntranceKind;
use super::flood::Flood;
use super::rooms::Subscription;
use super::surface::Style;
use crate::{ClaimNumber, SessionId, UserName};
use smallvec::SmallVec;
use std::net::IpAddr;

/// Why a connection ends. Surfaces say it in their own words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CloseReason {
    /// The user asked for it, or ended its input.
    Quit,
    /// Its outbox passed the bound, or was among the fullest when all together passed theirs.
    SlowReader {
        /// More bytes than these were waiting: the bound, or what one less would have been.
        outbox_bytes_max: usize,
    },
    /// It said no name in time.
    LoginTimeout {
        /// The time, in seconds.
        login_seconds: u64,
    },
    /// Too many bytes came without the end of a line.
    EndlessLine {
        /// The bound, in bytes.
        bytes_max: usize,
    },
    /// It spoke another protocol; the words to answer with.
    WrongProtocol(&'static str),
    /// Too many connections from its address.
    TooManyFromAddress {
        /// The bound.
        connections_max: u32,
    },
    /// The operator ended it.
    Kicked {
        /// What the operator says; empty when nothing.
        reason: Box<str>,
    },
    /// The server stops.
    GoingDown,
    /// Another process serves from now on, and this connection cannot be handed to it.
    NotCarried,
    /// The peer is gone without a word: reset, or silent past keep-alive.
    Lost,
}

impl CloseReason {
    /// Whether the user left on purpose, so that others may be told at once.
    pub fn is_clean(&self) -> bool {
        matches!(
            self,
            CloseReason::Quit
                | CloseReason::WrongProtocol(_)
                | CloseReason::Kicked { .. }
                | CloseReason::GoingDown
        )
    }
}

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
            style: Style::default(),
            is_echoed: true,
            outstanding: 0,
            flood: Flood::default(),
            closing: None,
        }
    }
}
