//! Where the messages of one room lie in one segment.

use crate::format::{FRAME_BYTES_MAX, HEADER_BYTES, SEGMENT_BYTES_MAX};
use crate::index::bytes::{FileIdentity, field};

/// Frames begin at multiples of this, and are as long.
const UNIT_BYTES: u64 = 16;
const POSITION_BYTES: usize = 6;
/// Positions that share a checksum: a page reads little more than it needs.
const BLOCK_POSITIONS: u64 = 64;
const BLOCK_BYTES: u64 = BLOCK_POSITIONS * POSITION_BYTES as u64 + 4;

/// The place of one frame: six bytes, on disk and in memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FramePosition([u8; POSITION_BYTES]);

impl FramePosition {
    /// Of a message that a repair recorded as lost: its number is taken, and it is nowhere.
    pub const LOST: FramePosition = FramePosition([0; POSITION_BYTES]);

    /// Whether the message is known to be lost.
    pub fn is_lost(self) -> bool {
        self == FramePosition::LOST
    }

    /// The frame of `frame_bytes` at `offset_bytes` of its segment.
    ///
    /// # Panics
    /// When no frame is there: neither aligned nor within a segment.
    pub fn new(offset_bytes: u64, frame_bytes: u64) -> FramePosition {
        let is_aligned = offset_bytes.is_multiple_of(UNIT_BYTES) && frame_bytes.is_multiple_of(UNIT_BYTES);
        let is_within = (HEADER_BYTES as u64..SEGMENT_BYTES_MAX).contains(&offset_bytes)
            && (1..=FRAME_BYTES_MAX as u64).contains(&frame_bytes);
        assert!(is_aligned && is_within, "no frame of {frame_bytes} bytes lies at {offset_bytes}");
        let mut bytes = [0; POSITION_BYTES];
        bytes[..4].copy_from_slice(&((offset_bytes / UNIT_BYTES) as u32).to_le_bytes());
        bytes[4..].copy_from_slice(&((frame_bytes / UNIT_BYTES) as u16).to_le_bytes());
        FramePosition(bytes)
    }

    /// Where it begins.
    pub fn offset_bytes(self) -> u64 {
        u64::from(u32::from_le_bytes(field(&self.0, 0))) * UNIT_BYTES
    }

    /// Its length.
    pub fn frame_bytes(self) -> u64 {
        u64::from(u16::from_le_bytes(field(&self.0, 4))) * UNIT_BYTES
    }
}

impl std::fmt::Debug for FramePosition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}+{}", self.offset_bytes(), self.frame_bytes())
    }
}

/// Writes positions one after another.
pub fn push_positions(out: &mut Vec<u8>, positions: &[FramePosition]) {
    for position in positions {
        out.extend_from_slice(&position.0);
    }
}

/// Reads what [`push_positions`] wrote.
pub fn read_positions(bytes: &[u8]) -> impl Iterator<Item = FramePosition> + '_ {
    bytes.chunks_exact(POSITION_BYTES).map(|bytes| FramePosition(field(bytes, 0)))
}

/// The bytes of `count` positions; `None` when `count` is impossibly large.
pub fn positions_bytes(count: u64) -> Option<usize> {
    usize::try_from(count).ok()?.checked_mul(POSITION_BYTES)
}

/// Writes a room's run of blocks at the end of `file`, each with its checksum.
pub fn push_run(file: &mut Vec<u8>, identity: FileIdentity, positions: &[FramePosition]) {
    for block in positions.chunks(BLOCK_POSITIONS as usize) {
        let start = file.len();
        push_positions(file, block);
        let checksum = identity.checksum(start as u64, &file[start..]);
        file.extend_from_slice(&checksum.to_le_bytes());
    }
}

/// A room's run of blocks in an index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PositionRun {
    /// Where it begins.
    pub offset_bytes: u64,
    /// The positions in it.
    pub count: u64,
}

impl PositionRun {
    /// The bytes that hold the positions `first..=last`, counted from 0: offset and length.
    pub fn part(&self, first: u64, last: u64) -> (u64, u64) {
        let start = first / BLOCK_POSITIONS * BLOCK_BYTES;
        let end = (last / BLOCK_POSITIONS + 1) * BLOCK_BYTES;
        (self.offset_bytes + start, end.min(self.bytes()) - start)
    }

    /// The positions `first..=last` from what [`part`](Self::part) asked for; `None` when it is
    /// damaged.
    pub fn read(
        &self,
        identity: FileIdentity,
        first: u64,
        last: u64,
        bytes: &[u8],
    ) -> Option<Vec<FramePosition>> {
        let (start, length) = self.part(first, last);
        if bytes.len() as u64 != length {
            return None;
        }
        let mut positions = Vec::with_capacity((length / POSITION_BYTES as u64) as usize);
        let mut offset_bytes = start;
        for block in bytes.chunks(BLOCK_BYTES as usize) {
            let (block_positions, checksum) = block.split_last_chunk::<4>()?;
            if identity.checksum(offset_bytes, block_positions) != u32::from_le_bytes(*checksum) {
                return None;
            }
            positions.extend(read_positions(block_positions));
            offset_bytes += block.len() as u64;
        }
        let skipped = first % BLOCK_POSITIONS;
        positions.drain(..skipped as usize);
        positions.truncate((last - first + 1) as usize);
        Some(positions)
    }

    fn bytes(&self) -> u64 {
        self.count * POSITION_BYTES as u64 + self.count.div_ceil(BLOCK_POSITIONS) * 4
    }
}
