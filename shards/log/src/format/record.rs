//! What a frame carries.

use super::archive::archive;
use super::body::{ArchivedMessageBody, BODY_VERSION};
use super::head::{AuthorKind, RecordHead, RecordKind};
use super::new_entry::NewEntry;
use madang_model::{
    Account, AccountId, AccountKind, DraftId, Identity, Message, NameError, RoomName, Seq, Text, Timestamp,
    UserName,
};
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor::Failure;
use rkyv::{Archive, Portable, Serialize};
use std::fmt;

/// One record, to be written.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    /// Something was said, or became of what was said.
    Entry(NewEntry<'a>),
    /// Facts of a room.
    Facts(StoredFacts<'a>),
    /// The segment is finished. Always its last frame.
    Seal(SealRecord),
    /// An earlier segment failed before its end. Always the first frame of its segment.
    Abandoned(AbandonedRecord),
    /// Messages that were stored are gone for good. A repair writes these, as the first frames of
    /// a segment that holds nothing else.
    Lost {
        /// The room.
        room: &'a RoomName,
        /// The number of the first.
        first: Seq,
        /// The number of the last.
        last: Seq,
    },
}

/// One record as it is stored, validated, whichever format wrote it.
#[derive(Clone, Copy, Debug)]
pub enum StoredRecord<'a> {
    /// Something was said.
    Message(StoredMessage<'a>),
    /// A message became something else, or the room has another topic.
    Amendment(StoredAmendment<'a>),
    /// Facts of a room.
    Facts(StoredFacts<'a>),
    /// The segment is finished.
    Seal(SealRecord),
    /// An earlier segment failed before its end.
    Abandoned(AbandonedRecord),
    /// Messages that were stored are gone for good.
    Lost(StoredLost<'a>),
}

/// What is known of a finished segment.
#[derive(Archive, Serialize, Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SealRecord {
    /// How many entries it holds.
    pub records: u64,
    /// The time of its earliest entry, microseconds since the Unix epoch; 0 when it has none.
    pub first_time_us: i64,
    /// The time of its latest entry.
    pub last_time_us: i64,
}

impl SealRecord {
    /// Counts one more entry.
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
pub struct AbandonedRecord {
    /// The number of that segment.
    pub segment: u64,
    /// Where its committed part ends.
    pub end_offset_bytes: u64,
}

/// The body of a loss: the head has the room and, as its number, the first.
#[derive(Archive, Serialize)]
pub struct LostBody {
    last: u64,
}

/// Messages of a room that can no longer be read, as they are stored: their numbers stay taken.
#[derive(Clone, Copy, Debug)]
pub struct StoredLost<'a> {
    /// The room's name as shown.
    pub room: &'a str,
    /// The number of the first.
    pub first: Seq,
    /// The number of the last.
    pub last: Seq,
}

/// Who wrote an entry, as it is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoredAuthor<'a> {
    /// What it is.
    pub kind: AuthorKind,
    /// Its id; 0 is none.
    pub id: u64,
    /// Its name of that moment, as shown.
    pub name: &'a str,
}

/// A message as it is stored. It names its room in full, so that a damaged frame loses only itself.
#[derive(Clone, Copy)]
pub struct StoredMessage<'a> {
    /// The room's name as shown; a direct room's has a `&`.
    pub room: &'a str,
    /// Its number in the room.
    pub seq: Seq,
    /// When it was accepted.
    pub time: Timestamp,
    /// Who said it.
    pub author: StoredAuthor<'a>,
    /// The author's own id of it; empty is none.
    pub draft: &'a str,
    /// Author and draft as a number; 0 is none, and unknown of format 2.
    pub draft_hash: u64,
    /// How many of the room's entries before this are no messages.
    pub amendments_before: u64,
    /// Whether text, draft and the author's name were erased: they are empty then.
    pub is_erased: bool,
    /// What was said.
    pub text: &'a str,
}

/// An entry that says what became of a message or of the room, as it is stored.
#[derive(Clone, Copy, Debug)]
pub struct StoredAmendment<'a> {
    /// The room's name as shown.
    pub room: &'a str,
    /// Its number in the room.
    pub seq: Seq,
    /// When it was accepted.
    pub time: Timestamp,
    /// Who did it.
    pub author: StoredAuthor<'a>,
    /// The author's own id of it; empty is none.
    pub draft: &'a str,
    /// Author and draft as a number; 0 is none.
    pub draft_hash: u64,
    /// How many of the room's entries before this are no messages.
    pub amendments_before: u64,
    /// The message that it is about; 0 where it is about several, or about the room.
    pub target: Seq,
    /// What it says.
    pub change: StoredChange<'a>,
}

/// What an amendment says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoredChange<'a> {
    /// The message has this text now.
    Edit {
        /// Which.
        text: &'a str,
    },
    /// The message is no longer to be seen.
    Deletion,
    /// How many reacted to messages, and how.
    Reactions {
        /// In their own coding.
        changes: &'a str,
    },
    /// The message is pinned, or no longer.
    Pin {
        /// Which of the two.
        is_pinned: bool,
    },
    /// The room has this topic now.
    Topic {
        /// Which; empty is none.
        text: &'a str,
    },
    /// What it said was erased.
    Erased(RecordKind),
}

/// Facts of a room, as they are stored.
#[derive(Clone, Copy, Debug)]
pub struct StoredFacts<'a> {
    /// A change, a part of all facts, or read positions.
    pub kind: RecordKind,
    /// The room's name as shown.
    pub room: &'a str,
    /// The revision of the facts.
    pub revision: u64,
    /// When they became so.
    pub time: Timestamp,
    /// Who did it: kind and id.
    pub author: (AuthorKind, u64),
    /// In their own coding.
    pub body: &'a [u8],
}

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
    /// An amendment says what none can say.
    #[error(
        "what entry #{seq} says of a message or of its room cannot be read; was this log written by madang?"
    )]
    Change {
        /// The entry's number.
        seq: Seq,
    },
}

impl StoredAuthor<'_> {
    /// Who it is: of format 2 and of guests only the name is known.
    pub fn identity(&self) -> Identity {
        match self.kind {
            AuthorKind::None | AuthorKind::Guest => Identity::GUEST,
            AuthorKind::Account => Account::new(AccountKind::User, AccountId(self.id)).into(),
            AuthorKind::Service => Account::new(AccountKind::Service, AccountId(self.id)).into(),
        }
    }
}

impl Record<'_> {
    /// Appends the head and the body, at a place that is aligned for both. Returns how many units the head has.
    ///
    /// # Panics
    /// When a part is longer than its type may be.
    pub(super) fn push(&self, bytes: &mut Vec<u8>) -> u8 {
        match *self {
            Record::Entry(entry) => entry.push(bytes),
            Record::Facts(facts) => {
                let head = RecordHead {
                    author_kind: facts.author.0,
                    author_id: facts.author.1,
                    number: facts.revision,
                    time_us: facts.time.0,
                    room: facts.room,
                    ..RecordHead::of_note(facts.kind)
                };
                let units = head.push(bytes);
                bytes.extend_from_slice(facts.body);
                units
            }
            Record::Seal(seal) => {
                let units = RecordHead::of_note(RecordKind::Seal).push(bytes);
                archive(&seal, bytes);
                units
            }
            Record::Abandoned(abandoned) => {
                let units = RecordHead::of_note(RecordKind::Abandoned).push(bytes);
                archive(&abandoned, bytes);
                units
            }
            Record::Lost { room, first, last } => {
                let head = RecordHead {
                    number: first.0,
                    room: room.as_str(),
                    ..RecordHead::of_note(RecordKind::Lost)
                };
                let units = head.push(bytes);
                archive(&LostBody { last: last.0 }, bytes);
                units
            }
        }
    }
}

impl<'a> StoredRecord<'a> {
    /// The record with this head and this body, which are aligned; `None` when this program cannot read it.
    ///
    /// **The one place that decides what each kind means:** a new kind does not compile until it is here.
    pub fn read(head: &'a [u8], body: &'a [u8]) -> Option<StoredRecord<'a>> {
        let head = RecordHead::read(head)?;
        // Only entries of a room are ever erased.
        if head.version != BODY_VERSION || head.is_erased && !head.kind.is_entry() {
            return None;
        }
        Some(match head.kind {
            RecordKind::Message => {
                let Said { author, draft, text } = Said::read(&head, body)?;
                StoredRecord::Message(StoredMessage {
                    room: head.room,
                    seq: Seq(head.number),
                    time: Timestamp(head.time_us),
                    author,
                    draft,
                    draft_hash: head.draft_hash,
                    amendments_before: head.amendments_before,
                    is_erased: head.is_erased,
                    text,
                })
            }
            RecordKind::Edit
            | RecordKind::Deletion
            | RecordKind::Reactions
            | RecordKind::Pin
            | RecordKind::Unpin
            | RecordKind::Topic => {
                let Said { author, draft, text } = Said::read(&head, body)?;
                let change = match head.kind {
                    kind if head.is_erased => StoredChange::Erased(kind),
                    RecordKind::Edit => StoredChange::Edit { text },
                    RecordKind::Deletion => StoredChange::Deletion,
                    RecordKind::Reactions => StoredChange::Reactions { changes: text },
                    RecordKind::Topic => StoredChange::Topic { text },
                    kind => StoredChange::Pin { is_pinned: kind == RecordKind::Pin },
                };
                StoredRecord::Amendment(StoredAmendment {
                    room: head.room,
                    seq: Seq(head.number),
                    time: Timestamp(head.time_us),
                    author,
                    draft,
                    draft_hash: head.draft_hash,
                    amendments_before: head.amendments_before,
                    target: Seq(head.target),
                    change,
                })
            }
            RecordKind::Facts | RecordKind::FactsCheckpoint | RecordKind::ReadPositions => {
                StoredRecord::Facts(StoredFacts {
                    kind: head.kind,
                    room: head.room,
                    revision: head.number,
                    time: Timestamp(head.time_us),
                    author: (head.author_kind, head.author_id),
                    body,
                })
            }
            RecordKind::Seal => {
                let body = access::<ArchivedSealRecord>(body)?;
                StoredRecord::Seal(SealRecord {
                    records: body.records.to_native(),
                    first_time_us: body.first_time_us.to_native(),
                    last_time_us: body.last_time_us.to_native(),
                })
            }
            RecordKind::Abandoned => {
                let body = access::<ArchivedAbandonedRecord>(body)?;
                StoredRecord::Abandoned(AbandonedRecord {
                    segment: body.segment.to_native(),
                    end_offset_bytes: body.end_offset_bytes.to_native(),
                })
            }
            RecordKind::Lost => {
                let body = access::<ArchivedLostBody>(body)?;
                let last = Seq(body.last.to_native());
                StoredRecord::Lost(StoredLost { room: head.room, first: Seq(head.number), last })
            }
        })
    }
}

/// The body of an entry; all of it is empty where it was erased.
struct Said<'a> {
    author: StoredAuthor<'a>,
    draft: &'a str,
    text: &'a str,
}

impl<'a> Said<'a> {
    fn read(head: &RecordHead<'_>, body: &'a [u8]) -> Option<Said<'a>> {
        let of = |name| StoredAuthor { kind: head.author_kind, id: head.author_id, name };
        if head.is_erased {
            return body.iter().all(|byte| *byte == 0).then_some(Said {
                author: of(""),
                draft: "",
                text: "",
            });
        }
        let body = access::<ArchivedMessageBody<'static>>(body)?;
        Some(Said { author: of(&body.author), draft: &body.draft, text: &body.text })
    }
}

/// The value that is archived in these bytes, which are aligned.
fn access<T>(bytes: &[u8]) -> Option<&T>
where
    T: Portable + for<'b> CheckBytes<rkyv::api::low::LowValidator<'b, Failure>>,
{
    rkyv::api::low::access::<T, Failure>(bytes).ok()
}

impl fmt::Debug for StoredMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} of {:?}", self.seq, self.room)
    }
}

impl StoredMessage<'_> {
    /// The message, with names that the caller has read back (and may share between messages). One that was erased is none
    /// any more.
    ///
    /// # Errors
    /// [`RecordError`] when this program would not have stored it.
    pub fn to_message(&self, room: RoomName, author: UserName) -> Result<Message, RecordError> {
        let (seq, time, draft) = (self.seq, self.time, self.draft_id()?);
        let text = Text::restore(self.text).ok_or(RecordError::Text { seq })?;
        Ok(Message { room, seq, time, author, draft, text })
    }

    /// The draft id, if it has one.
    ///
    /// # Errors
    /// [`RecordError::Draft`] when what is stored is none.
    pub fn draft_id(&self) -> Result<Option<DraftId>, RecordError> {
        draft_id_of(self.draft)
    }
}

/// A stored draft id; an empty one is none.
pub(super) fn draft_id_of(draft: &str) -> Result<Option<DraftId>, RecordError> {
    if draft.is_empty() {
        return Ok(None);
    }
    DraftId::parse(draft).map(Some).ok_or_else(|| RecordError::Draft { draft: draft.to_owned() })
}
