//! What is said, once it is accepted.

use super::id::Seq;
use super::name::{RoomName, UserName};
use super::text::Text;
use super::time::Timestamp;
use std::fmt;

/// The longest draft id, in bytes.
pub const DRAFT_ID_BYTES_MAX: usize = 64;

/// An author's own name for a draft, so that a repeated send is stored once.
/// 1 to 64 printable ASCII bytes without a space.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct DraftId(Box<str>);

impl DraftId {
    /// Checks a draft id; `None` when it is empty, too long or not printable ASCII.
    pub fn parse(raw: &str) -> Option<DraftId> {
        let fits = (1..=DRAFT_ID_BYTES_MAX).contains(&raw.len());
        (fits && raw.bytes().all(|b| b.is_ascii_graphic())).then(|| DraftId(raw.into()))
    }

    /// The id as its author wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DraftId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A message of a room: accepted, numbered, and the same for everyone.
#[derive(Clone, Debug)]
pub struct Message {
    /// The room it was said in; a direct room's name holds both users.
    pub room: RoomName,
    /// Its number in the room.
    pub seq: Seq,
    /// When its room's home accepted it.
    pub time: Timestamp,
    /// Who said it, under the name of that moment.
    pub author: UserName,
    /// The author's own id of it, if one was given.
    pub draft: Option<DraftId>,
    /// What was said.
    pub text: Text,
}

impl Message {
    /// Whether it was erased.
    pub fn is_erased(&self) -> bool {
        self.author.is_nobody()
    }
}
