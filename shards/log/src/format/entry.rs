//! Entries: the records with a number in the one numbering of their room.

use super::head::{AuthorKind, RecordKind, draft_hash};
use super::record::{RecordError, StoredAmendment, StoredAuthor, StoredChange, StoredMessage, StoredRecord};
use madang_model::{
    Amendment, Change, DraftId, Entry, MessageReactions, RoomName, Seq, Text, Timestamp, UserKey, UserName,
};
use std::sync::Arc;

/// An entry as it is stored, whichever format wrote it.
#[derive(Clone, Copy, Debug)]
pub enum StoredEntry<'a> {
    /// Something was said.
    Message(StoredMessage<'a>),
    /// Something that was said, or the room, became something else.
    Amendment(StoredAmendment<'a>),
}

impl<'a> StoredEntry<'a> {
    /// The entry that a record is, if it is one.
    pub fn of(record: &StoredRecord<'a>) -> Option<StoredEntry<'a>> {
        match record {
            StoredRecord::Message(message) => Some(StoredEntry::Message(*message)),
            StoredRecord::Amendment(amendment) => Some(StoredEntry::Amendment(*amendment)),
            StoredRecord::Facts(_)
            | StoredRecord::Seal(_)
            | StoredRecord::Abandoned(_)
            | StoredRecord::Lost(_) => None,
        }
    }

    /// The room's name as shown.
    pub fn room(&self) -> &'a str {
        match self {
            StoredEntry::Message(message) => message.room,
            StoredEntry::Amendment(amendment) => amendment.room,
        }
    }

    /// Its number in the room.
    pub fn seq(&self) -> Seq {
        match self {
            StoredEntry::Message(message) => message.seq,
            StoredEntry::Amendment(amendment) => amendment.seq,
        }
    }

    /// When it was accepted.
    pub fn time(&self) -> Timestamp {
        match self {
            StoredEntry::Message(message) => message.time,
            StoredEntry::Amendment(amendment) => amendment.time,
        }
    }

    /// Who wrote it.
    pub fn author(&self) -> StoredAuthor<'a> {
        match self {
            StoredEntry::Message(message) => message.author,
            StoredEntry::Amendment(amendment) => amendment.author,
        }
    }

    /// Its author's own id of it; empty is none.
    pub fn draft(&self) -> &'a str {
        match self {
            StoredEntry::Message(message) => message.draft,
            StoredEntry::Amendment(amendment) => amendment.draft,
        }
    }

    /// Author and draft as a number; 0 is none.
    pub fn draft_hash(&self) -> u64 {
        match self {
            StoredEntry::Message(message) => message.draft_hash,
            StoredEntry::Amendment(amendment) => amendment.draft_hash,
        }
    }

    /// Author and draft as a number, of whichever format: format 2 stored none. `author` is the key of the author's name.
    pub fn draft_number(&self, author: UserKey) -> u64 {
        match (self.draft_hash(), DraftId::parse(self.draft())) {
            (0, Some(draft)) => draft_hash((AuthorKind::Guest, 0), author, &draft),
            (hash, _) => hash,
        }
    }

    /// How many of the room's entries before this are no messages.
    pub fn amendments_before(&self) -> u64 {
        match self {
            StoredEntry::Message(message) => message.amendments_before,
            StoredEntry::Amendment(amendment) => amendment.amendments_before,
        }
    }

    /// Whether all but the head was erased.
    pub fn is_erased(&self) -> bool {
        match self {
            StoredEntry::Message(message) => message.is_erased,
            StoredEntry::Amendment(amendment) => matches!(amendment.change, StoredChange::Erased(_)),
        }
    }

    /// What kind of entry.
    pub fn kind(&self) -> RecordKind {
        match self {
            StoredEntry::Message(_) => RecordKind::Message,
            StoredEntry::Amendment(amendment) => amendment.change.kind(),
        }
    }

    /// The room's name, checked.
    ///
    /// # Errors
    /// [`RecordError::Room`] when it is none.
    pub fn room_name(&self) -> Result<RoomName, RecordError> {
        let name = self.room();
        RoomName::from_log(name).map_err(|source| RecordError::Room { name: name.to_owned(), source })
    }

    /// The author's name, checked.
    ///
    /// # Errors
    /// [`RecordError::Author`] when it is none.
    pub fn author_name(&self) -> Result<UserName, RecordError> {
        self.author().user_name()
    }

    /// The entry, with names that the caller has read back (and may share between entries); `None` where it was erased.
    ///
    /// # Errors
    /// [`RecordError`] when this program would not have stored it.
    pub fn to_entry(&self, room: RoomName, author: UserName) -> Result<Option<Entry>, RecordError> {
        if self.is_erased() {
            return Ok(None);
        }
        Ok(Some(match self {
            StoredEntry::Message(message) => Entry::Message(Arc::new(message.to_message(room, author)?)),
            StoredEntry::Amendment(amendment) => {
                Entry::Amendment(Arc::new(amendment.to_amendment(room, author)?))
            }
        }))
    }

    /// Checks that all of it can be read.
    ///
    /// # Errors
    /// [`RecordError`] when this program would not have stored it.
    pub fn check(&self) -> Result<(), RecordError> {
        if self.is_erased() {
            return Ok(());
        }
        match self {
            StoredEntry::Message(message) => {
                message.draft_id()?;
                let seq = message.seq;
                Text::restore(message.text).map(|_| ()).ok_or(RecordError::Text { seq })
            }
            StoredEntry::Amendment(amendment) => {
                amendment.draft_id()?;
                amendment.change(amendment.seq).map(|_| ())
            }
        }
    }
}

impl StoredAuthor<'_> {
    /// The name, checked.
    ///
    /// # Errors
    /// [`RecordError::Author`] when it is none.
    pub fn user_name(&self) -> Result<UserName, RecordError> {
        UserName::parse(self.name)
            .map(|name| name.known_as(self.identity()))
            .map_err(|source| RecordError::Author { name: self.name.to_owned(), source })
    }
}

impl StoredAmendment<'_> {
    /// The amendment, with names that the caller has read back. One that was erased is none any more.
    ///
    /// # Errors
    /// [`RecordError`] when this program would not have stored it.
    pub fn to_amendment(&self, room: RoomName, author: UserName) -> Result<Amendment, RecordError> {
        let StoredAmendment { seq, time, target, .. } = *self;
        let (draft, change) = (self.draft_id()?, self.change(seq)?);
        Ok(Amendment { room, seq, time, author, draft, target, change })
    }

    /// The draft id, if it has one.
    ///
    /// # Errors
    /// [`RecordError::Draft`] when what is stored is none.
    pub fn draft_id(&self) -> Result<Option<DraftId>, RecordError> {
        super::record::draft_id_of(self.draft)
    }

    fn change(&self, seq: Seq) -> Result<Change, RecordError> {
        let is_of_message = self.target > Seq::ZERO;
        let change = match self.change {
            StoredChange::Edit { text } if is_of_message => {
                Text::restore(text).map(|text| Change::Edit { text })
            }
            StoredChange::Deletion if is_of_message => Some(Change::Deletion),
            StoredChange::Pin { is_pinned } if is_of_message => Some(Change::Pin { is_pinned }),
            StoredChange::Edit { .. } | StoredChange::Deletion | StoredChange::Pin { .. } => None,
            StoredChange::Reactions { changes } => MessageReactions::decode(changes).map(Change::Reactions),
            StoredChange::Topic { text: "" } => Some(Change::Topic { topic: None }),
            StoredChange::Topic { text } => {
                Text::restore(text).map(|topic| Change::Topic { topic: Some(topic) })
            }
            StoredChange::Erased(_) => None,
        };
        change.ok_or(RecordError::Change { seq })
    }
}

impl StoredChange<'_> {
    /// The kind of record that says it.
    pub fn kind(&self) -> RecordKind {
        match self {
            StoredChange::Edit { .. } => RecordKind::Edit,
            StoredChange::Deletion => RecordKind::Deletion,
            StoredChange::Reactions { .. } => RecordKind::Reactions,
            StoredChange::Pin { is_pinned: true } => RecordKind::Pin,
            StoredChange::Pin { is_pinned: false } => RecordKind::Unpin,
            StoredChange::Topic { .. } => RecordKind::Topic,
            StoredChange::Erased(kind) => *kind,
        }
    }
}
