//! Which tables are asked for what became of the messages of a room.

use super::sources::{AmendmentSource, GroupLookup};
use super::stored_room::StoredRoomPlaces;
use crate::format::SegmentNumber;
use crate::index::amendments::group_of;
use crate::index::key::key_bits;
use crate::index::segment::RoomChanges;
use madang_model::{Seq, ShardId};
use std::collections::BTreeSet;

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

    /// The tables.
    pub fn sources(&self) -> impl Iterator<Item = AmendmentSource> {
        self.sources.iter().copied()
    }

    /// A search that looks for nothing yet.
    pub fn search(&self) -> GroupLookup {
        GroupLookup::new(self.room, self.sources())
    }

    /// Looks for what became of messages. `first` is the segment in which the first entry is that is asked for, and of the
    /// entries before it at least `before` are no messages: nothing amends what comes after it.
    pub fn want(
        &self,
        lookup: &mut GroupLookup,
        messages: impl Iterator<Item = Seq>,
        first: Option<(ShardId, SegmentNumber)>,
        before: u64,
    ) {
        let mut groups = BTreeSet::new();
        for message in messages {
            groups.insert(group_of(message));
            for known in self.open.iter().filter_map(|changes| changes.get(&message)) {
                lookup.changes.entry(message).or_default().merge(known);
            }
        }
        if let Some((directory, segment)) = first
            && self.count > before
        {
            lookup.want(&groups, |source| source.directory() != directory || source.last() >= segment);
        }
    }
}
