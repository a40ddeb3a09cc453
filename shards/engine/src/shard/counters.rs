//! What happened on a shard, counted.
//!
//! Plain numbers of one thread: the runtime copies them to where others read them once a second.

use madang_model::Refusal;
use madang_model::connection::{CloseReason, ProtocolReason};

/// Totals since the start, and gauges of the last turn.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections that have a name now.
    pub sessions: u64,
    /// Messages accepted by rooms whose home is here.
    pub messages: u64,
    /// Changes of the facts of rooms whose home is here.
    pub facts_changes: u64,
    /// Rooms whose facts were stored once more, as a segment is to expire.
    pub facts_renewed: u64,
    /// Copies of messages put into outboxes here.
    pub deliveries: u64,
    /// Bytes that the kernel took of outboxes.
    pub sent_bytes: u64,
    /// Connections cut off because they did not read.
    pub slow_readers: u64,
    /// Connections cut off because all outboxes together were full.
    pub outbox_budget_cuts: u64,
    /// Farewells that were said before the homes had taken everything back, as the time was over.
    pub hasty_farewells: u64,
    /// Requests that homes here refused, of any kind.
    pub refusals: u64,
    /// What connections here were refused, by [`RefusalKind`].
    pub refused: [u64; RefusalKind::COUNT],
    /// Connections that ended here, by [`CloseKind`].
    pub closed: [u64; CloseKind::COUNT],
    /// Those that ended for a reason of their protocol, by [`ProtocolReason::place`].
    pub closed_by_protocol: [u64; ProtocolReason::COUNT_MAX],
    /// Drafts that rooms forgot before their time, as there were too many.
    pub drafts_forgotten_early: u64,
    /// Entries that wait because other shards' channels are full.
    pub mesh_overflow_entries: u64,
}

/// Declares an enum whose variants have a place in a table, and a name there.
macro_rules! kinds {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $name { $($(#[$variant_meta])* $variant,)+ }

        impl $name {
            /// The names, each at its place.
            pub const NAMES: &'static [&'static str] = &[$($word),+];
            /// How many there are.
            pub const COUNT: usize = Self::NAMES.len();

            /// Its name.
            pub fn name(self) -> &'static str {
                Self::NAMES[self as usize]
            }
        }
    };
}

kinds! {
    /// Why something was refused, without what it was.
    RefusalKind {
        /// The name is in use.
        NameTaken = "name_taken",
        /// The name is a look-alike of one in use.
        NameConfusable = "name_confusable",
        /// The name of a new room is a look-alike of another room's.
        RoomConfusable = "room_confusable",
        /// Whether a room may be made is not known at this moment.
        RoomNotMade = "room_not_made",
        /// Nobody of that name is or was here.
        NoSuchUser = "no_such_user",
        /// The user is not here now.
        UserOffline = "user_offline",
        /// There is no such room.
        NoSuchRoom = "no_such_room",
        /// The room is full.
        RoomFull = "room_full",
        /// The name of a room meets another's key.
        RoomNameCollides = "room_name_collides",
        /// Only members may do that.
        NotMember = "not_member",
        /// Nothing can be stored.
        NotStored = "not_stored",
        /// Too many connections from one address.
        TooManyFromAddress = "too_many_from_address",
        /// A draft that is stored already.
        DraftRepeated = "draft_repeated",
        /// There is no such message.
        NoSuchMessage = "no_such_message",
        /// The message is another's.
        NotYours = "not_yours",
        /// Nothing would change.
        NothingChanges = "nothing_changes",
        /// A draft that may be stored, too long ago to be looked for.
        DraftTooOld = "draft_too_old",
        /// The account has all the sessions that it may have.
        TooManySessions = "too_many_sessions",
        /// A guest neither edits nor deletes.
        AccountNeeded = "account_needed",
        /// More messages than the rate allows.
        TooFast = "too_fast",
    }
}

kinds! {
    /// Why a connection ended, without the words.
    CloseKind {
        /// The user asked for it.
        Quit = "quit",
        /// Its outbox passed the bound.
        SlowReader = "slow_reader",
        /// It said no name in time.
        LoginTimeout = "login_timeout",
        /// Too many connections from its address.
        TooManyFromAddress = "too_many_from_address",
        /// The operator ended it.
        Kicked = "kicked",
        /// The server stops.
        GoingDown = "going_down",
        /// It could not be handed to the new process.
        NotCarried = "not_carried",
        /// The peer is gone.
        Lost = "lost",
    }
}

impl From<&Refusal> for RefusalKind {
    fn from(refusal: &Refusal) -> RefusalKind {
        match refusal {
            Refusal::NameTaken { .. } => RefusalKind::NameTaken,
            Refusal::NameConfusable { .. } => RefusalKind::NameConfusable,
            Refusal::RoomConfusable { .. } => RefusalKind::RoomConfusable,
            Refusal::RoomNotMade { .. } => RefusalKind::RoomNotMade,
            Refusal::NoSuchUser { .. } => RefusalKind::NoSuchUser,
            Refusal::UserOffline { .. } => RefusalKind::UserOffline,
            Refusal::NoSuchRoom { .. } => RefusalKind::NoSuchRoom,
            Refusal::RoomFull { .. } => RefusalKind::RoomFull,
            Refusal::RoomNameCollides { .. } => RefusalKind::RoomNameCollides,
            Refusal::NotMember { .. } => RefusalKind::NotMember,
            Refusal::NotStored { .. } => RefusalKind::NotStored,
            Refusal::TooManyFromAddress { .. } => RefusalKind::TooManyFromAddress,
            Refusal::DraftRepeated { .. } => RefusalKind::DraftRepeated,
            Refusal::NoSuchMessage { .. } => RefusalKind::NoSuchMessage,
            Refusal::NotYours { .. } => RefusalKind::NotYours,
            Refusal::NothingChanges { .. } => RefusalKind::NothingChanges,
            Refusal::DraftTooOld { .. } => RefusalKind::DraftTooOld,
            Refusal::TooManySessions { .. } => RefusalKind::TooManySessions,
            Refusal::AccountNeeded { .. } => RefusalKind::AccountNeeded,
        }
    }
}

impl Counters {
    /// A connection here was refused something.
    pub fn refuse(&mut self, kind: RefusalKind) {
        self.refused[kind as usize] += 1;
    }

    /// A connection here has ended. Its reason's name, by which it is counted.
    pub fn close(&mut self, reason: &CloseReason) -> &'static str {
        let kind = match reason {
            CloseReason::Quit => CloseKind::Quit,
            CloseReason::SlowReader { .. } => CloseKind::SlowReader,
            CloseReason::LoginTimeout { .. } => CloseKind::LoginTimeout,
            CloseReason::Protocol(reason) => {
                self.closed_by_protocol[reason.place()] += 1;
                return reason.name();
            }
            CloseReason::TooManyFromAddress { .. } => CloseKind::TooManyFromAddress,
            CloseReason::Kicked { .. } => CloseKind::Kicked,
            CloseReason::GoingDown => CloseKind::GoingDown,
            CloseReason::NotCarried => CloseKind::NotCarried,
            CloseReason::Lost => CloseKind::Lost,
        };
        self.closed[kind as usize] += 1;
        kind.name()
    }
}
