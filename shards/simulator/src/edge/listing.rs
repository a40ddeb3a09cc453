//! An edge goes through all rooms, page by page, while they come and go.
//!
//! What it has of that is kept when its link ends: a cursor holds over restarts and upgrades, for as long as the log has
//! one epoch.

use super::super::chance::Chance;
use super::super::truth::Checked;
use super::{Doing, Edge};
use madang_link::{EdgeRequest, RequestFault, SessionNumber};
use madang_model::{Cursor, LogEpoch, RoomsList, RoomsMerge, RoomsPart, SessionId};
use std::collections::{BTreeMap, BTreeSet};

/// Cursors that are remembered, to be used much later.
const CURSORS_MAX: usize = 8;
/// Parts of names that are looked for: all rooms, and those of which some are without others.
const PATTERNS: [&str; 4] = ["", "", "R", "q"];

/// The members of rooms that are in lists, as their homes have them.
pub type RoomMembers = BTreeMap<String, BTreeSet<SessionId>>;

/// What edges know of pages of rooms.
#[derive(Default)]
pub struct RoomLists {
    listing: Option<RoomsListing>,
    asked: Option<AskedRooms>,
    cursors: Vec<KnownCursor>,
    /// The epoch that the core named last, and how often the log had been replaced by a copy then.
    greeting: Option<(LogEpoch, u64)>,
    /// Lists that they went through to the end, pages of such lists, and cursors of another epoch that were refused.
    pub lists: u64,
    pub pages: u64,
    pub refused: u64,
}

/// How far edges have gone through all rooms.
struct RoomsListing {
    pattern: &'static str,
    cursor: Option<KnownCursor>,
    listed: BTreeSet<String>,
    /// Who was there when the first page was asked for, and has been since.
    stays: RoomMembers,
}

/// A page that was asked for.
struct AskedRooms {
    session: SessionNumber,
    pattern: &'static str,
    cursor: Option<KnownCursor>,
    /// Whether it is the next page, and not one behind a cursor of long ago.
    is_next: bool,
    merge: Option<RoomsMerge>,
}

/// A cursor, and the epoch of the log that gave it.
#[derive(Clone, Copy)]
struct KnownCursor {
    cursor: Cursor,
    pattern: &'static str,
    epoch: Option<LogEpoch>,
}

impl RoomLists {
    /// The core names the epoch of its log, which has been replaced by a copy so often.
    ///
    /// # Errors
    /// When it is that of before although numbers are given again.
    pub(super) fn greeted(&mut self, epoch: LogEpoch, incarnation: u64) -> Checked {
        match self.greeting.replace((epoch, incarnation)) {
            Some((known, earlier)) if known == epoch && earlier != incarnation => Err(format!(
                "the edge is told that epoch {epoch} goes on, and knows numbers of before a restore"
            )),
            _ => Ok(()),
        }
    }

    /// The link is gone: what was asked for is not answered.
    pub fn forget_asked(&mut self) {
        self.asked = None;
    }

    /// Nobody stays: the process has ended, or sessions have other numbers.
    pub fn forget_members(&mut self) {
        if let Some(listing) = &mut self.listing {
            listing.stays.clear();
        }
    }

    /// The members of the rooms of one home are these now.
    pub fn follow(&mut self, is_of_home: impl Fn(&str) -> bool, now: &dyn Fn() -> RoomMembers) {
        let Some(listing) = self.listing.as_mut().filter(|listing| !listing.stays.is_empty()) else { return };
        let now = now();
        for (room, stay) in listing.stays.iter_mut().filter(|(room, _)| is_of_home(room)) {
            stay.retain(|session| now.get(room).is_some_and(|there| there.contains(session)));
        }
        listing.stays.retain(|_, stay| !stay.is_empty());
    }

    /// A part of a page came from a shard. `epoch` is what the core has named.
    pub(super) fn part(
        &mut self,
        (session, part): (SessionNumber, RoomsPart),
        shard_count: u16,
        epoch: Option<LogEpoch>,
    ) -> Checked {
        let Some(asked) = self.asked.as_mut().filter(|asked| asked.session == session) else {
            return Err("a part of a page of rooms comes, and nobody asked for it".to_owned());
        };
        if asked.cursor.is_some_and(|known| known.epoch != epoch) {
            return Err("a page of rooms is given behind a cursor of another epoch".to_owned());
        }
        let merge = || RoomsMerge::new(shard_count, asked.pattern, part.start);
        let merge = asked.merge.get_or_insert_with(merge);
        if !merge.add(part) {
            return Err("a part of a page of rooms comes twice, or is of another page".to_owned());
        }
        if !merge.is_complete() {
            return Ok(());
        }
        let Some(AskedRooms { pattern, is_next, merge: Some(merge), .. }) = self.asked.take() else {
            return Ok(());
        };
        match merge.finish() {
            // A shard was busy: the same page is asked for again.
            Err(_) => Ok(()),
            Ok(page) => {
                let next = page.next.map(|cursor| KnownCursor { cursor, pattern, epoch });
                self.cursors.extend(next);
                if self.cursors.len() > CURSORS_MAX {
                    self.cursors.remove(0);
                }
                if is_next { self.next_page(&page, next) } else { Ok(()) }
            }
        }
    }

    fn next_page(&mut self, page: &RoomsList, next: Option<KnownCursor>) -> Checked {
        let Some(listing) = &mut self.listing else { return Ok(()) };
        self.pages += 1;
        for summary in &page.rooms {
            let room = summary.room.as_str();
            if !listing.listed.insert(room.to_owned()) {
                return Err(format!("{room} is on two pages of rooms"));
            }
        }
        listing.cursor = next;
        if next.is_some() {
            return Ok(());
        }
        let missing = listing.stays.keys().find(|room| !listing.listed.contains(*room));
        if let Some(room) = missing {
            return Err(format!("{room} was there throughout, and is on no page of rooms"));
        }
        self.listing = None;
        self.lists += 1;
        Ok(())
    }

    /// A request was refused: that is right only of a cursor of another epoch.
    pub(super) fn refused(
        &mut self,
        session: SessionNumber,
        fault: RequestFault,
        epoch: Option<LogEpoch>,
    ) -> Checked {
        let is_old = |asked: &mut AskedRooms| {
            asked.session == session && asked.cursor.is_some_and(|known| known.epoch != epoch)
        };
        let Some(asked) = self.asked.take_if(is_old).filter(|_| fault == RequestFault::CursorOfOtherEpoch)
        else {
            return Err(format!("the edge asks badly: {fault:?}"));
        };
        self.refused += 1;
        if asked.is_next {
            self.listing = None;
        }
        Ok(())
    }
}

impl Edge {
    /// Asks for a page of rooms, if a session can. Says what. `members` gives those of all rooms.
    pub fn list(
        &mut self,
        chance: &mut Chance,
        lists: &mut RoomLists,
        members: &dyn Fn() -> RoomMembers,
    ) -> Option<String> {
        self.end.limits()?;
        let is_there = |session: &SessionNumber| {
            self.sessions.get(session).is_some_and(|doing| *doing != Doing::Closing)
        };
        // Who has closed its session gets no answer.
        lists.asked.take_if(|asked| !is_there(&asked.session));
        if lists.asked.is_some() {
            return None;
        }
        let place = chance.below(self.sessions.len().max(1));
        let session = self.sessions.keys().nth(place).copied().filter(is_there)?;
        let known = &lists.cursors;
        let old = (chance.one_in(6) && !known.is_empty()).then(|| known[chance.below(known.len())]);
        let (pattern, cursor) = match old {
            Some(old) => (old.pattern, Some(old)),
            None => {
                let listing = lists.listing.get_or_insert_with(|| {
                    let pattern = PATTERNS[chance.below(PATTERNS.len())];
                    let mut stays = members();
                    let looked_for = pattern.to_lowercase();
                    stays.retain(|room, _| room.to_lowercase().contains(&looked_for));
                    RoomsListing { pattern, cursor: None, listed: BTreeSet::new(), stays }
                });
                (listing.pattern, listing.cursor)
            }
        };
        let request = EdgeRequest::RoomsInOrder {
            pattern: pattern.into(),
            cursor: cursor.map(|known| known.cursor),
            count: chance.between(1, 4) as u32,
        };
        // It may be asked again where the link is busy or over.
        self.end.ask(session, &request).ok()?;
        let is_next = old.is_none();
        lists.asked = Some(AskedRooms { session, pattern, cursor, is_next, merge: None });
        let page = if is_next { "a page" } else { "an old page" };
        Some(format!("asks for {page} of rooms in session {session}"))
    }
}
