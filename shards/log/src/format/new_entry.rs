//! Entries, to be written.

use super::archive::archive;
use super::body::{BODY_VERSION, MessageBody};
use super::head::{RecordHead, RecordKind, author_of, draft_hash};
use madang_model::{Amendment, Change, DraftId, Message, MessageReactions, Seq, Timestamp};
use std::borrow::Cow;

/// An entry, to be written.
#[derive(Clone, Copy, Debug)]
pub struct NewEntry<'a> {
    said: NewSaid<'a>,
    /// How many of the room's entries before it are no messages.
    amendments_before: u64,
}

#[derive(Clone, Copy, Debug)]
enum NewSaid<'a> {
    Message(&'a Message),
    Amendment(&'a Amendment),
}

impl<'a> From<&'a Message> for NewEntry<'a> {
    /// A message of a room that has nothing but messages yet.
    fn from(message: &'a Message) -> NewEntry<'a> {
        NewEntry::message(message, 0)
    }
}

impl<'a> NewEntry<'a> {
    /// A message; of the room's entries before it so many are none.
    pub fn message(message: &'a Message, amendments_before: u64) -> NewEntry<'a> {
        NewEntry { said: NewSaid::Message(message), amendments_before }
    }

    /// An amendment; of the room's entries before it so many are amendments, too.
    pub fn amendment(amendment: &'a Amendment, amendments_before: u64) -> NewEntry<'a> {
        NewEntry { said: NewSaid::Amendment(amendment), amendments_before }
    }

    /// When it was accepted.
    pub fn time(&self) -> Timestamp {
        match self.said {
            NewSaid::Message(message) => message.time,
            NewSaid::Amendment(amendment) => amendment.time,
        }
    }

    /// Appends head and body. Returns how many units the head has.
    pub(super) fn push(&self, bytes: &mut Vec<u8>) -> u8 {
        let (kind, room, seq, time, author, draft, target, text) = match self.said {
            NewSaid::Message(message) => {
                let Message { room, seq, time, author, draft, text } = message;
                (RecordKind::Message, room, seq, time, author, draft, Seq::ZERO, Cow::Borrowed(text.as_str()))
            }
            NewSaid::Amendment(amendment) => {
                let Amendment { room, seq, time, author, draft, target, change } = amendment;
                let (kind, text) = coded(change);
                (kind, room, seq, time, author, draft, *target, text)
            }
        };
        let (draft, stored_author) = (draft.as_ref(), author_of(author.identity()));
        let head = RecordHead {
            kind,
            version: BODY_VERSION,
            is_erased: false,
            author_kind: stored_author.0,
            author_id: stored_author.1,
            number: seq.0,
            time_us: time.0,
            draft_hash: draft.map_or(0, |draft| draft_hash(stored_author, author.key(), draft)),
            amendments_before: self.amendments_before,
            target: target.0,
            room: room.as_str(),
        };
        let units = head.push(bytes);
        let author = author.as_str();
        archive(&MessageBody { author, draft: draft.map_or("", DraftId::as_str), text: &text }, bytes);
        units
    }
}

/// What is stored of a change.
fn coded(change: &Change) -> (RecordKind, Cow<'_, str>) {
    match change {
        Change::Edit { text } => (RecordKind::Edit, Cow::Borrowed(text.as_str())),
        Change::Deletion => (RecordKind::Deletion, Cow::Borrowed("")),
        Change::Reactions(of) => (RecordKind::Reactions, Cow::Owned(MessageReactions::encode(of))),
        Change::Pin { is_pinned: true } => (RecordKind::Pin, Cow::Borrowed("")),
        Change::Pin { is_pinned: false } => (RecordKind::Unpin, Cow::Borrowed("")),
        Change::Topic { topic } => (RecordKind::Topic, Cow::Borrowed(topic.as_deref().unwrap_or_default())),
    }
}
