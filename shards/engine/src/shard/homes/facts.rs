//! The facts of rooms: changed, stored as messages are, and stored once more before a segment expires that they are in.

use super::{Effects, Homes, LoadedRoom, send_or_hold, send_reply};
use crate::shard::Storage;
use madang_log::{Appender, FactsLedger, FactsNotAppended, FactsPointer, SegmentAt};
use madang_model::{
    AccountId, DatedChange, Event, FactChange, FactsNotChanged, Now, Reply, Request, RoomFacts, RoomKey,
    RoomName, Seq, SessionId,
};
use std::collections::VecDeque;
use std::time::Duration;

/// How long read positions wait to be stored with others: after a crash unread counts are as old as that.
const READS_INTERVAL: Duration = Duration::from_secs(5);
/// Rooms whose read positions are stored in one tick; the others follow in the next.
const READS_PER_TICK_MAX: usize = 1024;
/// Rooms whose facts are stored once more at a time: in memory, or being loaded.
const RENEWALS_MAX: usize = 256;
/// Bytes about that they may append in a tick.
const RENEWED_BYTES_PER_TICK: u64 = 1024 * 1024;

/// Rooms whose facts need a segment that is to expire.
#[derive(Clone, Debug)]
pub struct FactsOrder {
    /// The segment.
    pub segment: SegmentAt,
    /// The rooms, which are at home here.
    pub rooms: Vec<RoomName>,
}

/// What became of an order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FactsReport {
    /// The segment of the order; `None` before the first one.
    pub segment: Option<SegmentAt>,
    /// The rooms whose facts do not need it any more.
    pub renewed: Vec<RoomKey>,
    /// The rooms whose facts could not be read.
    pub unreadable: Vec<RoomKey>,
}

/// The facts that are to be stored once more.
#[derive(Debug, Default)]
pub struct Renewals {
    /// Whether it was asked for an order, which has not come.
    is_asked: bool,
    segment: Option<SegmentAt>,
    waiting: VecDeque<RoomName>,
    /// Being loaded, or appended and not committed.
    begun: Vec<RoomName>,
    /// What is reported.
    report: FactsReport,
}

impl Renewals {
    /// What to report, and whether to ask for more: once everything ordered is done.
    pub fn take_report(&mut self) -> Option<FactsReport> {
        let is_done = self.waiting.is_empty() && self.begun.is_empty();
        if self.is_asked || !is_done {
            return None;
        }
        self.is_asked = true;
        self.segment = None;
        Some(std::mem::take(&mut self.report))
    }

    /// An order came.
    pub fn take_order(&mut self, order: FactsOrder) {
        self.is_asked = false;
        self.segment = Some(order.segment);
        self.report = FactsReport { segment: Some(order.segment), ..FactsReport::default() };
        self.waiting = order.rooms.into();
    }
}

/// Answers that a change is not made. At once: what waits for the log waits for the disk.
pub(super) fn not_changed(session: SessionId, room: RoomName, reason: &str, effects: &mut Effects<'_>) {
    effects.counters.refusals += 1;
    let result = Err(FactsNotChanged::NotStored { reason: reason.into() });
    send_reply(session, Reply::FactsChanged { room, result }, effects.outbound);
}

impl LoadedRoom {
    /// Whether anything is stored of its facts, or about to be.
    pub(super) fn has_facts(&self) -> bool {
        self.facts.as_ref().is_some_and(|facts| facts.version() != Default::default())
    }

    pub(super) fn has_moved_reads(&self) -> bool {
        self.facts.as_ref().is_some_and(|facts| !facts.moved().is_empty())
    }
}

impl Homes {
    /// The facts of a room that is in memory, with what is not committed yet.
    pub fn facts(&self, room: RoomKey) -> Option<&RoomFacts> {
        self.rooms.get(&room)?.facts.as_ref().map(|facts| facts.facts())
    }

    /// Rooms whose read positions are to be stored, or their facts once more.
    pub fn facts_waiting(&self) -> usize {
        self.moved.len() + self.renewals.waiting.len() + self.renewals.begun.len()
    }

    pub(super) fn change_facts(
        &mut self,
        session: SessionId,
        room: &RoomName,
        by: AccountId,
        change: FactChange,
        effects: &mut Effects<'_>,
    ) {
        if let Some(reason) = self.reason_not_to_store(effects.log) {
            not_changed(session, room.clone(), reason, effects);
            // It may have been loaded for this alone.
            return self.evict_if_idle(room.key(), effects.now, effects.outbound);
        }
        let (key, free_bytes) = (room.key(), self.free_bytes(effects.log));
        let Homes { rooms, archive, events, held, .. } = self;
        let loaded = rooms.get_mut(&key).filter(|loaded| loaded.room.name().is_same_as(room));
        let Some(loaded) = loaded else {
            not_changed(session, room.clone(), "the name of the room is another's, too", effects);
            return self.evict_if_idle(key, effects.now, effects.outbound);
        };
        let name = loaded.room.name().clone();
        let new = || Box::new(FactsLedger::new(name.clone(), effects.log.shard()));
        let facts = loaded.facts.get_or_insert_with(new);
        archive.facts(key).into_iter().for_each(|newest| facts.confirm(newest));
        let dated = DatedChange { time: effects.now.wall, by, change };
        let result = match facts.change(dated, free_bytes, effects.log) {
            Ok(appended) => {
                loaded.last_batch = appended.batch;
                effects.counters.facts_changes += 1;
                let revision = appended.version.revision;
                archive.facts_appended(appended);
                Ok(revision)
            }
            Err(FactsNotAppended::Refused(refusal)) => Err(refusal.into()),
            Err(FactsNotAppended::Busy) => {
                Err(FactsNotChanged::NotStored { reason: "too many changes wait for the disk".into() })
            }
        };
        let reply = Reply::FactsChanged { room: name, result };
        events.push((session.shard, Event::Reply { to: session.connection, reply }));
        let batch = loaded.last_batch;
        #[cfg(any(test, feature = "deliberate-faults"))]
        let batch = crate::mutation::batch_of_facts(batch);
        send_or_hold(batch, events, held, effects.log, effects.outbound);
        self.evict_if_idle(key, effects.now, effects.outbound);
    }

    /// A member has read up to a number. What is stored of it follows within seconds.
    pub(super) fn move_read(
        &mut self,
        room: &RoomName,
        account: AccountId,
        read: Seq,
        effects: &mut Effects<'_>,
    ) {
        let key = room.key();
        let loaded = self.rooms.get_mut(&key).filter(|loaded| loaded.room.name().is_same_as(room));
        if let Some(LoadedRoom { facts: Some(facts), is_moved, .. }) = loaded
            && facts.move_read(account, read)
            && !std::mem::replace(is_moved, true)
        {
            self.moved.push_back(key);
        }
        self.evict_if_idle(key, effects.now, effects.outbound);
    }

    /// Stores read positions that have moved, if it is time, and facts that are to be stored once more.
    pub fn store_facts(&mut self, effects: &mut Effects<'_>) {
        if self.moved_at <= effects.now.monotonic {
            let was_first = self.moved.len();
            self.append_moved(READS_PER_TICK_MAX, effects.now, effects.log);
            if self.moved.len() == was_first || self.moved.is_empty() {
                self.moved_at = effects.now.monotonic.after(READS_INTERVAL);
            }
        }
        self.renew_facts(effects);
    }

    /// Stores the read positions of at most so many rooms. Whether none is left.
    pub fn append_moved(&mut self, rooms_max: usize, now: Now, log: &mut Appender) -> bool {
        for _ in 0..rooms_max.min(self.moved.len()) {
            if !self.may_append(log) {
                break;
            }
            let Some(key) = self.moved.pop_front() else { break };
            let free_bytes = self.free_bytes(log);
            let Some(loaded) = self.rooms.get_mut(&key) else { continue };
            loaded.is_moved = false;
            #[cfg(any(test, feature = "deliberate-faults"))]
            if crate::mutation::is_on(crate::mutation::Mutation::ForgetReads) {
                continue;
            }
            let Some(facts) = &mut loaded.facts else { continue };
            self.archive.facts(key).into_iter().for_each(|newest| facts.confirm(newest));
            if let Some(appended) = facts.append_reads(now.wall, free_bytes, log) {
                loaded.last_batch = appended.batch;
                self.archive.facts_appended(appended);
            }
            if !facts.moved().is_empty() {
                loaded.is_moved = true;
                self.moved.push_back(key);
            }
        }
        self.moved.is_empty()
    }

    /// Stores facts once more that a segment holds which is to expire, a part of them.
    fn renew_facts(&mut self, effects: &mut Effects<'_>) {
        let Some(segment) = self.renewals.segment else { return };
        while self.renewals.begun.len() < RENEWALS_MAX
            && let Some(room) = self.renewals.waiting.pop_front()
        {
            self.renewals.begun.push(room.clone());
            if !self.rooms.contains_key(&room.key()) {
                self.handle(Request::LoadFacts { room }, effects);
            }
        }
        let mut bytes_left = RENEWED_BYTES_PER_TICK;
        let begun = std::mem::take(&mut self.renewals.begun);
        for room in begun {
            let key = room.key();
            if self.is_renewed(&room, segment, &mut bytes_left, effects) {
                effects.counters.facts_renewed += 1;
                self.renewals.report.renewed.push(key);
                self.keep_for_renewal(key, false);
                self.evict_if_idle(key, effects.now, effects.outbound);
            } else if self.keep_for_renewal(key, true) || self.loading.contains_key(&key) {
                self.renewals.begun.push(room);
            } else {
                tracing::error!(
                    shard = self.id.0,
                    room = room.as_str(),
                    segment = segment.1.0,
                    "the facts of a room cannot be read; their segment is kept, and it is tried again; see `madang \
                     log verify`"
                );
                self.renewals.report.unreadable.push(key);
            }
        }
    }

    /// Keeps a room in memory, or no longer, until its facts are stored once more, which may take long. Whether it is there.
    fn keep_for_renewal(&mut self, room: RoomKey, is_kept: bool) -> bool {
        self.rooms.get_mut(&room).map(|loaded| loaded.awaits_renewal = is_kept).is_some()
    }

    /// Whether the facts of a room need the segment no longer, all of them committed. Stores them once more if they do.
    fn is_renewed(
        &mut self,
        room: &RoomName,
        (directory, segment): SegmentAt,
        bytes_left: &mut u64,
        effects: &mut Effects<'_>,
    ) -> bool {
        let (key, free_bytes) = (room.key(), self.free_bytes(effects.log));
        let may_append = *bytes_left > 0 && self.may_append(effects.log);
        let Some(loaded) = self.rooms.get_mut(&key) else { return false };
        // A room that nothing is stored of needs nothing.
        let Some(facts) = &mut loaded.facts else { return true };
        self.archive.facts(key).into_iter().for_each(|newest| facts.confirm(newest));
        if !facts.needs(directory, segment) {
            // Where messages are shown before they are synced, it is not enough that they are committed.
            // What is in another directory is from before this process.
            let is_here = |newest: &FactsPointer| newest.link.directory == effects.log.shard();
            let is_synced = |newest: FactsPointer| !is_here(&newest) || effects.log.is_synced(newest.end());
            let is_in_doubt =
                |newest: FactsPointer| is_here(&newest) && effects.log.is_in_doubt(newest.end());
            let is_done = facts.is_committed() && facts.newest().is_none_or(is_synced);
            // What a segment holds that was left unsynced is stored yet again: nothing would show whether it is on disk.
            if is_done || !facts.newest().is_some_and(is_in_doubt) {
                return is_done;
            }
        }
        if facts.is_committed()
            && may_append
            && let Some(appended) = facts.renew(effects.now.wall, free_bytes, effects.log)
        {
            *bytes_left = bytes_left.saturating_sub(facts.checkpoint_bytes());
            loaded.last_batch = appended.batch;
            self.archive.facts_appended(appended);
        }
        false
    }

    /// Whether something that nobody asked for may be stored now.
    fn may_append(&self, log: &Appender) -> bool {
        let has_place = match self.storage {
            Storage::Ready => true,
            Storage::Preparing | Storage::LastSegment(_) => log.has_room(),
            Storage::Beginning | Storage::NoSegment(_) | Storage::Failing(_) => false,
        };
        has_place && !log.is_full()
    }

    fn free_bytes(&self, log: &Appender) -> usize {
        log.free_bytes(self.storage == Storage::Ready)
    }
}
