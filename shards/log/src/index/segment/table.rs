//! A whole index, read back: what a start and the tools need.

use super::entry::{RoomEntry, RoomPositions};
use super::facts::{FactsEntry, read_facts};
use super::header::{INDEX_HEADER_BYTES, IndexFault, IndexHeader};
use super::place::identity;
use super::position::{FramePosition, PositionRun};
use crate::format::{RecordError, SegmentNumber};
use crate::index::amendments::{AmendmentTable, SegmentGroups};
use crate::index::bytes::{FORMAT_VERSION, FileIdentity, bucket_of, bucket_of_file, part};
use crate::index::link::RoomTail;
use madang_model::{RoomName, ShardId};

/// The rooms of a sealed segment.
#[derive(Debug)]
pub struct SegmentTable {
    header: IndexHeader,
    rooms: Vec<RoomEntry>,
    amendments: AmendmentTable,
    facts: Vec<FactsEntry>,
}

impl SegmentTable {
    /// Reads and checks a whole index, every part of it.
    ///
    /// # Errors
    /// [`IndexFault`] when it cannot be used.
    pub fn decode(
        file: &[u8],
        directory: ShardId,
        segment: SegmentNumber,
    ) -> Result<SegmentTable, IndexFault> {
        let header = IndexHeader::decode(file, directory, segment)?;
        if header.file_bytes != file.len() as u64 {
            return Err(IndexFault::Damaged { offset_bytes: header.file_bytes.min(file.len() as u64) });
        }
        let identity = identity(directory, segment).of_version(header.version);
        let mut rooms = Vec::new();
        for bucket in 0..1_u64 << header.bucket_bits {
            let damaged = |offset_bytes| IndexFault::Damaged { offset_bytes };
            let (at, entries) =
                bucket_of_file(file, identity, INDEX_HEADER_BYTES as u64, bucket).map_err(damaged)?;
            let entries = RoomEntry::decode_bucket(entries, header.version).ok_or(damaged(at))?;
            if entries.iter().any(|room| bucket_of(room.key, header.bucket_bits) != bucket) {
                return Err(damaged(at));
            }
            for room in &entries {
                check_positions(file, identity, room)?;
                check_details(file, identity, room)?;
            }
            rooms.extend(entries);
        }
        let amendments = match header.amendments {
            Some(place) => AmendmentTable::decode(file, identity, place)
                .map_err(|offset_bytes| IndexFault::Damaged { offset_bytes })?,
            None => AmendmentTable::default(),
        };
        let messages = rooms.iter().fold(0_u64, |sum, room| sum.saturating_add(room.count));
        if (rooms.len() as u64, messages) != (header.rooms, header.messages) {
            return Err(IndexFault::Damaged { offset_bytes: 0 });
        }
        let facts_at = (file.len() as u64).saturating_sub(header.facts_bytes.into());
        let facts = part(file, facts_at, header.facts_bytes.into())
            .and_then(|bytes| read_facts(identity, facts_at, bytes))
            .ok_or(IndexFault::Damaged { offset_bytes: facts_at })?;
        Ok(SegmentTable { header, rooms, amendments, facts })
    }

    /// Where the segment's committed part ends, without its seal.
    pub fn end_offset_bytes(&self) -> u64 {
        self.header.end_offset_bytes
    }

    /// Whether the index has all that this program writes.
    pub fn is_of_newest_format(&self) -> bool {
        self.header.version == FORMAT_VERSION
    }

    /// The entries of the segment.
    pub fn messages(&self) -> u64 {
        self.header.messages
    }

    /// What its amendments amend.
    pub fn amendments(&self) -> &AmendmentTable {
        &self.amendments
    }

    /// What its amendments amend, and where each of its entries is, as runs say it. `file` is what the table was read
    /// from; `None` when it is not.
    pub fn into_groups(self, file: &[u8]) -> Option<SegmentGroups> {
        let SegmentTable { header, rooms, amendments, .. } = self;
        let identity = identity(header.directory, header.segment).of_version(header.version);
        let mut groups = SegmentGroups::new(header.segment, amendments);
        for room in rooms {
            match &room.positions {
                RoomPositions::Here(positions) => groups.add(room.key, room.first, positions),
                RoomPositions::In(run) => {
                    groups.add(room.key, room.first, &read_run(file, identity, run).ok()?);
                }
            }
        }
        Some(groups)
    }

    /// Where the newest entries of rooms are, of at most `count_max` rooms: room, number and place. `file` is what the
    /// table was read from; `None` when it is not.
    pub fn newest_entries(&self, file: &[u8], count_max: usize) -> Option<Vec<(&RoomEntry, FramePosition)>> {
        let identity = identity(self.header.directory, self.header.segment).of_version(self.header.version);
        let newest = |room: &RoomEntry| match &room.positions {
            RoomPositions::Here(positions) => positions.last().copied(),
            RoomPositions::In(run) => {
                let last = run.count.checked_sub(1)?;
                let (offset_bytes, bytes) = run.part(last, last);
                run.read(identity, last, last, part(file, offset_bytes, bytes)?)?.last().copied()
            }
        };
        self.rooms.iter().take(count_max).map(|room| Some((room, newest(room)?))).collect()
    }

    /// Its rooms, in the order of their keys.
    pub fn rooms(&self) -> &[RoomEntry] {
        &self.rooms
    }

    /// The rooms whose facts have records in the segment, in the order of their keys.
    pub fn facts(&self) -> &[FactsEntry] {
        &self.facts
    }

    /// The same, each with its room; without those whose name cannot be read back.
    pub fn named_facts(&self) -> impl Iterator<Item = (RoomName, &FactsEntry)> {
        self.facts.iter().filter_map(|facts| Some((facts.room_name().ok()?, facts)))
    }

    /// Each room's tail after this segment, in the order of their keys.
    ///
    /// # Errors
    /// [`RecordError`] where a name is none.
    pub fn tails(&self) -> impl Iterator<Item = Result<(RoomName, RoomTail), RecordError>> {
        let IndexHeader { directory, segment, bucket_bits, .. } = self.header;
        self.rooms.iter().map(move |room| Ok((room.room_name()?, room.tail(directory, segment, bucket_bits))))
    }
}

fn check_positions(file: &[u8], identity: FileIdentity, room: &RoomEntry) -> Result<(), IndexFault> {
    let RoomPositions::In(run) = &room.positions else { return Ok(()) };
    read_run(file, identity, run).map(drop)
}

fn read_run(
    file: &[u8],
    identity: FileIdentity,
    run: &PositionRun,
) -> Result<Vec<FramePosition>, IndexFault> {
    let (offset_bytes, bytes) = run.part(0, run.count - 1);
    let positions =
        part(file, offset_bytes, bytes).and_then(|bytes| run.read(identity, 0, run.count - 1, bytes));
    positions.ok_or(IndexFault::Damaged { offset_bytes })
}

fn check_details(file: &[u8], identity: FileIdentity, room: &RoomEntry) -> Result<(), IndexFault> {
    let Some(run) = &room.details else { return Ok(()) };
    let (first, last) = (room.first, room.last());
    let (offset_bytes, bytes) = run.part(first, last);
    let details = part(file, offset_bytes, bytes).and_then(|bytes| run.read(identity, first, last, bytes));
    details.map(|_| ()).ok_or(IndexFault::Damaged { offset_bytes })
}
