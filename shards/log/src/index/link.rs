//! How the entries of one room hang together across segments.
//!
//! A room's entries, one a segment, are numbered 1, 2, 3 … (the *ordinal*). Each entry holds a
//! *tower*: its link of level `j` leads to the latest earlier entry whose ordinal is a multiple of
//! `4^j`. From any entry every earlier one is at most `3·log4` links away, and the tower of the
//! next entry follows from the last one alone.

use super::bytes::{BUCKET_BITS_MAX, Reader, push_varint};
use crate::format::SegmentNumber;
use madang_model::{Seq, ShardId};

/// Entries of level `j` are `BASE^j` apart.
const BASE: u32 = 4;

/// Where an entry of a room is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EntryLink {
    /// The directory; shards of an earlier shard count too.
    pub directory: ShardId,
    /// The segment whose index holds the entry.
    pub segment: SegmentNumber,
    /// The number of the room's first message there.
    pub first: Seq,
    /// The buckets of that index, as a power of two, so that its header need not be read.
    pub bucket_bits: u8,
}

/// What a shard keeps of a room to find its stored messages: where its newest entry is.
///
/// 64 bytes, and 24 for each level of the tower: none in its first segment, five in the 1,000th.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomTail {
    /// The newest message in any sealed segment.
    pub head: Seq,
    /// How many of the room's entries up to that one are no messages.
    pub amendments: u64,
    /// The newest entry.
    pub last: EntryLink,
    /// That entry's ordinal.
    pub(super) ordinal: u32,
    /// That entry's tower.
    pub(super) tower: Box<[EntryLink]>,
}

impl RoomTail {
    /// The tail once one more segment is sealed whose messages of the room end at `head`. Without
    /// an earlier tail, nothing earlier is stored, or it has expired.
    ///
    /// # Panics
    /// When the numbers do not continue the earlier tail.
    #[must_use]
    pub fn advanced(before: Option<&RoomTail>, last: EntryLink, head: Seq, amendments: u64) -> RoomTail {
        if let Some(before) = before {
            assert_eq!(before.head.next(), last.first, "a room's numbers continue from segment to segment");
        }
        let (ordinal, tower) = RoomTail::next_place(before);
        RoomTail { head, amendments, last, ordinal, tower }
    }

    /// The ordinal and the tower of the entry that follows `before`.
    pub(super) fn next_place(before: Option<&RoomTail>) -> (u32, Box<[EntryLink]>) {
        before.map_or_else(|| (1, Box::default()), |tail| (tail.ordinal + 1, tail.next_tower()))
    }

    /// The tower of the entry that will follow.
    pub(super) fn next_tower(&self) -> Box<[EntryLink]> {
        let level = |level: usize| {
            let is_raised = self.ordinal.is_multiple_of(BASE.pow(level as u32));
            if is_raised { self.last } else { self.tower[level] }
        };
        (0..levels(self.ordinal + 1)).map(level).collect()
    }

    /// The entries that are known without a read, the newest first.
    pub(super) fn links(&self) -> impl Iterator<Item = EntryLink> {
        std::iter::once(self.last).chain(self.tower.iter().copied())
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        std::mem::size_of_val(&*self.tower)
    }
}

/// How many links an entry has: one for each power of four that an earlier ordinal reached.
fn levels(ordinal: u32) -> usize {
    ordinal.checked_sub(1).and_then(|earlier| earlier.checked_ilog(BASE)).map_or(0, |log| log as usize + 1)
}

/// Writes one link of a room whose entry or head is at `from`.
pub fn push_link(out: &mut Vec<u8>, link: &EntryLink, from: Seq) {
    push_varint(out, u64::from(link.directory.0));
    push_varint(out, link.segment.0);
    out.push(link.bucket_bits);
    push_varint(out, from.0 - link.first.0);
}

/// Reads what [`push_link`] wrote.
pub fn read_link(bytes: &mut Reader<'_>, from: Seq) -> Option<EntryLink> {
    let directory = ShardId(u16::try_from(bytes.varint()?).ok()?);
    let segment = SegmentNumber(bytes.varint()?);
    let bucket_bits = bytes.byte()?;
    let first = Seq(from.0.checked_sub(bytes.varint()?)?);
    (bucket_bits <= BUCKET_BITS_MAX && first > Seq::ZERO).then_some(EntryLink {
        directory,
        segment,
        first,
        bucket_bits,
    })
}

/// Writes an entry's ordinal and tower.
pub fn push_tower(out: &mut Vec<u8>, ordinal: u32, tower: &[EntryLink], from: Seq) {
    debug_assert_eq!(tower.len(), levels(ordinal), "an ordinal says how high its tower is");
    push_varint(out, u64::from(ordinal));
    for link in tower {
        push_link(out, link, from);
    }
}

/// Reads what [`push_tower`] wrote. Each level leads as far back as the one before, or further.
pub fn read_tower(bytes: &mut Reader<'_>, from: Seq) -> Option<(u32, Box<[EntryLink]>)> {
    let ordinal = u32::try_from(bytes.varint()?).ok().filter(|ordinal| (1..u32::MAX).contains(ordinal))?;
    let tower = (0..levels(ordinal)).map(|_| read_link(bytes, from)).collect::<Option<Box<[EntryLink]>>>()?;
    let is_ordered = tower.windows(2).all(|pair| pair[0].first >= pair[1].first);
    (is_ordered && tower.iter().all(|link| link.first < from)).then_some((ordinal, tower))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_leads_to_the_latest_multiple_of_its_power() {
        let link = |ordinal: u32| EntryLink {
            directory: ShardId(0),
            segment: SegmentNumber(u64::from(ordinal)),
            first: Seq(u64::from(ordinal)),
            bucket_bits: 0,
        };
        let mut tail: Option<RoomTail> = None;
        for ordinal in 1..=300_u32 {
            let next = RoomTail::advanced(tail.as_ref(), link(ordinal), Seq(u64::from(ordinal)), 0);
            let powers = (0..).map(|level| BASE.pow(level)).take_while(|power| *power < ordinal);
            let expected: Vec<EntryLink> = powers.map(|power| link((ordinal - 1) / power * power)).collect();
            assert_eq!((next.ordinal, &*next.tower), (ordinal, &expected[..]));
            tail = Some(next);
        }
        assert_eq!(tail.expect("300 entries").heap_bytes(), 5 * 24);
        assert_eq!(size_of::<RoomTail>(), 64);
    }
}
