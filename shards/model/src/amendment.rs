//! What became of a message, or of a room, after it was accepted: edits, deletions, reactions, pins, topics.

use super::id::Seq;
use super::message::{DraftId, Message};
use super::name::{RoomName, UserName};
use super::reaction::{MessageReactions, Reaction};
use super::text::Text;
use super::time::Timestamp;
use std::sync::Arc;

/// An entry of a room that is no message: accepted, numbered with the messages in one numbering, and the same for
/// everyone.
#[derive(Clone, Debug)]
pub struct Amendment {
    /// The room.
    pub room: RoomName,
    /// Its number in the room.
    pub seq: Seq,
    /// When its room's home accepted it.
    pub time: Timestamp,
    /// Who did it, under the name of that moment.
    pub author: UserName,
    /// The author's own id of it, if one was given.
    pub draft: Option<DraftId>,
    /// The message that it is about; [`Seq::ZERO`] where it is about several, or about the room.
    pub target: Seq,
    /// What it says.
    pub change: Change,
}

/// What an amendment says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// The message has this text now.
    Edit {
        /// Which.
        text: Text,
    },
    /// The message is no longer to be seen.
    Deletion,
    /// How many have reacted to messages, and how: each with all its sums.
    Reactions(Vec<MessageReactions>),
    /// The message is pinned, or no longer.
    Pin {
        /// Which of the two.
        is_pinned: bool,
    },
    /// The room has this topic now; `None` is none.
    Topic {
        /// Which.
        topic: Option<Text>,
    },
}

/// What is to change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AmendRequest {
    /// Give a message of one's account another text.
    Edit {
        /// Which.
        text: Text,
    },
    /// Delete a message of one's account.
    Delete,
    /// React to a message, or no longer.
    React {
        /// How.
        reaction: Reaction,
        /// Which of the two.
        is_added: bool,
    },
    /// Pin a message, or no longer.
    Pin {
        /// Which of the two.
        is_pinned: bool,
    },
    /// Give the room another topic, or none.
    Topic {
        /// Which.
        topic: Option<Text>,
    },
}

/// What a room has accepted.
#[derive(Clone, Debug)]
pub enum Entry {
    /// Something was said.
    Message(Arc<Message>),
    /// Something that was said, or the room, became something else.
    Amendment(Arc<Amendment>),
}

impl Entry {
    /// The room.
    pub fn room(&self) -> &RoomName {
        match self {
            Entry::Message(message) => &message.room,
            Entry::Amendment(amendment) => &amendment.room,
        }
    }

    /// Its number in the room.
    pub fn seq(&self) -> Seq {
        match self {
            Entry::Message(message) => message.seq,
            Entry::Amendment(amendment) => amendment.seq,
        }
    }

    /// When it was accepted.
    pub fn time(&self) -> Timestamp {
        match self {
            Entry::Message(message) => message.time,
            Entry::Amendment(amendment) => amendment.time,
        }
    }

    /// Who wrote it.
    pub fn author(&self) -> &UserName {
        match self {
            Entry::Message(message) => &message.author,
            Entry::Amendment(amendment) => &amendment.author,
        }
    }

    /// Its author's own id of it.
    pub fn draft(&self) -> Option<&DraftId> {
        match self {
            Entry::Message(message) => message.draft.as_ref(),
            Entry::Amendment(amendment) => amendment.draft.as_ref(),
        }
    }
}
