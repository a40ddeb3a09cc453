//! A room in the index of a segment.

use super::details::DetailRun;
use super::position::{FramePosition, PositionRun, positions_bytes, push_positions, read_positions};
use crate::format::{RecordError, SEGMENT_BYTES_MAX, SegmentNumber};
use crate::index::bytes::{MESSAGES_VERSION, Reader, push_varint};
use crate::index::link::{EntryLink, RoomTail, push_tower, read_tower};
use madang_model::{RoomName, Seq, ShardId};

/// Up to this many positions stand in the entry itself: a room that says little costs no further
/// read.
pub const POSITIONS_HERE_MAX: u64 = 16;
/// More messages than the largest segment has frames.
const MESSAGES_MAX: u64 = SEGMENT_BYTES_MAX / 16;
/// More bytes than an index has: each entry and each position is shorter than its frame.
const FILE_BYTES_MAX: u64 = 4 * SEGMENT_BYTES_MAX;

/// What a segment's index says of a room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomEntry {
    /// The number of the room's key.
    pub(in crate::index) key: u64,
    /// The room's name, as its first message there shows it.
    pub name: Box<str>,
    /// The number of its first message there.
    pub first: Seq,
    /// Its entries there. Their numbers follow one another.
    pub count: u64,
    /// How many of the room's entries before them are no messages.
    pub amendments_before: u64,
    /// How many of them are none.
    pub amendments: u64,
    pub(in crate::index) positions: RoomPositions,
    /// What is counted of them; `None` where the format of the index does not know it.
    pub(in crate::index) details: Option<DetailRun>,
    pub(in crate::index) ordinal: u32,
    pub(in crate::index) tower: Box<[EntryLink]>,
}

/// Where an entry's positions are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RoomPositions {
    Here(Box<[FramePosition]>),
    In(PositionRun),
}

impl RoomEntry {
    /// The number of its last message there.
    pub fn last(&self) -> Seq {
        Seq(self.first.0 + self.count - 1)
    }

    /// The number of the room's key, by which tables of amendments have it.
    pub fn key(&self) -> u64 {
        self.key
    }

    /// The room's name, checked.
    ///
    /// # Errors
    /// [`RecordError::Room`] when it is none.
    pub fn room_name(&self) -> Result<RoomName, RecordError> {
        stored_name(&self.name)
    }

    /// The room's tail after this segment.
    pub fn tail(&self, directory: ShardId, segment: SegmentNumber, bucket_bits: u8) -> RoomTail {
        let last = EntryLink { directory, segment, first: self.first, bucket_bits };
        let amendments = self.amendments_before + self.amendments;
        RoomTail { head: self.last(), amendments, last, ordinal: self.ordinal, tower: self.tower.clone() }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.key.to_le_bytes());
        push_varint(out, self.name.len() as u64);
        out.extend_from_slice(self.name.as_bytes());
        push_varint(out, self.first.0);
        push_varint(out, self.count);
        push_varint(out, self.amendments_before);
        push_varint(out, self.amendments);
        match &self.positions {
            RoomPositions::Here(positions) => push_positions(out, positions),
            RoomPositions::In(run) => push_varint(out, run.offset_bytes),
        }
        push_varint(out, self.details.map_or(0, |run| run.offset_bytes));
        // The place for where it is said whom entries mention: nobody, until there are accounts.
        push_varint(out, 0);
        push_tower(out, self.ordinal, &self.tower, self.first);
    }

    fn decode(bytes: &mut Reader<'_>, version: u32) -> Option<RoomEntry> {
        let key = bytes.fixed()?;
        let name = bytes.text()?.into();
        let first = Seq(bytes.varint()?);
        let count = bytes.varint()?;
        let is_possible = first > Seq::ZERO && (1..=MESSAGES_MAX).contains(&count);
        if !is_possible || first.0.checked_add(count)? == u64::MAX {
            return None;
        }
        let (amendments_before, amendments) = match version {
            MESSAGES_VERSION => (0, 0),
            _ => (bytes.varint()?, bytes.varint()?),
        };
        if amendments > count || amendments_before >= first.0 {
            return None;
        }
        let positions = if count <= POSITIONS_HERE_MAX {
            let positions = bytes.bytes(positions_bytes(count)?)?;
            RoomPositions::Here(read_positions(positions).collect())
        } else {
            let offset_bytes = bytes.varint().filter(|offset| *offset <= FILE_BYTES_MAX)?;
            RoomPositions::In(PositionRun { offset_bytes, count, is_counted: amendments > 0, version })
        };
        let details = match version {
            MESSAGES_VERSION => None,
            _ => {
                let offset_bytes = bytes.varint().filter(|offset| *offset <= FILE_BYTES_MAX)?;
                bytes.varint()?;
                Some(DetailRun { offset_bytes, first, count })
            }
        };
        let (ordinal, tower) = read_tower(bytes, first)?;
        Some(RoomEntry {
            key,
            name,
            first,
            count,
            amendments_before,
            amendments,
            positions,
            details,
            ordinal,
            tower,
        })
    }

    /// The entries of a bucket, in the order of their keys; `None` when some are not as this
    /// program writes them.
    pub(in crate::index) fn decode_bucket(entries: &[u8], version: u32) -> Option<Vec<RoomEntry>> {
        let mut reader = Reader::new(entries);
        let mut rooms: Vec<RoomEntry> = Vec::new();
        while !reader.is_empty() {
            let room = RoomEntry::decode(&mut reader, version)?;
            if rooms.last().is_some_and(|last| last.key >= room.key) {
                return None;
            }
            rooms.push(room);
        }
        Some(rooms)
    }
}

/// Checks a name that an index or a snapshot holds.
pub fn stored_name(name: &str) -> Result<RoomName, RecordError> {
    RoomName::from_log(name).map_err(|source| RecordError::Room { name: name.to_owned(), source })
}
