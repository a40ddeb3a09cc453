//! A room in a snapshot.

use crate::format::RecordError;
use crate::index::bytes::{Reader, push_varint};
use crate::index::key::key_bits;
use crate::index::link::{RoomTail, push_link, push_tower, read_link, read_tower};
use crate::index::segment::stored_name;
use madang_model::{RoomName, Seq};

/// A room, and where its newest entry is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotRoom {
    /// The number of its key: what snapshots are sorted by.
    pub(in crate::index) key: u64,
    /// Its name. It says which kind of room it is.
    pub name: Box<str>,
    /// Its tail.
    pub tail: RoomTail,
}

impl SnapshotRoom {
    /// A room as the shard knows it.
    pub fn new(name: &RoomName, tail: RoomTail) -> SnapshotRoom {
        SnapshotRoom { key: key_bits(name.key()), name: name.as_str().into(), tail }
    }

    /// The number of its key: what snapshots are sorted by.
    pub fn key_bits(&self) -> u64 {
        self.key
    }

    /// Its name, checked.
    ///
    /// # Errors
    /// [`RecordError::Room`] when it is none.
    pub fn room_name(&self) -> Result<RoomName, RecordError> {
        stored_name(&self.name)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let RoomTail { head, last, ordinal, tower } = &self.tail;
        out.extend_from_slice(&self.key.to_le_bytes());
        push_varint(out, self.name.len() as u64);
        out.extend_from_slice(self.name.as_bytes());
        push_varint(out, head.0);
        push_link(out, last, *head);
        push_tower(out, *ordinal, tower, last.first);
    }

    pub(super) fn decode(bytes: &mut Reader<'_>) -> Option<SnapshotRoom> {
        let key = bytes.fixed()?;
        let name = bytes.text()?.into();
        let head = Seq(bytes.varint().filter(|head| *head < u64::MAX)?);
        let last = read_link(bytes, head)?;
        let (ordinal, tower) = read_tower(bytes, last.first)?;
        Some(SnapshotRoom { key, name, tail: RoomTail { head, last, ordinal, tower } })
    }

    /// The rooms of a bucket, in the order of their keys.
    pub(super) fn decode_bucket(entries: &[u8]) -> Option<Vec<SnapshotRoom>> {
        let mut reader = Reader::new(entries);
        let mut rooms: Vec<SnapshotRoom> = Vec::new();
        while !reader.is_empty() {
            let room = SnapshotRoom::decode(&mut reader)?;
            if rooms.last().is_some_and(|last| last.key >= room.key) {
                return None;
            }
            rooms.push(room);
        }
        Some(rooms)
    }
}
