//! Records as formats 1 and 2 wrote them: one archived enum, without a head. They are only read.
//!
//! Format 1 had no `Lost`. What is described here lies in files: nothing of it may change.

use super::archive::Inline;
use super::head::AuthorKind;
use super::record::{AbandonedRecord, SealRecord, StoredAuthor, StoredLost, StoredMessage, StoredRecord};
use madang_model::{Seq, Timestamp};
use rkyv::Archive;
#[cfg(test)]
use rkyv::Serialize;
use rkyv::rancor::Failure;

/// A variant's number on disk is its position.
#[derive(Archive)]
#[cfg_attr(test, derive(Serialize))]
#[cfg_attr(not(test), expect(dead_code, reason = "only its archives are read"))]
pub enum OldRecord<'a> {
    Message(OldMessage<'a>),
    Seal(OldSeal),
    Abandoned(OldAbandoned),
    Lost(OldLost<'a>),
}

#[derive(Archive)]
#[cfg_attr(test, derive(Serialize))]
pub struct OldMessage<'a> {
    #[rkyv(with = Inline)]
    pub room: &'a str,
    pub seq: u64,
    pub time_us: i64,
    #[rkyv(with = Inline)]
    pub author: &'a str,
    #[rkyv(with = Inline)]
    pub draft: &'a str,
    #[rkyv(with = Inline)]
    pub text: &'a str,
}

#[derive(Archive)]
#[cfg_attr(test, derive(Serialize))]
pub struct OldSeal {
    pub records: u64,
    pub first_time_us: i64,
    pub last_time_us: i64,
}

#[derive(Archive)]
#[cfg_attr(test, derive(Serialize))]
pub struct OldAbandoned {
    pub segment: u64,
    pub end_offset_bytes: u64,
}

#[derive(Archive)]
#[cfg_attr(test, derive(Serialize))]
pub struct OldLost<'a> {
    #[rkyv(with = Inline)]
    pub room: &'a str,
    pub first: u64,
    pub last: u64,
}

/// The record that is archived in these bytes, which are aligned; `None` when none is.
pub fn read(payload: &[u8]) -> Option<StoredRecord<'_>> {
    let archived = rkyv::api::low::access::<ArchivedOldRecord<'static>, Failure>(payload).ok()?;
    Some(match archived {
        ArchivedOldRecord::Message(message) => StoredRecord::Message(StoredMessage {
            room: &message.room,
            seq: Seq(message.seq.to_native()),
            time: Timestamp(message.time_us.to_native()),
            author: StoredAuthor { kind: AuthorKind::None, id: 0, name: &message.author },
            draft: &message.draft,
            draft_hash: 0,
            amendments_before: 0,
            is_erased: false,
            text: &message.text,
        }),
        ArchivedOldRecord::Seal(seal) => StoredRecord::Seal(SealRecord {
            records: seal.records.to_native(),
            first_time_us: seal.first_time_us.to_native(),
            last_time_us: seal.last_time_us.to_native(),
        }),
        ArchivedOldRecord::Abandoned(note) => StoredRecord::Abandoned(AbandonedRecord {
            segment: note.segment.to_native(),
            end_offset_bytes: note.end_offset_bytes.to_native(),
        }),
        ArchivedOldRecord::Lost(lost) => StoredRecord::Lost(StoredLost {
            room: &lost.room,
            first: Seq(lost.first.to_native()),
            last: Seq(lost.last.to_native()),
        }),
    })
}

/// A frame as format 2 wrote it, which is yet to be stamped.
#[cfg(test)]
pub fn push_old_frame(bytes: &mut Vec<u8>, record: &OldRecord<'_>) {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; 16]);
    super::archive::archive(record, bytes);
    let length = (bytes.len() - start - 16) as u32;
    bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
    bytes.resize(bytes.len().next_multiple_of(16), 0);
}
