//! Neighbouring entries of a room, which are found together: where they are, and what became of them.

use super::changes::TargetChanges;
use crate::format::SegmentNumber;
use crate::index::bytes::{RUN_VERSION, Reader, push_varint};
use crate::index::segment::{FramePosition, push_packed, read_packed};
use madang_model::{Seq, ShardId};
use siphasher::sip::SipHasher24;
use std::collections::BTreeMap;
use std::hash::Hasher;

/// Entries that are found together: the numbers that have the same quotient.
pub const GROUP_TARGETS: u64 = 64;
/// The key of the hash that groups are sorted by. It is part of the file format: never change it.
const GROUP_HASH_KEY: [u8; 16] = *b"madang/amendment";

/// Which group of its room an entry is in.
pub fn group_of(target: Seq) -> u64 {
    target.0 / GROUP_TARGETS
}

/// The number that a room's group is sorted by: spread evenly, so that tables need no search.
pub fn group_key(room: u64, group: u64) -> u64 {
    let mut hasher = SipHasher24::new_with_key(&GROUP_HASH_KEY);
    hasher.write_u64(room);
    hasher.write_u64(group);
    hasher.finish()
}

/// What became of the messages of one group of a room; and in runs, where its entries are.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AmendmentGroup {
    /// By message.
    pub targets: BTreeMap<Seq, TargetChanges>,
    /// By segment, in the order of their numbers.
    pub entries: Vec<PlacedEntries>,
}

/// The entries of a group that are in one segment. Their numbers follow one another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlacedEntries {
    /// Which segment.
    pub segment: SegmentNumber,
    /// The number of the first.
    pub first: Seq,
    /// Where each is.
    pub positions: Vec<FramePosition>,
}

impl PlacedEntries {
    fn encode(&self, out: &mut Vec<u8>) {
        push_varint(out, self.segment.0);
        // Both are at most `GROUP_TARGETS`, so that they fit.
        out.push((self.first.0 % GROUP_TARGETS) as u8);
        out.push(self.positions.len() as u8);
        push_packed(out, &self.positions);
    }

    fn decode(bytes: &mut Reader<'_>, group: u64) -> Option<PlacedEntries> {
        let segment = SegmentNumber(bytes.varint()?);
        let (first, count) = (u64::from(bytes.byte()?), u64::from(bytes.byte()?));
        if count == 0 || first + count > GROUP_TARGETS {
            return None;
        }
        let first = Seq(group.checked_mul(GROUP_TARGETS)?.checked_add(first)?);
        Some(PlacedEntries { segment, first, positions: read_packed(bytes, count)? })
    }
}

impl AmendmentGroup {
    /// Takes note of what other segments say.
    pub fn merge(&mut self, other: AmendmentGroup) {
        for (target, changes) in other.targets {
            self.targets.entry(target).or_default().merge(&changes);
        }
        if !other.entries.is_empty() {
            self.entries.extend(other.entries);
            self.entries.sort_by_key(|entries| (entries.first, entries.segment));
        }
    }

    /// Drops what segments before `first` say: they have expired.
    pub fn expire(&mut self, first: SegmentNumber) {
        self.targets.values_mut().for_each(|changes| changes.expire(first));
        self.targets.retain(|_, changes| !changes.is_empty());
        self.entries.retain(|entries| entries.segment >= first);
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.targets.values().all(TargetChanges::is_empty) && self.entries.is_empty()
    }
}

/// The groups that are sorted by the same number: one, unless two hash alike.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KeyedGroups {
    /// By room and group.
    pub groups: BTreeMap<(u64, u64), AmendmentGroup>,
}

impl KeyedGroups {
    /// Takes note of what other segments say.
    pub fn merge(&mut self, other: KeyedGroups) {
        for (at, group) in other.groups {
            self.groups.entry(at).or_default().merge(group);
        }
    }

    /// Drops what segments before `first` say: they have expired.
    pub fn expire(&mut self, first: SegmentNumber) {
        self.groups.values_mut().for_each(|group| group.expire(first));
        self.groups.retain(|_, group| !group.is_empty());
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.groups.values().all(AmendmentGroup::is_empty)
    }

    /// Appends key and groups, for a file of this format: only runs say where entries are.
    pub fn encode(&self, key: u64, version: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&key.to_le_bytes());
        push_varint(out, self.groups.len() as u64);
        for ((room, group), AmendmentGroup { targets, entries }) in &self.groups {
            out.extend_from_slice(&room.to_le_bytes());
            push_varint(out, *group);
            push_varint(out, targets.len() as u64);
            for (target, changes) in targets {
                // Below `GROUP_TARGETS`, so that it fits.
                out.push((target.0 % GROUP_TARGETS) as u8);
                changes.encode(*target, out);
            }
            if version == RUN_VERSION {
                push_varint(out, entries.len() as u64);
                entries.iter().for_each(|entries| entries.encode(out));
            }
        }
    }

    /// Reads what [`encode`](Self::encode) wrote.
    pub fn decode(bytes: &mut Reader<'_>, directory: ShardId, version: u32) -> Option<(u64, KeyedGroups)> {
        let key = bytes.fixed()?;
        let mut keyed = KeyedGroups::default();
        for _ in 0..bytes.varint()? {
            let (room, group) = (bytes.fixed()?, bytes.varint()?);
            let mut found = AmendmentGroup::default();
            for _ in 0..bytes.varint()? {
                let target = group.checked_mul(GROUP_TARGETS)?.checked_add(u64::from(bytes.byte()?))?;
                found.targets.insert(Seq(target), TargetChanges::decode(bytes, directory, Seq(target))?);
            }
            if version == RUN_VERSION {
                for _ in 0..bytes.varint()? {
                    found.entries.push(PlacedEntries::decode(bytes, group)?);
                }
            }
            keyed.groups.insert((room, group), found);
        }
        Some((key, keyed))
    }

    /// All entries of a bucket of a file of this directory and format.
    pub fn decode_bucket(
        entries: &[u8],
        directory: ShardId,
        version: u32,
    ) -> Option<Vec<(u64, KeyedGroups)>> {
        let mut reader = Reader::new(entries);
        let mut found: Vec<(u64, KeyedGroups)> = Vec::new();
        while !reader.is_empty() {
            let (key, groups) = KeyedGroups::decode(&mut reader, directory, version)?;
            if found.last().is_some_and(|(last, _)| *last >= key) {
                return None;
            }
            found.push((key, groups));
        }
        Some(found)
    }
}
