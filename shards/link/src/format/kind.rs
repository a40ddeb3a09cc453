//! What kinds of envelopes there are.

/// What an envelope is. Numbers are never given to another kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum Kind {
    /// The edge's versions and its window.
    Hello = 1,
    /// The version that holds, and the core's bounds.
    Welcome = 2,
    /// The core speaks none of them.
    Rejected = 3,
    /// What a session of the edge asks.
    Request = 16,
    /// What the edge receives for its sessions.
    Event = 17,
    /// How much was taken of what the other end has sent.
    Taken = 32,
    /// The sender is alive.
    Ping = 33,
    /// The core is about to end.
    GoingDown = 34,
    /// The sender ends the link, with the reason.
    Goodbye = 35,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 9] = [
        Kind::Hello,
        Kind::Welcome,
        Kind::Rejected,
        Kind::Request,
        Kind::Event,
        Kind::Taken,
        Kind::Ping,
        Kind::GoingDown,
        Kind::Goodbye,
    ];

    /// The kind of a number.
    pub fn of(number: u16) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| *kind as u16 == number)
    }

    /// Whether envelopes of this kind need credit.
    pub fn needs_credit(self) -> bool {
        matches!(self, Kind::Request | Kind::Event)
    }
}
