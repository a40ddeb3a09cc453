//! Refusals of version 1.

use rkyv::with::AsString;
use rkyv::{Archive, Serialize};

/// Why something was refused.
#[derive(Archive, Serialize, Clone, Copy, Debug)]
pub enum RefusalBody<'a> {
    /// The name is in use.
    NameTaken {
        /// Which.
        #[rkyv(with = AsString)]
        name: &'a str,
    },
    /// The name looks like one in use.
    NameConfusable {
        /// The name wanted.
        #[rkyv(with = AsString)]
        name: &'a str,
        /// The name in use.
        #[rkyv(with = AsString)]
        with: &'a str,
    },
    /// The room's name looks like another's.
    RoomConfusable {
        /// The room wanted.
        #[rkyv(with = AsString)]
        room: &'a str,
        /// The room that is there.
        #[rkyv(with = AsString)]
        with: &'a str,
    },
    /// Whether a room may be made is not known.
    RoomNotMade {
        /// The room wanted.
        #[rkyv(with = AsString)]
        room: &'a str,
        /// Why not.
        #[rkyv(with = AsString)]
        reason: &'a str,
    },
    /// No user of that name is or was here.
    NoSuchUser {
        /// Which.
        #[rkyv(with = AsString)]
        name: &'a str,
    },
    /// The user was here, and is not now.
    UserOffline {
        /// Who.
        #[rkyv(with = AsString)]
        name: &'a str,
        /// Since when, in microseconds since the Unix epoch.
        since_us: i64,
    },
    /// There is no such room.
    NoSuchRoom {
        /// Which.
        #[rkyv(with = AsString)]
        room: &'a str,
    },
    /// The room is full.
    RoomFull {
        /// Which.
        #[rkyv(with = AsString)]
        room: &'a str,
        /// How many members it may have.
        members_max: u32,
    },
    /// Another room has the same key.
    RoomNameCollides {
        /// Which.
        #[rkyv(with = AsString)]
        room: &'a str,
    },
    /// Only members may do that.
    NotMember {
        /// Of which room; empty when it is not known.
        #[rkyv(with = AsString)]
        room: &'a str,
    },
    /// Nothing can be stored.
    NotStored {
        /// Why.
        #[rkyv(with = AsString)]
        reason: &'a str,
    },
    /// Too many connections from one address.
    TooManyFromAddress {
        /// How many there may be.
        connections_max: u32,
    },
    /// The draft is stored already.
    DraftRepeated {
        /// Its number.
        seq: u64,
        /// Its id.
        #[rkyv(with = AsString)]
        draft: &'a str,
    },
    /// The draft may be stored, too long ago to be looked for.
    DraftTooOld {
        /// Its id.
        #[rkyv(with = AsString)]
        draft: &'a str,
    },
    /// The account has all its sessions.
    TooManySessions {
        /// Its name.
        #[rkyv(with = AsString)]
        name: &'a str,
        /// How many there may be.
        sessions_max: u32,
    },
    /// There is no such message, or it was deleted.
    NoSuchMessage {
        /// Its number.
        seq: u64,
    },
    /// Only its author may do that.
    NotYours {
        /// The message.
        seq: u64,
    },
    /// Nothing of the message would change.
    NothingChanges {
        /// The message.
        seq: u64,
    },
    /// A guest neither edits nor deletes.
    AccountNeeded {
        /// The message.
        seq: u64,
    },
}
