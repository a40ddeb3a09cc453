//! The connections of a shard, each in a slot that is used again.

use madang_model::ConnectionId;
use madang_model::connection::Core;

/// One connection.
#[derive(Debug)]
pub struct Connection<T> {
    /// What every protocol shares.
    pub core: Core,
    /// What this one's protocol remembers.
    pub protocol: T,
    /// Bytes that were read but wait for a reply first. Empty, without capacity, when idle.
    pub unread: Vec<u8>,
    /// How many more of its reads count as those of a new connection.
    pub first_reads_left: u8,
    /// Bytes taken out of the outbox, and encrypted, that the kernel did not take.
    pub held_bytes: u32,
    /// It is in the shard's list of those that are written this turn.
    pub is_due: bool,
    /// It has a place in the shard's list of those whose writing is deferred.
    pub has_place: bool,
    /// The kernel did not take all of its outbox: what is added waits for the peer. An outbox that
    /// is not blocked may pass its bound until it is written, at the end of the turn.
    pub is_blocked: bool,
    /// It is in the shard's list of slow ones, which is looked through once a second.
    pub is_listed_slow: bool,
    /// A shard it asked is backed up: it is not read.
    pub is_parked: bool,
    /// The peer will send no more.
    pub has_input_ended: bool,
    /// It has given everything back, and says farewell once the homes have it.
    pub is_leaving: bool,
    /// What it gave back and no home has said yet that it has it.
    pub returns: u8,
    /// It has left everything; only its outbox is still to be sent.
    pub is_ending: bool,
    /// It is ending, and still read until the reason can be sent: without keys it cannot.
    pub awaits_keys: bool,
    /// It is not read for a while, as its protocol wished.
    pub is_delayed: bool,
    /// It asked for a delay in its last call, while there are none.
    pub is_undelayed: bool,
    /// Its protocol is to be called when everything that it asked is answered.
    pub awaits_answers: bool,
    /// Its protocol is to be reminded at a time.
    pub awaits_reminder: bool,
    /// Something was received since it asked for that.
    pub has_heard: bool,
    /// Something was sent since then.
    pub has_sent: bool,
}

impl<T> Connection<T> {
    /// One that has just come.
    pub fn new(core: Core, protocol: T) -> Connection<T> {
        Connection {
            core,
            protocol,
            unread: Vec::new(),
            first_reads_left: 0,
            held_bytes: 0,
            is_due: false,
            has_place: false,
            is_blocked: false,
            is_listed_slow: false,
            is_parked: false,
            has_input_ended: false,
            is_leaving: false,
            returns: 0,
            is_ending: false,
            awaits_keys: false,
            is_delayed: false,
            is_undelayed: false,
            awaits_answers: false,
            awaits_reminder: false,
            has_heard: false,
            has_sent: false,
        }
    }

    /// Something that it asked is answered. Whether its protocol is to be called, as that was the last.
    pub fn has_one_answer(&mut self) -> bool {
        self.core.outstanding = self.core.outstanding.saturating_sub(1);
        self.core.outstanding == 0 && self.awaits_answers
    }

    /// Bytes that wait for the peer to read.
    pub fn waiting_bytes(&self) -> usize {
        self.core.outbox.len() + self.held_bytes as usize
    }

    /// Whether it is in no room and has no name any more.
    pub fn has_left(&self) -> bool {
        self.is_leaving || self.is_ending
    }

    /// Whether there is something to be written, or to be ended after it was.
    pub fn has_output(&self) -> bool {
        self.waiting_bytes() > 0 || self.is_ending
    }
}

#[derive(Debug)]
struct ConnectionSlot<T> {
    generation: u32,
    connection: Option<Connection<T>>,
}

/// All connections of a shard.
#[derive(Debug)]
pub struct Connections<T> {
    slots: Vec<ConnectionSlot<T>>,
    free: Vec<u32>,
    /// Of a new slot: above those of all that were here before.
    first_generation: u32,
}

impl<T> Connections<T> {
    pub fn new() -> Connections<T> {
        Connections { slots: Vec::new(), free: Vec::new(), first_generation: 0 }
    }

    /// The identity that the next connection gets.
    pub fn next_id(&mut self) -> ConnectionId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(ConnectionSlot { generation: self.first_generation, connection: None });
            u32::try_from(self.slots.len() - 1).expect("fewer connections a shard than 2^32")
        });
        ConnectionId { index, generation: self.slots[index as usize].generation }
    }

    /// Fills the slot that `next_id` named.
    pub fn insert(&mut self, id: ConnectionId, connection: Connection<T>) {
        let slot = &mut self.slots[id.index as usize];
        assert!(slot.connection.is_none() && slot.generation == id.generation, "a slot is filled once");
        slot.connection = Some(connection);
    }

    pub fn get(&self, id: ConnectionId) -> Option<&Connection<T>> {
        let slot = self.slots.get(id.index as usize)?;
        slot.connection.as_ref().filter(|_| slot.generation == id.generation)
    }

    pub fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection<T>> {
        let slot = self.slots.get_mut(id.index as usize)?;
        slot.connection.as_mut().filter(|_| slot.generation == id.generation)
    }

    /// Empties a slot. What still names it finds nothing.
    pub fn remove(&mut self, id: ConnectionId) -> Option<Connection<T>> {
        let slot = self.slots.get_mut(id.index as usize)?;
        if slot.generation != id.generation {
            return None;
        }
        let connection = slot.connection.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.index);
        Some(connection)
    }

    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Gives back the memory of the slots behind the last that is filled; of the others the first are filled first, so
    /// that the last become free in time.
    pub fn shrink(&mut self) {
        let count = self.slots.iter().rposition(|slot| slot.connection.is_some()).map_or(0, |last| last + 1);
        for slot in self.slots.drain(count..) {
            self.first_generation = self.first_generation.max(slot.generation);
        }
        self.slots.shrink_to(2 * count);
        self.free.retain(|index| (*index as usize) < count);
        self.free.sort_unstable_by_key(|index| std::cmp::Reverse(*index));
        self.free.shrink_to(2 * self.free.len());
    }

    /// The identities of all connections.
    pub fn ids(&self) -> Vec<ConnectionId> {
        let filled = self.slots.iter().enumerate().filter(|(_, slot)| slot.connection.is_some());
        filled
            .map(|(index, slot)| ConnectionId {
                index: u32::try_from(index).expect("fewer connections a shard than 2^32"),
                generation: slot.generation,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use madang_model::connection::EntranceKind;
    use madang_model::{SessionId, ShardId};
    use std::collections::HashSet;

    fn come(connections: &mut Connections<()>) -> ConnectionId {
        let id = connections.next_id();
        let core = Core::new(SessionId { shard: ShardId(0), connection: id }, EntranceKind::default());
        connections.insert(id, Connection::new(core, ()));
        id
    }

    #[test]
    fn memory_of_closed_connections_is_given_back_and_no_identity_is_used_twice() {
        let mut connections = Connections::new();
        let mut identities = HashSet::new();
        for _ in 0..3 {
            let ids: Vec<_> = (0..1000).map(|_| come(&mut connections)).collect();
            assert!(ids.iter().all(|id| identities.insert(*id)), "an identity was had before");
            let (stays, gone) = (ids[10], ids.into_iter().filter(|id| id.index != 10));
            gone.for_each(|id| assert!(connections.remove(id).is_some()));
            connections.shrink();
            assert_eq!((connections.len(), connections.slots.len()), (1, 11));
            assert!(connections.slots.capacity() <= 22 && connections.free.capacity() <= 20);
            assert!(connections.get(stays).is_some());
            let next = come(&mut connections);
            assert_eq!(next.index, 0, "the first place is taken first");
            assert!(identities.insert(next));
            assert!(connections.remove(next).is_some() && connections.remove(stays).is_some());
            connections.shrink();
            assert_eq!(connections.slots.len(), 0);
        }
    }
}
