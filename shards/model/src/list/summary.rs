//! Members and rooms in lists, and the first of them: members by name, and the fullest rooms.

use super::super::id::Seq;
use super::super::name::{RoomName, UserName};

/// A member in a list.
#[derive(Clone, Debug)]
pub struct WhoMember {
    /// The name.
    pub name: UserName,
    /// Whether the member said to be away.
    pub is_away: bool,
    /// Whether the member's connection was lost and the grace time runs.
    pub is_lost: bool,
}

/// The members of a room, at most [`WhoPage::MEMBERS_MAX`] of them.
#[derive(Clone, Debug)]
pub struct WhoPage {
    /// The room.
    pub room: RoomName,
    /// Some or all members, by name.
    pub members: Vec<WhoMember>,
    /// All members, counted.
    pub total: u32,
}

impl WhoPage {
    /// The most members one page lists.
    pub const MEMBERS_MAX: usize = 200;
}

/// A room in a list.
#[derive(Clone, Debug)]
pub struct RoomSummary {
    /// The room.
    pub room: RoomName,
    /// Its members.
    pub members: u32,
    /// Its messages so far.
    pub head: Seq,
}

/// The rooms of one shard, at most [`RoomsPage::ROOMS_MAX`], fullest first.
#[derive(Clone, Debug, Default)]
pub struct RoomsPage {
    /// Some or all of them.
    pub rooms: Vec<RoomSummary>,
    /// How many more match.
    pub more: u32,
    /// Too many ask at this moment: this shard has not looked.
    pub is_busy: bool,
}

impl RoomsPage {
    /// The most rooms one page lists.
    pub const ROOMS_MAX: usize = 100;

    /// Adds a room that was found. One that moved while others were looked at may be met twice: it is listed once.
    pub fn add(&mut self, summary: RoomSummary) {
        if self.rooms.len() == RoomsPage::ROOMS_MAX {
            self.more = self.more.saturating_add(1);
        } else if self.rooms.iter().all(|known| known.room.key() != summary.room.key()) {
            self.rooms.push(summary);
        }
    }
}
