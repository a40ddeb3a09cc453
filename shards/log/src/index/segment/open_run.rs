//! What is known of a room in a segment that has no index on disk yet.

use super::details::{EntryDetails, StoredDetails, time_at};
use super::position::FramePosition;
use crate::format::SegmentNumber;
use crate::index::amendments::TargetChanges;
use madang_model::{Seq, ShardId, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the entries of some segment say of a room's messages. It is shared with queries under way, and copied when it
/// changes meanwhile.
pub type RoomChanges = Arc<BTreeMap<Seq, TargetChanges>>;

/// A room's committed entries in a segment that has no index on disk yet: from
/// [`IndexBuilder::room`](crate::IndexBuilder::room) or [`SegmentIndex::room`](crate::SegmentIndex::room).
#[derive(Clone, Copy, Debug)]
pub struct OpenRun<'a> {
    /// Whose directory.
    pub directory: ShardId,
    /// Which segment.
    pub segment: SegmentNumber,
    /// The number of the first entry.
    pub first: Seq,
    /// How many of the room's entries before it are no messages.
    pub amendments_before: u64,
    /// Where all of them lie.
    pub positions: &'a [FramePosition],
    /// What is counted of them, one for each.
    pub details: &'a [EntryDetails],
    /// When some of them were accepted, in the order of their numbers.
    pub times: &'a [(Seq, Timestamp)],
    /// How many of the room's entries up to the last here are no messages.
    pub amendments: u64,
    /// What they say of messages.
    pub changes: Option<&'a RoomChanges>,
}

impl OpenRun<'_> {
    /// The number of the last entry, if there is one.
    pub fn last(&self) -> Option<Seq> {
        let count = self.positions.len() as u64;
        count.checked_sub(1).map(|others| Seq(self.first.0 + others))
    }

    /// What is known of each entry, in order.
    pub fn stored_details(&self) -> impl DoubleEndedIterator<Item = StoredDetails> {
        let all = self.positions.iter().zip(self.details).enumerate();
        all.map(|(number, (position, details))| {
            StoredDetails::new(Seq(self.first.0 + number as u64), *position, *details)
        })
    }

    /// No entry before this one has a later time.
    pub fn time_before(&self, seq: Seq) -> Timestamp {
        time_at(self.times, seq)
    }
}
