//! Answers of version 1.

use super::entry::{ResumedBody, ShownBody};
use super::refusal::RefusalBody;
use super::said::SaidBody;
use rkyv::with::AsString;
use rkyv::{Archive, Serialize};

/// An answer to one session.
#[derive(Archive, Serialize, Clone, Debug)]
pub enum ReplyBody<'a> {
    /// The name is the session's.
    Claimed {
        /// The name.
        #[rkyv(with = AsString)]
        user: &'a str,
        /// Whispers that came within the grace time.
        missed: Vec<MissedBody<'a>>,
    },
    /// The session is in the room.
    Joined {
        /// The room.
        #[rkyv(with = AsString)]
        room: &'a str,
        /// Who joined.
        #[rkyv(with = AsString)]
        user: &'a str,
        /// The newest message's number.
        head: u64,
        /// The latest messages, oldest first.
        history: Vec<SaidBody<'a>>,
        /// Members, counted.
        members: u32,
        /// The newest number when the membership was lost, if it was.
        resumed_from: Option<u64>,
    },
    /// The session is no longer in the room.
    Left {
        /// Which.
        #[rkyv(with = AsString)]
        room: &'a str,
    },
    /// The session's new name is known in a room that is too large for everyone to be notified.
    Renamed {
        /// The name given up.
        #[rkyv(with = AsString)]
        old: &'a str,
        /// The name taken.
        #[rkyv(with = AsString)]
        new: &'a str,
    },
    /// A whisper.
    Whisper {
        /// The direct room.
        #[rkyv(with = AsString)]
        room: &'a str,
        /// Who said it.
        #[rkyv(with = AsString)]
        from: &'a str,
        /// To whom.
        #[rkyv(with = AsString)]
        to: &'a str,
        /// What.
        said: SaidBody<'a>,
        /// Whether it is the author's receipt.
        is_receipt: bool,
    },
    /// The one whispered to is away.
    WhisperReaderAway {
        /// Who.
        #[rkyv(with = AsString)]
        to: &'a str,
        /// The away text.
        #[rkyv(with = AsString)]
        text: &'a str,
    },
    /// What is known of a user.
    Whois {
        /// The name.
        #[rkyv(with = AsString)]
        name: &'a str,
        /// Whether the user can be reached.
        presence: PresenceBody<'a>,
        /// When the user came, in microseconds since the Unix epoch.
        online_since_us: i64,
    },
    /// Who is in a room.
    Who {
        /// The room.
        #[rkyv(with = AsString)]
        room: &'a str,
        /// Some or all, by name.
        members: Vec<ListedMemberBody<'a>>,
        /// All, counted.
        total: u32,
    },
    /// Rooms of one shard.
    Rooms {
        /// Some or all, fullest first.
        rooms: Vec<ListedRoomBody<'a>>,
        /// How many more.
        more: u32,
        /// Whether the shard was too busy to look.
        is_busy: bool,
    },
    /// Stored messages.
    History {
        /// The room.
        #[rkyv(with = AsString)]
        room: &'a str,
        /// Oldest first.
        messages: Vec<SaidBody<'a>>,
        /// The room's newest number.
        head: u64,
        /// What was asked for and is not among them.
        gap: Option<GapBody>,
    },
    /// What was asked is refused.
    Refused(RefusalBody<'a>),
    /// What was to be said is refused.
    NotSaid(RefusalBody<'a>),
    /// The facts of a room are changed.
    FactsChanged {
        /// The room.
        #[rkyv(with = AsString)]
        room: &'a str,
        /// The revision that it is.
        revision: u64,
    },
    /// The facts of a room are not changed.
    FactsNotChanged {
        /// The room.
        #[rkyv(with = AsString)]
        room: &'a str,
        /// Why.
        why: FactsNotChangedBody<'a>,
    },
    /// A whisper that another session of the account has said.
    WhisperSent {
        /// The direct room.
        #[rkyv(with = AsString)]
        room: &'a str,
        /// Who said it.
        #[rkyv(with = AsString)]
        from: &'a str,
        /// To whom.
        #[rkyv(with = AsString)]
        to: &'a str,
        /// What.
        said: SaidBody<'a>,
    },
    /// A page of the members of a room.
    Members {
        /// The room.
        #[rkyv(with = AsString)]
        room: &'a str,
        /// The members, in the order of their keys.
        members: Vec<ListedMemberBody<'a>>,
        /// All, counted.
        total: u32,
        /// The epoch of the log, the most significant byte first.
        epoch: [u8; 16],
        /// The key of the last of these, when more follow.
        next: Option<u64>,
    },
    /// What one shard has for a page of rooms.
    RoomsPart {
        /// Which shard.
        shard: u16,
        /// The epoch of the log, the most significant byte first.
        epoch: [u8; 16],
        /// The key of the room behind which the page begins.
        after: Option<u64>,
        /// How many were asked for.
        count: u32,
        /// The rooms, in the order of their keys.
        rooms: Vec<ListedRoomBody<'a>>,
        /// Whether more may follow.
        has_more: bool,
        /// Whether the shard was too busy to look.
        is_busy: bool,
    },
    /// Stored messages, not all of which are as they were said.
    Shown {
        /// The room.
        #[rkyv(with = AsString)]
        room: &'a str,
        /// Oldest first.
        messages: Vec<ShownBody<'a>>,
        /// The room's newest number.
        head: u64,
        /// What was asked for and is not among them.
        gap: Option<GapBody>,
    },
    /// Everything after a number.
    Resumed {
        /// The room.
        #[rkyv(with = AsString)]
        room: &'a str,
        /// In order.
        entries: Vec<ResumedBody<'a>>,
        /// The room's newest number.
        head: u64,
        /// What was asked for and is not among them.
        gap: Option<GapBody>,
    },
    /// What was said as an account is stored.
    Said {
        /// The room.
        #[rkyv(with = AsString)]
        room: &'a str,
        /// As it is in the room.
        said: SaidBody<'a>,
    },
}

/// Why facts are not changed.
#[derive(Archive, Serialize, Clone, Debug)]
pub enum FactsNotChangedBody<'a> {
    /// The account is no member.
    NoMember {
        /// Which.
        account: u64,
    },
    /// There is nothing to take back.
    NothingToLift {
        /// The account.
        account: u64,
    },
    /// The account is a member already.
    MemberAlready {
        /// Which.
        account: u64,
    },
    /// A number of seconds is too large.
    TooSlow {
        /// The number.
        value: u32,
        /// The largest.
        limit: u32,
    },
    /// A text is too long.
    TooLong {
        /// Its bytes.
        bytes: u32,
        /// The most.
        limit: u32,
    },
    /// It is not stored.
    NotStored {
        /// The reason, for people.
        #[rkyv(with = AsString)]
        reason: &'a str,
    },
    /// The room has as many members, mutes, bans and invitations as it may.
    TooMany {
        /// How many.
        limit: u32,
    },
}

/// Whispers that were missed.
#[derive(Archive, Serialize, Clone, Copy, Debug)]
pub struct MissedBody<'a> {
    /// From whom.
    #[rkyv(with = AsString)]
    pub from: &'a str,
    /// How many.
    pub count: u32,
}

/// Whether a user can be reached.
#[derive(Archive, Serialize, Clone, Copy, Debug)]
pub enum PresenceBody<'a> {
    /// Here.
    Online,
    /// Here, but away.
    Away {
        /// The away text.
        #[rkyv(with = AsString)]
        text: &'a str,
    },
    /// Gone.
    Offline {
        /// Since when, in microseconds since the Unix epoch.
        since_us: i64,
    },
}

/// A member in a list.
#[derive(Archive, Serialize, Clone, Copy, Debug)]
pub struct ListedMemberBody<'a> {
    /// The name.
    #[rkyv(with = AsString)]
    pub name: &'a str,
    /// Whether away.
    pub is_away: bool,
    /// Whether the connection is lost.
    pub is_lost: bool,
}

/// A room in a list.
#[derive(Archive, Serialize, Clone, Copy, Debug)]
pub struct ListedRoomBody<'a> {
    /// The room.
    #[rkyv(with = AsString)]
    pub room: &'a str,
    /// Its members.
    pub members: u32,
    /// Its messages so far.
    pub head: u64,
}

/// Messages that cannot be shown.
#[derive(Archive, Serialize, Clone, Copy, Debug)]
pub struct GapBody {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// Why not.
    pub reason: GapReasonBody,
}

/// Why not.
#[derive(Archive, Serialize, Clone, Copy, Debug)]
pub enum GapReasonBody {
    /// Older than the server keeps.
    Expired,
    /// More than a page holds.
    TooMuch,
    /// Too many ask.
    Busy,
    /// The disk cannot give them.
    Unreadable,
}
