//! Where the entries of one room lie in one segment, and of which kind each is.

use crate::format::{FRAME_BYTES_MAX, HEADER_BYTES, RecordKind, SEGMENT_BYTES_MAX};
use crate::index::bytes::{FileIdentity, Reader, field, push_varint};

/// Frames begin at multiples of this, and are as long.
const UNIT_BYTES: u64 = 16;
const POSITION_BYTES: usize = 6;
/// Positions that share a checksum: a page reads little more than it needs.
const BLOCK_POSITIONS: u64 = 64;
/// The bits of the first field that say where; the others say which kind. No segment has as many units.
const UNIT_BITS: u32 = 28;
/// The bits of a kind.
const KIND_BITS: u32 = u32::BITS - UNIT_BITS;
/// The kinds of entries, by what stands in a position. A number is never used for anything else.
const KINDS: [RecordKind; 7] = [
    RecordKind::Message,
    RecordKind::Edit,
    RecordKind::Deletion,
    RecordKind::Reactions,
    RecordKind::Pin,
    RecordKind::Topic,
    RecordKind::Unpin,
];

/// The place and the kind of one frame: six bytes, on disk and in memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FramePosition([u8; POSITION_BYTES]);

impl FramePosition {
    /// Of a message that a repair recorded as lost: its number is taken, and it is nowhere.
    pub const LOST: FramePosition = FramePosition([0; POSITION_BYTES]);
    /// Of an entry that is lost and was no message.
    pub const LOST_AMENDMENT: FramePosition = FramePosition([0, 0, 0, 1 << 4, 0, 0]);

    /// Whether the entry is known to be lost.
    pub fn is_lost(self) -> bool {
        self.frame_bytes() == 0
    }

    /// The frame of `frame_bytes` at `offset_bytes` of its segment, with an entry of this kind.
    ///
    /// # Panics
    /// When no frame is there, neither aligned nor within a segment; or no entry.
    pub fn new(offset_bytes: u64, frame_bytes: u64, kind: RecordKind) -> FramePosition {
        let is_aligned = offset_bytes.is_multiple_of(UNIT_BYTES) && frame_bytes.is_multiple_of(UNIT_BYTES);
        let is_within = (HEADER_BYTES as u64..SEGMENT_BYTES_MAX).contains(&offset_bytes)
            && (1..=FRAME_BYTES_MAX as u64).contains(&frame_bytes);
        assert!(is_aligned && is_within, "no frame of {frame_bytes} bytes lies at {offset_bytes}");
        let number = KINDS.iter().position(|known| *known == kind).expect("only entries have positions");
        let place = (offset_bytes / UNIT_BYTES) as u32 | (number as u32) << UNIT_BITS;
        let mut bytes = [0; POSITION_BYTES];
        bytes[..4].copy_from_slice(&place.to_le_bytes());
        bytes[4..].copy_from_slice(&((frame_bytes / UNIT_BYTES) as u16).to_le_bytes());
        FramePosition(bytes)
    }

    /// Where it begins.
    pub fn offset_bytes(self) -> u64 {
        u64::from(self.place() & ((1 << UNIT_BITS) - 1)) * UNIT_BYTES
    }

    /// Its length.
    pub fn frame_bytes(self) -> u64 {
        u64::from(u16::from_le_bytes(field(&self.0, 4))) * UNIT_BYTES
    }

    /// What kind of entry it is. One that this program does not know is none that it shows.
    pub fn kind(self) -> RecordKind {
        KINDS.get((self.place() >> UNIT_BITS) as usize).copied().unwrap_or(RecordKind::Topic)
    }

    /// Whether it is a message.
    pub fn is_message(self) -> bool {
        self.place() >> UNIT_BITS == 0
    }

    fn place(self) -> u32 {
        u32::from_le_bytes(field(&self.0, 0))
    }

    /// Its bytes, as they are stored.
    pub(in crate::index) fn bytes(self) -> [u8; POSITION_BYTES] {
        self.0
    }

    /// Reads [`bytes`](Self::bytes).
    pub(in crate::index) fn of_bytes(bytes: [u8; POSITION_BYTES]) -> FramePosition {
        FramePosition(bytes)
    }
}

impl std::fmt::Debug for FramePosition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {}+{}", self.kind(), self.offset_bytes(), self.frame_bytes())
    }
}

/// How many of these are no messages.
pub fn amendments_in(positions: &[FramePosition]) -> u64 {
    positions.iter().filter(|position| !position.is_message()).count() as u64
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

/// Appends positions of entries that follow one another, some three bytes each: length and kind, and how far behind the
/// end of the last one it begins.
pub fn push_packed(out: &mut Vec<u8>, positions: &[FramePosition]) {
    let mut end = 0_i64;
    for position in positions {
        let units = position.frame_bytes() / UNIT_BYTES;
        push_varint(out, units << KIND_BITS | u64::from(position.place() >> UNIT_BITS));
        if units > 0 {
            let begins = (position.offset_bytes() / UNIT_BYTES) as i64;
            let gap = begins - end;
            push_varint(out, ((gap << 1) ^ (gap >> 63)) as u64);
            end = begins + units as i64;
        }
    }
}

/// Reads `count` of what [`push_packed`] wrote; `None` when some are none.
pub fn read_packed(bytes: &mut Reader<'_>, count: u64) -> Option<Vec<FramePosition>> {
    let mut positions = Vec::new();
    let mut end = 0_i64;
    for _ in 0..count {
        let first = bytes.varint()?;
        let (units, kind) = (first >> KIND_BITS, (first & ((1 << KIND_BITS) - 1)) as u32);
        let mut begins = 0;
        if units > 0 {
            let gap = bytes.varint()?;
            begins = end.checked_add((gap >> 1) as i64 ^ -((gap & 1) as i64))?;
            end = begins.checked_add(i64::from(u16::try_from(units).ok()?))?;
        }
        let begins = u32::try_from(begins).ok().filter(|begins| *begins < 1 << UNIT_BITS)?;
        let mut position = [0; POSITION_BYTES];
        position[..4].copy_from_slice(&(begins | kind << UNIT_BITS).to_le_bytes());
        position[4..].copy_from_slice(&(units as u16).to_le_bytes());
        positions.push(FramePosition(position));
    }
    Some(positions)
}

/// The bytes of `count` positions; `None` when `count` is impossibly large.
pub fn positions_bytes(count: u64) -> Option<usize> {
    usize::try_from(count).ok()?.checked_mul(POSITION_BYTES)
}

/// Writes a room's run of blocks at the end of `file`, each with its checksum. Where not all are messages, a block says
/// how many of those before it in the run are none.
pub fn push_run(file: &mut Vec<u8>, identity: FileIdentity, positions: &[FramePosition]) {
    let is_counted = amendments_in(positions) > 0;
    let mut amendments = 0;
    for block in positions.chunks(BLOCK_POSITIONS as usize) {
        let start = file.len();
        push_positions(file, block);
        if is_counted {
            // A segment has fewer frames than that.
            file.extend_from_slice(&(amendments as u32).to_le_bytes());
            amendments += amendments_in(block);
        }
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
    /// Whether its blocks count amendments: where there are any.
    pub is_counted: bool,
    /// The format of the index.
    pub version: u32,
}

impl PositionRun {
    /// The bytes that hold the positions `first..=last`, counted from 0: offset and length.
    pub fn part(&self, first: u64, last: u64) -> (u64, u64) {
        let block_bytes = BLOCK_POSITIONS * POSITION_BYTES as u64 + self.end_bytes();
        let start = first / BLOCK_POSITIONS * block_bytes;
        let end = (last / BLOCK_POSITIONS + 1) * block_bytes;
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
        let identity = identity.of_version(self.version);
        let (start, length) = self.part(first, last);
        if bytes.len() as u64 != length {
            return None;
        }
        let mut positions = Vec::with_capacity((length / POSITION_BYTES as u64) as usize);
        let mut offset_bytes = start;
        let block_bytes = BLOCK_POSITIONS * POSITION_BYTES as u64 + self.end_bytes();
        for block in bytes.chunks(block_bytes as usize) {
            let (covered, checksum) = block.split_last_chunk::<4>()?;
            if identity.checksum(offset_bytes, covered) != u32::from_le_bytes(*checksum) {
                return None;
            }
            let block_positions = if self.is_counted { covered.split_last_chunk::<4>()?.0 } else { covered };
            positions.extend(read_positions(block_positions));
            offset_bytes += block.len() as u64;
        }
        let skipped = first % BLOCK_POSITIONS;
        positions.drain(..skipped as usize);
        positions.truncate((last - first + 1) as usize);
        Some(positions)
    }

    /// What stands behind the positions of a block.
    fn end_bytes(&self) -> u64 {
        if self.is_counted { 8 } else { 4 }
    }

    fn bytes(&self) -> u64 {
        self.count * POSITION_BYTES as u64 + self.count.div_ceil(BLOCK_POSITIONS) * self.end_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Chance;

    #[test]
    fn packed_positions_are_read_as_they_were_and_nothing_else_is_taken_for_some() {
        let mut chance = Chance(9);
        for _ in 0..200 {
            let mut end = HEADER_BYTES as u64;
            let positions: Vec<FramePosition> = (0..chance.below(65))
                .map(|_| {
                    let bytes = (1 + chance.below(FRAME_BYTES_MAX as u64 / UNIT_BYTES)) * UNIT_BYTES;
                    end += chance.below(3) * chance.below(1 << 16) * UNIT_BYTES;
                    match chance.below(12) {
                        0 => FramePosition::LOST,
                        1 => FramePosition::LOST_AMENDMENT,
                        2 => FramePosition::new(HEADER_BYTES as u64, bytes, RecordKind::Topic),
                        _ => FramePosition::new(end, bytes, KINDS[chance.below(7) as usize]),
                    }
                })
                .collect();
            let mut packed = Vec::new();
            push_packed(&mut packed, &positions);
            let count = positions.len() as u64;
            let mut reader = Reader::new(&packed);
            assert_eq!(read_packed(&mut reader, count), Some(positions));
            assert!(reader.is_empty());
            assert_eq!(read_packed(&mut Reader::new(&packed), count + 1), None);
            if let Some(last) = packed.len().checked_sub(1) {
                let other = chance.below(last as u64 + 1) as usize;
                packed[other] ^= 1 << chance.below(8);
                let _whatever = read_packed(&mut Reader::new(&packed), count);
            }
        }
    }
}
