//! Answers to one connection.

use super::away::Away;
use super::facts::{FactsNotChanged, Revision};
use super::id::{ClaimNumber, Seq};
use super::list::{MembersPage, RoomsPage, RoomsPart, WhoPage};
use super::message::{DraftId, Message};
use super::name::{RoomName, UserName};
use super::shown::{ShownEntry, ShownMessage};
use super::time::Timestamp;
use std::sync::Arc;

/// An answer to one session.
#[derive(Clone, Debug)]
pub enum Reply {
    /// The name is the session's.
    Claimed {
        /// The name.
        user: UserName,
        /// The grant.
        claim: ClaimNumber,
        /// Whispers that came while the user was gone for less than the grace time: from whom, how many.
        missed_whispers: Vec<(UserName, u32)>,
        /// The room in which the user was when the connection was lost, if that is less than the grace time ago.
        room: Option<RoomName>,
    },
    /// The session is in the room.
    Joined(Box<Joined>),
    /// The session is no longer in the room.
    Left {
        /// Which.
        room: RoomName,
    },
    /// The session's new name is known in a room that is too large to announce it to everyone.
    Renamed {
        /// The name given up.
        old: UserName,
        /// The name taken.
        new: UserName,
    },
    /// A whisper, to its reader and as the receipt to its author.
    Whisper {
        /// Who said it.
        from: UserName,
        /// To whom.
        to: UserName,
        /// What, shared by both.
        message: Arc<Message>,
        /// Whether this copy is the author's receipt.
        is_receipt: bool,
    },
    /// A whisper that another session of the same account has said.
    WhisperSent {
        /// Who said it.
        from: UserName,
        /// To whom.
        to: UserName,
        /// What, shared by all.
        message: Arc<Message>,
    },
    /// What was said by `PublishAs` is stored.
    Said {
        /// As it is in the room.
        message: Arc<Message>,
    },
    /// The one whispered to is away; the whisper is stored all the same.
    WhisperReaderAway {
        /// Who.
        to: UserName,
        /// What was left about it.
        away: Away,
    },
    /// What is known of a user.
    Whois(UserSummary),
    /// The members of a room.
    Who(WhoPage),
    /// Rooms of one shard.
    Rooms(RoomsPage),
    /// A page of the members of a room.
    Members(MembersPage),
    /// What one shard has for a page of rooms.
    RoomsPart(RoomsPart),
    /// Stored messages.
    History(HistoryPage),
    /// Entries after a number.
    Resumed(ResumedEntries),
    /// What became of a change of a room's facts.
    FactsChanged {
        /// The room.
        room: RoomName,
        /// The revision that it is; or why it is not made.
        result: Result<Revision, FactsNotChanged>,
    },
    /// What was asked is refused, and why.
    Refused(Refusal),
    /// What was to be said is refused, and why: the answer to `Publish` and `Whisper`, which a
    /// session sends without waiting for others.
    NotSaid(Refusal),
}

/// A room as a session finds it on coming in.
#[derive(Clone, Debug)]
pub struct Joined {
    /// The room.
    pub room: RoomName,
    /// The connection that joined.
    pub user: UserName,
    /// The newest message's number.
    pub head: Seq,
    /// The latest messages as they are now, oldest first.
    pub history: Vec<ShownMessage>,
    /// Members, this one included.
    pub members: u32,
    /// When the session resumes a membership kept through the grace time: the newest number when it was lost.
    pub resumed_from: Option<Seq>,
}

/// Whether a user can be reached.
#[derive(Clone, Debug)]
pub enum Presence {
    /// Here.
    Online,
    /// Here, but said to be away.
    Away(Away),
    /// Gone.
    Offline {
        /// Since when.
        since: Timestamp,
    },
}

/// What anyone may know of a user.
#[derive(Clone, Debug)]
pub struct UserSummary {
    /// The name.
    pub name: UserName,
    /// Whether it can be reached.
    pub presence: Presence,
    /// When it came online last.
    pub online_since: Timestamp,
}

/// A page of stored messages.
#[derive(Clone, Debug)]
pub struct HistoryPage {
    /// The room.
    pub room: RoomName,
    /// As they are now, oldest first.
    pub messages: Vec<ShownMessage>,
    /// Whether the room has entries that are no messages: a number between two messages then need not be lost.
    pub is_sparse: bool,
    /// The room's newest number.
    pub head: Seq,
    /// Messages that were asked for and are not among these.
    pub gap: Option<Gap>,
}

/// Everything after a number: messages as they are now, and what became of others.
#[derive(Clone, Debug)]
pub struct ResumedEntries {
    /// The room.
    pub room: RoomName,
    /// In order.
    pub entries: Vec<ShownEntry>,
    /// The room's newest number: where it is above the last entry's, there is more.
    pub head: Seq,
    /// Entries that were asked for and are not among these.
    pub gap: Option<Gap>,
}

/// Messages that were asked for and cannot be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gap {
    /// The first of them.
    pub first: Seq,
    /// The last of them.
    pub last: Seq,
    /// Why not.
    pub reason: GapReason,
}

/// Why messages cannot be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GapReason {
    /// They are older than the server keeps.
    Expired,
    /// They do not fit into one page: ask for fewer.
    TooMuch,
    /// Too many others ask at this moment: ask again.
    Busy,
    /// The disk cannot read them; it was reported to the operator.
    Unreadable,
}

/// Why something was refused. Surfaces render it in their own words, naming value and remedy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The name is in use.
    NameTaken {
        /// Which.
        name: UserName,
    },
    /// The name is a look-alike of one in use.
    NameConfusable {
        /// The name wanted.
        name: UserName,
        /// The name in use.
        with: UserName,
    },
    /// The name of the new room is a look-alike of another room's.
    RoomConfusable {
        /// The room wanted.
        room: Box<str>,
        /// The room that is there.
        with: Box<str>,
    },
    /// Whether a room may be made is not known at this moment.
    RoomNotMade {
        /// The room wanted.
        room: Box<str>,
        /// Why not.
        reason: Box<str>,
    },
    /// Nobody of that name is or was here.
    NoSuchUser {
        /// Which.
        name: UserName,
    },
    /// The user was here, and is not now.
    UserOffline {
        /// Who.
        name: UserName,
        /// Since when.
        since: Timestamp,
    },
    /// There is no such room.
    NoSuchRoom {
        /// Which.
        room: Box<str>,
    },
    /// The room has all the members it may have.
    RoomFull {
        /// Which.
        room: Box<str>,
        /// How many that is.
        members_max: u32,
    },
    /// Another room's key equals this one's (once in 2^64): choose another name.
    RoomNameCollides {
        /// Which.
        room: Box<str>,
    },
    /// Only members may do that.
    NotMember {
        /// Of which room.
        room: Box<str>,
    },
    /// The shard cannot store messages at the moment.
    NotStored {
        /// The reason, as a person may see it.
        reason: Box<str>,
    },
    /// Too many connections from one address.
    TooManyFromAddress {
        /// How many there may be.
        connections_max: u32,
    },
    /// There is no such message, or it was deleted.
    NoSuchMessage {
        /// The number.
        seq: Seq,
    },
    /// Only its author may do that.
    NotYours {
        /// The message.
        seq: Seq,
    },
    /// Nothing of the message would change, or no more of that kind can be.
    NothingChanges {
        /// The message.
        seq: Seq,
    },
    /// What was to be said is a draft already said: it keeps its number.
    DraftRepeated {
        /// The number it got then.
        seq: Seq,
        /// The draft's id.
        draft: DraftId,
    },
    /// What was to be said is a draft that may be stored already, too long ago to be looked for.
    DraftTooOld {
        /// The draft's id.
        draft: DraftId,
    },
    /// The account has as many sessions as it may have.
    TooManySessions {
        /// Its name.
        name: UserName,
        /// How many that is.
        sessions_max: u32,
    },
    /// A guest neither edits nor deletes messages: whoever takes its name later would change what it said.
    AccountNeeded {
        /// The message.
        seq: Seq,
    },
}
