//! The block that an index begins with. Pages do not read it; a reader of a whole index does.

use super::place::identity;
use crate::format::SegmentNumber;
use crate::index::bytes::{BUCKET_BITS_MAX, FORMAT_VERSION, field};
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
    /// The messages of the segment.
    pub messages: u64,
    /// The rooms of the segment.
    pub rooms: u64,
    pub bucket_bits: u8,
    /// The length of the index.
    pub file_bytes: u64,
    /// The length of what it says of facts, at its end. Earlier versions wrote 0, as there were none.
    pub facts_bytes: u32,
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
        block[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        block[12..14].copy_from_slice(&self.directory.0.to_le_bytes());
        block[14] = self.bucket_bits;
        block[16..24].copy_from_slice(&self.segment.0.to_le_bytes());
        block[24..32].copy_from_slice(&self.end_offset_bytes.to_le_bytes());
        block[32..40].copy_from_slice(&self.messages.to_le_bytes());
        block[40..48].copy_from_slice(&self.rooms.to_le_bytes());
        block[48..56].copy_from_slice(&self.file_bytes.to_le_bytes());
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
        let checksum = identity(directory, segment).checksum(0, &block[..CHECKSUM_AT]);
        if block[..8] != MAGIC || u32::from_le_bytes(field(block, CHECKSUM_AT)) != checksum {
            return Err(not_ours);
        }
        let header = IndexHeader {
            directory: ShardId(u16::from_le_bytes(field(block, 12))),
            segment: SegmentNumber(u64::from_le_bytes(field(block, 16))),
            end_offset_bytes: u64::from_le_bytes(field(block, 24)),
            messages: u64::from_le_bytes(field(block, 32)),
            rooms: u64::from_le_bytes(field(block, 40)),
            bucket_bits: block[14],
            file_bytes: u64::from_le_bytes(field(block, 48)),
            facts_bytes: u32::from_le_bytes(field(block, 56)),
        };
        let is_here = (header.directory, header.segment) == (directory, segment);
        if is_here && header.bucket_bits <= BUCKET_BITS_MAX { Ok(header) } else { Err(not_ours) }
    }
}
