//! A user in a room.

use madang_model::{ClaimNumber, Moment, Seq, SessionId, UserName, WhoMember};

/// A user in a room, and where the user's session is.
#[derive(Clone, Debug)]
pub struct Member {
    /// Who.
    pub user: UserName,
    /// The session that is in the room, or was when the connection was lost.
    pub session: SessionId,
    /// The grant of the name to that session.
    pub claim: ClaimNumber,
    /// Whether the user said to be away: a copy of what the user's session announced.
    pub is_away: bool,
    /// Set while the connection is lost and the grace time runs.
    pub lost: Option<Lost>,
}

impl Member {
    /// As lists show it.
    pub fn listed(&self) -> WhoMember {
        WhoMember { name: self.user.clone(), is_away: self.is_away, is_lost: self.lost.is_some() }
    }
}

/// A membership that waits for its user to return.
#[derive(Clone, Copy, Debug)]
pub struct Lost {
    /// When it ends.
    pub until: Moment,
    /// The room's newest message when the connection was lost.
    pub head: Seq,
}
