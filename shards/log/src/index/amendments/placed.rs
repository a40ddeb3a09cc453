//! All entries of a segment as runs have them, from its index.

use super::group::{GROUP_TARGETS, KeyedGroups, PlacedEntries, group_key, group_of};
use super::table::AmendmentTable;
use crate::format::SegmentNumber;
use crate::index::bytes::Reader;
use crate::index::segment::{FramePosition, push_packed, read_packed};
use madang_model::Seq;
use std::iter::Peekable;

/// Where each entry of a segment is, and what became of messages, in the order of tables. Some 45 bytes for each group of
/// a room, and three for each entry.
#[derive(Debug)]
pub struct SegmentGroups {
    segment: SegmentNumber,
    amendments: AmendmentTable,
    rows: Vec<Row>,
    /// The positions of all rows, as they are written.
    packed: Vec<u8>,
}

/// The entries of one group of a room.
#[derive(Debug)]
struct Row {
    key: u64,
    room: u64,
    first: Seq,
    count: u8,
    /// Where its positions begin.
    packed_at: usize,
}

impl SegmentGroups {
    /// Of a segment whose amendments are these; its entries are to be added.
    pub fn new(segment: SegmentNumber, amendments: AmendmentTable) -> SegmentGroups {
        SegmentGroups { segment, amendments, rows: Vec::new(), packed: Vec::new() }
    }

    /// Adds the entries of a room, of which the first has this number.
    pub fn add(&mut self, room: u64, first: Seq, positions: &[FramePosition]) {
        let (mut first, mut rest) = (first, positions);
        while !rest.is_empty() {
            let left = (GROUP_TARGETS - first.0 % GROUP_TARGETS) as usize;
            let (now, later) = rest.split_at(rest.len().min(left));
            let key = group_key(room, group_of(first));
            self.rows.push(Row { key, room, first, count: now.len() as u8, packed_at: self.packed.len() });
            push_packed(&mut self.packed, now);
            (first, rest) = (Seq(first.0 + now.len() as u64), later);
        }
    }

    /// At most how many groups there are.
    pub fn len(&self) -> u64 {
        self.rows.len() as u64 + self.amendments.len()
    }

    /// All groups, in the order of their keys.
    pub fn into_groups(self) -> impl Iterator<Item = (u64, KeyedGroups)> {
        let SegmentGroups { segment, amendments, mut rows, packed } = self;
        rows.sort_unstable_by_key(|row| (row.key, row.room, row.first));
        let mut rows = rows.into_iter().peekable();
        let mut amendments = amendments.into_groups().peekable();
        std::iter::from_fn(move || {
            let of_amendments = amendments.peek().map(|(key, _)| *key);
            let key = rows.peek().map(|row| row.key).into_iter().chain(of_amendments).min()?;
            let mut keyed =
                amendments.next_if(|(of, _)| *of == key).map(|(_, keyed)| keyed).unwrap_or_default();
            add_rows(&mut keyed, key, segment, &mut rows, &packed);
            Some((key, keyed))
        })
    }
}

fn add_rows(
    keyed: &mut KeyedGroups,
    key: u64,
    segment: SegmentNumber,
    rows: &mut Peekable<impl Iterator<Item = Row>>,
    packed: &[u8],
) {
    while let Some(Row { room, first, count, packed_at, .. }) = rows.next_if(|row| row.key == key) {
        let positions = read_packed(&mut Reader::new(&packed[packed_at..]), u64::from(count));
        let positions = positions.expect("they were just written");
        let group = keyed.groups.entry((room, group_of(first))).or_default();
        group.entries.push(PlacedEntries { segment, first, positions });
    }
}
