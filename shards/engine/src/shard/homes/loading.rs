//! Which rooms are in memory: those that have members, or had until lately. A room is loaded from
//! the log when somebody joins it or whispers in it, and evicted once it has been empty for a
//! while. What it was then is in the log, all of it.

use super::facts::not_changed;
use super::{Effects, Homes, LoadedRoom, refuse, refuse_message, send_reply};
use crate::mesh::Outbound;
use crate::room::{Room, RoomKind};
use crate::shard::archive::RoomContents;
use madang_log::{Appender, BatchId, FactsLedger};
use madang_model::{
    Carried, Gap, GapReason, HistoryPage, Moment, Now, Refusal, Reply, Request, RoomKey, RoomName, Seq,
};
use std::collections::VecDeque;
use std::time::Duration;

/// Joins, whispers, changes of facts and what is asked from outside that wait for one room to be loaded; more are refused.
pub(super) const WAITING_MAX: usize = 4096;
/// How long an empty room stays, so that a user who switches between two channels waits for no disk.
pub(super) const IDLE_TIME: Duration = Duration::from_secs(60);
/// The most rooms evicted in a tick, so that no turn is long.
const EVICTED_PER_TICK_MAX: usize = 4096;

impl Homes {
    /// Lets a request wait when its room is not in memory and it needs it there; gives it back when
    /// it may continue.
    pub(super) fn wait_for_room(&mut self, request: Request, effects: &mut Effects<'_>) -> Option<Request> {
        let Some(key) = request.room() else { return Some(request) };
        if let Some(waiting) = self.loading.get_mut(&key) {
            if waiting.len() >= WAITING_MAX && wanted(&request).is_some() {
                refuse_to_load(request, "too many wait for the disk", effects);
            } else {
                waiting.push_back(request);
            }
            return None;
        }
        if self.rooms.contains_key(&key) {
            return Some(request);
        }
        let Some(name) = wanted(&request) else { return Some(request) };
        let Some(loaded) = self.archive.load(name) else {
            self.loading.insert(key, VecDeque::from([request]));
            return None;
        };
        if self.is_made(&loaded) {
            if is_carried(&request) {
                self.keep_looks(&loaded.name, effects.outbound);
            } else if makes_no_room(&request) {
                refuse_to_make_for(request, effects);
                return None;
            } else {
                self.loading.insert(key, VecDeque::from([request]));
                self.make(key, &loaded.name, effects);
                return None;
            }
        }
        self.enter(key, loaded);
        self.drafts_changed(key, effects);
        Some(request)
    }

    /// A room was read. Returns what waited for it, in order.
    pub fn room_read(&mut self, loaded: RoomContents, effects: &mut Effects<'_>) -> VecDeque<Request> {
        let key = loaded.name.key();
        if self.is_made(&loaded) {
            if !self.is_wanted_by_someone(key, effects) {
                return VecDeque::new();
            }
            if self.loading.get(&key).is_some_and(|waiting| waiting.iter().any(is_carried)) {
                self.keep_looks(&loaded.name, effects.outbound);
            } else {
                self.make(key, &loaded.name, effects);
                return VecDeque::new();
            }
        }
        let waiting = self.loading.remove(&key).unwrap_or_default();
        #[cfg(any(test, feature = "deliberate-faults"))]
        let loaded = {
            let RoomContents { name, mut stored, facts } = loaded;
            if matches!(waiting.front(), Some(Request::Carry(_))) {
                crate::mutation::resume_early(&mut stored.head, &mut stored.entries);
            }
            RoomContents { name, stored, facts }
        };
        self.enter(key, loaded);
        self.drafts_changed(key, effects);
        waiting
    }

    /// Refuses what waits for a room that is not there, as far as nothing before it makes the room; whether anything is
    /// left.
    fn is_wanted_by_someone(&mut self, key: RoomKey, effects: &mut Effects<'_>) -> bool {
        let Some(waiting) = self.loading.get_mut(&key) else { return false };
        while let Some(request) = waiting.pop_front_if(|request| makes_no_room(request)) {
            refuse_to_make_for(request, effects);
        }
        let is_wanted = !waiting.is_empty();
        if !is_wanted {
            self.loading.remove(&key);
        }
        is_wanted
    }

    /// Has a room made if it is no look-alike of another. The joins wait for the answer.
    fn make(&mut self, key: RoomKey, name: &RoomName, effects: &mut Effects<'_>) {
        if let Err(refusal) = self.ask_for_looks(name, effects.outbound) {
            self.refuse_to_make(key, &refusal, effects);
        }
    }

    pub(super) fn enter(&mut self, key: RoomKey, loaded: RoomContents) {
        let is_made = self.is_made(&loaded);
        let RoomContents { name, stored, facts } = loaded;
        let facts = facts.map(|facts| Box::new(FactsLedger::restore(name.clone(), self.id, *facts)));
        assert_eq!(key.home(self.settings.shard_count), self.id, "a room lives on its home shard");
        let kind = if key == self.settings.lobby.key() {
            RoomKind::Lobby
        } else if name.is_direct() {
            RoomKind::Direct
        } else {
            RoomKind::Channel
        };
        let mut room = Room::restore(name, kind, stored);
        // After its drafts are known, which stay so.
        let erasures = self.archive.erasures();
        if !erasures.is_empty() {
            room.erase(&|entry| erasures.hide(entry));
        }
        let last_batch = BatchId::default();
        let loaded = LoadedRoom {
            room,
            facts,
            last_batch,
            idle_since: Moment::default(),
            is_made,
            is_queued: false,
            is_moved: false,
            is_reacting: false,
            awaits_renewal: false,
            awaits_draft_deadline: false,
            ranked_members: 0,
        };
        self.rooms.insert(key, loaded);
    }

    /// Nobody knows the next number of a room: the joins that waited for it are refused.
    pub fn refuse_waiting(&mut self, key: RoomKey, reason: &'static str, effects: &mut Effects<'_>) {
        for request in self.loading.remove(&key).unwrap_or_default() {
            if wanted(&request).is_some() {
                refuse_to_load(request, reason, effects);
            } else {
                self.act(request, None, effects);
            }
        }
    }

    /// Notes when a room may be evicted, if it has no members; at once, when nothing was ever said.
    pub(super) fn evict_if_idle(&mut self, key: RoomKey, now: Now, outbound: &mut Outbound) {
        let Some(loaded) = self.rooms.get_mut(&key).filter(|loaded| loaded.room.is_idle()) else {
            return;
        };
        if loaded.room.is_forgettable() && !loaded.has_facts() {
            if let Some(LoadedRoom { room, is_made: true, .. }) = self.rooms.remove(&key) {
                self.send_give(room.name(), false, outbound);
            }
            return;
        }
        loaded.idle_since = now.monotonic;
        if !std::mem::replace(&mut loaded.is_queued, true) {
            self.idle.push_back((now.monotonic.after(IDLE_TIME), key));
        }
    }

    /// Evicts rooms that have been empty for a while.
    pub fn evict_idle(&mut self, now: Now, log: &Appender, outbound: &mut Outbound) {
        for _ in 0..EVICTED_PER_TICK_MAX {
            let Some((_, key)) = self.idle.pop_front_if(|(due, _)| *due <= now.monotonic) else { break };
            let Some(loaded) = self.rooms.get_mut(&key) else { continue };
            let is_idle = loaded.room.is_idle() && !loaded.has_moved_reads() && !loaded.awaits_renewal;
            #[cfg(any(test, feature = "deliberate-faults"))]
            let is_idle = is_idle || crate::mutation::is_on(crate::mutation::Mutation::EvictUsedRoom);
            if !is_idle {
                loaded.is_queued = loaded.room.is_idle();
                if loaded.is_queued {
                    self.idle.push_back((now.monotonic.after(IDLE_TIME), key));
                }
                continue;
            }
            // What is not on disk yet could not be read back.
            let is_stored = loaded.last_batch <= log.last_committed();
            let due = loaded.idle_since.after(IDLE_TIME);
            if is_stored && due <= now.monotonic {
                if let Some(loaded) = self.rooms.remove(&key) {
                    self.ranking.forget(&loaded);
                    if loaded.is_made {
                        self.send_give(loaded.room.name(), true, outbound);
                    }
                }
                self.archive.left(key);
            } else {
                let due = if is_stored { due } else { now.monotonic.after(IDLE_TIME) };
                self.idle.push_back((due, key));
            }
        }
        if self.rooms.capacity() > 8 * self.rooms.len().max(128) {
            self.rooms.shrink_to(2 * self.rooms.len());
        }
    }

    /// How many rooms are in memory, or about to be.
    #[cfg(test)]
    pub fn rooms_in_memory(&self) -> usize {
        self.rooms.len() + self.loading.len()
    }

    /// The newest number of a room that is in memory.
    #[cfg(test)]
    pub fn head_of(&self, stored_name: &str) -> Option<madang_model::Seq> {
        let name = RoomName::from_log(stored_name).ok()?;
        self.rooms.get(&name.key()).map(|loaded| loaded.room.head())
    }
}

/// The room that a request needs in memory: all others are about rooms that have members.
pub(super) fn wanted(request: &Request) -> Option<&RoomName> {
    match request {
        Request::Join { room, .. }
        | Request::PublishDirect { room, .. }
        | Request::PublishAs { room, .. }
        | Request::HistoryOf { room, .. }
        | Request::ChangeFacts { room, .. }
        | Request::MoveRead { room, .. }
        | Request::LoadFacts { room } => Some(room),
        Request::Carry(carried) => match &**carried {
            Carried::Members { room, .. } => Some(room),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a request needs its room in memory and does not make it.
pub(super) fn makes_no_room(request: &Request) -> bool {
    matches!(request, Request::PublishAs { .. } | Request::HistoryOf { .. })
}

/// Refuses what asks of a room that is not there.
pub(super) fn refuse_to_make_for(request: Request, effects: &mut Effects<'_>) {
    let no_such_room = |room: &RoomName| Refusal::NoSuchRoom { room: room.as_str().into() };
    match request {
        Request::PublishAs { session, room, .. } => refuse_message(session, no_such_room(&room), effects),
        Request::HistoryOf { session, room, .. } => refuse(session, no_such_room(&room), effects),
        other => unreachable!("this makes its room: {other:?}"),
    }
}

fn is_carried(request: &Request) -> bool {
    matches!(request, Request::Carry(_))
}

pub(super) fn refuse_to_load(request: Request, reason: &'static str, effects: &mut Effects<'_>) {
    let refusal = Refusal::NotStored { reason: reason.into() };
    match request {
        Request::Join { session, .. } => refuse(session, refusal, effects),
        Request::ChangeFacts { session, room, .. } => not_changed(session, room, reason, effects),
        Request::PublishDirect { session, .. } | Request::PublishAs { session, .. } => {
            refuse_message(session, refusal, effects);
        }
        // Not even the newest number is known.
        Request::HistoryOf { session, room, .. } => {
            let gap = Some(Gap { first: Seq(1), last: Seq(1), reason: GapReason::Busy });
            let nothing = HistoryPage { room, messages: Vec::new(), is_sparse: true, head: Seq::ZERO, gap };
            send_reply(session, Reply::History(nothing), effects.outbound);
        }
        Request::MoveRead { .. } | Request::LoadFacts { .. } => {}
        Request::Carry(carried) => super::carry::give_up(*carried, effects),
        other => unreachable!("only these wait for a room: {other:?}"),
    }
}
