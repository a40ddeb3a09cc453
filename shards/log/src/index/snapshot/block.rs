//! The blocks that a snapshot begins and ends with. It is written without going back, so what is
//! known only at its end stands there.

use crate::format::SegmentNumber;
use crate::index::bytes::{BUCKET_BITS_MAX, FileIdentity, FileKind, SNAPSHOT_VERSION, field};
use crate::index::reads::{ReadAnswer, ReadRequest, StoredFile};
use madang_model::{RoomKey, ShardId};
use std::io;

/// The file of a snapshot, in its directory.
pub const SNAPSHOT_FILE_NAME: &str = "rooms.snapshot";
/// The file of its copy, in the same directory.
pub const SNAPSHOT_COPY_FILE_NAME: &str = "rooms.snapshot.copy";
/// The bytes at the start of a snapshot, and those at its end.
pub const SNAPSHOT_BLOCK_BYTES: usize = 64;

const CHECKSUM_AT: usize = SNAPSHOT_BLOCK_BYTES - 4;

/// Which of the two files of a directory that have the format of a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SnapshotFile {
    /// The snapshot.
    Newest,
    /// What it said when something was about to expire: of rooms whose messages have all expired no segment
    /// holds the numbers any more, so that they are kept twice.
    Copy,
}

impl SnapshotFile {
    /// Both.
    pub const ALL: [SnapshotFile; 2] = [SnapshotFile::Newest, SnapshotFile::Copy];

    /// Its name in the directory.
    pub fn name(self) -> &'static str {
        match self {
            SnapshotFile::Newest => SNAPSHOT_FILE_NAME,
            SnapshotFile::Copy => SNAPSHOT_COPY_FILE_NAME,
        }
    }
}

/// What a snapshot is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SnapshotScope {
    /// Whose directory.
    pub directory: ShardId,
    /// How many shards there were while all of it was written: then it holds the rooms whose home
    /// this shard was among that many. 0 when that has changed, or is not known.
    pub shard_count: u16,
    /// The last segment of the directory whose rooms are in it.
    pub covers: SegmentNumber,
}

/// A snapshot that is whole, and where its table is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SnapshotInfo {
    /// What it is about.
    pub scope: SnapshotScope,
    /// The rooms in it.
    pub rooms: u64,
    /// The version of its format.
    pub(super) version: u32,
    pub(super) slots_at: u64,
    pub(super) bucket_bits: u8,
}

/// Why a snapshot cannot be used. It can be made again from the indexes of its directory.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotFault {
    /// Another version's, another directory's, not whole, or not a snapshot at all.
    #[error(
        "it is no snapshot of shard {directory} that this madang can read; it is rebuilt from the indexes"
    )]
    NotOurs {
        /// Whose directory.
        directory: ShardId,
    },
    /// Bytes that are not what was written.
    #[error("it is damaged at byte {offset_bytes}; it is rebuilt from the indexes")]
    Damaged {
        /// Where the part that is damaged begins.
        offset_bytes: u64,
    },
    /// It could not be read, or the new one not written.
    #[error("{0}; check the disk with dmesg, and free some space if it is full")]
    Io(#[from] io::Error),
}

/// Which of the two blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BlockSide {
    Start,
    End,
}

impl SnapshotScope {
    /// Whether a room of this key may be in it. It holds the messages of its own directory only,
    /// and those are of rooms at home there, as long as the number of shards never changed.
    pub fn may_hold(&self, key: RoomKey) -> bool {
        self.shard_count == 0 || key.directory(self.shard_count) == self.directory
    }

    /// Reads the end of a snapshot that covers what this one covers, or more.
    pub(in crate::index) fn at_least(&self, end: &ReadAnswer<'_>) -> Option<SnapshotInfo> {
        let ReadAnswer::Bytes(end) = end else { return None };
        let info = SnapshotInfo::decode(end, self.directory).ok()?;
        (info.scope.covers >= self.covers).then_some(info)
    }
}

impl SnapshotInfo {
    pub(super) fn identity(&self) -> FileIdentity {
        let SnapshotScope { directory, covers, .. } = self.scope;
        FileIdentity { kind: FileKind::Snapshot, directory, number: covers.0, version: self.version }
    }

    /// How long its file is, but for its slots.
    pub fn bytes_about(&self) -> u64 {
        self.slots_at
    }

    /// The read that [`decode`](Self::decode) needs, of a snapshot of `file_bytes`.
    pub fn request(directory: ShardId, file_bytes: u64) -> ReadRequest {
        let offset_bytes = file_bytes.saturating_sub(SNAPSHOT_BLOCK_BYTES as u64);
        ReadRequest { directory, file: StoredFile::Snapshot, offset_bytes, bytes: SNAPSHOT_BLOCK_BYTES }
    }

    /// Reads the end of a snapshot.
    ///
    /// # Errors
    /// [`SnapshotFault`] when it is none of this directory, or its writing was never finished.
    pub fn decode(end: &[u8], directory: ShardId) -> Result<SnapshotInfo, SnapshotFault> {
        SnapshotInfo::decode_block(BlockSide::End, end, directory)
    }

    pub(super) fn encode_block(&self, side: BlockSide) -> [u8; SNAPSHOT_BLOCK_BYTES] {
        let mut block = [0; SNAPSHOT_BLOCK_BYTES];
        block[..8].copy_from_slice(side.magic());
        block[8..12].copy_from_slice(&self.version.to_le_bytes());
        block[12..14].copy_from_slice(&self.scope.directory.0.to_le_bytes());
        block[14..16].copy_from_slice(&self.scope.shard_count.to_le_bytes());
        block[16..24].copy_from_slice(&self.scope.covers.0.to_le_bytes());
        block[24..32].copy_from_slice(&self.rooms.to_le_bytes());
        block[32..40].copy_from_slice(&self.slots_at.to_le_bytes());
        block[40] = self.bucket_bits;
        let checksum = crc32c::crc32c(&block[..CHECKSUM_AT]);
        block[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
        block
    }

    pub(super) fn decode_block(
        side: BlockSide,
        block: &[u8],
        directory: ShardId,
    ) -> Result<SnapshotInfo, SnapshotFault> {
        let not_ours = SnapshotFault::NotOurs { directory };
        if block.len() != SNAPSHOT_BLOCK_BYTES || block[..8] != *side.magic() {
            return Err(not_ours);
        }
        let checksum = u32::from_le_bytes(field(block, CHECKSUM_AT));
        let version = u32::from_le_bytes(field(block, 8));
        let is_known = (1..=SNAPSHOT_VERSION).contains(&version);
        if crc32c::crc32c(&block[..CHECKSUM_AT]) != checksum || !is_known {
            return Err(not_ours);
        }
        let scope = SnapshotScope {
            directory: ShardId(u16::from_le_bytes(field(block, 12))),
            shard_count: u16::from_le_bytes(field(block, 14)),
            covers: SegmentNumber(u64::from_le_bytes(field(block, 16))),
        };
        let info = SnapshotInfo {
            scope,
            rooms: u64::from_le_bytes(field(block, 24)),
            version,
            slots_at: u64::from_le_bytes(field(block, 32)),
            bucket_bits: block[40],
        };
        // The table must lie below what offsets can be computed of.
        let is_possible = info.bucket_bits <= BUCKET_BITS_MAX && info.slots_at < 1 << 62;
        if scope.directory == directory && is_possible { Ok(info) } else { Err(not_ours) }
    }
}

impl BlockSide {
    fn magic(self) -> &'static [u8; 8] {
        match self {
            BlockSide::Start => b"MADANGSN",
            BlockSide::End => b"MADANGSE",
        }
    }
}
