//! Why connections end.

use crate::leaving::LeaveReason;

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
    /// Its protocol has a reason of its own.
    Protocol(ProtocolReason),
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
    /// The peer is gone without a farewell: reset, or idle past keep-alive.
    Lost,
}

/// A reason that only one protocol knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProtocolReason {
    place: u8,
    name: &'static str,
    is_clean: bool,
    detail: u8,
}

impl ProtocolReason {
    /// The most reasons there are of all protocols together.
    pub const COUNT_MAX: usize = 16;

    /// A reason, with its place in the program's one list of them, by which it is counted under its name. Whether the
    /// user left on purpose decides whether others are notified at once.
    ///
    /// # Panics
    /// When the place is not below [`ProtocolReason::COUNT_MAX`].
    pub const fn new(place: u8, name: &'static str, is_clean: bool) -> ProtocolReason {
        assert!((place as usize) < ProtocolReason::COUNT_MAX, "there is room for it among the counters");
        ProtocolReason { place, name, is_clean, detail: 0 }
    }

    /// The same reason with a detail, which the protocol gives its meaning.
    #[must_use]
    pub const fn with_detail(self, detail: u8) -> ProtocolReason {
        ProtocolReason { detail, ..self }
    }

    /// The detail.
    pub fn detail(&self) -> u8 {
        self.detail
    }

    /// Its place among the counters.
    pub fn place(&self) -> usize {
        self.place.into()
    }

    /// Its name in metrics and events.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl CloseReason {
    /// Why its user is no longer in its rooms.
    pub fn leave_reason(&self) -> LeaveReason {
        match self {
            CloseReason::Kicked { .. } => LeaveReason::Kicked,
            reason if reason.is_clean() => LeaveReason::Quit,
            _ => LeaveReason::Lost,
        }
    }

    /// Whether the user left on purpose, so that others may be notified at once.
    pub fn is_clean(&self) -> bool {
        match self {
            CloseReason::Quit | CloseReason::Kicked { .. } | CloseReason::GoingDown => true,
            CloseReason::Protocol(reason) => reason.is_clean,
            _ => false,
        }
    }
}
