//! The bodies of records of facts. What is known of every record stands in its head: the room, the revision as its
//! number, time and author.

use super::link::{FactsLink, FactsVersion};
use crate::coding::{Reader, push_varint};
use crate::format::{RecordKind, SegmentNumber, StoredFacts};
use madang_model::{AccountId, DatedChange, FactsFault, Revision, RoomFacts, Seq};
use std::collections::BTreeMap;

/// A checkpoint is cut into records of at most this many bytes.
pub const PIECE_BYTES_MAX: usize = 64 * 1024;

const IS_ROLLED_UP: u8 = 1;
/// Of a checkpoint.
const IS_REPAIRED: u8 = 1;

/// What a record of facts says, parsed.
#[derive(Debug)]
pub enum FactsBody<'a> {
    /// A piece of all facts. The pieces of a checkpoint follow one another.
    Piece {
        /// Which, from 0.
        piece: u64,
        /// How many there are.
        pieces: u64,
        /// Whether a repair wrote it, in place of all records before: some of them are damaged.
        is_repaired: bool,
        /// Its bytes of [`RoomFacts::encode`].
        bytes: &'a [u8],
    },
    /// What has changed since another record.
    Behind(Behind),
}

/// What has changed since the record that this one links to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Behind {
    /// That record.
    pub link: FactsLink,
    /// From this segment on everything is needed to read the facts.
    pub oldest: SegmentNumber,
    /// Whether it repeats many others, so that loading need not read them.
    pub is_rolled_up: bool,
    /// Changes, of which the last is the record's revision.
    pub changes: Vec<DatedChange>,
    /// Read positions after those.
    pub reads: BTreeMap<AccountId, Seq>,
}

fn push_edition(edition: u64) -> Vec<u8> {
    let mut body = Vec::with_capacity(64);
    push_varint(&mut body, edition);
    body
}

impl FactsBody<'_> {
    /// The bodies of a checkpoint, which a repair may write in place of damaged records.
    pub fn encode_checkpoint(edition: u64, facts: &RoomFacts, is_repaired: bool) -> Vec<Vec<u8>> {
        let all = facts.encode();
        let pieces = all.len().div_ceil(PIECE_BYTES_MAX) as u64;
        let body = |(piece, bytes): (u64, &[u8])| {
            let mut body = push_edition(edition);
            body.push(if is_repaired { IS_REPAIRED } else { 0 });
            push_varint(&mut body, piece);
            push_varint(&mut body, pieces);
            body.extend_from_slice(bytes);
            body
        };
        (0..).zip(all.chunks(PIECE_BYTES_MAX)).map(body).collect()
    }

    /// The version of a record, and what it says.
    ///
    /// # Errors
    /// [`FactsFault`] when this program does not write such bytes.
    pub fn decode<'a>(stored: &StoredFacts<'a>) -> Result<(FactsVersion, FactsBody<'a>), FactsFault> {
        const SHORT: FactsFault = FactsFault::Unreadable("a record ends too soon");
        let mut reader = Reader::new(stored.body);
        let edition = reader.varint().ok_or(SHORT)?;
        let version = FactsVersion::stored(stored.revision, edition)
            .ok_or(FactsFault::Unreadable("nothing could follow their number"))?;
        if stored.kind == RecordKind::FactsCheckpoint {
            let flags = reader.byte().filter(|flags| flags & !IS_REPAIRED == 0).ok_or(SHORT)?;
            let (piece, pieces) = reader.varint().zip(reader.varint()).ok_or(SHORT)?;
            if piece >= pieces {
                return Err(FactsFault::Unreadable("a checkpoint has fewer pieces"));
            }
            return Ok((
                version,
                FactsBody::Piece { piece, pieces, is_repaired: flags != 0, bytes: reader.rest() },
            ));
        }
        let flags = reader.byte().filter(|flags| flags & !IS_ROLLED_UP == 0).ok_or(SHORT)?;
        let link = FactsLink::decode(&mut reader).ok_or(SHORT)?;
        let back = reader.varint().ok_or(SHORT)?;
        let oldest = link.segment.0.checked_sub(back).map(SegmentNumber).ok_or(SHORT)?;
        let mut changes = Vec::new();
        if stored.kind == RecordKind::Facts {
            let length = reader.varint().and_then(|length| usize::try_from(length).ok()).ok_or(SHORT)?;
            changes = DatedChange::decode_all(reader.bytes(length).ok_or(SHORT)?)?;
        }
        let reads = match reader.rest() {
            [] => BTreeMap::new(),
            rest => RoomFacts::decode_reads(rest)?,
        };
        if changes.is_empty() && reads.is_empty() {
            return Err(FactsFault::Unreadable("a record says nothing"));
        }
        let is_rolled_up = flags & IS_ROLLED_UP != 0;
        Ok((version, FactsBody::Behind(Behind { link, oldest, is_rolled_up, changes, reads })))
    }
}

impl Behind {
    /// The room's revision before the changes of the record that makes this one.
    pub fn before(&self, revision: Revision) -> Revision {
        Revision(revision.0.saturating_sub(self.changes.len() as u64))
    }

    /// The first revision that the record of this one tells of: one without changes tells of its own.
    pub fn first(&self, revision: Revision) -> Revision {
        self.before(revision).next().min(revision)
    }

    /// What kind of record it is.
    pub fn kind(&self) -> RecordKind {
        if self.changes.is_empty() { RecordKind::ReadPositions } else { RecordKind::Facts }
    }

    /// The body of its record.
    pub fn encode(&self, edition: u64) -> Vec<u8> {
        let mut body = push_edition(edition);
        body.push(if self.is_rolled_up { IS_ROLLED_UP } else { 0 });
        self.link.encode(&mut body);
        push_varint(&mut body, self.link.segment.0 - self.oldest.0);
        if !self.changes.is_empty() {
            let changes = DatedChange::encode_all(self.changes.iter());
            push_varint(&mut body, changes.len() as u64);
            body.extend_from_slice(&changes);
        }
        if !self.reads.is_empty() {
            body.extend_from_slice(&RoomFacts::encode_reads(&self.reads));
        }
        body
    }
}
