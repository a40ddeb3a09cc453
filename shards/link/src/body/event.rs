//! Events of version 1.

use super::entry::EntryBody;
use super::reply::ReplyBody;
use super::said::SaidBody;
use rkyv::with::AsString;
use rkyv::{Archive, Serialize};

/// What the edge receives.
#[derive(Archive, Serialize, Clone, Debug)]
pub enum EventBody<'a> {
    /// An answer to one session.
    Reply {
        /// Which.
        session: u32,
        /// The answer.
        reply: ReplyBody<'a>,
    },
    /// Something was said in a room.
    Message {
        /// The session that said it; 0 when it is none of this edge's.
        author_session: u32,
        /// The room.
        #[rkyv(with = AsString)]
        room: &'a str,
        /// What.
        said: SaidBody<'a>,
    },
    /// A user joined a room.
    UserJoined {
        /// The room.
        #[rkyv(with = AsString)]
        room: &'a str,
        /// Who.
        #[rkyv(with = AsString)]
        user: &'a str,
    },
    /// A user left a room.
    UserLeft {
        /// The room.
        #[rkyv(with = AsString)]
        room: &'a str,
        /// Who.
        #[rkyv(with = AsString)]
        user: &'a str,
        /// Why.
        reason: LeaveReasonBody,
    },
    /// A user in a room has another name.
    UserRenamed {
        /// The room.
        #[rkyv(with = AsString)]
        room: &'a str,
        /// The name given up.
        #[rkyv(with = AsString)]
        old: &'a str,
        /// The name taken.
        #[rkyv(with = AsString)]
        new: &'a str,
    },
    /// A session has ended.
    Closed {
        /// Which.
        session: u32,
        /// Why.
        reason: SessionEndBody,
    },
    /// A request of a session is invalid.
    BadRequest {
        /// Which session.
        session: u32,
        /// What is wrong.
        fault: RequestFaultBody,
        /// What is wrong, in words.
        #[rkyv(with = AsString)]
        words: &'a str,
    },
    /// A user left several rooms at once.
    UserLeftAll {
        /// The rooms.
        rooms: Vec<NameBody<'a>>,
        /// Who.
        #[rkyv(with = AsString)]
        user: &'a str,
        /// Why.
        reason: LeaveReasonBody,
    },
    /// A user has another name in several rooms at once.
    UserRenamedInAll {
        /// The rooms.
        rooms: Vec<NameBody<'a>>,
        /// The name given up.
        #[rkyv(with = AsString)]
        old: &'a str,
        /// The name taken.
        #[rkyv(with = AsString)]
        new: &'a str,
    },
    /// A message of a room, or the room, became something else.
    Amended {
        /// The session that did it; 0 when it is none of this edge's.
        author_session: u32,
        /// The room.
        #[rkyv(with = AsString)]
        room: &'a str,
        /// What.
        entry: EntryBody<'a>,
    },
    /// The link begins.
    Began {
        /// The epoch of the log, the most significant byte first.
        epoch: [u8; 16],
    },
}

/// A name in a list.
#[derive(Archive, Serialize, Clone, Copy, Debug)]
pub struct NameBody<'a> {
    /// The name.
    #[rkyv(with = AsString)]
    pub name: &'a str,
}

/// Why a session has ended.
#[derive(Archive, Serialize, Clone, Copy, Debug)]
pub enum SessionEndBody {
    /// The edge closed it.
    Asked,
    /// Too many connections come from its address.
    TooManyFromAddress {
        /// How many there may be.
        connections_max: u32,
    },
}

/// What is wrong with a request.
#[derive(Archive, Serialize, Clone, Copy, Debug)]
pub enum RequestFaultBody {
    /// A user's name.
    UserName,
    /// A room's name.
    RoomName,
    /// A draft id.
    DraftId,
    /// A text of which nothing can be seen.
    EmptyText,
    /// A text that is too long.
    LongText,
    /// A part of a room's name that is too long.
    Pattern,
    /// The session has no name.
    NoName,
    /// A whisper to oneself.
    ToOneself,
    /// The session waits for a name or a room.
    Waiting,
    /// The session is in as many rooms as it may be.
    TooManyRooms,
    /// A change of facts that cannot be read.
    Facts,
    /// A cursor that cannot be read, or of another list.
    Cursor,
    /// A cursor of another epoch of the log.
    CursorOfOtherEpoch,
}

/// Why a user left a room.
#[derive(Archive, Serialize, Clone, Copy, Debug)]
pub enum LeaveReasonBody {
    /// The user left this room.
    Left,
    /// The user left the server.
    Quit,
    /// The connection was lost.
    Lost,
    /// The operator ended the connection.
    Kicked,
    /// The new name is another's in the room.
    Renamed,
}
