//! What a session of the edge asks.

use madang_model::{
    AccountId, AmendRequest, Away, Cursor, DraftId, FactChange, Page, RoomName, Seq, Text, UserName,
};

/// What a session asks. The core end knows its name, and which grant of it: the edge does not send them.
///
/// Rates are not limited here: that is the edge's.
#[derive(Clone, Debug)]
pub enum EdgeRequest {
    /// To have a name, or another one. Answered by `Reply::Claimed` or `Reply::Refused`. Not while a room is
    /// being joined, nor while another name is asked for.
    Claim {
        /// The name wanted.
        name: UserName,
    },
    /// To be away, with words for users who whisper, or back. Not answered.
    SetAway {
        /// `None` is back.
        away: Option<Away>,
    },
    /// What is known of a user. Answered by `Reply::Whois` or `Reply::Refused`.
    Whois {
        /// About whom.
        name: UserName,
    },
    /// To say something to one user. Answered by `Reply::Whisper` or `Reply::NotSaid`.
    Whisper {
        /// The reader.
        to: UserName,
        /// The author's own id of it.
        draft: Option<DraftId>,
        /// What is said.
        text: Text,
    },
    /// To enter a room. Answered by `Reply::Joined` or `Reply::Refused`.
    Join {
        /// The room.
        room: RoomName,
    },
    /// To leave a room. Answered by `Reply::Left`.
    Leave {
        /// The room.
        room: RoomName,
    },
    /// To say something in a room. Answered by the message itself, or `Reply::NotSaid`.
    Publish {
        /// The room.
        room: RoomName,
        /// The author's own id of it.
        draft: Option<DraftId>,
        /// What is said.
        text: Text,
    },
    /// To say something as an account in a room that neither the session nor the account need be in. Whether the account
    /// may do so is for the edge to decide. Answered by `Reply::Said` or `Reply::NotSaid`; it makes no room.
    PublishAs {
        /// The room.
        room: RoomName,
        /// The account's name, with the account; without one it is refused.
        author: UserName,
        /// The author's own id of it.
        draft: Option<DraftId>,
        /// What is said.
        text: Text,
    },
    /// Stored messages of a room that one need not be in. Whether they may be read is for the edge to decide. Answered by
    /// `Reply::History` or `Reply::Refused`.
    HistoryOf {
        /// The room.
        room: RoomName,
        /// Which messages.
        page: Page,
    },
    /// Stored messages of a room one is in. Answered by `Reply::History` or `Reply::Refused`.
    History {
        /// The room.
        room: RoomName,
        /// Which messages.
        page: Page,
    },
    /// To change a message, or the room. Answered by the event `Amended`, or `Reply::NotSaid`; reactions of a second come
    /// as one event, which may be another session's. Guests may not edit or delete (`Refusal::AccountNeeded`).
    Amend {
        /// The room.
        room: RoomName,
        /// The author's own id of it.
        draft: Option<DraftId>,
        /// The message that it is about; not used where it is about the room.
        target: Seq,
        /// What is to change.
        change: AmendRequest,
    },
    /// Everything after a number, of a room one is in. Answered by `Reply::Resumed` or `Reply::Refused`.
    Resume {
        /// The room.
        room: RoomName,
        /// The last number that is known.
        after: Seq,
        /// How many entries, at most [`Page::MESSAGES_MAX`].
        count: u32,
    },
    /// Who is in a room. Answered by `Reply::Who` or `Reply::Refused`.
    Who {
        /// The room.
        room: RoomName,
    },
    /// Which rooms there are. Answered by `Reply::Rooms`, once from each shard.
    Rooms {
        /// Only names that contain this, compared without case; empty is all.
        pattern: Box<str>,
    },
    /// A page of the members of a room. Answered by `Reply::Members` or `Reply::Refused`.
    Members {
        /// The room.
        room: RoomName,
        /// Where it begins; `None` is at the beginning.
        cursor: Option<Cursor>,
        /// How many, at most.
        count: u32,
    },
    /// A page of all rooms. Answered by `Reply::RoomsPart`, once from each shard: `RoomsMerge` makes a page of them.
    RoomsInOrder {
        /// Only names that contain this, compared without case; empty is all.
        pattern: Box<str>,
        /// Where it begins; `None` is at the beginning.
        cursor: Option<Cursor>,
        /// How many, at most.
        count: u32,
    },
    /// To change the facts of a room, which is made if new. Whether the account may do so is for the edge to
    /// decide. Answered by `Reply::FactsChanged`.
    ChangeFacts {
        /// The room.
        room: RoomName,
        /// The account that makes the change.
        by: AccountId,
        /// Which.
        change: Box<FactChange>,
    },
    /// A member of a room has read up to a number. Not answered.
    MoveRead {
        /// The room.
        room: RoomName,
        /// The member.
        account: AccountId,
        /// The number.
        read: Seq,
    },
}
