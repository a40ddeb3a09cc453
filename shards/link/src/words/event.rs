//! What the edge receives.

use super::end::GoingDown;
use super::session::SessionNumber;
use madang_model::{Amendment, LeaveReason, Message, Reply, RoomName, UserName};
use std::sync::Arc;

/// What the edge receives. An event of a room comes once, however many of its sessions are in the room: the edge
/// knows those by `Reply::Joined` and `Reply::Left`.
#[derive(Clone, Debug)]
pub enum EdgeEvent {
    /// An answer to one session.
    Reply {
        /// Which.
        session: SessionNumber,
        /// The answer.
        reply: Reply,
    },
    /// Something was said in a room, and is on disk.
    Message {
        /// What, with its room.
        message: Arc<Message>,
        /// The session that said it, if it is one of this edge's: its acknowledgement.
        author: Option<SessionNumber>,
    },
    /// A message of a room, or the room, became something else, and that is on disk.
    Amended {
        /// What, with its room.
        amendment: Arc<Amendment>,
        /// The session that did it, if it is one of this edge's: its acknowledgement.
        author: Option<SessionNumber>,
    },
    /// A user joined a room. That user receives `Reply::Joined`.
    UserJoined {
        /// The room.
        room: RoomName,
        /// Who.
        user: UserName,
    },
    /// A user left a room. That user receives `Reply::Left`.
    UserLeft {
        /// The room.
        room: RoomName,
        /// Who.
        user: UserName,
        /// Why.
        reason: LeaveReason,
    },
    /// A user in a room has another name.
    UserRenamed {
        /// The room.
        room: RoomName,
        /// The name given up.
        old: UserName,
        /// The name taken.
        new: UserName,
    },
    /// A user left several rooms at once: the server, or the account with its last session. It comes once, and nothing
    /// comes from the rooms one by one.
    UserLeftAll {
        /// The rooms, of those that sessions of this edge are in; at least two.
        rooms: Vec<RoomName>,
        /// Who.
        user: UserName,
        /// Why.
        reason: LeaveReason,
    },
    /// A user has another name in several rooms at once.
    UserRenamedInAll {
        /// The rooms, of those that sessions of this edge are in; at least two.
        rooms: Vec<RoomName>,
        /// The name given up.
        old: UserName,
        /// The name taken.
        new: UserName,
    },
    /// A session has ended: what it held is given back.
    Closed {
        /// Which.
        session: SessionNumber,
        /// Why.
        reason: SessionEnd,
    },
    /// A request of a session is invalid.
    BadRequest {
        /// Which session.
        session: SessionNumber,
        /// What is wrong.
        fault: RequestFault,
        /// What is wrong, in words that name the value.
        words: Box<str>,
    },
    /// The core is about to end: nothing more can be asked.
    GoingDown(GoingDown),
}

/// Why a session has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionEnd {
    /// The edge closed it.
    Asked,
    /// Too many connections come from its address.
    TooManyFromAddress {
        /// How many there may be.
        connections_max: u32,
    },
}

/// What is wrong with a request that is well formed. The edge checks the same before it asks: it receives
/// this when its rules are not the core's, as during an upgrade.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestFault {
    /// A user's name is invalid.
    UserName,
    /// A room's name is invalid.
    RoomName,
    /// A draft id is invalid.
    DraftId,
    /// Nothing of a text can be seen.
    EmptyText,
    /// A text is too long.
    LongText,
    /// The part of room names to search for is too long.
    Pattern,
    /// The session has no name yet.
    NoName,
    /// A whisper to oneself.
    ToOneself,
    /// The session waits for a name or a room, which must come first.
    Waiting,
    /// The session is in as many rooms as it may be.
    TooManyRooms,
    /// A change of facts that cannot be read.
    Facts,
    /// A cursor that the core has not given, or that it has given for another list.
    Cursor,
    /// A cursor of another epoch of the log: a copy of it was restored since.
    CursorOfOtherEpoch,
}
