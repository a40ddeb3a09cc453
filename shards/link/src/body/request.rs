//! Requests of version 1.

use rkyv::with::AsString;
use rkyv::{Archive, Serialize};

/// The account of a person.
pub const USER_ACCOUNT: u8 = 1;
/// The account of a program.
pub const SERVICE_ACCOUNT: u8 = 2;

/// What a session of the edge asks.
#[derive(Archive, Serialize, Clone, Debug)]
pub enum RequestBody<'a> {
    /// A session begins.
    Open {
        /// Its number: above all before.
        session: u32,
        /// Where its user is, when it counts against that address.
        address: AddressBody,
    },
    /// A session ends.
    Close {
        /// Which.
        session: u32,
        /// Whether the user left on purpose.
        is_clean: bool,
    },
    /// To have a name.
    Claim {
        /// Who asks.
        session: u32,
        /// The name.
        #[rkyv(with = AsString)]
        name: &'a str,
    },
    /// To be away or back.
    SetAway {
        /// Who.
        session: u32,
        /// Whether away.
        is_away: bool,
        /// The away text, for users who whisper.
        #[rkyv(with = AsString)]
        text: &'a str,
    },
    /// What is known of a user.
    Whois {
        /// Who asks.
        session: u32,
        /// About whom.
        #[rkyv(with = AsString)]
        name: &'a str,
    },
    /// To say something to a user.
    Whisper {
        /// Who asks.
        session: u32,
        /// The reader.
        #[rkyv(with = AsString)]
        to: &'a str,
        /// The author's own id of it.
        #[rkyv(with = AsString)]
        draft: &'a str,
        /// What is said.
        #[rkyv(with = AsString)]
        text: &'a str,
    },
    /// To enter a room.
    Join {
        /// Who asks.
        session: u32,
        /// The room.
        #[rkyv(with = AsString)]
        room: &'a str,
    },
    /// To leave a room.
    Leave {
        /// Who asks.
        session: u32,
        /// The room.
        #[rkyv(with = AsString)]
        room: &'a str,
    },
    /// To say something in a room.
    Publish {
        /// Who asks.
        session: u32,
        /// The room.
        #[rkyv(with = AsString)]
        room: &'a str,
        /// The author's own id of it.
        #[rkyv(with = AsString)]
        draft: &'a str,
        /// What is said.
        #[rkyv(with = AsString)]
        text: &'a str,
    },
    /// Stored messages.
    History {
        /// Who asks.
        session: u32,
        /// The room.
        #[rkyv(with = AsString)]
        room: &'a str,
        /// Which messages.
        page: PageBody,
    },
    /// Who is in a room.
    Who {
        /// Who asks.
        session: u32,
        /// The room.
        #[rkyv(with = AsString)]
        room: &'a str,
    },
    /// Which rooms there are.
    Rooms {
        /// Who asks.
        session: u32,
        /// What their names contain.
        #[rkyv(with = AsString)]
        pattern: &'a str,
    },
    /// To change the facts of a room.
    ChangeFacts {
        /// Who asks.
        session: u32,
        /// The room.
        #[rkyv(with = AsString)]
        room: &'a str,
        /// The change and who makes it, coded as in the log: that coding has a version of its own.
        change: Vec<u8>,
    },
    /// A member has read up to a number.
    MoveRead {
        /// Who asks.
        session: u32,
        /// The room.
        #[rkyv(with = AsString)]
        room: &'a str,
        /// The member's account.
        account: u64,
        /// The number.
        read: u64,
    },
    /// To have a name as one session of an account.
    ClaimAs {
        /// Who asks.
        session: u32,
        /// The name.
        #[rkyv(with = AsString)]
        name: &'a str,
        /// [`USER_ACCOUNT`] or [`SERVICE_ACCOUNT`].
        kind: u8,
        /// The account's id.
        id: u64,
    },
    /// A page of the members of a room.
    Members {
        /// Who asks.
        session: u32,
        /// The room.
        #[rkyv(with = AsString)]
        room: &'a str,
        /// Where the page begins, as the text of a cursor; empty is at the beginning.
        cursor: Vec<u8>,
        /// How many.
        count: u32,
    },
    /// A page of all rooms.
    RoomsInOrder {
        /// Who asks.
        session: u32,
        /// What their names contain.
        #[rkyv(with = AsString)]
        pattern: &'a str,
        /// Where the page begins, as the text of a cursor; empty is at the beginning.
        cursor: Vec<u8>,
        /// How many.
        count: u32,
    },
    /// To change a message, or the room.
    Amend {
        /// What is to change.
        kind: AmendKindBody,
        /// Who asks.
        session: u32,
        /// The room.
        #[rkyv(with = AsString)]
        room: &'a str,
        /// The author's own id of it.
        #[rkyv(with = AsString)]
        draft: &'a str,
        /// The text, the reaction or the topic, if it has one.
        #[rkyv(with = AsString)]
        text: &'a str,
        /// The message; 0 where it is about the room.
        target: u64,
    },
    /// Everything after a number.
    Resume {
        /// Who asks.
        session: u32,
        /// The room.
        #[rkyv(with = AsString)]
        room: &'a str,
        /// The number.
        after: u64,
        /// How many entries.
        count: u32,
    },
    /// To say something as an account.
    PublishAs {
        /// Who asks.
        session: u32,
        /// The room.
        #[rkyv(with = AsString)]
        room: &'a str,
        /// The account, apart from the rest, so that no request is longer for this one.
        author: Box<AccountBody<'a>>,
        /// The author's own id of it.
        #[rkyv(with = AsString)]
        draft: &'a str,
        /// What is said.
        #[rkyv(with = AsString)]
        text: &'a str,
    },
    /// Stored messages of a room that one need not be in.
    HistoryOf {
        /// Who asks.
        session: u32,
        /// The room.
        #[rkyv(with = AsString)]
        room: &'a str,
        /// Which messages.
        page: PageBody,
    },
}

/// An account and its name.
#[derive(Archive, Serialize, Clone, Copy, Debug)]
pub struct AccountBody<'a> {
    /// The name.
    #[rkyv(with = AsString)]
    pub name: &'a str,
    /// [`USER_ACCOUNT`] or [`SERVICE_ACCOUNT`].
    pub kind: u8,
    /// Its id.
    pub id: u64,
}

/// What is to change.
#[derive(Archive, Serialize, Clone, Copy, Debug)]
pub enum AmendKindBody {
    /// The text of a message.
    Edit,
    /// A message is to be deleted.
    Delete,
    /// A reaction is added.
    React,
    /// A reaction is taken back.
    Unreact,
    /// A message is to be pinned.
    Pin,
    /// It is no longer to be pinned.
    Unpin,
    /// The topic of the room.
    Topic,
}

/// Where a user is.
#[derive(Archive, Serialize, Clone, Copy, Debug)]
pub enum AddressBody {
    /// It does not matter.
    None,
    /// An IPv4 address.
    V4([u8; 4]),
    /// An IPv6 address.
    V6([u8; 16]),
}

/// Which stored messages.
#[derive(Archive, Serialize, Clone, Copy, Debug)]
pub enum PageBody {
    /// The newest.
    Last {
        /// How many.
        count: u32,
    },
    /// The newest below a number.
    Before {
        /// The number.
        seq: u64,
        /// How many.
        count: u32,
    },
    /// The oldest above a number.
    After {
        /// The number.
        seq: u64,
        /// How many.
        count: u32,
    },
    /// Those around a number.
    Around {
        /// The number.
        seq: u64,
        /// How many.
        count: u32,
    },
    /// The oldest since a time.
    Since {
        /// The time, in microseconds since 1970.
        time_us: i64,
        /// How many.
        count: u32,
    },
    /// The newest before a time.
    Until {
        /// The time, in microseconds since 1970.
        time_us: i64,
        /// How many.
        count: u32,
    },
}
