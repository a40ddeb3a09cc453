//! A page of rooms, from what every shard has for it.

use super::super::id::{RoomKey, ShardId};
use super::cursor::Cursor;
use super::page::{ListStart, RoomsPart};
use super::summary::RoomSummary;

/// Gathers the parts of one page.
#[derive(Clone, Debug)]
pub struct RoomsMerge {
    pattern: Box<str>,
    start: ListStart<RoomKey>,
    /// One place a shard.
    parts: Vec<Option<RoomsPart>>,
}

/// A page of rooms, at most [`RoomsPart::ROOMS_MAX`] of them.
#[derive(Clone, Debug)]
pub struct RoomsList {
    /// The rooms, in the order of their keys.
    pub rooms: Vec<RoomSummary>,
    /// Where the next page begins, if there may be more: it may be empty.
    pub next: Option<Cursor>,
}

/// Some shards are missing in a page, so there is none: rooms would be left out. The same page can be asked for again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "of {shards} shards {busy} are busy and {away} do not answer, so rooms would be missing; ask for the same page again"
)]
pub struct RoomsMissing {
    /// How many shards there are.
    pub shards: u16,
    /// How many have not looked, as too many ask.
    pub busy: u16,
    /// How many have not answered.
    pub away: u16,
}

impl RoomsMerge {
    /// Nothing yet, of what was asked of this many shards.
    pub fn new(shard_count: u16, pattern: &str, start: ListStart<RoomKey>) -> RoomsMerge {
        RoomsMerge { pattern: pattern.into(), start, parts: (0..shard_count).map(|_| None).collect() }
    }

    /// Adds the part of a shard. Returns whether it is one of this page: the answer to another question, or a second
    /// one, is not.
    pub fn add(&mut self, part: RoomsPart) -> bool {
        let ShardId(shard) = part.shard;
        let place = self.parts.get_mut(usize::from(shard)).filter(|place| place.is_none());
        let Some(place) = place.filter(|_| part.start == self.start) else { return false };
        *place = Some(part);
        true
    }

    /// Whether every shard has answered.
    pub fn is_complete(&self) -> bool {
        self.parts.iter().all(Option::is_some)
    }

    /// The page of what there is; to be called when it is complete, or when the rest is not waited for.
    ///
    /// # Errors
    /// [`RoomsMissing`] when a shard was too busy or has not answered.
    pub fn finish(self) -> Result<RoomsList, RoomsMissing> {
        let count = |is_it: &dyn Fn(&Option<RoomsPart>) -> bool| {
            u16::try_from(self.parts.iter().filter(|part| is_it(part)).count()).unwrap_or(u16::MAX)
        };
        // One that has more, and gives nothing, would be asked for ever.
        let has_not_looked = |part: &RoomsPart| part.is_busy || (part.has_more && part.rooms.is_empty());
        let busy = count(&|part| part.as_ref().is_some_and(has_not_looked));
        let away = count(&Option::is_none);
        if busy > 0 || away > 0 {
            return Err(RoomsMissing { shards: count(&|_| true), busy, away });
        }
        let parts: Vec<RoomsPart> = self.parts.into_iter().flatten().collect();
        // What a shard has not given comes behind the last that it has given.
        let last = |part: &RoomsPart| part.rooms.iter().map(|it| it.room.key()).max();
        let known_to = parts.iter().filter(|part| part.has_more).filter_map(last).min();
        let mut rooms: Vec<RoomSummary> = parts.into_iter().flat_map(|part| part.rooms).collect();
        rooms.sort_by_key(|it| it.room.key());
        // Nothing is twice, whatever shards send.
        rooms.dedup_by_key(|it| it.room.key());
        let mut has_more = known_to.is_some();
        rooms.retain(|it| known_to.is_none_or(|known_to| it.room.key() <= known_to));
        let count = self.start.count(RoomsPart::ROOMS_MAX);
        has_more |= rooms.len() > count;
        rooms.truncate(count);
        let last = rooms.last().map(|it| it.room.key()).filter(|_| has_more);
        let next = last.map(|after| Cursor::of_rooms(self.start.epoch, &self.pattern, after));
        Ok(RoomsList { rooms, next })
    }
}
