//! Segment files: their names and the block that each begins with.

use madang_model::ShardId;
use std::fmt;

/// The newest format that this program writes and reads. Version 2 added the record `Lost`, version 3 the head of records,
/// without which frames of before are still read.
pub const FORMAT_VERSION: u32 = 3;
/// The bytes before the first frame.
pub const HEADER_BYTES: usize = 64;
/// The smallest segment: a few of the longest frames fit.
pub const SEGMENT_BYTES_MIN: u64 = 256 * 1024;
/// The largest segment: recovery reads one whole.
pub const SEGMENT_BYTES_MAX: u64 = 1024 * 1024 * 1024;

const MAGIC: [u8; 8] = *b"MADANGLG";
const CHECKSUM_AT: usize = HEADER_BYTES - 4;

/// The number of a segment in its directory: 1, 2, 3 …
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SegmentNumber(pub u64);

impl SegmentNumber {
    /// The first of a directory.
    pub const FIRST: SegmentNumber = SegmentNumber(1);

    /// The number after this one.
    #[must_use]
    pub fn next(self) -> SegmentNumber {
        SegmentNumber(self.0 + 1)
    }
}

impl fmt::Display for SegmentNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The directory of a shard's log.
pub fn directory_name(shard: ShardId) -> String {
    format!("shard-{:02}", shard.0)
}

/// The shard whose directory has this name, if it is one.
pub fn directory_shard(name: &str) -> Option<ShardId> {
    let shard = ShardId(name.strip_prefix("shard-")?.parse().ok()?);
    (directory_name(shard) == name).then_some(shard)
}

/// The file of a segment.
pub fn file_name(segment: SegmentNumber) -> String {
    format!("{:020}.seg", segment.0)
}

/// The segment whose file has this name, if it is one.
pub fn file_segment(name: &str) -> Option<SegmentNumber> {
    let segment = SegmentNumber(name.strip_suffix(".seg")?.parse().ok()?);
    (segment.0 > 0 && file_name(segment) == name).then_some(segment)
}

/// The block at the start of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentHeader {
    /// Whose log.
    pub shard: ShardId,
    /// How many shards there were when it was created; 0 where that does not say which rooms it may hold.
    pub shard_count: u16,
    /// Its number.
    pub segment: SegmentNumber,
    /// When it was created: microseconds since the Unix epoch.
    pub created_us: i64,
    /// How long it may become.
    pub capacity_bytes: u64,
    /// A checksum of what stands behind the header since something in it was erased last; 0 where nothing ever was.
    pub generation: u32,
}

/// Why the first bytes of a file are not a segment's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HeaderFault {
    /// Nothing was written yet: a segment that was being prepared.
    #[error("its header was never written")]
    Blank,
    /// Not a segment, or damaged.
    #[error("its header is damaged or it is not a segment of madang")]
    Invalid,
    /// Written by a later program.
    #[error("it has format version {found}, this madang knows {known}; start a newer madang")]
    FutureVersion {
        /// The file's.
        found: u32,
        /// The newest that this program knows.
        known: u32,
    },
    /// A right header in the wrong place.
    #[error("its header says shard {shard}, segment {segment}; it was moved here from elsewhere")]
    Elsewhere {
        /// The shard it names.
        shard: ShardId,
        /// The segment it names.
        segment: SegmentNumber,
    },
}

impl SegmentHeader {
    /// The bytes to write at the start of the file.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[12..14].copy_from_slice(&self.shard.0.to_le_bytes());
        bytes[14..16].copy_from_slice(&self.shard_count.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.segment.0.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.created_us.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.capacity_bytes.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.generation.to_le_bytes());
        let checksum = crc32c::crc32c(&bytes[..CHECKSUM_AT]);
        bytes[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads the header of the file that should be this segment of this shard.
    ///
    /// Magic, version and checksum keep their places in every later version, so that damage is
    /// never taken for a newer format.
    ///
    /// # Errors
    /// [`HeaderFault`] says what stands there instead.
    pub fn decode(file: &[u8], shard: ShardId, segment: SegmentNumber) -> Result<SegmentHeader, HeaderFault> {
        let Some(bytes) = file.first_chunk::<HEADER_BYTES>() else {
            return Err(if file.iter().all(|b| *b == 0) { HeaderFault::Blank } else { HeaderFault::Invalid });
        };
        if bytes.iter().all(|b| *b == 0) {
            return Err(HeaderFault::Blank);
        }
        let checksum = u32::from_le_bytes(field(bytes, CHECKSUM_AT));
        if bytes[..8] != MAGIC || crc32c::crc32c(&bytes[..CHECKSUM_AT]) != checksum {
            return Err(HeaderFault::Invalid);
        }
        let found = u32::from_le_bytes(field(bytes, 8));
        if found > FORMAT_VERSION {
            return Err(HeaderFault::FutureVersion { found, known: FORMAT_VERSION });
        }
        let header = SegmentHeader {
            shard: ShardId(u16::from_le_bytes(field(bytes, 12))),
            shard_count: u16::from_le_bytes(field(bytes, 14)),
            segment: SegmentNumber(u64::from_le_bytes(field(bytes, 16))),
            created_us: i64::from_le_bytes(field(bytes, 24)),
            capacity_bytes: u64::from_le_bytes(field(bytes, 32)),
            generation: u32::from_le_bytes(field(bytes, 40)),
        };
        if (header.shard, header.segment) != (shard, segment) {
            return Err(HeaderFault::Elsewhere { shard: header.shard, segment: header.segment });
        }
        Ok(header)
    }
}

fn field<const N: usize>(bytes: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    *bytes[at..].first_chunk().expect("every field lies within the header")
}
