//! Which tables are asked for what became of the messages of a room.

use super::sources::{AmendmentLookup, AmendmentSource};
use super::stored_room::StoredRoomPlaces;
use crate::format::SegmentNumber;
use crate::index::amendments::TargetChanges;
use crate::index::key::key_bits;
use crate::index::segment::RoomChanges;
use madang_model::{Seq, ShardId};
use std::collections::{BTreeMap, BTreeSet};

/// What may say what became of a room's messages.
#[derive(Debug)]
pub struct RoomAmendments {
    room: u64,
    /// How many of its entries are no messages.
    pub count: u64,
    sources: Vec<AmendmentSource>,
    /// What the segments without an index say.
    open: Vec<RoomChanges>,
}

impl RoomAmendments {
    /// Of this room.
    pub fn of(places: &StoredRoomPlaces<'_>) -> RoomAmendments {
        RoomAmendments {
            room: key_bits(places.room.key()),
            count: places.amendments(),
            sources: places.sources.to_vec(),
            open: places.open.iter().filter_map(|run| run.changes.cloned()).collect(),
        }
    }

    /// Whether a segment without an index says that a message was deleted.
    pub fn is_deleted_in_open(&self, message: Seq) -> bool {
        let of = |changes: &RoomChanges| changes.get(&message).is_some_and(|known| known.deletion.is_some());
        self.open.iter().any(of)
    }

    /// Looks for what became of messages. `first` is the segment in which the first entry is that is asked for, and of the
    /// entries before it at least `before` are no messages: nothing amends what comes after it.
    pub fn lookup(
        &self,
        messages: impl Iterator<Item = Seq>,
        first: Option<(ShardId, SegmentNumber)>,
        before: u64,
    ) -> AmendmentLookup {
        let messages: BTreeSet<Seq> = messages.collect();
        let mut known: BTreeMap<Seq, TargetChanges> = BTreeMap::new();
        for (changes, message) in self.open.iter().flat_map(|all| messages.iter().map(move |seq| (all, seq)))
        {
            if let Some(changes) = changes.get(message) {
                known.entry(*message).or_default().merge(changes);
            }
        }
        let may_say = |source: &&AmendmentSource| {
            let is_later = |(directory, segment)| source.directory() != directory || source.last() >= segment;
            self.count > before && first.is_some_and(is_later)
        };
        let sources = self.sources.iter().filter(may_say).copied();
        AmendmentLookup::new(self.room, messages.into_iter(), sources, known)
    }
}
