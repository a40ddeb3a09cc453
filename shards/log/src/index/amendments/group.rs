//! The amendments of neighbouring messages, which are found together.

use super::changes::TargetChanges;
use crate::index::bytes::{Reader, push_varint};
use madang_model::{Seq, ShardId};
use siphasher::sip::SipHasher24;
use std::collections::BTreeMap;
use std::hash::Hasher;

/// Messages whose amendments are found together: the numbers that have the same quotient.
pub const GROUP_TARGETS: u64 = 64;
/// The key of the hash that groups are sorted by. It is part of the file format: never change it.
const GROUP_HASH_KEY: [u8; 16] = *b"madang/amendment";

/// Which group of its room a message is in.
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

/// What became of the messages of one group of a room.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AmendmentGroup {
    /// By message.
    pub targets: BTreeMap<Seq, TargetChanges>,
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
            let known = self.groups.entry(at).or_default();
            for (target, changes) in group.targets {
                known.targets.entry(target).or_default().merge(&changes);
            }
        }
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.groups.values().all(|group| group.targets.values().all(TargetChanges::is_empty))
    }

    /// Appends key and groups.
    pub fn encode(&self, key: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(&key.to_le_bytes());
        push_varint(out, self.groups.len() as u64);
        for ((room, group), AmendmentGroup { targets }) in &self.groups {
            out.extend_from_slice(&room.to_le_bytes());
            push_varint(out, *group);
            push_varint(out, targets.len() as u64);
            for (target, changes) in targets {
                // Below `GROUP_TARGETS`, so that it fits.
                out.push((target.0 % GROUP_TARGETS) as u8);
                changes.encode(*target, out);
            }
        }
    }

    /// Reads what [`encode`](Self::encode) wrote.
    pub fn decode(bytes: &mut Reader<'_>, directory: ShardId) -> Option<(u64, KeyedGroups)> {
        let key = bytes.fixed()?;
        let mut keyed = KeyedGroups::default();
        for _ in 0..bytes.varint()? {
            let (room, group) = (bytes.fixed()?, bytes.varint()?);
            let mut found = AmendmentGroup::default();
            for _ in 0..bytes.varint()? {
                let target = group.checked_mul(GROUP_TARGETS)?.checked_add(u64::from(bytes.byte()?))?;
                found.targets.insert(Seq(target), TargetChanges::decode(bytes, directory, Seq(target))?);
            }
            keyed.groups.insert((room, group), found);
        }
        Some((key, keyed))
    }

    /// All entries of a bucket of a file of this directory.
    pub fn decode_bucket(entries: &[u8], directory: ShardId) -> Option<Vec<(u64, KeyedGroups)>> {
        let mut reader = Reader::new(entries);
        let mut found: Vec<(u64, KeyedGroups)> = Vec::new();
        while !reader.is_empty() {
            let (key, groups) = KeyedGroups::decode(&mut reader, directory)?;
            if found.last().is_some_and(|(last, _)| *last >= key) {
                return None;
            }
            found.push((key, groups));
        }
        Some(found)
    }
}
