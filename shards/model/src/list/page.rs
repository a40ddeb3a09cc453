//! What is asked for, and what a home answers.

use super::super::epoch::LogEpoch;
use super::super::id::{RoomKey, ShardId, UserKey};
use super::super::name::RoomName;
use super::cursor::Cursor;
use super::summary::{RoomSummary, RoomsPage, WhoMember, WhoPage};

/// Where a page of a list begins, and how long it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ListStart<K> {
    /// The epoch of the log: homes give it back, so that who asked can make a [`Cursor`].
    pub epoch: LogEpoch,
    /// Behind what, in the order of keys; `None` is at the beginning.
    pub after: Option<K>,
    /// How many entries, at most; 0 is taken for 1, and what is more than a page holds for as many.
    pub count: u32,
}

impl<K: Copy + Ord> ListStart<K> {
    /// How many entries, at most, where a page holds `count_max`.
    pub fn count(&self, count_max: usize) -> usize {
        usize::try_from(self.count).unwrap_or(usize::MAX).clamp(1, count_max)
    }

    /// Whether this comes behind the start.
    pub fn is_before(&self, key: K) -> bool {
        self.after.is_none_or(|after| after < key)
    }
}

/// A page of the members of a room, at most [`WhoPage::MEMBERS_MAX`] of them.
#[derive(Clone, Debug)]
pub struct MembersPage {
    /// The room.
    pub room: RoomName,
    /// The members, in the order of their keys.
    pub members: Vec<WhoMember>,
    /// All members, counted.
    pub total: u32,
    /// The epoch, as it was asked with.
    pub epoch: LogEpoch,
    /// The last of these, when more follow.
    pub next: Option<UserKey>,
}

impl MembersPage {
    /// The most members one page has.
    pub const MEMBERS_MAX: usize = WhoPage::MEMBERS_MAX;

    /// Where the next page begins, if there is one.
    pub fn cursor(&self) -> Option<Cursor> {
        self.next.map(|after| Cursor::of_members(self.epoch, self.room.key(), after))
    }
}

/// What one shard has for a page of rooms, at most [`RoomsPage::ROOMS_MAX`] of them.
#[derive(Clone, Debug)]
pub struct RoomsPart {
    /// Which shard.
    pub shard: ShardId,
    /// What was asked.
    pub start: ListStart<RoomKey>,
    /// The first that match behind the start, in the order of their keys.
    pub rooms: Vec<RoomSummary>,
    /// Whether more may follow.
    pub has_more: bool,
    /// Too many ask at this moment: this shard has not looked.
    pub is_busy: bool,
}

impl RoomsPart {
    /// The most rooms one part has, and one page.
    pub const ROOMS_MAX: usize = RoomsPage::ROOMS_MAX;

    /// Nothing found yet.
    pub fn new(shard: ShardId, start: ListStart<RoomKey>) -> RoomsPart {
        RoomsPart { shard, start, rooms: Vec::new(), has_more: false, is_busy: false }
    }

    /// Of a shard that has not looked.
    pub fn busy(shard: ShardId, start: ListStart<RoomKey>) -> RoomsPart {
        RoomsPart { is_busy: true, ..RoomsPart::new(shard, start) }
    }
}
