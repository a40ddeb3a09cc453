//! The rooms that connections of this shard are in: the last step of a fan-out.
//!
//! The home shard owns who is a member. This table follows the home's events, in their order.

use super::style::Style;
use crate::{ConnectionId, RoomKey, RoomName, Seq};
use hashbrown::HashMap;

/// Where a connection stands in a local room.
///
/// Invariant: `rooms[room].members[position]` is this connection, until it is removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subscription {
    /// The slot of the room.
    pub room: u32,
    /// The place among its members.
    pub position: u32,
}

/// One connection that receives a room's events.
#[derive(Clone, Copy, Debug)]
pub struct LocalMember {
    /// Which connection.
    pub connection: ConnectionId,
    /// How it wants events written.
    pub style: Style,
    /// It is leaving: only its own messages are for it.
    pub hears_only_own: bool,
}

/// A room as far as this shard's connections are in it.
#[derive(Debug)]
pub struct LocalRoom {
    /// Its name.
    pub name: RoomName,
    /// The newest message seen here.
    pub head: Seq,
    /// The connections that receive its events.
    pub members: Vec<LocalMember>,
}

/// All rooms that connections of this shard are in.
#[derive(Debug, Default)]
pub struct LocalRooms {
    slots: Vec<Option<LocalRoom>>,
    free: Vec<u32>,
    by_key: HashMap<RoomKey, u32>,
}

impl LocalRooms {
    /// Adds a connection to a room, and says where it stands.
    pub fn subscribe(&mut self, name: &RoomName, head: Seq, member: LocalMember) -> Subscription {
        let slot = *self.by_key.entry(name.key()).or_insert_with(|| {
            let room = LocalRoom { name: name.clone(), head, members: Vec::new() };
            if let Some(slot) = self.free.pop() {
                self.slots[slot as usize] = Some(room);
                slot
            } else {
                self.slots.push(Some(room));
                u32::try_from(self.slots.len() - 1).expect("fewer local rooms than 2^32")
            }
        });
        let room = self.slots[slot as usize].as_mut().expect("a keyed slot holds a room");
        room.head = room.head.max(head);
        room.members.push(member);
        Subscription {
            room: slot,
            position: u32::try_from(room.members.len() - 1).expect("fewer local members than 2^32"),
        }
    }

    /// Removes a connection. The returned connection, if any, moved to its place and must be notified.
    pub fn unsubscribe(&mut self, gone: Subscription) -> Option<ConnectionId> {
        let room = self.slots[gone.room as usize].as_mut().expect("a subscription names a room");
        room.members.swap_remove(gone.position as usize);
        if room.members.is_empty() {
            self.by_key.remove(&room.name.key());
            self.slots[gone.room as usize] = None;
            self.free.push(gone.room);
            return None;
        }
        if room.members.capacity() > 64 && room.members.len() * 4 < room.members.capacity() {
            room.members.shrink_to(room.members.len() * 2);
        }
        room.members.get(gone.position as usize).map(|moved| moved.connection)
    }

    /// The slot of a room, when a connection of this shard is in it.
    pub fn slot_of(&self, key: RoomKey) -> Option<u32> {
        self.by_key.get(&key).copied()
    }

    /// A room by its slot.
    pub fn by_slot_mut(&mut self, slot: u32) -> &mut LocalRoom {
        self.slots[slot as usize].as_mut().expect("a known slot holds a room")
    }

    /// A room by its key, when a connection of this shard is in it.
    pub fn by_key(&self, key: RoomKey) -> Option<&LocalRoom> {
        self.slot_of(key).and_then(|slot| self.slots[slot as usize].as_ref())
    }

    /// The room of a subscription.
    pub fn room_of(&self, subscription: &Subscription) -> &LocalRoom {
        self.slots[subscription.room as usize].as_ref().expect("a subscription names a room")
    }

    /// The member that a subscription stands for.
    pub fn member_mut(&mut self, subscription: &Subscription) -> &mut LocalMember {
        &mut self.by_slot_mut(subscription.room).members[subscription.position as usize]
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &LocalRoom> {
        self.slots.iter().flatten()
    }

    /// Gives back the memory of those that are gone, behind the last that is there.
    pub fn shrink(&mut self) {
        let count = self.slots.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        self.slots.truncate(count);
        self.slots.shrink_to(2 * count);
        self.free.retain(|slot| (*slot as usize) < count);
        self.free.sort_unstable_by_key(|slot| std::cmp::Reverse(*slot));
        self.free.shrink_to(2 * self.free.len());
        self.by_key.shrink_to(2 * self.by_key.len());
    }

    /// How many rooms there are.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether no connection is in any room.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(index: u32) -> LocalMember {
        let connection = ConnectionId { index, generation: 0 };
        LocalMember { connection, style: Style::default(), hears_only_own: false }
    }

    #[test]
    fn the_last_member_takes_the_place_of_one_who_leaves() {
        let mut rooms = LocalRooms::default();
        let name = RoomName::parse("r1").expect("a name");
        let first = rooms.subscribe(&name, Seq(3), member(1));
        let second = rooms.subscribe(&name, Seq(4), member(2));
        assert_eq!(rooms.unsubscribe(first), Some(member(2).connection));
        assert_eq!(rooms.unsubscribe(Subscription { position: 0, ..second }), None);
        assert!(rooms.is_empty());
    }

    #[test]
    fn slots_are_used_again() {
        let mut rooms = LocalRooms::default();
        for n in 0..100 {
            let name = RoomName::parse(&format!("r{n}")).expect("a name");
            let here = rooms.subscribe(&name, Seq::ZERO, member(n));
            rooms.unsubscribe(here);
        }
        assert_eq!(rooms.slots.len(), 1);
    }
}
