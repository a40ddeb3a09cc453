//! The rooms in the order of lists, and the searches among them.
//!
//! A list without a pattern is the front of that order. A pattern is looked for in every name, which takes
//! its time where rooms are many: searches wait in a queue of their own, and each turn looks at a bounded
//! number of rooms. So only the sessions that asked wait for them.

use super::{Homes, LoadedRoom, send_reply};
use crate::mesh::Outbound;
use crate::room::Room;
use hashbrown::HashMap;
use madang_model::{Reply, RoomKey, RoomName, RoomsPage, SessionId};
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
    /// The last room that was looked at.
    after: Option<Ranked>,
    page: RoomsPage,
}

impl Ranking {
    /// A room may have another number of members than when it was ranked last: then it has another place.
    pub fn rank(&mut self, loaded: &mut LoadedRoom) {
        let members = loaded.room.listed_members();
        if members == loaded.ranked_members {
            return;
        }
        self.forget(loaded);
        loaded.ranked_members = members;
        if members > 0 {
            self.rooms.insert(Ranked { members, room: loaded.room.name().clone() });
        }
    }

    /// A room is evicted.
    pub fn forget(&mut self, loaded: &LoadedRoom) {
        let members = loaded.ranked_members;
        if members > 0 {
            self.rooms.remove(&Ranked { members, room: loaded.room.name().clone() });
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
        let Ranking { rooms: ranking, searches, lower_case } = self;
        let mut visits_left = VISITS_PER_TURN;
        while visits_left > 0
            && let Some(search) = searches.front_mut()
        {
            let from = search.after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
            let mut rest = ranking.range::<Ranked, _>((from, Bound::Unbounded));
            let mut last = None;
            while visits_left > 0
                && let Some(ranked) = rest.next()
            {
                visits_left -= 1;
                last = Some(ranked);
                write_lower_case(ranked.room.as_str(), lower_case);
                if lower_case.contains(&search.pattern) {
                    let found = rooms.get(&ranked.room.key()).and_then(|loaded| loaded.room.summary());
                    found.into_iter().for_each(|summary| search.page.add(summary));
                }
            }
            if visits_left == 0
                && let Some(last) = last
            {
                search.after = Some(last.clone());
                return;
            }
            if let Some(Search { session, page, .. }) = searches.pop_front() {
                send_reply(session, Reply::Rooms(page), outbound);
            }
        }
    }
}

impl Homes {
    /// Answers which rooms there are, now or when they were looked through.
    pub(super) fn list_rooms(&mut self, session: SessionId, pattern: &str, outbound: &mut Outbound) {
        if pattern.is_empty() {
            return send_reply(session, Reply::Rooms(self.ranking.fullest(&self.rooms)), outbound);
        }
        let page = RoomsPage { is_busy: self.ranking.searches.len() >= SEARCHES_MAX, ..RoomsPage::default() };
        if page.is_busy {
            return send_reply(session, Reply::Rooms(page), outbound);
        }
        let mut lower_case = String::new();
        write_lower_case(pattern, &mut lower_case);
        self.ranking.searches.push_back(Search { session, pattern: lower_case, after: None, page });
    }

    /// Looks through rooms for the sessions that asked: a bounded part.
    pub fn search_on(&mut self, outbound: &mut Outbound) {
        self.ranking.search_on(&self.rooms, outbound);
    }

    /// Answers every waiting search that it is to be asked again: a handover waits for no search.
    pub fn end_searches(&mut self, outbound: &mut Outbound) {
        for Search { session, .. } in self.ranking.searches.drain(..) {
            send_reply(session, Reply::Rooms(RoomsPage { is_busy: true, ..RoomsPage::default() }), outbound);
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
