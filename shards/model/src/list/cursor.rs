//! Where a list goes on, as a client keeps it.

use super::super::epoch::LogEpoch;
use super::super::id::{RoomKey, UserKey};
use siphasher::sip::SipHasher24;
use std::fmt;
use std::hash::Hasher;

/// The key of the hash that names patterns, and of the one over a cursor. Neither keeps a secret: a cursor gives
/// nobody anything that cannot be asked for without.
const HASH_KEY: [u8; 16] = *b"madang/list/mark";
/// The first character of the text: the version.
const VERSION: &str = "1";
/// Digits of the hash over the rest.
const MARK_DIGITS: usize = 8;

/// Where a list goes on: behind a member of one room, or behind a room among those that match one pattern.
///
/// To clients it is a text without a meaning. It holds for one [epoch](LogEpoch), and, as keys never change, over
/// restarts, upgrades and changed numbers of shards; nothing is kept for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor {
    epoch: LogEpoch,
    list: ListKind,
    /// Which list of its kind.
    of: u64,
    after: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ListKind {
    Members,
    Rooms,
}

impl ListKind {
    const ALL: [ListKind; 2] = [ListKind::Members, ListKind::Rooms];

    fn letter(self) -> &'static str {
        match self {
            ListKind::Members => "m",
            ListKind::Rooms => "r",
        }
    }
}

/// Why a cursor cannot be used. Begin with the first page again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CursorFault {
    /// No text of a cursor.
    #[error("this is no cursor that the server has given; ask for the first page, without one")]
    Unreadable,
    /// It was given for another room, or another search.
    #[error(
        "the cursor is of another list; use it where it was given, or ask for the first page, without one"
    )]
    OtherList,
    /// It was given before an older copy of the log was restored.
    #[error(
        "the cursor is older than a restore of the server's messages (epoch {epoch}); ask for the first page, without one"
    )]
    OtherEpoch {
        /// The epoch that it was given in.
        epoch: LogEpoch,
    },
}

impl Cursor {
    /// Characters of its text.
    pub const CHARS: usize = 74;

    /// Behind a member of a room.
    pub fn of_members(epoch: LogEpoch, room: RoomKey, after: UserKey) -> Cursor {
        Cursor { epoch, list: ListKind::Members, of: room.to_bits(), after: after.to_bits() }
    }

    /// Behind a room, among those whose name contains the pattern.
    pub fn of_rooms(epoch: LogEpoch, pattern: &str, after: RoomKey) -> Cursor {
        Cursor { epoch, list: ListKind::Rooms, of: hash(pattern.as_bytes()), after: after.to_bits() }
    }

    /// Reads what [`Display`](fmt::Display) writes.
    ///
    /// # Errors
    /// [`CursorFault::Unreadable`] for anything else.
    pub fn parse(text: &str) -> Result<Cursor, CursorFault> {
        Cursor::read(text).filter(|cursor| cursor.to_string() == text).ok_or(CursorFault::Unreadable)
    }

    /// Its parts, where the text has them.
    fn read(text: &str) -> Option<Cursor> {
        let rest = text.strip_prefix(VERSION)?;
        let list = ListKind::ALL.into_iter().find(|list| rest.starts_with(list.letter()))?;
        let number = |digits: &str| u64::from_str_radix(digits, 16).ok();
        let epoch = LogEpoch::parse(rest.get(1..33)?)?;
        Some(Cursor { epoch, list, of: number(rest.get(33..49)?)?, after: number(rest.get(49..65)?)? })
    }

    /// The member behind whom the list of this room goes on.
    ///
    /// # Errors
    /// [`CursorFault`] when the cursor is of another epoch or list.
    pub fn member(self, epoch: LogEpoch, room: RoomKey) -> Result<UserKey, CursorFault> {
        self.check(Cursor::of_members(epoch, room, UserKey::from_bits(self.after)))?;
        Ok(UserKey::from_bits(self.after))
    }

    /// The room behind which the list of rooms that match this pattern goes on.
    ///
    /// # Errors
    /// [`CursorFault`] when the cursor is of another epoch or list.
    pub fn room(self, epoch: LogEpoch, pattern: &str) -> Result<RoomKey, CursorFault> {
        self.check(Cursor::of_rooms(epoch, pattern, RoomKey::from_bits(self.after)))?;
        Ok(RoomKey::from_bits(self.after))
    }

    fn check(self, expected: Cursor) -> Result<(), CursorFault> {
        if self.epoch != expected.epoch {
            return Err(CursorFault::OtherEpoch { epoch: self.epoch });
        }
        if self != expected {
            return Err(CursorFault::OtherList);
        }
        Ok(())
    }
}

impl fmt::Display for Cursor {
    /// [`Cursor::CHARS`] letters and digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cursor { epoch, list, of, after } = self;
        let parts = format!("{VERSION}{}{epoch}{of:016x}{after:016x}", list.letter());
        let mark = format!("{:016x}", hash(parts.as_bytes()));
        write!(f, "{parts}{}", &mark[..MARK_DIGITS])
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher24::new_with_key(&HASH_KEY);
    hasher.write(bytes);
    hasher.finish()
}
