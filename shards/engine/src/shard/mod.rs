//! One shard, without I/O: the connections it accepted, the rooms and users whose home it is, and
//! what it owes the log and the other shards.
//!
//! The runtime feeds it what happened (bytes, batches from the mesh, commits, ticks) and carries
//! out what it wants (outboxes, batches for the log and the mesh). The simulator does the same
//! with a virtual world. **Invariant:** nothing here waits, and nothing here asks a clock.

mod archive;
mod carry;
mod closing;
mod connections;
mod counters;
mod delivery;
mod ebb;
mod held;
mod homes;
mod image;
mod inbox;
mod inspect;
mod operator;
mod outboxes;
mod reacting;
mod rendered;
mod settings;
mod spares;
mod waits;
mod wheel;
mod writes;

use archive::Answered;
pub use archive::{Archive, LookupId, StartFindings};
pub use carry::Saved;
pub use connections::Connection;
pub use counters::{CloseKind, Counters, RefusalKind};
pub use image::{ConnectionImage, Portion, ShardImage, read_carried, share_out, write_carried};
pub use inspect::{Membership, Queues, RoomListener};
pub use operator::{Fill, Leaders, RoomReport, SlowReport, fullest_first, liveliest_first};
pub use settings::Settings;

use crate::mesh::{Delivered, Outbound, Transport};
use connections::Connections;
use ebb::Ebb;
use hashbrown::HashMap;
use homes::{Effects, Homes};
pub use homes::{FactsOrder, FactsReport};
use madang_log::{
    AmendmentSource, Appender, Batch, QueryFault, QueryOutcome, SnapshotScope, StoredLooks, StoredQuery,
};
use madang_model::connection::{EntranceKind, LocalRooms, Surface};
use madang_model::{
    ConnectionId, Destination, MeshEntry, Moment, Now, Reply, Request, RoomFacts, RoomKey, SeenEvents,
    SessionId, ShardId, SkeletonKey, UserKey,
};
use outboxes::Outboxes;
use rendered::Rendered;
use spares::Spares;
use std::collections::VecDeque;
use std::sync::Arc;
use wheel::Wheel;
use writes::Writes;

/// Whether messages can be stored. The reasons are for the authors of refused messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Storage {
    /// They can.
    #[default]
    Ready,
    /// As long as the open segment has room; the next one is being made. Past that, input waits.
    Preparing,
    /// Not yet: the first segment is being made. Input waits.
    Beginning,
    /// Only as long as the open segment has room: no next one can be had.
    LastSegment(&'static str),
    /// They cannot, and none waits: there is no segment at all, and none can be had.
    NoSegment(&'static str),
    /// They cannot. What was accepted before waits.
    Failing(&'static str),
}

/// What a shard wants to be reminded of.
#[derive(Clone, Copy, Debug)]
enum Deadline {
    /// A connection must have said its name.
    Login(ConnectionId),
    /// A connection that is closing must be gone.
    Close(ConnectionId),
    /// A connection is read again.
    Delay(ConnectionId),
    /// A protocol wants to be called.
    Reminder(ConnectionId),
    /// A member's grace time in a room ends.
    Member(RoomKey, UserKey),
    /// A name's grace time ends.
    Name(SkeletonKey),
    /// The time of a room's drafts ends.
    Drafts(RoomKey),
}

/// One shard.
pub struct Shard<S: Surface> {
    id: ShardId,
    settings: Arc<Settings>,
    surface: S,
    connections: Connections<S::Session>,
    rooms: LocalRooms,
    homes: Homes,
    /// The log this shard appends to.
    pub log: Appender,
    outbound: Outbound,
    wheel: Wheel<Deadline>,
    now: Now,
    /// Requests that wait for room in the log: at most one batch or read, as no input is taken meanwhile.
    deferred: VecDeque<Request>,
    /// Connections with something to send.
    writes: Writes,
    /// Connections that may be read again.
    resumed: Vec<ConnectionId>,
    /// Connections that are not read because a peer's channel is full.
    parked: Vec<ConnectionId>,
    /// Connections whose outbox the kernel did not take whole at some time in the last second, each once.
    slow: Vec<ConnectionId>,
    /// Connections that want to close and may now be able to.
    closable: Vec<ConnectionId>,
    /// Connections whose protocol is to be called, as everything it asked is answered.
    answered: Vec<ConnectionId>,
    /// The last time at which no connection was read, as the log or the outboxes had no room.
    unread_at: Moment,
    /// Connections whose slot is free again; their sockets are to be closed.
    ended: Vec<Ended>,
    requests: Vec<Request>,
    /// Names that were granted to sessions that still give their old one back: each is confirmed when that is done.
    renames: HashMap<ConnectionId, Reply>,
    rendered: Rendered,
    /// What readers have seen of events that come from several rooms.
    seen: SeenEvents<ConnectionId>,
    spare_outboxes: Spares,
    outboxes: Outboxes,
    ebb: Ebb,
    is_draining: bool,
    is_burst_over: bool,
    /// Nothing is read: connections stay as they are until this process or a new one resumes them.
    is_paused: bool,
    /// What is here belongs to another process until it releases it: nothing is sent and no connection is closed, as
    /// that process would do it again.
    is_adopting: bool,
    /// What happened so far.
    pub counters: Counters,
}

/// A connection that the shard has closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ended {
    /// Which.
    pub connection: ConnectionId,
    /// Whether everything was sent, so that the peer should be given the time to read it.
    pub is_orderly: bool,
}

impl<S: Surface> Shard<S> {
    /// A shard that starts from what its log holds.
    pub fn new(
        id: ShardId,
        settings: Arc<Settings>,
        surface: S,
        log: Appender,
        archive: Archive,
    ) -> Shard<S> {
        Shard {
            id,
            surface,
            connections: Connections::new(),
            rooms: LocalRooms::default(),
            homes: Homes::new(id, Arc::clone(&settings), archive),
            log,
            outbound: Outbound::new(settings.shard_count),
            wheel: Wheel::default(),
            now: Now::default(),
            deferred: VecDeque::new(),
            writes: Writes::default(),
            resumed: Vec::new(),
            parked: Vec::new(),
            slow: Vec::new(),
            closable: Vec::new(),
            answered: Vec::new(),
            unread_at: Moment::default(),
            ended: Vec::new(),
            requests: Vec::new(),
            renames: HashMap::new(),
            rendered: Rendered::default(),
            seen: SeenEvents::default(),
            spare_outboxes: Spares::default(),
            outboxes: Outboxes::new(settings.outbox_total_bytes_max),
            ebb: Ebb::default(),
            is_draining: false,
            is_burst_over: false,
            is_paused: false,
            is_adopting: false,
            counters: Counters::default(),
            settings,
        }
    }

    /// Which shard this is.
    pub fn id(&self) -> ShardId {
        self.id
    }

    /// Words for a peer that cannot be given a connection at all.
    pub fn server_full(&self, entrance: EntranceKind) -> &'static [u8] {
        self.surface.server_full(entrance)
    }

    /// Begins a turn: everything until the next one happens at this time.
    pub fn begin_turn(&mut self, now: Now) {
        self.now = now;
        self.look_after_outboxes();
        self.resume_deferred();
        if !self.accepts_input() {
            self.unread_at = now.monotonic;
        }
        let ends = self.is_paused || self.is_draining;
        if ends {
            // Nothing is to be lost of what would be stored within seconds.
            self.homes.append_moved(usize::MAX, now, &mut self.log);
        }
        if self.homes.looks.may_answer(ends) {
            self.homes.answer_looks(ends, &mut self.outbound);
            self.settle();
        }
        if self.homes.is_searching() {
            if self.is_paused {
                self.homes.end_searches(&mut self.outbound);
            } else {
                self.homes.search_on(&mut self.outbound);
            }
            self.settle();
        }
        if !self.answered.is_empty() {
            self.settle();
        }
    }

    /// Whether input may be taken in: false while the log has all it can hold, until a commit returns or the next
    /// segment is ready, and while outboxes must be written first. Mesh batches and sockets then wait where they are.
    pub fn accepts_input(&self) -> bool {
        self.can_append() && self.deferred.is_empty() && !self.outboxes.is_pausing()
    }

    /// Whether batches of other shards may be taken in: as input, and while the first segment is being made also
    /// what another process gave away, which stores nothing and is waited for.
    pub fn accepts_mesh(&self) -> bool {
        let is_adopting = self.is_paused && self.storage() == Storage::Beginning;
        self.accepts_input() || is_adopting && self.deferred.is_empty()
    }

    /// Whether one more message has a sure place: in the open batch, and in a segment.
    fn can_append(&self) -> bool {
        let has_place = match self.storage() {
            Storage::Preparing => self.log.has_room(),
            Storage::Beginning => false,
            // Where there is none, authors are refused.
            Storage::Ready | Storage::LastSegment(_) | Storage::NoSegment(_) | Storage::Failing(_) => true,
        };
        has_place && !self.log.is_full()
    }

    /// Whether a request may be handled now.
    fn may_handle(&self, request: &Request) -> bool {
        self.can_append() || request.stores_nothing()
    }

    /// Handles what waited for room in the log, in the order in which it came.
    fn resume_deferred(&mut self) {
        if !self.deferred.is_empty() {
            self.handle_deferred();
            self.settle();
        }
    }

    fn handle_deferred(&mut self) {
        while self.deferred.front().is_some_and(|request| self.may_handle(request))
            && let Some(request) = self.deferred.pop_front()
        {
            self.handle_request(request);
        }
    }

    /// A batch came from another shard.
    pub fn mesh_received(&mut self, batch: &mut Vec<MeshEntry>) {
        for envelope in batch.drain(..) {
            self.handle(envelope);
        }
        self.settle();
    }

    /// Whether messages can be stored.
    pub fn storage(&self) -> Storage {
        self.homes.storage
    }

    /// From now on messages are accepted, or refused, accordingly.
    pub fn set_storage(&mut self, storage: Storage) {
        self.homes.storage = storage;
    }

    /// A batch goes to the segment that was ready: from now on messages are accepted as far as that has room, until
    /// the one after it is reported.
    pub fn next_segment_used(&mut self) {
        if self.storage() == Storage::Ready {
            self.set_storage(Storage::Preparing);
        }
    }

    /// A batch is on disk: what waited for it goes out.
    pub fn committed(&mut self, batch: Batch) {
        let Shard { homes, outbound, log, .. } = self;
        homes.archive.committed(&batch);
        log.committed(batch);
        homes.release_held(log, outbound);
        self.settle();
    }

    /// What is stored, for the runtime to read and index.
    pub fn archive(&mut self) -> &mut Archive {
        &mut self.homes.archive
    }

    /// The next query of stored messages to carry out, if one may begin.
    pub fn next_query(&mut self) -> Option<(LookupId, StoredQuery)> {
        self.homes.archive.next_query(self.log.last_committed())
    }

    /// A query is done: it is answered to the session that waits for it.
    pub fn query_done(&mut self, id: LookupId, found: Result<QueryOutcome, QueryFault>) {
        match self.homes.archive.answer(id, found, self.now.wall) {
            Some(Answered::Page(shard, event)) => self.outbound.push(shard, MeshEntry::Event(event)),
            Some(Answered::Room(room)) => {
                let (homes, mut effects) = self.homes();
                let waiting = homes.room_read(room, &mut effects);
                self.defer_first(waiting);
                self.resume_deferred();
            }
            Some(Answered::Unknown(room)) => {
                let (homes, mut effects) = self.homes();
                homes.refuse_waiting(room, "the disk reports errors", &mut effects);
            }
            Some(Answered::Time { session, reader, room, page }) => {
                let (homes, mut effects) = self.homes();
                homes.history(session, reader, room, page, &mut effects);
            }
            Some(Answered::First { session, room, answer }) => {
                let waiting = self.homes.queues.answered((room, session), answer);
                self.defer_first(waiting);
                self.resume_deferred();
            }
            None => {}
        }
        self.homes.archive.settle_erasures();
        self.settle();
    }

    /// Whether the looks of stored rooms are to be read now. [`Shard::looks_read`] receives the result.
    pub fn begin_reading_looks(&mut self) -> bool {
        self.homes.looks.begin_reading()
    }

    /// The looks of the stored rooms whose looks have their home here; `None` when they could not be read.
    pub fn looks_read(&mut self, read: Option<StoredLooks>) {
        self.homes.looks_read(read, &mut self.outbound);
        self.settle();
    }

    /// Which facts are stored once more, and that more may be ordered; `None` while some are to be.
    /// [`Shard::renew_facts`] receives the order.
    pub fn take_facts_report(&mut self) -> Option<FactsReport> {
        self.homes.renewals.take_report()
    }

    /// Facts are to be stored once more.
    pub fn renew_facts(&mut self, order: FactsOrder) {
        self.homes.renewals.take_order(order);
    }

    /// The facts of a room that is in memory at its home here.
    pub fn facts(&self, room: RoomKey) -> Option<&RoomFacts> {
        self.homes.facts(room)
    }

    /// The snapshot of this shard's directory is written anew, and its tables of amendments are these.
    pub fn snapshot_renewed(&mut self, scope: Option<SnapshotScope>, sources: Option<&[AmendmentSource]>) {
        self.homes.snapshot_renewed(scope, sources);
    }

    /// Time has passed: whatever is due happens. To be called about once a second.
    pub fn tick(&mut self) {
        while let Some(deadline) = self.wheel.pop_due(self.now.monotonic) {
            match deadline {
                Deadline::Login(id) => self.login_timed_out(id),
                Deadline::Close(id) => self.close_timed_out(id),
                Deadline::Delay(id) => self.delay_ended(id),
                Deadline::Reminder(id) => self.remind_protocol(id),
                Deadline::Member(room, user) => {
                    let Shard { homes, outbound, log, now, .. } = self;
                    homes.expire_member(room, user, *now, log, outbound);
                }
                Deadline::Name(key) => self.homes.expire_name(key, self.now),
                Deadline::Drafts(room) => {
                    let again = self.homes.expire_drafts(room, self.now);
                    again.into_iter().for_each(|at| self.wheel.add(at, Deadline::Drafts(room)));
                }
            }
        }
        self.homes.looks.tick();
        self.flush_reactions();
        let (homes, mut effects) = self.homes();
        homes.store_facts(&mut effects);
        self.homes.evict_idle(self.now, &self.log, &mut self.outbound);
        self.seen.tick();
        self.spare_outboxes.tick();
        self.is_burst_over = self.outboxes.tick();
        let count = self.connections.len() + self.homes.count() + self.wheel.len();
        if self.ebb.tick(count) {
            self.shrink();
            self.is_burst_over = true;
        }
        self.writes.tick();
        self.settle();
    }

    /// Gives back the memory of what is gone.
    fn shrink(&mut self) {
        self.connections.shrink();
        self.rooms.shrink();
        self.homes.shrink();
        self.outbound.shrink();
        self.requests.shrink_to(2 * self.requests.len());
        self.deferred.shrink_to(2 * self.deferred.len());
    }

    /// Handles everything this shard has sent to itself, until nothing is left.
    fn settle(&mut self) {
        loop {
            let mut own = self.outbound.take(self.id);
            if own.is_empty() {
                self.outbound.reuse(self.id, own);
                self.call_answered();
                self.close_closable();
                if self.outbound.is_quiet(self.id) {
                    return;
                }
                continue;
            }
            for envelope in own.drain(..) {
                self.handle(envelope);
            }
            self.outbound.reuse(self.id, own);
        }
    }

    fn handle(&mut self, envelope: MeshEntry) {
        match envelope {
            MeshEntry::Request(request) => {
                let is_free = request.stores_nothing() && self.deferred.is_empty();
                if !is_free && !self.accepts_input() {
                    self.deferred.push_back(request);
                } else {
                    self.handle_request(request);
                    self.handle_deferred();
                }
            }
            MeshEntry::Event(event) => self.deliver(event),
        }
    }

    fn handle_request(&mut self, request: Request) {
        let (homes, mut effects) = self.homes();
        if let Request::LooksAnswered { room, answer } = request {
            let waiting = homes.looks_answered(room, answer, &mut effects);
            return self.defer_first(waiting);
        }
        homes.handle(request, &mut effects);
    }

    /// The homes, and where the consequences go of what is asked of them.
    fn homes(&mut self) -> (&mut Homes, Effects<'_>) {
        let Shard { homes, outbound, log, wheel, now, counters, .. } = self;
        (homes, Effects { now: *now, log, outbound, wheel, counters })
    }

    /// What waited for a room is handled before what came later, and only as far as the log has room.
    fn defer_first(&mut self, waiting: VecDeque<Request>) {
        for request in waiting.into_iter().rev() {
            self.deferred.push_front(request);
        }
    }

    /// Sends what a connection asked for on its way. Returns whether a peer it asked is backed up.
    fn route_requests(&mut self) -> bool {
        let mut is_backed_up = false;
        for request in self.requests.drain(..) {
            match request.destination(self.settings.shard_count) {
                Destination::Home(shard) => {
                    is_backed_up |= self.outbound.is_backed_up(shard);
                    self.outbound.push(shard, MeshEntry::Request(request));
                }
                Destination::Every => {
                    for shard in 0..self.settings.shard_count {
                        self.outbound.push(ShardId(shard), MeshEntry::Request(request.clone()));
                    }
                }
            }
        }
        is_backed_up
    }

    /// Hands the turn's batches to the other shards. Connections that were not read because a peer
    /// was backed up are read again once none is.
    pub fn flush_mesh(&mut self, transport: &mut impl Transport) -> Delivered {
        let delivered = self.outbound.flush(transport);
        self.counters.mesh_overflow_entries = delivered.waiting as u64;
        if delivered.waiting == 0 && !self.parked.is_empty() {
            let parked = std::mem::take(&mut self.parked);
            for id in parked {
                if let Some(connection) = self.connections.get_mut(id) {
                    connection.is_parked = false;
                    self.read_again(id);
                }
            }
        }
        delivered
    }

    /// Whether much was freed in the last tick, of what waited for peers or of all that was here: the allocator has
    /// it.
    pub fn is_burst_over(&self) -> bool {
        self.is_burst_over
    }

    /// How many connections are to be written this turn without fail.
    pub fn writes_due(&self) -> usize {
        if self.is_adopting { 0 } else { self.writes.due() }
    }

    /// Of the connections that are to be written this turn, those that are not to wait; as
    /// [`Shard::take_dirty`] in all else.
    pub fn take_hurried(&mut self, into: &mut Vec<ConnectionId>) {
        if !self.is_adopting && self.writes.take_hurried(into) {
            self.outboxes.begin_flush();
        }
    }

    /// The connections that are to be written this turn; each is flushed once and then reported by
    /// [`Shard::sent`] or [`Shard::lost`].
    pub fn take_dirty(&mut self, into: &mut Vec<ConnectionId>) {
        if self.is_adopting {
            return self.outboxes.begin_flush();
        }
        let Shard { writes, connections, .. } = self;
        let is_everyone = writes.take(into, |id| {
            connections.get_mut(id).is_some_and(|connection| {
                connection.has_place = false;
                let is_waiting = !connection.is_due && connection.has_output();
                connection.is_due |= is_waiting;
                is_waiting
            })
        });
        if is_everyone {
            self.outboxes.begin_flush();
        }
    }

    /// The connections that may be read again, though no new readiness will be reported.
    pub fn take_resumed(&mut self, into: &mut Vec<ConnectionId>) {
        into.append(&mut self.resumed);
    }

    /// The connections whose sockets are to be closed.
    pub fn take_ended(&mut self, into: &mut Vec<Ended>) {
        if !self.is_adopting {
            into.append(&mut self.ended);
        }
    }

    /// How many connections there are.
    pub fn connection_count(&self) -> usize {
        self.connections.len()
    }

    fn session(&self, id: ConnectionId) -> SessionId {
        SessionId { shard: self.id, connection: id }
    }
}

#[cfg(test)]
pub(crate) mod tests;
