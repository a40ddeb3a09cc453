//! What a frame carries.

use madang_model::{DraftId, Message, NameError, RoomName, Seq, Text, Timestamp, UserName};
use rkyv::rancor::{Fallible, Source};
use rkyv::string::{ArchivedString, StringResolver};
use rkyv::with::{ArchiveWith, SerializeWith};
use rkyv::{Archive, Place, Serialize, SerializeUnsized};
use std::fmt;

/// One entry of the log.
///
/// Built to grow: a variant's number on disk is its position, so new ones go **at the end** and
/// none is ever removed, reordered or given other fields; a changed record is a new variant. A
/// program that meets a number it does not know reports the frame as unreadable, so a new
/// variant raises [`FORMAT_VERSION`](super::FORMAT_VERSION), which is checked first.
#[derive(Archive, Serialize, Clone, Copy, Debug)]
pub enum Record<'a> {
    /// Something was said.
    Message(MessageRecord<'a>),
    /// The segment is finished. Always its last frame.
    Seal(SealRecord),
    /// An earlier segment failed before its end. Always the first frame of its segment.
    Abandoned(AbandonedRecord),
    /// Messages that were stored are gone for good. A repair writes these, as the first frames of
    /// a segment that holds nothing else.
    Lost(LostRecord<'a>),
}

/// A message as it is stored. It names its room in full, so that a damaged frame loses only itself.
#[derive(Archive, Serialize, Clone, Copy, Debug)]
pub struct MessageRecord<'a> {
    /// The room's name as shown; a direct room's has a `&`.
    #[rkyv(with = Inline)]
    pub room: &'a str,
    /// Its number in the room.
    pub seq: u64,
    /// When it was accepted: microseconds since the Unix epoch.
    pub time_us: i64,
    /// The author's name as shown.
    #[rkyv(with = Inline)]
    pub author: &'a str,
    /// The author's own id of it; empty is none.
    #[rkyv(with = Inline)]
    pub draft: &'a str,
    /// What was said.
    #[rkyv(with = Inline)]
    pub text: &'a str,
}

/// What is known of a finished segment.
#[derive(Archive, Serialize, Clone, Copy, PartialEq, Eq, Default, Debug)]
#[rkyv(derive(Debug))]
pub struct SealRecord {
    /// How many messages it holds.
    pub records: u64,
    /// The time of its earliest message, microseconds since the Unix epoch; 0 when it has none.
    pub first_time_us: i64,
    /// The time of its latest message.
    pub last_time_us: i64,
}

impl SealRecord {
    /// Counts one more message.
    pub fn count(&mut self, time_us: i64) {
        self.merge(SealRecord { records: 1, first_time_us: time_us, last_time_us: time_us });
    }

    /// Counts what another has counted.
    pub fn merge(&mut self, more: SealRecord) {
        if more.records == 0 {
            return;
        }
        if self.records == 0 {
            *self = more;
            return;
        }
        self.records += more.records;
        self.first_time_us = self.first_time_us.min(more.first_time_us);
        self.last_time_us = self.last_time_us.max(more.last_time_us);
    }
}

/// Writing to an earlier segment failed. What it holds from `end_offset_bytes` on was never
/// committed and is repeated in this segment; segments between the two hold nothing.
#[derive(Archive, Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[rkyv(derive(Debug))]
pub struct AbandonedRecord {
    /// The number of that segment.
    pub segment: u64,
    /// Where its committed part ends.
    pub end_offset_bytes: u64,
}

/// Messages of a room that can no longer be read: their numbers stay taken.
#[derive(Archive, Serialize, Clone, Copy, Debug)]
pub struct LostRecord<'a> {
    /// The room's name as shown.
    #[rkyv(with = Inline)]
    pub room: &'a str,
    /// The number of the first.
    pub first: u64,
    /// The number of the last.
    pub last: u64,
}

/// A record as it lies in a segment, validated.
pub type StoredRecord = ArchivedRecord<'static>;
/// A message as it lies in a segment, validated.
pub type StoredMessage = ArchivedMessageRecord<'static>;

/// Why a stored message cannot become a [`Message`] again, although its checksum is right.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RecordError {
    /// The room's name is none.
    #[error("the stored room name {name:?} is not one: {source}; was this log written by madang?")]
    Room {
        /// What is stored.
        name: String,
        /// What is wrong with it.
        source: NameError,
    },
    /// The author's name is none.
    #[error("the stored author {name:?} is not a name: {source}; was this log written by madang?")]
    Author {
        /// What is stored.
        name: String,
        /// What is wrong with it.
        source: NameError,
    },
    /// The draft id is none.
    #[error("the stored draft id {draft:?} is not one; was this log written by madang?")]
    Draft {
        /// What is stored.
        draft: String,
    },
    /// The text has nothing to show.
    #[error("message {seq} has no visible text; was this log written by madang?")]
    Text {
        /// The message's number.
        seq: Seq,
    },
}

impl<'a> From<&'a Message> for MessageRecord<'a> {
    fn from(message: &'a Message) -> MessageRecord<'a> {
        MessageRecord {
            room: message.room.as_str(),
            seq: message.seq.0,
            time_us: message.time.0,
            author: message.author.as_str(),
            draft: message.draft.as_ref().map_or("", DraftId::as_str),
            text: message.text.as_str(),
        }
    }
}

impl fmt::Debug for StoredMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} of {:?}", self.seq, self.room.as_str())
    }
}

impl fmt::Debug for StoredRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoredRecord::Message(message) => message.fmt(f),
            StoredRecord::Seal(seal) => seal.fmt(f),
            StoredRecord::Abandoned(abandoned) => abandoned.fmt(f),
            StoredRecord::Lost(lost) => {
                write!(f, "lost: #{} to #{} of {:?}", lost.first, lost.last, lost.room.as_str())
            }
        }
    }
}

impl StoredMessage {
    /// Its number in its room.
    pub fn number(&self) -> Seq {
        Seq(self.seq.to_native())
    }

    /// The message, with names that the caller has read back (and may share between messages).
    ///
    /// # Errors
    /// [`RecordError`] when this program would not have stored it.
    pub fn to_message(&self, room: RoomName, author: UserName) -> Result<Message, RecordError> {
        Ok(Message {
            room,
            seq: self.number(),
            time: Timestamp(self.time_us.to_native()),
            author,
            draft: self.draft_id()?,
            text: Text::restore(&self.text).ok_or(RecordError::Text { seq: self.number() })?,
        })
    }

    /// The room's name.
    ///
    /// # Errors
    /// [`RecordError::Room`] when it is none.
    pub fn room_name(&self) -> Result<RoomName, RecordError> {
        RoomName::from_log(&self.room)
            .map_err(|source| RecordError::Room { name: self.room.as_str().to_owned(), source })
    }

    /// The author's name.
    ///
    /// # Errors
    /// [`RecordError::Author`] when it is none.
    pub fn author_name(&self) -> Result<UserName, RecordError> {
        UserName::parse(&self.author)
            .map_err(|source| RecordError::Author { name: self.author.as_str().to_owned(), source })
    }

    /// The draft id, if it has one.
    ///
    /// # Errors
    /// [`RecordError::Draft`] when what is stored is none.
    pub fn draft_id(&self) -> Result<Option<DraftId>, RecordError> {
        if self.draft.is_empty() {
            return Ok(None);
        }
        let parsed = DraftId::parse(&self.draft);
        parsed.map(Some).ok_or_else(|| RecordError::Draft { draft: self.draft.as_str().to_owned() })
    }
}

/// Archives a borrowed string as an [`ArchivedString`], which keeps up to eight bytes in place:
/// most names then cost nothing beyond their field.
#[derive(Debug)]
pub struct Inline;

impl<'a> ArchiveWith<&'a str> for Inline {
    type Archived = ArchivedString;
    type Resolver = StringResolver;

    fn resolve_with(field: &&'a str, resolver: StringResolver, out: Place<ArchivedString>) {
        ArchivedString::resolve_from_str(field, resolver, out);
    }
}

impl<'a, S: Fallible<Error: Source> + ?Sized> SerializeWith<&'a str, S> for Inline
where
    str: SerializeUnsized<S>,
{
    fn serialize_with(field: &&'a str, serializer: &mut S) -> Result<StringResolver, S::Error> {
        ArchivedString::serialize_from_str(field, serializer)
    }
}
