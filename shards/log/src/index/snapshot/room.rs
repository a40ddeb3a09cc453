//! A room in a snapshot.

use crate::coding::{Reader, push_varint};
use crate::facts::FactsPointer;
use crate::format::RecordError;
use crate::index::key::key_bits;
use crate::index::link::{RoomTail, push_link, push_tower, read_link, read_tower};
use crate::index::segment::stored_name;
use madang_model::{RoomName, Seq};

/// A room, and where its newest entry and its newest facts are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotRoom {
    /// The number of its key: what snapshots are sorted by.
    pub(in crate::index) key: u64,
    /// Its name. It says which kind of room it is.
    pub name: Box<str>,
    /// Its tail; `None` when nothing was ever said in it.
    pub tail: Option<RoomTail>,
    /// Its newest facts, if it has any.
    pub facts: Option<FactsPointer>,
}

impl SnapshotRoom {
    /// A room as the shard knows it.
    pub fn new(name: &RoomName, tail: Option<RoomTail>, facts: Option<FactsPointer>) -> SnapshotRoom {
        SnapshotRoom { key: key_bits(name.key()), name: name.as_str().into(), tail, facts }
    }

    /// The number of its key: what snapshots are sorted by.
    pub fn key_bits(&self) -> u64 {
        self.key
    }

    /// The number of its newest message.
    pub fn head(&self) -> Seq {
        self.tail.as_ref().map_or(Seq::ZERO, |tail| tail.head)
    }

    /// Its name, checked.
    ///
    /// # Errors
    /// [`RecordError::Room`] when it is none.
    pub fn room_name(&self) -> Result<RoomName, RecordError> {
        stored_name(&self.name)
    }

    /// The same room, with what is newer in another snapshot: facts change without messages, and messages come without
    /// facts, so that the two are taken apart.
    #[must_use]
    pub fn or_newer(self, other: SnapshotRoom) -> SnapshotRoom {
        let facts = self.facts.map_or(other.facts, |facts| Some(facts.or_later(other.facts)));
        // Of lost entries it is not known what they were: the count never falls.
        let amendments = |room: &SnapshotRoom| room.tail.as_ref().map_or(0, |tail| tail.amendments);
        let amendments = amendments(&self).max(amendments(&other));
        let mut newer = if other.head() > self.head() { other } else { self };
        if let Some(tail) = &mut newer.tail {
            tail.amendments = amendments;
        }
        SnapshotRoom { facts, ..newer }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.key.to_le_bytes());
        push_varint(out, self.name.len() as u64);
        out.extend_from_slice(self.name.as_bytes());
        push_varint(out, self.head().0);
        if let Some(RoomTail { head, amendments, last, ordinal, tower }) = &self.tail {
            push_varint(out, *amendments);
            push_link(out, last, *head);
            push_tower(out, *ordinal, tower, last.first);
        }
        out.push(u8::from(self.facts.is_some()));
        if let Some(facts) = &self.facts {
            facts.encode(out);
        }
    }

    pub(super) fn decode(bytes: &mut Reader<'_>, version: u32) -> Option<SnapshotRoom> {
        let key = bytes.fixed()?;
        let name = bytes.text()?.into();
        let head = Seq(bytes.varint().filter(|head| *head < u64::MAX)?);
        let mut tail = None;
        if version == 1 || head > Seq::ZERO {
            let amendments = if version == 1 { 0 } else { bytes.varint()? };
            let last = read_link(bytes, head)?;
            let (ordinal, tower) = read_tower(bytes, last.first)?;
            tail = Some(RoomTail { head, amendments, last, ordinal, tower });
        }
        // Version 1 knew no facts, and no amendments.
        let facts = match if version == 1 { 0 } else { bytes.byte()? } {
            0 => None,
            1 => Some(FactsPointer::decode(bytes)?),
            _ => return None,
        };
        Some(SnapshotRoom { key, name, tail, facts })
    }

    /// The rooms of a bucket, in the order of their keys.
    pub(super) fn decode_bucket(entries: &[u8], version: u32) -> Option<Vec<SnapshotRoom>> {
        let mut reader = Reader::new(entries);
        let mut rooms: Vec<SnapshotRoom> = Vec::new();
        while !reader.is_empty() {
            let room = SnapshotRoom::decode(&mut reader, version)?;
            if rooms.last().is_some_and(|last| last.key >= room.key) {
                return None;
            }
            rooms.push(room);
        }
        Some(rooms)
    }
}
