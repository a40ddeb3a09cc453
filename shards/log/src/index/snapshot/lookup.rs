//! Finding one room in a snapshot.

use super::block::SnapshotInfo;
use super::room::SnapshotRoom;
use crate::index::key::key_bits;
use crate::index::reads::{BucketLookup, QueryFault, ReadAnswer, Step, StoredFile};
use madang_model::{RoomName, ShardId};

/// Finds a room with two small reads; `None` when the snapshot has no such room. What is found has
/// the room's key: whether it has its name, the caller sees.
#[derive(Debug)]
pub struct SnapshotLookup {
    directory: ShardId,
    version: u32,
    key: u64,
    lookup: BucketLookup,
    result: Option<Result<Option<SnapshotRoom>, QueryFault>>,
}

impl SnapshotLookup {
    /// In the snapshot that `info` was read from: the same open file, should it be replaced.
    pub fn new(info: &SnapshotInfo, room: &RoomName) -> SnapshotLookup {
        let key = key_bits(room.key());
        let (identity, version) = (info.identity(), info.version);
        let lookup = BucketLookup::new(identity, StoredFile::Snapshot, info.slots_at, key, info.bucket_bits);
        SnapshotLookup { directory: info.scope.directory, version, key, lookup, result: None }
    }

    /// What is needed next.
    pub fn step(&mut self) -> Step<Option<SnapshotRoom>> {
        match self.result.take() {
            Some(result) => Step::Done(result),
            None => Step::Read(vec![self.lookup.request()]),
        }
    }

    /// Takes what was asked for.
    ///
    /// # Panics
    /// When it is not one answer.
    pub fn supply(&mut self, answers: &[ReadAnswer<'_>]) {
        let [answer] = answers else { panic!("one read was asked for, {} came", answers.len()) };
        let offset_bytes = self.lookup.offset_bytes();
        let bytes = match answer {
            ReadAnswer::Bytes(bytes) => bytes,
            ReadAnswer::NoFile => &[][..],
        };
        let read = self.lookup.supply(bytes).ok().and_then(|entries| match entries {
            Some((entries, _)) => SnapshotRoom::decode_bucket(entries, self.version).map(Some),
            None => Some(None),
        });
        self.result = match read {
            None => Some(Err(QueryFault::SnapshotDamaged { directory: self.directory, offset_bytes })),
            Some(None) => None,
            Some(Some(rooms)) => Some(Ok(rooms.into_iter().find(|room| room.key == self.key))),
        };
    }
}
