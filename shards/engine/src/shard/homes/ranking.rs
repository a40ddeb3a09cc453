//! The rooms in the order of lists, and the searches among them.
//!
//! A list without a pattern is the front of that order. A pattern is looked for in every name, which takes
//! its time where rooms are many: searches wait in a queue of their own, and each turn looks at a bounded
//! number of rooms. So only the sessions that asked wait for them.
//!
//! A page of all rooms is in the order of their keys, in which a room keeps its place.

use super::{Homes, LoadedRoom, send_reply};
use crate::mesh::Outbound;
use crate::room::Room;
use hashbrown::HashMap;
use madang_model::{ListStart, Reply, RoomKey, RoomName, RoomSummary, RoomsPage, RoomsPart, SessionId};
use std::cmp::Ordering;
use std::collections::{BTreeSet, VecDeque};
use std::ops::Bound;

/// Searches that wait; past it the answer is to ask again.
const SEARCHES_MAX: usize = 4096;
/// Rooms that are looked at in a turn: some 0.3 ms.
const VISITS_PER_TURN: usize = 2048;

/// The rooms that have members, fullest first.
#[derive(Debug, Default)]
pub struct Ranking {
    rooms: BTreeSet<Ranked>,
    /// The same rooms in the order of pages.
    keys: BTreeSet<RoomKey>,
    searches: VecDeque<Search>,
    /// A name in lower case, for as long as it is looked at.
    lower_case: String,
}

/// A room at its place.
#[derive(Clone, Debug)]
struct Ranked {
    members: u32,
    room: RoomName,
}

/// Who looks for which rooms, and how far that is.
#[derive(Debug)]
struct Search {
    session: SessionId,
    /// In lower case.
    pattern: String,
    wanted: Wanted,
}

/// What a search is to find.
#[derive(Debug)]
enum Wanted {
    /// The fullest, and how many there are.
    Fullest {
        /// The last room that was looked at.
        after: Option<Ranked>,
        page: RoomsPage,
    },
    /// A page of all.
    InOrder {
        /// The last room that was looked at.
        after: Option<RoomKey>,
        part: RoomsPart,
    },
}

impl Ranking {
    /// A room may have another number of members than when it was ranked last: then it has another place.
    pub fn rank(&mut self, loaded: &mut LoadedRoom) {
        let members = loaded.room.listed_members();
        if members == loaded.ranked_members {
            return;
        }
        let room = loaded.room.name().clone();
        match (loaded.ranked_members, members) {
            (0, _) => drop(self.keys.insert(room.key())),
            (_, 0) => self.forget(loaded),
            (before, _) => drop(self.rooms.remove(&Ranked { members: before, room: room.clone() })),
        }
        loaded.ranked_members = members;
        if members > 0 {
            self.rooms.insert(Ranked { members, room });
        }
    }

    /// A room is evicted.
    pub fn forget(&mut self, loaded: &LoadedRoom) {
        let members = loaded.ranked_members;
        if members > 0 {
            self.rooms.remove(&Ranked { members, room: loaded.room.name().clone() });
            self.keys.remove(&loaded.room.key());
        }
    }

    fn fullest(&self, rooms: &HashMap<RoomKey, LoadedRoom>) -> RoomsPage {
        let summary = |ranked: &Ranked| rooms.get(&ranked.room.key())?.room.summary();
        let found: Vec<_> = self.rooms.iter().take(RoomsPage::ROOMS_MAX).filter_map(summary).collect();
        let more = u32::try_from(self.rooms.len() - found.len()).unwrap_or(u32::MAX);
        RoomsPage { rooms: found, more, is_busy: false }
    }

    /// Looks at a turn's share of rooms, for the search that has waited longest.
    fn search_on(&mut self, rooms: &HashMap<RoomKey, LoadedRoom>, outbound: &mut Outbound) {
        let Ranking { rooms: ranking, keys, searches, lower_case } = self;
        let mut visits_left = VISITS_PER_TURN;
        while visits_left > 0
            && let Some(Search { pattern, wanted, .. }) = searches.front_mut()
        {
            let mut visit = RoomVisit { rooms, pattern, lower_case, visits_left };
            let is_done = match wanted {
                Wanted::Fullest { after, page } => visit.fullest(ranking, after, page),
                Wanted::InOrder { after, part } => visit.in_order(keys, after, part),
            };
            visits_left = visit.visits_left;
            if is_done && let Some(Search { session, wanted, .. }) = searches.pop_front() {
                send_reply(session, wanted.found(), outbound);
            }
        }
    }
}

/// Looks at rooms for one search.
struct RoomVisit<'a> {
    rooms: &'a HashMap<RoomKey, LoadedRoom>,
    /// In lower case.
    pattern: &'a str,
    lower_case: &'a mut String,
    visits_left: usize,
}

impl RoomVisit<'_> {
    /// Whether all were looked at; if not, what was looked at last is noted.
    fn fullest(
        &mut self,
        ranking: &BTreeSet<Ranked>,
        after: &mut Option<Ranked>,
        page: &mut RoomsPage,
    ) -> bool {
        let from = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        for ranked in ranking.range::<Ranked, _>((from, Bound::Unbounded)) {
            if let Some(room) = self.rooms.get(&ranked.room.key()) {
                self.matching(&room.room).into_iter().for_each(|summary| page.add(summary));
            }
            self.visits_left -= 1;
            if self.visits_left == 0 {
                *after = Some(ranked.clone());
                return false;
            }
        }
        true
    }

    /// Whether the part is full or all were looked at; if not, what was looked at last is noted.
    fn in_order(
        &mut self,
        keys: &BTreeSet<RoomKey>,
        after: &mut Option<RoomKey>,
        part: &mut RoomsPart,
    ) -> bool {
        let count = part.start.count(RoomsPart::ROOMS_MAX);
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        for key in keys.range((from, Bound::Unbounded)) {
            if let Some(room) = self.rooms.get(key) {
                part.rooms.extend(self.matching(&room.room));
            }
            self.visits_left -= 1;
            if part.rooms.len() == count {
                // Whether another matches is seen by the next page.
                part.has_more = true;
                #[cfg(any(test, feature = "deliberate-faults"))]
                {
                    part.has_more = crate::mutation::has_more_rooms(part.has_more);
                }
                return true;
            }
            if self.visits_left == 0 {
                *after = Some(*key);
                return false;
            }
        }
        true
    }

    fn matching(&mut self, room: &Room) -> Option<RoomSummary> {
        write_lower_case(room.name().as_str(), self.lower_case);
        if self.lower_case.contains(self.pattern) { room.summary() } else { None }
    }
}

impl Wanted {
    fn found(self) -> Reply {
        match self {
            Wanted::Fullest { page, .. } => Reply::Rooms(page),
            Wanted::InOrder { part, .. } => Reply::RoomsPart(part),
        }
    }

    /// What answers when there are too many searches.
    fn busy(self) -> Reply {
        match self {
            Wanted::Fullest { .. } => Reply::Rooms(RoomsPage { is_busy: true, ..RoomsPage::default() }),
            Wanted::InOrder { part, .. } => Reply::RoomsPart(RoomsPart::busy(part.shard, part.start)),
        }
    }
}

impl Homes {
    /// Answers which rooms there are, now or when they were looked through.
    pub(super) fn list_rooms(&mut self, session: SessionId, pattern: &str, outbound: &mut Outbound) {
        if pattern.is_empty() {
            return send_reply(session, Reply::Rooms(self.ranking.fullest(&self.rooms)), outbound);
        }
        self.search(session, pattern, Wanted::Fullest { after: None, page: RoomsPage::default() }, outbound);
    }

    /// Answers with what this shard has for a page of all rooms. Without a pattern it looks at those of the page.
    pub(super) fn page_of_rooms(
        &mut self,
        session: SessionId,
        pattern: &str,
        start: ListStart<RoomKey>,
        outbound: &mut Outbound,
    ) {
        let (mut part, mut after) = (RoomsPart::new(self.id, start), start.after);
        let Ranking { keys, lower_case, .. } = &mut self.ranking;
        let mut visit = RoomVisit { rooms: &self.rooms, pattern, lower_case, visits_left: VISITS_PER_TURN };
        // Every room that is looked at is one of the page.
        if pattern.is_empty() && visit.in_order(keys, &mut after, &mut part) {
            return send_reply(session, Reply::RoomsPart(part), outbound);
        }
        self.search(session, pattern, Wanted::InOrder { after, part }, outbound);
    }

    fn search(&mut self, session: SessionId, pattern: &str, wanted: Wanted, outbound: &mut Outbound) {
        if self.ranking.searches.len() >= SEARCHES_MAX {
            return send_reply(session, wanted.busy(), outbound);
        }
        let mut lower_case = String::new();
        write_lower_case(pattern, &mut lower_case);
        self.ranking.searches.push_back(Search { session, pattern: lower_case, wanted });
    }

    /// Looks through rooms for the sessions that asked: a bounded part.
    pub fn search_on(&mut self, outbound: &mut Outbound) {
        self.ranking.search_on(&self.rooms, outbound);
    }

    /// Answers every waiting search that it is to be asked again: a handover waits for no search.
    pub fn end_searches(&mut self, outbound: &mut Outbound) {
        for Search { session, wanted, .. } in self.ranking.searches.drain(..) {
            send_reply(session, wanted.busy(), outbound);
        }
    }

    /// Searches that wait or are under way.
    pub fn search_count(&self) -> usize {
        self.ranking.searches.len()
    }

    /// Whether somebody waits until rooms were looked through.
    pub fn is_searching(&self) -> bool {
        !self.ranking.searches.is_empty()
    }

    /// The fullest rooms that are listed, in their order.
    pub fn fullest(&self) -> impl Iterator<Item = &Room> {
        let room = |ranked: &Ranked| self.rooms.get(&ranked.room.key()).map(|loaded| &loaded.room);
        self.ranking.rooms.iter().filter_map(room)
    }
}

/// Letter by letter, so that a part of a name is the same there and alone.
fn write_lower_case(name: &str, out: &mut String) {
    out.clear();
    out.extend(name.chars().flat_map(char::to_lowercase));
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_name = || self.room.as_str().cmp(other.room.as_str());
        other.members.cmp(&self.members).then_with(by_name)
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}
