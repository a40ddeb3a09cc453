//! What a query is to know of a room before it reads anything.

use super::sources::AmendmentSource;
use crate::index::link::RoomTail;
use crate::index::segment::OpenRun;
use madang_model::{RoomName, Seq};

/// A room, and where its stored entries are.
#[derive(Clone, Copy, Debug)]
pub struct StoredRoomPlaces<'a> {
    /// Which room.
    pub room: &'a RoomName,
    /// Its newest committed entry.
    pub head: Seq,
    /// Where its newest entry is, in an index that **is** on disk.
    pub tail: Option<&'a RoomTail>,
    /// Its entries in segments behind that one, in order: the segment that is appended to, and before it one whose index
    /// is being written.
    pub open: &'a [OpenRun<'a>],
    /// The tables that may say what became of its messages, of all finished segments.
    pub sources: &'a [AmendmentSource],
}

impl StoredRoomPlaces<'_> {
    /// The last number that is stored.
    pub fn stored_last(&self) -> Seq {
        let sealed_last = self.tail.map(|tail| tail.head);
        self.open.iter().filter_map(OpenRun::last).chain(sealed_last).max().unwrap_or_default()
    }

    /// The last number that is in finished segments, or was.
    pub fn sealed_last(&self) -> Seq {
        let before_open = self.open.first().map(|run| Seq(run.first.0.saturating_sub(1)));
        before_open.unwrap_or(self.tail.map_or(Seq::ZERO, |tail| tail.head))
    }

    /// Where its entries in finished segments end, if there is no tail.
    pub fn chain_end(&self) -> Seq {
        self.open.first().map_or(Seq(1), |run| run.first)
    }

    /// How many of its entries are no messages.
    pub fn amendments(&self) -> u64 {
        let sealed = self.tail.map(|tail| tail.amendments);
        self.open.last().map(|run| run.amendments).or(sealed).unwrap_or(0)
    }
}
