//! Which shards a room's events go to.

use madang_model::{Event, RoomEvent, RoomKey, ShardId};
use smallvec::SmallVec;

/// An event and the shard it is for.
pub type ShardEvent = (ShardId, Event);

/// How many sessions of the members each shard holds: one event goes to each of these shards.
///
/// Invariant: no entry counts 0.
#[derive(Debug, Default)]
pub struct FanOut {
    sessions: SmallVec<[(ShardId, u32); 2]>,
}

impl FanOut {
    /// A member's session appeared on a shard.
    pub fn add(&mut self, shard: ShardId) {
        match self.sessions.iter_mut().find(|(known, _)| *known == shard) {
            Some((_, count)) => *count += 1,
            None => self.sessions.push((shard, 1)),
        }
    }

    /// A member's session is gone from a shard.
    pub fn remove(&mut self, shard: ShardId) {
        let position = self.sessions.iter().position(|(known, _)| *known == shard);
        let position = position.expect("a session that leaves a room was counted on its shard");
        self.sessions[position].1 -= 1;
        if self.sessions[position].1 == 0 {
            self.sessions.swap_remove(position);
        }
    }

    /// Puts one event a shard into `events`.
    pub fn emit(&self, room: RoomKey, event: &RoomEvent, events: &mut Vec<ShardEvent>) {
        for (shard, _) in &self.sessions {
            events.push((*shard, Event::Room { room, event: event.clone() }));
        }
    }

    /// How many shards hold sessions.
    pub fn shard_count(&self) -> usize {
        self.sessions.len()
    }
}
