//! The facts of rooms in a segment, at the end of its index: one part with one checksum, which pages do not read.

use super::entry::stored_name;
use crate::coding::{Reader, push_varint};
use crate::facts::FactsPointer;
use crate::format::RecordError;
use crate::index::bytes::FileIdentity;
use crate::index::key::key_bits;
use madang_model::{Revision, RoomKey, RoomName};

/// What a segment's index says of the facts of a room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FactsEntry {
    /// The room's name.
    pub name: Box<str>,
    /// The first revision that the segment tells of.
    pub first: Revision,
    /// The newest record of it there.
    pub pointer: FactsPointer,
}

impl FactsEntry {
    /// The room's name, checked.
    ///
    /// # Errors
    /// [`RecordError::Room`] when it is none.
    pub fn room_name(&self) -> Result<RoomName, RecordError> {
        stored_name(&self.name)
    }
}

/// Writes the part at the end of `file`. Returns its length; 0 when there are no facts.
pub fn push_facts<'e>(
    file: &mut Vec<u8>,
    identity: FileIdentity,
    entries: impl ExactSizeIterator<Item = (&'e RoomName, Revision, FactsPointer)>,
) -> u32 {
    if entries.len() == 0 {
        return 0;
    }
    let start = file.len();
    push_varint(file, entries.len() as u64);
    for (name, first, pointer) in entries {
        push_varint(file, name.as_str().len() as u64);
        file.extend_from_slice(name.as_str().as_bytes());
        push_varint(file, first.0);
        pointer.encode(file);
    }
    let checksum = identity.checksum(start as u64, &file[start..]);
    file.extend_from_slice(&checksum.to_le_bytes());
    u32::try_from(file.len() - start).expect("what an index says of facts is far below 4 GiB")
}

/// Reads what [`push_facts`] wrote at `offset_bytes`; `None` when it is damaged.
pub fn read_facts(identity: FileIdentity, offset_bytes: u64, part: &[u8]) -> Option<Vec<FactsEntry>> {
    if part.is_empty() {
        return Some(Vec::new());
    }
    let (entries, checksum) = part.split_last_chunk::<4>()?;
    if identity.checksum(offset_bytes, entries) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let mut reader = Reader::new(entries);
    let count = reader.varint()?;
    let mut found = Vec::new();
    for _ in 0..count {
        let (name, first) = (reader.text()?.into(), Revision(reader.varint()?));
        found.push(FactsEntry { name, first, pointer: FactsPointer::decode(&mut reader)? });
    }
    reader.is_empty().then_some(found)
}

/// Facts in the order of their rooms' keys: the same facts give the same bytes.
pub fn by_key<T>(facts: &mut [(RoomKey, T)]) {
    facts.sort_unstable_by_key(|(key, _)| key_bits(*key));
}
