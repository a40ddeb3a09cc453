//! What a shard holds, for checks from outside: the simulator, and tests.

use super::Shard;
use crate::room::Room;
use madang_model::connection::Surface;
use madang_model::{ConnectionId, RoomName, SessionId, UserName};

/// A member of a room, as the room's home has it.
#[derive(Clone, Debug)]
pub struct Membership {
    /// Of which room.
    pub room: RoomName,
    /// Who.
    pub user: UserName,
    /// Its session, or its last one.
    pub session: SessionId,
    /// Whether the connection is lost and the grace time runs.
    pub is_lost: bool,
}

/// A connection that receives a room's events, as its own shard has it.
#[derive(Clone, Debug)]
pub struct RoomListener {
    /// Which room.
    pub room: RoomName,
    /// Which connection.
    pub connection: ConnectionId,
}

/// How much waits where.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Queues {
    /// Requests that wait for room in the log.
    pub deferred: usize,
    /// Events that wait for a commit.
    pub held: usize,
    /// Lookups of stored messages that are not answered.
    pub lookups: usize,
    /// Rooms that are being read.
    pub loading: usize,
    /// Requests that wait for one of them, at most.
    pub waiting_for_room: usize,
    /// Requests that wait until a draft was looked for, or a message that is to be amended was looked up.
    pub waiting_for_draft: usize,
    /// Rooms that are to be made and wait until the looks of stored ones are read.
    pub waiting_for_looks: usize,
    /// Events that wait until connections were written.
    pub delayed: usize,
    /// Entries that wait because a channel was full, at the last flush.
    pub overflow: u64,
    /// Connections that are not read because a channel is full.
    pub parked: usize,
    /// Members whose name another has, until word of them comes.
    pub departing: usize,
}

impl<S: Surface> Shard<S> {
    /// The members of the rooms whose home is here, in no order.
    pub fn memberships(&self) -> impl Iterator<Item = Membership> {
        self.homes.rooms().flat_map(|room| {
            room.members().flat_map(|member| {
                room.sessions_of(member).map(|session| Membership {
                    room: room.name().clone(),
                    user: member.user.clone(),
                    session,
                    is_lost: member.lost.is_some(),
                })
            })
        })
    }

    /// The connections here that receive events of rooms, in no order.
    pub fn listeners(&self) -> impl Iterator<Item = RoomListener> {
        self.rooms.iter().flat_map(|room| {
            let listener = |connection| RoomListener { room: room.name.clone(), connection };
            room.members.iter().map(move |member| listener(member.connection))
        })
    }

    /// How many rooms are in memory whose home is here.
    pub fn room_count(&self) -> usize {
        self.homes.room_count()
    }

    /// The names of those that have members or messages, in no order; lobby and direct rooms are
    /// among them.
    pub fn used_rooms(&self) -> impl Iterator<Item = &RoomName> {
        let is_used = |room: &&Room| !room.is_forgettable();
        self.homes.rooms().filter(is_used).map(Room::name)
    }

    /// How many shards there are.
    pub fn shard_count(&self) -> u16 {
        self.settings.shard_count
    }

    /// Bytes that wait in all outboxes here, as they are counted.
    pub fn waiting_bytes(&self) -> usize {
        self.outboxes.waiting_bytes()
    }

    /// The same, added up.
    pub fn outbox_bytes(&self) -> usize {
        let length = |id| self.outbox(id).map_or(0, <[u8]>::len);
        self.connections.ids().into_iter().map(length).sum()
    }

    /// How many names are held whose home is here, those in their grace time too.
    pub fn user_count(&self) -> usize {
        self.homes.user_count()
    }

    /// The names whose home is here, each with its session unless that is lost, in no order.
    pub fn names(&self) -> impl Iterator<Item = (&UserName, Option<SessionId>)> {
        self.homes.names()
    }

    /// Whether a connection only has its last words to come: what it has is given back, or about to be.
    pub fn is_ending(&self, id: ConnectionId) -> bool {
        self.connections.get(id).is_some_and(|found| found.is_ending || found.core.closing.is_some())
    }

    /// How much waits.
    pub fn queues(&self) -> Queues {
        let (loading, waiting_for_room) = self.homes.loading();
        Queues {
            deferred: self.deferred.len(),
            held: self.homes.held_events(),
            lookups: self.homes.archive.waiting(),
            loading,
            waiting_for_room,
            waiting_for_draft: self.homes.queues.count(),
            waiting_for_looks: self.homes.looks.waiting(),
            delayed: self.outboxes.delayed.len(),
            overflow: self.counters.mesh_overflow_entries,
            parked: self.parked.len(),
            departing: self.homes.rooms().map(Room::departing).sum(),
        }
    }
}
