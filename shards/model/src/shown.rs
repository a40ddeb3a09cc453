//! Messages as readers see them: with what became of each.

use super::amendment::{Amendment, Change, Entry};
use super::id::Seq;
use super::message::Message;
use super::name::UserName;
use super::reaction::ReactionSums;
use super::time::Timestamp;
use std::sync::Arc;

/// A message as it is now. What was edited away or deleted is not in it.
#[derive(Clone, Debug)]
pub enum ShownMessage {
    /// As it was said.
    AsSaid(Arc<Message>),
    /// With what became of it.
    Amended(Arc<AmendedMessage>),
    /// It is no longer to be seen.
    Deleted(Arc<Tombstone>),
}

/// A message that something became of.
#[derive(Clone, Debug)]
pub struct AmendedMessage {
    /// The message, with the text that it has now.
    pub message: Message,
    /// Its last edit.
    pub edited: Option<Edited>,
    /// How many reacted to it.
    pub reactions: ReactionSums,
    /// Whether it is pinned.
    pub is_pinned: bool,
}

/// When a message got its text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Edited {
    /// By which entry.
    pub seq: Seq,
    /// When.
    pub time: Timestamp,
}

/// What is left of a message that was deleted, or erased.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tombstone {
    /// Its number in the room.
    pub seq: Seq,
    /// When it was accepted.
    pub time: Timestamp,
    /// Who had said it; `None` when that was erased, too.
    pub author: Option<UserName>,
}

/// An entry as readers who resume see it.
#[derive(Clone, Debug)]
pub enum ShownEntry {
    /// A message as it is now.
    Message(ShownMessage),
    /// What became of a message, or of the room.
    Amendment(Arc<Amendment>),
    /// An entry of which nothing is to be shown any more: an edit that was followed by another or by a deletion, or what
    /// was erased.
    Gone {
        /// Its number in the room.
        seq: Seq,
        /// When it was accepted.
        time: Timestamp,
    },
}

impl ShownEntry {
    /// Its number in the room.
    pub fn seq(&self) -> Seq {
        match self {
            ShownEntry::Message(message) => message.seq(),
            ShownEntry::Amendment(amendment) => amendment.seq,
            ShownEntry::Gone { seq, .. } => *seq,
        }
    }

    /// When it was accepted.
    pub fn time(&self) -> Timestamp {
        match self {
            ShownEntry::Message(message) => message.time(),
            ShownEntry::Amendment(amendment) => amendment.time,
            ShownEntry::Gone { time, .. } => *time,
        }
    }

    /// What it is after a later amendment of the room.
    pub fn amend(&mut self, later: &Amendment) {
        match self {
            ShownEntry::Message(message) => message.amend(later),
            ShownEntry::Amendment(known) => {
                let is_outdated = matches!(known.change, Change::Edit { .. })
                    && matches!(later.change, Change::Edit { .. } | Change::Deletion)
                    && known.target == later.target;
                if is_outdated {
                    *self = ShownEntry::Gone { seq: known.seq, time: known.time };
                }
            }
            ShownEntry::Gone { .. } => {}
        }
    }
}

impl From<Entry> for ShownEntry {
    fn from(entry: Entry) -> ShownEntry {
        match entry {
            Entry::Message(message) => ShownEntry::Message(message.into()),
            Entry::Amendment(amendment) => ShownEntry::Amendment(amendment),
        }
    }
}

impl ShownMessage {
    /// What is left of a message that was erased.
    pub fn erased(seq: Seq, time: Timestamp) -> ShownMessage {
        ShownMessage::Deleted(Arc::new(Tombstone { seq, time, author: None }))
    }

    /// Its number in the room.
    pub fn seq(&self) -> Seq {
        match self {
            ShownMessage::AsSaid(message) => message.seq,
            ShownMessage::Amended(amended) => amended.message.seq,
            ShownMessage::Deleted(tombstone) => tombstone.seq,
        }
    }

    /// When it was accepted.
    pub fn time(&self) -> Timestamp {
        match self {
            ShownMessage::AsSaid(message) => message.time,
            ShownMessage::Amended(amended) => amended.message.time,
            ShownMessage::Deleted(tombstone) => tombstone.time,
        }
    }

    /// The message with its text of now; `None` when it was deleted.
    pub fn message(&self) -> Option<&Message> {
        match self {
            ShownMessage::AsSaid(message) => Some(message),
            ShownMessage::Amended(amended) => Some(&amended.message),
            ShownMessage::Deleted(_) => None,
        }
    }

    /// Its last edit, if it was edited.
    pub fn edited(&self) -> Option<Edited> {
        match self {
            ShownMessage::Amended(amended) => amended.edited,
            ShownMessage::AsSaid(_) | ShownMessage::Deleted(_) => None,
        }
    }

    /// Whether it is pinned.
    pub fn is_pinned(&self) -> bool {
        matches!(self, ShownMessage::Amended(amended) if amended.is_pinned)
    }

    /// How many reacted to it.
    pub fn reactions(&self) -> ReactionSums {
        match self {
            ShownMessage::Amended(amended) => amended.reactions.clone(),
            ShownMessage::AsSaid(_) | ShownMessage::Deleted(_) => ReactionSums::default(),
        }
    }

    /// Who said it, as far as that is known.
    pub fn author(&self) -> Option<&UserName> {
        match self {
            ShownMessage::Deleted(tombstone) => tombstone.author.as_ref(),
            _ => self.message().map(|message| &message.author),
        }
    }

    /// What it is after an amendment of the room, which may be about another message. Amendments come in the order of
    /// their numbers.
    pub fn amend(&mut self, amendment: &Amendment) {
        let seq = self.seq();
        match &amendment.change {
            Change::Edit { text } if amendment.target == seq => self.edit_with(|amended| {
                amended.message.text = text.clone();
                amended.edited = Some(Edited { seq: amendment.seq, time: amendment.time });
            }),
            Change::Deletion if amendment.target == seq => self.delete(),
            Change::Pin { is_pinned } if amendment.target == seq => {
                self.edit_with(|amended| amended.is_pinned = *is_pinned);
            }
            Change::Reactions(of) => {
                if let Some(found) = of.iter().find(|found| found.message == seq) {
                    self.edit_with(|amended| amended.reactions = found.sums.clone());
                }
            }
            Change::Edit { .. } | Change::Deletion | Change::Pin { .. } | Change::Topic { .. } => {}
        }
    }

    /// Leaves of it what is left of a message that was deleted.
    pub fn delete(&mut self) {
        let (seq, time, author) = (self.seq(), self.time(), self.author().cloned());
        *self = ShownMessage::Deleted(Arc::new(Tombstone { seq, time, author }));
    }

    /// Notes that it is pinned.
    pub fn pin(&mut self) {
        self.edit_with(|amended| amended.is_pinned = true);
    }

    fn edit_with(&mut self, change: impl FnOnce(&mut AmendedMessage)) {
        if let ShownMessage::AsSaid(message) = self {
            let (edited, reactions, is_pinned) = (None, ReactionSums::default(), false);
            let message = Message::clone(message);
            *self = ShownMessage::Amended(Arc::new(AmendedMessage { message, edited, reactions, is_pinned }));
        }
        if let ShownMessage::Amended(amended) = self {
            change(Arc::make_mut(amended));
        }
    }
}

impl From<Message> for ShownMessage {
    fn from(message: Message) -> ShownMessage {
        ShownMessage::AsSaid(Arc::new(message))
    }
}

impl From<Arc<Message>> for ShownMessage {
    fn from(message: Arc<Message>) -> ShownMessage {
        ShownMessage::AsSaid(message)
    }
}
