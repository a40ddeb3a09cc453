//! Who wrote each entry of a room in one segment, of which kind it is and from which draft it came: what is counted and
//! looked for without reading the entries themselves.

use super::position::FramePosition;
use crate::format::RecordKind;
use crate::index::bytes::{FileIdentity, field};
use madang_model::{Seq, Timestamp};

/// Details that share a checksum.
const BLOCK_ENTRIES: u64 = 64;
const DETAIL_BYTES: usize = 17;
/// What stands before and behind the details of a block: a time, and the checksum.
const BLOCK_START_BYTES: usize = 8;
const CHECKSUM_BYTES: usize = 4;
const BLOCK_BYTES: u64 = BLOCK_ENTRIES * DETAIL_BYTES as u64 + (BLOCK_START_BYTES + CHECKSUM_BYTES) as u64;
/// In the place of a kind: the entry is lost.
const LOST: u8 = 0;

/// Of one entry, while its segment is appended to: 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EntryDetails {
    /// Who wrote it, as [`author_hash`](crate::author_hash) has it; 0 is unknown.
    pub author: u64,
    /// Its author's draft, as [`draft_hash`](crate::draft_hash) has it; 0 is none.
    pub draft: u64,
}

/// What an index says of one entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoredDetails {
    /// Its number in the room.
    pub seq: Seq,
    /// What it is; `None` when it is lost, or of a kind that this program does not know.
    pub kind: Option<RecordKind>,
    /// Who wrote it, and from which draft.
    pub details: EntryDetails,
}

impl StoredDetails {
    /// Of an entry at this place.
    pub fn new(seq: Seq, position: FramePosition, details: EntryDetails) -> StoredDetails {
        StoredDetails { seq, kind: (!position.is_lost()).then(|| position.kind()), details }
    }
}

/// Times of some entries of a room in a segment, in the order of their numbers.
pub type EntryTimes = Vec<(Seq, Timestamp)>;

/// No entry before `seq` has a later time than this, as far as `times` say it.
pub fn time_at(times: &[(Seq, Timestamp)], seq: Seq) -> Timestamp {
    let behind = times.partition_point(|(known, _)| *known < seq);
    times.get(behind).map_or(Timestamp(i64::MAX), |(_, time)| *time)
}

/// Writes a room's run of blocks at the end of `file`. Each begins with the latest time that the entries before it in the
/// segment may have.
pub fn push_details(
    file: &mut Vec<u8>,
    identity: FileIdentity,
    first: Seq,
    times: &[(Seq, Timestamp)],
    entries: &[(FramePosition, EntryDetails)],
) {
    for (number, block) in entries.chunks(BLOCK_ENTRIES as usize).enumerate() {
        let start = file.len();
        let begins = Seq(first.0 + number as u64 * BLOCK_ENTRIES);
        file.extend_from_slice(&time_at(times, begins).0.to_le_bytes());
        for (position, details) in block {
            file.push(if position.is_lost() { LOST } else { position.kind() as u8 });
            file.extend_from_slice(&details.author.to_le_bytes());
            file.extend_from_slice(&details.draft.to_le_bytes());
        }
        let checksum = identity.checksum(start as u64, &file[start..]);
        file.extend_from_slice(&checksum.to_le_bytes());
    }
}

/// A room's run of details in an index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DetailRun {
    /// Where it begins.
    pub offset_bytes: u64,
    /// The number of the first entry in it.
    pub first: Seq,
    /// How many there are.
    pub count: u64,
}

/// Some of the details of a room in a segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadDetails {
    /// No entry of the room before those that were asked for has a later time.
    pub before: Timestamp,
    /// In the order of their numbers.
    pub entries: Vec<StoredDetails>,
}

impl DetailRun {
    /// The bytes that hold what is said of the entries `first..=last`: offset and length.
    pub fn part(&self, first: Seq, last: Seq) -> (u64, u64) {
        let start = self.block_of(first) * BLOCK_BYTES;
        let end = (self.block_of(last) + 1) * BLOCK_BYTES;
        (self.offset_bytes + start, end.min(self.bytes()) - start)
    }

    /// What is said of the entries `first..=last`, from what [`part`](Self::part) asked for; `None` when it is damaged.
    pub fn read(&self, identity: FileIdentity, first: Seq, last: Seq, bytes: &[u8]) -> Option<ReadDetails> {
        let (start, length) = self.part(first, last);
        if bytes.len() as u64 != length {
            return None;
        }
        let (mut found, mut offset_bytes) =
            (ReadDetails { before: Timestamp(i64::MAX), entries: Vec::new() }, start);
        let mut seq = Seq(self.first.0 + self.block_of(first) * BLOCK_ENTRIES);
        for (number, block) in bytes.chunks(BLOCK_BYTES as usize).enumerate() {
            let (covered, checksum) = block.split_last_chunk::<CHECKSUM_BYTES>()?;
            if identity.checksum(offset_bytes, covered) != u32::from_le_bytes(*checksum) {
                return None;
            }
            let (time, details) = covered.split_first_chunk::<BLOCK_START_BYTES>()?;
            if number == 0 && first == seq {
                found.before = Timestamp(i64::from_le_bytes(*time));
            }
            for detail in details.chunks_exact(DETAIL_BYTES) {
                if (first..=last).contains(&seq) {
                    let (author, draft) =
                        (u64::from_le_bytes(field(detail, 1)), u64::from_le_bytes(field(detail, 9)));
                    let kind = RecordKind::of_entry(detail[0]);
                    found.entries.push(StoredDetails { seq, kind, details: EntryDetails { author, draft } });
                }
                seq = seq.next();
            }
            offset_bytes += block.len() as u64;
        }
        Some(found)
    }

    /// The first entry of the block that this one is in: what begins there says what time was before it.
    pub fn aligned(&self, seq: Seq) -> Seq {
        Seq(self.first.0 + self.block_of(seq) * BLOCK_ENTRIES)
    }

    fn block_of(&self, seq: Seq) -> u64 {
        (seq.0 - self.first.0) / BLOCK_ENTRIES
    }

    fn bytes(&self) -> u64 {
        let each_block = (BLOCK_START_BYTES + CHECKSUM_BYTES) as u64;
        self.count * DETAIL_BYTES as u64 + self.count.div_ceil(BLOCK_ENTRIES) * each_block
    }
}
