//! The head of a record: what a reader of any index needs, and what stays when the rest is erased.
//!
//! It precedes the record's body and is no part of its archive. Little-endian; it ends at a multiple of 8:
//!
//! | Bytes | Field |
//! |---|---|
//! | 0 | kind |
//! | 1 | version of the body |
//! | 2 | flags: 1 erased, 4 a draft hash follows, 8 a count of amendments follows, 16 a target follows; the others are 0 |
//! | 3 | kind of the author |
//! | 4–5 | length of the room's name in bytes |
//! | 6–7 | 0 |
//! | 8–15 | number: of an entry in its room, else as its kind says |
//! | 16–23 | time: microseconds since the Unix epoch |
//! | 24–31 | id of the author |
//! | … | draft hash, count of amendments, target: 8 each, where flagged |
//! | … | the room's name, then zeros |
//!
//! Of an erased record the head is all that is left: its body has the length that it had, and is zeros.

use madang_model::{AccountKind, DraftId, Identity, UserKey};
use siphasher::sip::SipHasher24;
use std::hash::{Hash, Hasher};

/// Bytes of the fixed part.
const FIXED_BYTES: usize = 32;
/// Heads end at multiples of this, and bodies begin there, aligned for use in place.
pub const HEAD_ALIGN_BYTES: usize = 8;
const IS_ERASED: u8 = 1;
const HAS_DRAFT_HASH: u8 = 4;
const HAS_AMENDMENTS: u8 = 8;
const HAS_TARGET: u8 = 16;
/// The key of the hash of drafts. It is part of the file format: never change it.
const DRAFT_HASH_KEY: [u8; 16] = *b"madang/drafthash";
/// The same for the hash of authors.
const AUTHOR_HASH_KEY: [u8; 16] = *b"madang/author...";

/// What a record is. One place decides what each kind means: [`StoredRecord::read`](super::StoredRecord::read).
///
/// A number is never used for anything else. A program that meets one that it does not know reports the frame as
/// unreadable, so a new kind raises [`FORMAT_VERSION`](super::FORMAT_VERSION), which is checked first. Entries of a room's
/// one numbering are below 64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RecordKind {
    /// Something was said.
    Message = 1,
    /// A message has another text.
    Edit = 2,
    /// A message is no longer to be seen.
    Deletion = 3,
    /// How many reacted to messages, and how.
    Reactions = 4,
    /// A message is pinned.
    Pin = 5,
    /// The room has another topic.
    Topic = 6,
    /// A message is no longer pinned.
    Unpin = 7,
    /// A change of the facts of a room, numbered by their revision.
    Facts = 64,
    /// A part of all facts of a room at a revision.
    FactsCheckpoint = 65,
    /// How far members of a room have read, at a revision.
    ReadPositions = 66,
    /// The segment is finished.
    Seal = 128,
    /// An earlier segment failed before its end.
    Abandoned = 129,
    /// Messages that were stored are gone for good.
    Lost = 130,
}

impl RecordKind {
    /// All of them.
    pub const ALL: [RecordKind; 13] = [
        RecordKind::Message,
        RecordKind::Edit,
        RecordKind::Deletion,
        RecordKind::Reactions,
        RecordKind::Pin,
        RecordKind::Topic,
        RecordKind::Unpin,
        RecordKind::Facts,
        RecordKind::FactsCheckpoint,
        RecordKind::ReadPositions,
        RecordKind::Seal,
        RecordKind::Abandoned,
        RecordKind::Lost,
    ];

    /// Whether it is an entry: it has a number in its room.
    pub fn is_entry(self) -> bool {
        (self as u8) < RecordKind::Facts as u8
    }

    /// Whether the log keeps it for itself.
    pub fn is_note(self) -> bool {
        self as u8 >= RecordKind::Seal as u8
    }

    /// The kind of entry with this number, if there is one.
    pub fn of_entry(number: u8) -> Option<RecordKind> {
        RecordKind::of_number(number).filter(|kind| kind.is_entry())
    }

    pub(super) fn of_number(number: u8) -> Option<RecordKind> {
        RecordKind::ALL.into_iter().find(|kind| *kind as u8 == number)
    }
}

/// What an author is. A number is never used for anything else.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum AuthorKind {
    /// There is none, or format 2 wrote the record, which knew names alone.
    #[default]
    None = 0,
    /// A name that is held while its user is connected. It has no id.
    Guest = 1,
    /// An account, by its id.
    Account = 2,
    /// A program with a key, by its id.
    Service = 3,
}

impl AuthorKind {
    /// All of them.
    pub const ALL: [AuthorKind; 4] =
        [AuthorKind::None, AuthorKind::Guest, AuthorKind::Account, AuthorKind::Service];

    /// Its name; `None` where there is no author, or format 2 knew no kind.
    pub fn name(self) -> Option<&'static str> {
        match self {
            AuthorKind::None => None,
            AuthorKind::Guest => Some("guest"),
            AuthorKind::Account => Some("account"),
            AuthorKind::Service => Some("service"),
        }
    }

    fn of_number(number: u8) -> Option<AuthorKind> {
        AuthorKind::ALL.into_iter().find(|kind| *kind as u8 == number)
    }
}

/// The head of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordHead<'a> {
    pub kind: RecordKind,
    /// The version of the body.
    pub version: u8,
    /// Whether the body was erased.
    pub is_erased: bool,
    pub author_kind: AuthorKind,
    /// 0 is none.
    pub author_id: u64,
    pub number: u64,
    pub time_us: i64,
    /// The author's draft, hashed: 0 is none.
    pub draft_hash: u64,
    /// How many of the room's entries before this are no messages.
    pub amendments_before: u64,
    /// The number of the message that the entry is about: 0 is none.
    pub target: u64,
    /// The room's name as shown; empty is none.
    pub room: &'a str,
}

impl<'a> RecordHead<'a> {
    /// Of a record that the log keeps for itself.
    pub fn of_note(kind: RecordKind) -> RecordHead<'static> {
        RecordHead {
            kind,
            version: 1,
            is_erased: false,
            author_kind: AuthorKind::None,
            author_id: 0,
            number: 0,
            time_us: 0,
            draft_hash: 0,
            amendments_before: 0,
            target: 0,
            room: "",
        }
    }

    /// Appends it. Returns how many units of [`HEAD_ALIGN_BYTES`] it has.
    ///
    /// # Panics
    /// When the room's name is longer than names are.
    pub fn push(&self, bytes: &mut Vec<u8>) -> u8 {
        let start = bytes.len();
        let name_bytes = u16::try_from(self.room.len()).expect("names are short");
        let mut fixed = [0; FIXED_BYTES];
        fixed[0] = self.kind as u8;
        fixed[1] = self.version;
        fixed[2] = if self.is_erased { IS_ERASED } else { 0 }
            | if self.draft_hash == 0 { 0 } else { HAS_DRAFT_HASH }
            | if self.amendments_before == 0 { 0 } else { HAS_AMENDMENTS }
            | if self.target == 0 { 0 } else { HAS_TARGET };
        fixed[3] = self.author_kind as u8;
        fixed[4..6].copy_from_slice(&name_bytes.to_le_bytes());
        fixed[8..16].copy_from_slice(&self.number.to_le_bytes());
        fixed[16..24].copy_from_slice(&self.time_us.to_le_bytes());
        fixed[24..].copy_from_slice(&self.author_id.to_le_bytes());
        bytes.extend_from_slice(&fixed);
        for field in [self.draft_hash, self.amendments_before, self.target] {
            if field != 0 {
                bytes.extend_from_slice(&field.to_le_bytes());
            }
        }
        bytes.extend_from_slice(self.room.as_bytes());
        let length = (bytes.len() - start).next_multiple_of(HEAD_ALIGN_BYTES);
        bytes.resize(start + length, 0);
        u8::try_from(length / HEAD_ALIGN_BYTES).expect("heads with names are short")
    }

    /// Reads one that fills `bytes`; `None` when this program cannot, or would not have written it.
    pub fn read(bytes: &'a [u8]) -> Option<RecordHead<'a>> {
        let (fixed, mut rest) = bytes.split_first_chunk::<FIXED_BYTES>()?;
        let field = |at: usize| fixed[at..].first_chunk::<8>().copied().map(u64::from_le_bytes);
        let (flags, mut fields) = (fixed[2], [0; 3]);
        if flags & !(IS_ERASED | HAS_DRAFT_HASH | HAS_AMENDMENTS | HAS_TARGET) != 0 || fixed[6..8] != [0; 2] {
            return None;
        }
        for (flag, field) in [HAS_DRAFT_HASH, HAS_AMENDMENTS, HAS_TARGET].into_iter().zip(&mut fields) {
            if flags & flag != 0 {
                let (found, after) = rest.split_first_chunk::<8>()?;
                *field = Some(u64::from_le_bytes(*found)).filter(|value| *value != 0)?;
                rest = after;
            }
        }
        let (name, padding) = rest.split_at_checked(usize::from(u16::from_le_bytes([fixed[4], fixed[5]])))?;
        if padding.len() >= HEAD_ALIGN_BYTES || padding.iter().any(|byte| *byte != 0) {
            return None;
        }
        Some(RecordHead {
            kind: RecordKind::of_number(fixed[0])?,
            version: fixed[1],
            is_erased: flags & IS_ERASED != 0,
            author_kind: AuthorKind::of_number(fixed[3])?,
            author_id: field(24)?,
            number: field(8)?,
            time_us: field(16)?.cast_signed(),
            draft_hash: fields[0],
            amendments_before: fields[1],
            target: fields[2],
            room: std::str::from_utf8(name).ok()?,
        })
    }
}

/// An author's draft as a number, which stays when the draft and the author's name are erased: a draft that comes again
/// after that is still known. Not 0.
pub fn draft_hash(author: (AuthorKind, u64), name: UserKey, draft: &DraftId) -> u64 {
    let (kind, id) = author;
    let mut hasher = SipHasher24::new_with_key(&DRAFT_HASH_KEY);
    hasher.write_u8(kind as u8);
    hasher.write_u64(id);
    // A guest is its name, however it is written; of others the name may change.
    if matches!(kind, AuthorKind::None | AuthorKind::Guest) {
        name.hash(&mut hasher);
    }
    hasher.write(draft.as_str().as_bytes());
    hasher.finish().max(1)
}

/// An author as a number, which indexes tell. Not 0.
pub fn author_hash(author: (AuthorKind, u64), name: UserKey) -> u64 {
    let (kind, id) = author;
    let mut hasher = SipHasher24::new_with_key(&AUTHOR_HASH_KEY);
    match kind {
        // A guest is its name, whose key is a keyed hash already.
        AuthorKind::None | AuthorKind::Guest => {
            let mut bits = KeyBits(0);
            name.hash(&mut bits);
            return bits.0.max(1);
        }
        AuthorKind::Account | AuthorKind::Service => {
            hasher.write_u8(kind as u8);
            hasher.write_u64(id);
        }
    }
    hasher.finish().max(1)
}

/// A hasher that hands out what it was given: a key does not show its number in another way.
struct KeyBits(u64);

impl Hasher for KeyBits {
    fn write_u64(&mut self, bits: u64) {
        self.0 = bits;
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("a user's key is one number, and is hashed as one");
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Author's draft and time in the head of a whole frame of this format, if its parts are there.
pub fn draft_and_time_of(head: &[u8]) -> Option<(u64, i64)> {
    let time_us = i64::from_le_bytes(*head.get(16..24)?.first_chunk()?);
    let draft = match head[2] & HAS_DRAFT_HASH {
        0 => 0,
        _ => u64::from_le_bytes(*head.get(FIXED_BYTES..)?.first_chunk()?),
    };
    Some((draft, time_us))
}

/// An author as heads have it: kind and id.
pub fn author_of(identity: Identity) -> (AuthorKind, u64) {
    match identity.account() {
        None => (AuthorKind::Guest, 0),
        Some(account) => match account.kind() {
            AccountKind::User => (AuthorKind::Account, account.id().0),
            AccountKind::Service => (AuthorKind::Service, account.id().0),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(room: &str) -> RecordHead<'_> {
        RecordHead {
            kind: RecordKind::Message,
            version: 1,
            is_erased: false,
            author_kind: AuthorKind::Account,
            author_id: 0x0102_0304_0506_0708,
            number: 41,
            time_us: -5,
            draft_hash: 0,
            amendments_before: 0,
            target: 0,
            room,
        }
    }

    #[test]
    fn a_head_is_read_as_it_was_written() {
        let long = "\u{20000}".repeat(32) + "&" + &"\u{20001}".repeat(32);
        for room in ["", "r1", "r1234567", "마당", &long] {
            for (draft_hash, amendments_before, target) in
                [(0, 0, 0), (7, 0, 0), (0, 9, 0), (0, 0, 5), (u64::MAX, u64::MAX, u64::MAX)]
            {
                let is_erased = target == 5;
                let head = RecordHead { is_erased, draft_hash, amendments_before, target, ..head(room) };
                let mut bytes = vec![0xee; 8];
                let units = head.push(&mut bytes);
                assert_eq!(usize::from(units) * HEAD_ALIGN_BYTES, bytes.len() - 8);
                assert_eq!(RecordHead::read(&bytes[8..]), Some(head));
                for end in 8..bytes.len() {
                    let cut = RecordHead::read(&bytes[8..end]);
                    assert!(
                        cut.is_none_or(|cut| cut == head),
                        "{end} bytes of it, and only zeros are left out"
                    );
                }
            }
        }
    }

    #[test]
    fn each_kind_has_its_number() {
        let numbers = RecordKind::ALL.map(|kind| kind as u8);
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 64, 65, 66, 128, 129, 130]);
        assert!(RecordKind::ALL.iter().all(|kind| RecordKind::of_number(*kind as u8) == Some(*kind)));
    }

    #[test]
    fn what_no_program_of_this_version_writes_is_none() {
        let mut bytes = Vec::new();
        head("r1").push(&mut bytes);
        for (at, wrong) in
            [(0, 63), (0, 200), (2, 2), (2, 16), (2, 32), (3, 4), (4, 9), (5, 1), (6, 1), (7, 1)]
        {
            let mut changed = bytes.clone();
            changed[at] = wrong;
            assert_eq!(RecordHead::read(&changed), None, "{wrong} at {at}");
        }
        bytes[32] = 0xff;
        assert_eq!(RecordHead::read(&bytes), None, "a name that is no UTF-8");
    }

    /// Part of the file format: a changed hash would store repeated drafts again.
    #[test]
    fn hashes_of_drafts_are_stable_across_releases() {
        let draft = DraftId::parse("draft-1").expect("a draft id");
        let hash = |kind, id, name| draft_hash((kind, id), UserKey::of(name), &draft);
        assert_eq!(hash(AuthorKind::Guest, 0, "alice"), OF_ALICE);
        assert_eq!(hash(AuthorKind::Account, 7, "alice"), hash(AuthorKind::Account, 7, "renamed"));
        assert_ne!(hash(AuthorKind::Guest, 0, "alice"), hash(AuthorKind::Guest, 0, "bob"));
        assert_ne!(hash(AuthorKind::Account, 7, ""), hash(AuthorKind::Service, 7, ""));
    }

    const OF_ALICE: u64 = 11_424_334_165_574_777_394;
}
