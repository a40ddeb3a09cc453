//! The block that an index begins with. Of an index that is asked where a room's entries are it is not read; where it is
//! asked what became of messages it is.

use super::place::identity;
use crate::format::SegmentNumber;
use crate::index::amendments::TablePlace;
use crate::index::bytes::{BUCKET_BITS_MAX, FORMAT_VERSION, MESSAGES_VERSION, SLOT_BYTES, field};
use madang_model::ShardId;

/// The bytes before the slots.
pub const INDEX_HEADER_BYTES: usize = 64;

const MAGIC: [u8; 8] = *b"MADANGIX";
const CHECKSUM_AT: usize = INDEX_HEADER_BYTES - 4;

/// What an index says of itself and its segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IndexHeader {
    pub directory: ShardId,
    pub segment: SegmentNumber,
    /// Where the segment's committed part ends, without its seal.
    pub end_offset_bytes: u64,
    /// The entries of the segment.
    pub messages: u64,
    /// The rooms of the segment.
    pub rooms: u64,
    pub bucket_bits: u8,
    /// The length of the index.
    pub file_bytes: u64,
    /// Where it says what its amendments amend; `None` where it has none.
    pub amendments: Option<TablePlace>,
    /// The length of what it says of facts, at its end. Earlier versions wrote 0, as there were none.
    pub facts_bytes: u32,
    /// The format of the index.
    pub version: u32,
}

/// An index cannot be used: it is to be made again from its segment.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IndexFault {
    /// Another version's, or not an index at all.
    #[error(
        "it is no index of segment {segment} of shard {directory} that this madang can read; it is rebuilt from the segment"
    )]
    NotOurs {
        /// Whose directory.
        directory: ShardId,
        /// Which segment.
        segment: SegmentNumber,
    },
    /// Bytes that are not what was written.
    #[error("it is damaged at byte {offset_bytes}; it is rebuilt from the segment")]
    Damaged {
        /// Where the part that is damaged begins.
        offset_bytes: u64,
    },
}

impl IndexHeader {
    pub fn encode(&self) -> [u8; INDEX_HEADER_BYTES] {
        let mut block = [0; INDEX_HEADER_BYTES];
        block[..8].copy_from_slice(&MAGIC);
        block[8..12].copy_from_slice(&self.version.to_le_bytes());
        block[12..14].copy_from_slice(&self.directory.0.to_le_bytes());
        block[14] = self.bucket_bits;
        block[16..24].copy_from_slice(&self.segment.0.to_le_bytes());
        block[24..32].copy_from_slice(&self.end_offset_bytes.to_le_bytes());
        block[32..40].copy_from_slice(&self.messages.to_le_bytes());
        // A segment has fewer frames than that.
        block[40..44].copy_from_slice(&(self.rooms as u32).to_le_bytes());
        block[48..56].copy_from_slice(&self.file_bytes.to_le_bytes());
        if let Some(place) = self.amendments {
            block[15] = place.bucket_bits;
            // In units of a slot: an index is below 64 GiB.
            block[44..48].copy_from_slice(&((place.slots_at / SLOT_BYTES as u64) as u32).to_le_bytes());
        }
        block[56..60].copy_from_slice(&self.facts_bytes.to_le_bytes());
        let checksum = identity(self.directory, self.segment).checksum(0, &block[..CHECKSUM_AT]);
        block[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
        block
    }

    pub fn decode(
        file: &[u8],
        directory: ShardId,
        segment: SegmentNumber,
    ) -> Result<IndexHeader, IndexFault> {
        let not_ours = IndexFault::NotOurs { directory, segment };
        let Some(block) = file.first_chunk::<INDEX_HEADER_BYTES>() else { return Err(not_ours) };
        let version = u32::from_le_bytes(field(block, 8));
        let checksum = identity(directory, segment).of_version(version).checksum(0, &block[..CHECKSUM_AT]);
        if !(MESSAGES_VERSION..=FORMAT_VERSION).contains(&version) {
            return Err(not_ours);
        }
        if block[..8] != MAGIC || u32::from_le_bytes(field(block, CHECKSUM_AT)) != checksum {
            return Err(not_ours);
        }
        let header = IndexHeader {
            directory: ShardId(u16::from_le_bytes(field(block, 12))),
            segment: SegmentNumber(u64::from_le_bytes(field(block, 16))),
            end_offset_bytes: u64::from_le_bytes(field(block, 24)),
            messages: u64::from_le_bytes(field(block, 32)),
            rooms: u32::from_le_bytes(field(block, 40)).into(),
            bucket_bits: block[14],
            file_bytes: u64::from_le_bytes(field(block, 48)),
            facts_bytes: u32::from_le_bytes(field(block, 56)),
            amendments: Some(u32::from_le_bytes(field(block, 44)))
                .filter(|at| *at > 0)
                .map(|at| TablePlace { slots_at: u64::from(at) * SLOT_BYTES as u64, bucket_bits: block[15] }),
            version,
        };
        let is_possible = header.amendments.is_none_or(|place| place.is_possible());
        let is_here = (header.directory, header.segment) == (directory, segment);
        if is_here && is_possible && header.bucket_bits <= BUCKET_BITS_MAX {
            Ok(header)
        } else {
            Err(not_ours)
        }
    }
}
