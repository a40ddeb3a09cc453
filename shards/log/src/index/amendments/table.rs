//! Tables of groups: slots, which say where each bucket of groups is, then the buckets.

use super::changes::TargetChanges;
use super::group::{KeyedGroups, group_key, group_of};
use crate::format::SegmentNumber;
use crate::index::bytes::{
    BUCKET_BITS_MAX, FileIdentity, SLOT_BYTES, TableWriter, bucket_bits, bucket_of_file,
};
use hashbrown::HashMap;
use madang_model::Seq;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::iter::Peekable;

/// Where a table is in its file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TablePlace {
    /// Where its slots begin.
    pub slots_at: u64,
    /// Its buckets, as a power of two.
    pub bucket_bits: u8,
}

impl TablePlace {
    /// Whether offsets can be computed of it.
    pub fn is_possible(&self) -> bool {
        self.bucket_bits <= BUCKET_BITS_MAX && self.slots_at < 1 << 62
    }

    /// Where its first bucket begins.
    pub fn buckets_at(&self) -> u64 {
        self.slots_at + ((SLOT_BYTES as u64) << self.bucket_bits)
    }
}

/// The amendments of some segments, sorted as a table is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AmendmentTable {
    groups: BTreeMap<u64, KeyedGroups>,
}

impl AmendmentTable {
    /// Takes note of what became of a room's messages.
    pub fn add<'a>(&mut self, room: u64, changes: impl Iterator<Item = (&'a Seq, &'a TargetChanges)>) {
        for (target, changes) in changes {
            let group = group_of(*target);
            let keyed = self.groups.entry(group_key(room, group)).or_default();
            let found = keyed.groups.entry((room, group)).or_default();
            found.targets.entry(*target).or_default().merge(changes);
        }
    }

    /// How many groups there are.
    pub fn len(&self) -> u64 {
        self.groups.len() as u64
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// All groups, in the order of their keys.
    pub fn into_groups(self) -> impl Iterator<Item = (u64, KeyedGroups)> {
        self.groups.into_iter()
    }

    /// Everything, by room.
    pub fn rooms(&self) -> HashMap<u64, BTreeMap<Seq, TargetChanges>> {
        let mut rooms: HashMap<u64, BTreeMap<Seq, TargetChanges>> = HashMap::new();
        for ((room, _), group) in self.groups.values().flat_map(|keyed| &keyed.groups) {
            rooms.entry(*room).or_default().extend(&group.targets);
        }
        rooms
    }

    /// Reads the table at this place of a whole file, every part of it; where it is damaged, if it is.
    ///
    /// # Errors
    /// Where the part that is damaged begins.
    pub fn decode(file: &[u8], identity: FileIdentity, place: TablePlace) -> Result<AmendmentTable, u64> {
        let mut groups = BTreeMap::new();
        for bucket in 0..1_u64 << place.bucket_bits {
            let (at, entries) = bucket_of_file(file, identity, place.slots_at, bucket)?;
            let entries = KeyedGroups::decode_bucket(entries, identity.directory, identity.version);
            groups.extend(entries.ok_or(at)?);
        }
        Ok(AmendmentTable { groups })
    }
}

/// Appends a table to a file that is in memory. Returns where it is; `None` when there is nothing to say.
pub fn push_table(file: &mut Vec<u8>, identity: FileIdentity, table: &AmendmentTable) -> Option<TablePlace> {
    if table.is_empty() {
        return None;
    }
    file.resize(file.len().next_multiple_of(SLOT_BYTES), 0);
    let place = TablePlace { slots_at: file.len() as u64, bucket_bits: bucket_bits(table.len()) };
    let buckets_at = place.buckets_at();
    file.resize(buckets_at as usize, 0);
    let groups = || table.groups.iter().map(|(key, groups)| Ok((*key, groups.clone())));
    let (slots, _) = write_buckets(identity, place, groups(), file).expect("memory can be written to");
    file[place.slots_at as usize..buckets_at as usize].copy_from_slice(&slots);
    Some(place)
}

/// Writes the buckets of a table. Gives its slots, and how many groups there were.
pub fn write_buckets(
    identity: FileIdentity,
    place: TablePlace,
    groups: impl Iterator<Item = io::Result<(u64, KeyedGroups)>>,
    out: &mut impl Write,
) -> io::Result<(Vec<u8>, u64)> {
    let mut writer = TableWriter::new(identity, place.bucket_bits, place.buckets_at());
    let mut count = 0;
    for group in groups {
        let (key, groups) = group?;
        writer.push(key, |bytes| groups.encode(key, identity.version, bytes), out)?;
        count += 1;
    }
    Ok((writer.finish(Some(place.slots_at), out)?.0, count))
}

/// What several tables say, as one: each gives its groups in the order of their keys. What segments before `first` say
/// is left out.
pub fn merge_tables<I>(
    tables: Vec<I>,
    first: SegmentNumber,
) -> impl Iterator<Item = io::Result<(u64, KeyedGroups)>>
where
    I: Iterator<Item = io::Result<(u64, KeyedGroups)>>,
{
    let mut tables: Vec<Peekable<I>> = tables.into_iter().map(Iterator::peekable).collect();
    std::iter::from_fn(move || {
        loop {
            // An error comes out first.
            let key_of = |table: &mut Peekable<I>| match table.peek() {
                Some(Ok((key, _))) => Some(*key),
                Some(Err(_)) => Some(0),
                None => None,
            };
            let lowest = tables.iter_mut().filter_map(key_of).min()?;
            let mut merged = KeyedGroups::default();
            for table in &mut tables {
                if key_of(table) == Some(lowest) {
                    match table.next()? {
                        Ok((_, groups)) => merged.merge(groups),
                        Err(error) => return Some(Err(error)),
                    }
                }
            }
            merged.expire(first);
            if !merged.is_empty() {
                return Some(Ok((lowest, merged)));
            }
        }
    })
}
