//! Segments that are to expire and wait for the facts in them, which the homes of their rooms append again.

use crate::shard::{FactsOrder, FactsReport};
use hashbrown::{HashMap, HashSet};
use madang_log::{FactsRenewal, SegmentAt};
use madang_model::{RoomKey, RoomName, ShardId};

/// Who was asked for which facts, and who has reported.
#[derive(Debug, Default)]
pub struct Renewing {
    shard_count: u16,
    segments: HashMap<SegmentAt, WaitingSegment>,
    /// Orders that no shard has taken yet.
    orders: Vec<(ShardId, FactsOrder)>,
}

#[derive(Debug, Default)]
struct WaitingSegment {
    asked: HashSet<RoomKey>,
    renewed: HashSet<RoomKey>,
}

impl Renewing {
    /// For this many shards.
    pub fn new(shard_count: u16) -> Renewing {
        Renewing { shard_count, ..Renewing::default() }
    }

    /// A shard has done what it was asked. Whether segments may expire now that waited for it: not while facts in them
    /// cannot be read, which is tried again when segments are looked at next.
    pub fn report(&mut self, report: FactsReport) -> bool {
        let FactsReport { segment, renewed, unreadable } = report;
        let Some(waiting) = segment.and_then(|segment| self.segments.get_mut(&segment)) else { return false };
        for room in &unreadable {
            waiting.asked.remove(room);
        }
        waiting.renewed.extend(renewed);
        unreadable.is_empty()
    }

    /// What a shard is to do next.
    pub fn take_order(&mut self, shard: ShardId) -> Option<FactsOrder> {
        let place = self.orders.iter().position(|(of, _)| *of == shard)?;
        Some(self.orders.remove(place).1)
    }
}

impl FactsRenewal for Renewing {
    fn is_renewed(&self, segment: SegmentAt, room: RoomKey) -> bool {
        #[cfg(any(test, feature = "deliberate-faults"))]
        if crate::mutation::is_on(crate::mutation::Mutation::ExpireLiveFacts) {
            return true;
        }
        self.segments.get(&segment).is_some_and(|waiting| waiting.renewed.contains(&room))
    }

    fn renew(&mut self, segment: SegmentAt, rooms: Vec<RoomName>) {
        let waiting = self.segments.entry(segment).or_default();
        let mut by_home: HashMap<ShardId, Vec<RoomName>> = HashMap::new();
        for room in rooms.into_iter().filter(|room| waiting.asked.insert(room.key())) {
            by_home.entry(room.key().home(self.shard_count)).or_default().push(room);
        }
        let orders = by_home.into_iter().map(|(home, rooms)| (home, FactsOrder { segment, rooms }));
        self.orders.extend(orders);
        self.orders.sort_by_key(|(home, _)| *home);
    }

    fn removed(&mut self, segment: SegmentAt) {
        self.segments.remove(&segment);
        self.orders.retain(|(_, order)| order.segment != segment);
    }
}
