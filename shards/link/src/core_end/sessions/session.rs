//! What one session of the edge holds at home shards, or may hold.

use crate::words::SessionEnd;
use madang_model::{ClaimNumber, RoomName, UserName};
use std::collections::VecDeque;
use std::net::IpAddr;

/// A name that is granted.
#[derive(Clone, Debug)]
pub struct Granted {
    pub user: UserName,
    pub claim: ClaimNumber,
}

/// A session of the edge.
#[derive(Debug, Default)]
pub struct EdgeSession {
    /// Its name.
    pub name: Option<Granted>,
    /// A name that was asked for and not answered.
    pub claiming: Option<UserName>,
    /// A name that was granted while the old one is given back: the edge is notified when that is done.
    pub renaming: Option<Renaming>,
    /// Rooms that it is in.
    pub rooms: Vec<RoomName>,
    /// A room that was asked for and not answered: one at a time, so that it is known which room an answer is about.
    pub joining: Option<RoomName>,
    /// Rooms that are asked for next.
    pub joins: VecDeque<RoomName>,
    /// What it counts against.
    pub address: Option<IpAddr>,
    pub is_away: bool,
    /// Long answers that are on their way, to pages, rooms that it joins, and lists: the bytes that
    /// each may have.
    pub due: VecDeque<u32>,
    /// What was given back and not confirmed by its home.
    pub returns: u32,
    /// Set when it is closing, and why.
    pub end: Option<SessionEnd>,
}

/// A grant that the edge does not know of yet.
#[derive(Debug)]
pub struct Renaming {
    pub granted: Granted,
    pub missed_whispers: Vec<(UserName, u32)>,
}

impl EdgeSession {
    /// Whether it waits for a name.
    pub fn is_naming(&self) -> bool {
        self.claiming.is_some() || self.renaming.is_some()
    }

    /// Whether it waits for a room.
    pub fn is_joining(&self) -> bool {
        self.joining.is_some() || !self.joins.is_empty()
    }

    /// All rooms it is in, or wants to be in.
    pub fn room_count(&self) -> usize {
        self.rooms.len() + usize::from(self.joining.is_some()) + self.joins.len()
    }

    /// Whether nothing is to be waited for any more.
    pub fn is_over(&self) -> bool {
        self.end.is_some() && self.returns == 0 && self.claiming.is_none()
    }
}
