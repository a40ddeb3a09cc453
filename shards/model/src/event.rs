//! What home shards send to connections, and what travels on the mesh.

use super::amendment::Amendment;
use super::everywhere::Everywhere;
use super::id::{ConnectionId, RoomKey, Seq, SessionId, UserKey};
use super::leaving::LeaveReason;
use super::message::Message;
use super::name::{RoomName, UserName};
use super::reply::Reply;
use super::request::Request;
use std::sync::Arc;

/// From a home shard towards connections of one shard.
#[derive(Clone, Debug)]
pub enum Event {
    /// For one connection.
    Reply {
        /// Which.
        to: ConnectionId,
        /// The answer.
        reply: Reply,
    },
    /// For every member of the room on this shard: one event a shard, not one a member.
    Room {
        /// The room.
        room: RoomKey,
        /// What happened in it.
        event: RoomEvent,
    },
    /// For one connection: a home has taken back what it gave back, its name or its place among the connections
    /// of its address.
    GivenBack {
        /// Which.
        to: ConnectionId,
    },
    /// For one connection taken over from the old process: it is in the room, or cannot be.
    Carried {
        /// Which.
        to: ConnectionId,
        /// Its user.
        user: UserKey,
        /// The room.
        room: RoomName,
        /// The room's newest number; `None` when the room cannot be loaded.
        head: Option<Seq>,
    },
}

/// What everyone in a room sees.
#[derive(Clone, Debug)]
pub enum RoomEvent {
    /// Something was said, and is on disk.
    Message {
        /// What, shared by everyone who will see it.
        message: Arc<Message>,
        /// Whose session it came from: its acknowledgement.
        author: SessionId,
    },
    /// A message, or the room, became something else, and that is on disk.
    Amended {
        /// What became of it, shared by everyone who will see it.
        amendment: Arc<Amendment>,
        /// Whose session it came from: its acknowledgement. Nobody's where several are one entry.
        author: SessionId,
    },
    /// A user came in. The one who came learns it from `Reply::Joined`.
    Joined {
        /// Who.
        user: UserName,
    },
    /// A user left. The one who left learns it from `Reply::Left`.
    Left {
        /// Who.
        user: UserName,
        /// Why.
        reason: LeaveReason,
        /// All rooms that the user leaves at once, if there are several.
        everywhere: Option<Arc<Everywhere>>,
    },
    /// A member has a new name. The renamed one sees this too; in a large room it alone learns it, from
    /// `Reply::Renamed`.
    Renamed {
        /// The name given up.
        old: UserName,
        /// The name taken.
        new: UserName,
        /// All rooms in which the user has it, if there are several.
        everywhere: Option<Arc<Everywhere>>,
    },
}

impl RoomEvent {
    /// All rooms that it comes from, if it comes from several.
    pub fn everywhere(&self) -> Option<&Arc<Everywhere>> {
        match self {
            RoomEvent::Left { everywhere, .. } | RoomEvent::Renamed { everywhere, .. } => everywhere.as_ref(),
            RoomEvent::Message { .. } | RoomEvent::Amended { .. } | RoomEvent::Joined { .. } => None,
        }
    }

    /// The name that nobody has in the room any more.
    pub fn gone(&self) -> Option<&UserName> {
        match self {
            RoomEvent::Left { user, .. } | RoomEvent::Renamed { old: user, .. } => Some(user),
            RoomEvent::Message { .. } | RoomEvent::Amended { .. } | RoomEvent::Joined { .. } => None,
        }
    }

    /// The name that somebody has in the room from now on.
    pub fn come(&self) -> Option<&UserName> {
        match self {
            RoomEvent::Joined { user } | RoomEvent::Renamed { new: user, .. } => Some(user),
            RoomEvent::Message { .. } | RoomEvent::Amended { .. } | RoomEvent::Left { .. } => None,
        }
    }
}

/// One entry of a mesh batch.
#[derive(Clone, Debug)]
pub enum MeshEntry {
    /// Towards a home shard.
    Request(Request),
    /// Towards connections.
    Event(Event),
}
