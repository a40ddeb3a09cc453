//! What an old process hands to the new one of users and rooms: all that the log does not hold.

use super::away::Away;
use super::id::{Seq, SessionId};
use super::name::{RoomName, UserName};
use super::time::Timestamp;
use std::net::IpAddr;
use std::time::Duration;

/// Who is behind a name or a membership.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holder {
    /// A session.
    Session(SessionId),
    /// Nobody: the connection is lost, and this much of the grace time is left.
    Lost(Duration),
}

/// A name that is held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CarriedUser {
    /// The name.
    pub name: UserName,
    /// Since when its user is online.
    pub online_since: Timestamp,
    /// What its user said on going away, while that lasts.
    pub away: Option<Away>,
    /// Whispers that came within the grace time: from whom, how many.
    pub missed_whispers: Vec<(UserName, u32)>,
    /// Who holds it.
    pub holder: Holder,
    /// The further sessions of an account that has several; none where it is lost.
    pub others: Vec<SessionId>,
}

/// A user who was here and is gone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CarriedSeen {
    /// The name at that time.
    pub name: UserName,
    /// When the user came.
    pub online_since: Timestamp,
    /// When the user went.
    pub offline_since: Timestamp,
}

/// A user in a room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CarriedMember {
    /// Who.
    pub user: UserName,
    /// Whether the user said to be away.
    pub is_away: bool,
    /// Whose membership it is.
    pub holder: Holder,
    /// The further sessions of an account that is there with several; none where it is lost.
    pub others: Vec<SessionId>,
    /// The room's newest message when the connection was lost, if it is.
    pub head: Seq,
}

/// One thing that a home knows, as it is carried to the home that will.
#[derive(Clone, Debug)]
pub enum Carried {
    /// A name.
    User(CarriedUser),
    /// One who is gone.
    Seen(CarriedSeen),
    /// A room, and its members.
    Members {
        /// The room.
        room: RoomName,
        /// All of them.
        members: Vec<CarriedMember>,
    },
    /// A connection from an address, to be counted.
    Address(IpAddr),
}
