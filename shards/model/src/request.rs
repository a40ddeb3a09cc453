//! What connections ask of a home shard.

use super::amendment::AmendRequest;
use super::away::Away;
use super::carried::Carried;
use super::everywhere::Everywhere;
use super::facts::FactChange;
use super::id::{AccountId, ClaimNumber, HomeKey, RoomKey, Seq, SessionId, ShardId, UserKey};
use super::leaving::LeaveReason;
use super::list::ListStart;
use super::message::DraftId;
use super::name::{RoomName, UserName};
use super::page::Page;
use super::text::Text;
use super::time::Moment;
use std::net::IpAddr;
use std::sync::Arc;

/// What a session asks. Those that name a user go to that user's home, those that name a room to
/// the room's; [`Request::Rooms`] and [`Request::RoomsInOrder`] go to every shard and each answers.
#[derive(Clone, Debug)]
pub enum Request {
    /// Reserve a name for a session. Answered by `Claimed` or `Refused`.
    Claim {
        /// Who asks.
        session: SessionId,
        /// The name wanted.
        name: UserName,
    },
    /// Give a name back. Answered by `Event::GivenBack`.
    Release {
        /// Who held it.
        session: SessionId,
        /// The name.
        name: UserName,
        /// Whether the user left on purpose; otherwise the name is kept for the grace time.
        is_clean: bool,
        /// The rooms that an account's session leaves on purpose: the account's home passes it on, as it knows whether
        /// the account is gone with this session.
        leaving: Option<Box<Leaving>>,
        /// The room in which one is lost, to return to it.
        room: Option<RoomName>,
    },
    /// Give a name back for another that is had. Answered by `Event::GivenBack`.
    GiveUp {
        /// Who held it.
        session: SessionId,
        /// The name.
        name: UserName,
    },
    /// Become away, with a text for users who whisper to it, or be back. Sent to the user's home and
    /// to the homes of its rooms. Not answered.
    SetAway {
        /// Who.
        user: UserName,
        /// The room to notify, or the user's home when `None`.
        room: Option<RoomKey>,
        /// `Some` is away, with what was said about it; `None` is back.
        away: Option<Away>,
    },
    /// What is known of a user. Answered by `Whois` or `Refused`.
    Whois {
        /// Who asks.
        session: SessionId,
        /// About whom.
        name: UserName,
    },
    /// Say something to one user. The receipt is `Whisper`, or `NotSaid`.
    Whisper {
        /// Who asks.
        session: SessionId,
        /// The author.
        from: UserName,
        /// The reader.
        to: UserName,
        /// The author's own id of it.
        draft: Option<DraftId>,
        /// What is said.
        text: Text,
        /// The other sessions of the author, which see it, too: an account's home adds them first.
        copies_to: Option<Box<[SessionId]>>,
    },
    /// A whisper whose reader was found by its home, on its way to the direct room's home.
    PublishDirect {
        /// Where the receipt goes.
        session: SessionId,
        /// Where the message goes: the reader's sessions.
        readers: Vec<SessionId>,
        /// The author's other sessions.
        copies_to: Box<[SessionId]>,
        /// The direct room.
        room: RoomName,
        /// The author.
        from: UserName,
        /// The reader.
        to: UserName,
        /// The author's own id of it.
        draft: Option<DraftId>,
        /// What is said.
        text: Text,
    },
    /// A whisper reached a shard after its reader's session had ended: count it as unread.
    WhisperMissed {
        /// The author.
        from: UserName,
        /// The reader.
        to: UserName,
    },
    /// Enter a room, made if new. Answered by `Joined` or `Refused`.
    Join {
        /// Who asks.
        session: SessionId,
        /// The user.
        user: UserName,
        /// The grant of the user's name.
        claim: ClaimNumber,
        /// The room.
        room: RoomName,
        /// Whether the user is away.
        is_away: bool,
    },
    /// Leave a room. Answered by `Left`.
    Leave {
        /// Who asks.
        session: SessionId,
        /// The user.
        user: UserKey,
        /// The room.
        room: RoomKey,
        /// Why; if the user is lost, the membership is kept for the grace time.
        reason: LeaveReason,
        /// All rooms that the session leaves at once, if there are several, and its user is gone with it.
        everywhere: Option<Arc<Everywhere>>,
    },
    /// A member's new name. Not answered; the room sees it.
    Rename {
        /// Who asks.
        session: SessionId,
        /// The room.
        room: RoomKey,
        /// The name given up.
        old: UserName,
        /// The name taken.
        new: UserName,
        /// The grant of it.
        claim: ClaimNumber,
        /// All rooms in which the session has it, if there are several.
        everywhere: Option<Arc<Everywhere>>,
    },
    /// Say something in a room. The acknowledgement is the message itself, or `NotSaid`.
    Publish {
        /// Who asks.
        session: SessionId,
        /// The author.
        user: UserKey,
        /// The room.
        room: RoomKey,
        /// The author's own id of it.
        draft: Option<DraftId>,
        /// What is said.
        text: Text,
    },
    /// Say something in a room as an account that need not be in it: only for whoever has decided that the account may.
    /// Answered by `Said` or `NotSaid`; the room is made if new.
    PublishAs {
        /// Who asks.
        session: SessionId,
        /// The author.
        author: UserName,
        /// The room.
        room: RoomName,
        /// The author's own id of it.
        draft: Option<DraftId>,
        /// What is said.
        text: Text,
    },
    /// Change a message, or the room. The acknowledgement is the event `Amended`, or `NotSaid`.
    Amend {
        /// Who asks.
        session: SessionId,
        /// The author of the change.
        user: UserKey,
        /// The room.
        room: RoomKey,
        /// The author's own id of it.
        draft: Option<DraftId>,
        /// The message that it is about; not used where it is about the room.
        target: Seq,
        /// What is to change.
        change: AmendRequest,
    },
    /// Everything after a number, in a room one is in: messages and what became of others. Answered by `Resumed` or
    /// `Refused`.
    Resume {
        /// Who asks.
        session: SessionId,
        /// The user.
        user: UserKey,
        /// The room.
        room: RoomKey,
        /// The last number that is known.
        after: Seq,
        /// How many entries, at most [`Page::MESSAGES_MAX`].
        count: u32,
    },
    /// Stored messages of a room one is in. Answered by `History` or `Refused`.
    History {
        /// Who asks.
        session: SessionId,
        /// The user.
        user: UserKey,
        /// The room.
        room: RoomKey,
        /// Which messages.
        page: Page,
    },
    /// Stored messages of a room that one need not be in: only for whoever has decided that they may be read. Answered by
    /// `History`, or `Refused` where there is no such room.
    HistoryOf {
        /// Who asks.
        session: SessionId,
        /// The room.
        room: RoomName,
        /// Which messages.
        page: Page,
    },
    /// The members of a room. Answered by `Who` or `Refused`.
    Who {
        /// Who asks.
        session: SessionId,
        /// The room.
        room: RoomName,
    },
    /// The rooms of one shard. Answered by `Rooms`, once from each shard.
    Rooms {
        /// Who asks.
        session: SessionId,
        /// Only names that contain this, compared without case; empty is all.
        pattern: Box<str>,
    },
    /// A page of the members of a room. Answered by `Members` or `Refused`.
    Members {
        /// Who asks.
        session: SessionId,
        /// The room.
        room: RoomName,
        /// Which members.
        start: ListStart<UserKey>,
    },
    /// A page of all rooms. Answered by `RoomsPart`, once from each shard.
    RoomsInOrder {
        /// Who asks.
        session: SessionId,
        /// Only names that contain this, compared without case; empty is all.
        pattern: Box<str>,
        /// Which rooms.
        start: ListStart<RoomKey>,
    },
    /// Count a connection against its address, at the address's home. Answered only by `Refused`.
    Admit {
        /// Who came.
        session: SessionId,
        /// From where.
        address: IpAddr,
    },
    /// The admitted connection is gone, or about to go. Answered by `Event::GivenBack`.
    Discharge {
        /// Which.
        session: SessionId,
        /// From where it came.
        address: IpAddr,
    },
    /// A room that nothing was said in yet takes its looks, at the home of those. Answered by `LooksAnswered`,
    /// unless it is there already.
    TakeLooks {
        /// The room.
        room: RoomName,
        /// Where its looks are at home.
        home: HomeKey,
        /// Whether it has members already: then it is not asked whether it may exist.
        is_there: bool,
    },
    /// Whether a room may have its looks. To the room's home.
    LooksAnswered {
        /// The room.
        room: RoomName,
        /// Whether it may.
        answer: LooksAnswer,
    },
    /// A room that had taken its looks is no longer in memory. Not answered.
    GiveLooks {
        /// The room.
        room: RoomName,
        /// Where its looks are at home.
        home: HomeKey,
        /// Whether something was said in it: then it has its looks forever.
        is_stored: bool,
    },
    /// Change the facts of a room, which is made if new. Answered by `FactsChanged`. Whether the account may do
    /// so was decided before.
    ChangeFacts {
        /// Who asks.
        session: SessionId,
        /// The room.
        room: RoomName,
        /// The account that makes the change.
        by: AccountId,
        /// Which.
        change: Box<FactChange>,
    },
    /// A member of a room has read up to a number. Not answered; stored with others, within seconds.
    MoveRead {
        /// The room.
        room: RoomName,
        /// The member.
        account: AccountId,
        /// The number.
        read: Seq,
    },
    /// Have a room in memory, as its facts are to be stored once more. Not answered.
    LoadFacts {
        /// The room.
        room: RoomName,
    },
    /// What the old process knew. Members of a room are answered by `Event::Carried`.
    Carry(Box<Carried>),
}

/// What a session leaves when it ends on purpose.
#[derive(Clone, Debug)]
pub struct Leaving {
    /// Its rooms.
    pub rooms: Box<[RoomKey]>,
    /// Why it ends.
    pub reason: LeaveReason,
}

impl Leaving {
    /// Whether the home of the user's name is to pass it on: the rooms of a guest are asked at once.
    pub fn goes_by_home(&self, user: &UserName) -> bool {
        user.account().is_some() && self.reason != LeaveReason::Lost
    }

    /// What the rooms are asked. `is_gone` is whether the user is gone with this session.
    pub fn requests(
        self,
        session: SessionId,
        user: UserKey,
        is_gone: bool,
        at: Moment,
    ) -> impl Iterator<Item = Request> {
        let Leaving { rooms, reason } = self;
        let is_one = is_gone && reason != LeaveReason::Lost && rooms.len() > 1;
        let everywhere =
            is_one.then(|| Arc::new(Everywhere { session, renamed: None, at, rooms: rooms.clone() }));
        let reason = if is_gone { reason } else { LeaveReason::Left };
        rooms.into_iter().map(move |room| {
            let everywhere = everywhere.clone();
            Request::Leave { session, user, room, reason, everywhere }
        })
    }
}

/// Whether a room may have its looks.
#[derive(Clone, Debug)]
pub enum LooksAnswer {
    /// They are its own now.
    Taken,
    /// It could be taken for this room.
    LooksLike(RoomName),
    /// The looks of stored rooms could not be read, or too many ask.
    Unknown(&'static str),
}

/// Where a request is handled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Destination {
    /// On one shard.
    Home(ShardId),
    /// On every shard.
    Every,
}

impl Request {
    /// The room that this is about, if it goes to a room's home.
    pub fn room(&self) -> Option<RoomKey> {
        use Request as R;
        match self {
            R::SetAway { room, .. } => *room,
            R::Leave { room, .. }
            | R::Rename { room, .. }
            | R::Publish { room, .. }
            | R::Amend { room, .. }
            | R::Resume { room, .. }
            | R::History { room, .. } => Some(*room),
            R::PublishDirect { room, .. }
            | R::PublishAs { room, .. }
            | R::HistoryOf { room, .. }
            | R::Join { room, .. }
            | R::Who { room, .. }
            | R::Members { room, .. }
            | R::ChangeFacts { room, .. }
            | R::MoveRead { room, .. }
            | R::LoadFacts { room } => Some(room.key()),
            R::Carry(carried) => match &**carried {
                Carried::Members { room, .. } => Some(room.key()),
                _ => None,
            },
            _ => None,
        }
    }

    /// The session that asks, if one does.
    pub fn session(&self) -> Option<SessionId> {
        use Request as R;
        match self {
            R::Claim { session, .. }
            | R::Release { session, .. }
            | R::GiveUp { session, .. }
            | R::Whois { session, .. }
            | R::Whisper { session, .. }
            | R::PublishDirect { session, .. }
            | R::PublishAs { session, .. }
            | R::HistoryOf { session, .. }
            | R::Join { session, .. }
            | R::Leave { session, .. }
            | R::Rename { session, .. }
            | R::Publish { session, .. }
            | R::Amend { session, .. }
            | R::Resume { session, .. }
            | R::History { session, .. }
            | R::Who { session, .. }
            | R::Rooms { session, .. }
            | R::Members { session, .. }
            | R::RoomsInOrder { session, .. }
            | R::ChangeFacts { session, .. }
            | R::Admit { session, .. }
            | R::Discharge { session, .. } => Some(*session),
            R::SetAway { .. }
            | R::MoveRead { .. }
            | R::LoadFacts { .. }
            | R::WhisperMissed { .. }
            | R::TakeLooks { .. }
            | R::LooksAnswered { .. }
            | R::GiveLooks { .. }
            | R::Carry(_) => None,
        }
    }

    /// Whether it needs no place in the log, whatever follows from it.
    pub fn stores_nothing(&self) -> bool {
        use Request as R;
        let is_of_looks = matches!(self, R::TakeLooks { .. } | R::LooksAnswered { .. } | R::GiveLooks { .. });
        is_of_looks || matches!(self, R::Carry(_))
    }

    /// The shard that owns what this request is about.
    pub fn destination(&self, shard_count: u16) -> Destination {
        use Request as R;
        Destination::Home(match self {
            R::Claim { name, .. }
            | R::Release { name, .. }
            | R::GiveUp { name, .. }
            | R::Whois { name, .. } => name.home(shard_count),
            R::Whisper { from, copies_to: None, .. } if from.account().is_some() => from.home(shard_count),
            R::Whisper { to, .. } | R::WhisperMissed { to, .. } => to.home(shard_count),
            R::SetAway { user, room: None, .. } => user.home(shard_count),
            R::SetAway { room: Some(room), .. }
            | R::Leave { room, .. }
            | R::Rename { room, .. }
            | R::Publish { room, .. }
            | R::Amend { room, .. }
            | R::Resume { room, .. }
            | R::History { room, .. } => room.home(shard_count),
            R::PublishDirect { room, .. }
            | R::PublishAs { room, .. }
            | R::HistoryOf { room, .. }
            | R::Join { room, .. }
            | R::Who { room, .. }
            | R::Members { room, .. }
            | R::ChangeFacts { room, .. }
            | R::MoveRead { room, .. }
            | R::LoadFacts { room } => room.key().home(shard_count),
            R::Rooms { .. } | R::RoomsInOrder { .. } => return Destination::Every,
            R::TakeLooks { home, .. } | R::GiveLooks { home, .. } => home.home(shard_count),
            R::LooksAnswered { room, .. } => room.key().home(shard_count),
            R::Admit { address, .. } | R::Discharge { address, .. } => home_of(address, shard_count),
            R::Carry(carried) => match &**carried {
                Carried::User(user) => user.name.home(shard_count),
                Carried::Seen(seen) => seen.name.home(shard_count),
                Carried::Members { room, .. } => room.key().home(shard_count),
                Carried::Address(address) => home_of(address, shard_count),
            },
        })
    }
}

/// The shard that counts the connections of an address.
fn home_of(address: &IpAddr, shard_count: u16) -> ShardId {
    UserKey::of(&address.to_string()).home(shard_count)
}
