//! A user in a room.

use crate::types::{Moment, Seq, SessionId, UserName};

/// A user in a room, and where the user's session is.
#[derive(Debug)]
pub struct Member {
    /// Who.
    pub user: UserName,
    /// The session that is in the room, or was when the connection was lost.
    pub session: SessionId,
    /// Whether the user said to be away: a copy of what the user's session announced.
    pub is_away: bool,
    /// Set while the connection is lost and the grace time runs.
    pub lost: Option<Lost>,
}

/// A membership that waits for its user to return.
#[derive(Clone, Copy, Debug)]
pub struct Lost {
    /// When it ends.
    pub until: Moment,
    /// The room's newest message when the connection was lost.
    pub head: Seq,
}
