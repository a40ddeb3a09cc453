//! Messages as they are now, and what became of them, of version 1.

use super::said::SaidBody;
use rkyv::{Archive, Serialize};

/// A message as it is now.
#[derive(Archive, Serialize, Clone, Debug)]
pub struct ShownBody<'a> {
    /// The message, with its text of now; of one that was deleted without text, and without author where that is unknown.
    pub said: SaidBody<'a>,
    /// The entry of its last edit; 0 is none.
    pub edited_seq: u64,
    /// When that was accepted, in microseconds since the Unix epoch.
    pub edited_time_us: i64,
    /// How many reacted in each way: as the log stores the sums of a message.
    pub reactions: String,
    /// Whether it is pinned.
    pub is_pinned: bool,
    /// Whether it was deleted.
    pub is_deleted: bool,
}

/// An entry that is no message.
#[derive(Archive, Serialize, Clone, Debug)]
pub struct EntryBody<'a> {
    /// What it is.
    pub kind: EntryKindBody,
    /// The message that it is about; 0 is none, or several.
    pub target: u64,
    /// Number, time, author, draft; and the text of an edit, or the topic.
    pub said: SaidBody<'a>,
    /// Of reactions: the sums of each message, as the log stores them.
    pub reactions: String,
}

/// What an entry is.
#[derive(Archive, Serialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum EntryKindBody {
    /// The message has another text.
    Edit,
    /// The message was deleted.
    Deletion,
    /// How many reacted.
    Reactions,
    /// The message is pinned.
    Pin,
    /// The message is no longer pinned.
    Unpin,
    /// The room has another topic; an empty one is none.
    Topic,
    /// Nothing of it is to be shown any more.
    Gone,
}

/// An entry, whatever it is.
#[derive(Archive, Serialize, Clone, Debug)]
pub enum ResumedBody<'a> {
    /// A message.
    Message(ShownBody<'a>),
    /// What became of one.
    Entry(EntryBody<'a>),
}
