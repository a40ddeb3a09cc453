//! The rooms and users whose home this shard is, and the requests about them.
//!
//! **Invariant:** what a room sends is passed on only when every message it accepted before is
//! committed. So a message, a join or a page of history that is seen is on disk,
//! in the room's order.

mod amending;
mod carry;
mod drafts;
mod facts;
mod loading;
mod looks;
mod members;
mod queues;
mod ranking;
mod talk;
mod users;

use super::archive::Archive;
use super::counters::Counters;
use super::held::HeldEvents;
use super::settings::Settings;
use super::wheel::Wheel;
use super::{Deadline, Request, Storage};
use crate::mesh::Outbound;
use crate::room::{PageReader, Room, ShardEvent};
use crate::user::Users;
use amending::AmendQuestion;
use facts::Renewals;
pub use facts::{FactsOrder, FactsReport};
use hashbrown::HashMap;
use looks::{RoomLooks, lost_at_home};
use madang_log::{AmendmentSource, Appender, BatchId, Erasures, FactsLedger, NewEntry, SnapshotScope};
use madang_model::{
    Event, MeshEntry, Moment, Now, Refusal, Reply, RoomKey, SessionId, ShardId, ShownEntry, UserName,
};
use queues::{LookupQueues, LookupResult};
use ranking::Ranking;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use talk::DirectMessage;
#[cfg(test)]
pub use {amending::TARGET_LOOKUPS_MAX, queues::WAITING_OF_SESSION_MAX};

/// A room and the last batch that carries something of it.
#[derive(Debug)]
struct LoadedRoom {
    room: Room,
    /// Its facts, once it has any.
    facts: Option<Box<FactsLedger>>,
    last_batch: BatchId,
    /// When it was left by the last of its members, or last whispered in.
    idle_since: Moment,
    /// Whether nothing was said in it when it came into memory: then it had to take its looks.
    is_made: bool,
    /// Whether it is queued to be evicted.
    is_queued: bool,
    /// Whether it is queued as read positions of it are not appended yet.
    is_moved: bool,
    /// Whether it is queued as reactions in it wait.
    is_reacting: bool,
    /// Whether its facts are to be stored once more: until then it stays in memory.
    awaits_renewal: bool,
    /// Whether a deadline will forget its drafts.
    awaits_draft_deadline: bool,
    /// The number of members by which it has its place in [`Ranking`]; 0 is none.
    ranked_members: u32,
}

/// What this shard is home to.
#[derive(Debug)]
pub struct Homes {
    id: ShardId,
    settings: Arc<Settings>,
    /// Those in memory: with members, or until lately.
    rooms: HashMap<RoomKey, LoadedRoom>,
    /// The same, as far as they have members, in the order of lists.
    ranking: Ranking,
    /// What waits for a room to be loaded, in order; of what needs it in memory at most [`loading::WAITING_MAX`] of each
    /// room: joins, whispers, and changes of its facts.
    loading: HashMap<RoomKey, VecDeque<Request>>,
    /// Rooms in which reactions wait; each once.
    reacting: VecDeque<RoomKey>,
    /// What waits until a draft was looked for, or a message that is to be amended was looked up.
    pub queues: LookupQueues,
    /// Rooms without members, by when they may be evicted; each once.
    idle: VecDeque<(Moment, RoomKey)>,
    users: Users,
    pub looks: RoomLooks,
    /// Whether messages can be stored.
    pub storage: Storage,
    /// What is stored.
    pub archive: Archive,
    held: HeldEvents,
    connections_by_address: HashMap<IpAddr, u32>,
    events: Vec<ShardEvent>,
    /// Rooms with read positions that are not appended yet, each once.
    moved: VecDeque<RoomKey>,
    /// When they are appended next.
    moved_at: Moment,
    pub renewals: Renewals,
}

/// Where a request's consequences go.
pub struct Effects<'a> {
    pub now: Now,
    pub log: &'a mut Appender,
    pub outbound: &'a mut Outbound,
    pub wheel: &'a mut Wheel<Deadline>,
    pub counters: &'a mut Counters,
}

impl Homes {
    pub fn new(id: ShardId, settings: Arc<Settings>, archive: Archive) -> Homes {
        let mut looks = RoomLooks::new(archive.has_stored(), settings.lobby.looks());
        lost_at_home(archive.lost_rooms(), id, settings.shard_count).for_each(|room| looks.add_lost(room));
        Homes {
            id,
            settings,
            rooms: HashMap::new(),
            ranking: Ranking::default(),
            loading: HashMap::new(),
            reacting: VecDeque::new(),
            queues: LookupQueues::default(),
            idle: VecDeque::new(),
            users: Users::default(),
            looks,
            storage: Storage::default(),
            archive,
            held: HeldEvents::default(),
            connections_by_address: HashMap::new(),
            events: Vec::new(),
            moved: VecDeque::new(),
            moved_at: Moment::default(),
            renewals: Renewals::default(),
        }
    }

    /// The rooms that are in memory.
    pub fn rooms(&self) -> impl Iterator<Item = &Room> {
        self.rooms.values().map(|loaded| &loaded.room)
    }

    /// How many rooms are being loaded, and the most that waits for one of them.
    pub fn loading(&self) -> (usize, usize) {
        (self.loading.len(), self.loading.values().map(VecDeque::len).max().unwrap_or(0))
    }

    /// Events that wait for the disk.
    pub fn held_events(&self) -> usize {
        self.held.len()
    }

    /// How many rooms are in memory.
    pub fn room_count(&self) -> usize {
        self.rooms.len()
    }

    /// The names that are held, each with its session unless that is lost.
    pub fn names(&self) -> impl Iterator<Item = (&UserName, Option<SessionId>)> {
        self.users.names()
    }

    /// How many names are held.
    pub fn user_count(&self) -> usize {
        self.users.len()
    }

    /// How many rooms, names and addresses are in memory; rooms without members count twice.
    pub fn count(&self) -> usize {
        self.rooms.len() + self.idle.len() + self.users.len() + self.connections_by_address.len()
    }

    /// Gives back the memory of what is gone.
    pub fn shrink(&mut self) {
        self.rooms.shrink_to(2 * self.rooms.len());
        self.idle.shrink_to(2 * self.idle.len());
        self.loading.shrink_to(2 * self.loading.len());
        self.connections_by_address.shrink_to(2 * self.connections_by_address.len());
        self.events.shrink_to(2 * self.events.len());
        self.users.shrink();
        self.looks.shrink();
    }

    /// From now on these settings hold.
    pub fn reconfigure(&mut self, settings: Arc<Settings>) {
        self.archive.limit_pages(settings.page_bytes_max());
        self.settings = settings;
    }

    /// From now on nobody is shown this, though it may still be on disk. Returns how many messages that are in memory have
    /// become tombstones.
    pub fn hide(&mut self, erasures: &Arc<Erasures>) -> u64 {
        self.archive.hide(erasures);
        let hide = |entry: &mut ShownEntry| erasures.hide(entry);
        match erasures.rooms() {
            Some(keys) => {
                let mut erase = |key: &RoomKey| self.rooms.get_mut(key).map_or(0, |it| it.room.erase(&hide));
                keys.iter().map(&mut erase).sum()
            }
            None => self.rooms.values_mut().map(|loaded| loaded.room.erase(&hide)).sum(),
        }
    }

    /// Does what was asked.
    pub fn handle(&mut self, request: Request, effects: &mut Effects<'_>) {
        let Some(request) = self.wait_behind(request, effects) else { return };
        // Whatever becomes of it: one that has to wait for its room now has it looked up again.
        let looked_up = self.queues.take(&request);
        if let Some(request) = self.wait_for_room(request, effects) {
            self.act(request, looked_up, effects);
        }
    }

    /// The snapshot of this directory is written anew, and its tables of amendments are these.
    pub fn snapshot_renewed(&mut self, scope: Option<SnapshotScope>, sources: Option<&[AmendmentSource]>) {
        let Homes { archive, rooms, loading, .. } = self;
        let is_in_memory = |key| rooms.contains_key(&key) || loading.contains_key(&key);
        if let Some(scope) = scope {
            sources.into_iter().for_each(|sources| archive.sources_renewed(scope.covers, sources));
            archive.snapshot_renewed(scope, is_in_memory);
        }
    }

    fn act(&mut self, request: Request, looked_up: Option<LookupResult>, effects: &mut Effects<'_>) {
        match request {
            Request::Publish { session, user, room, draft, text } => {
                self.publish((session, user), room, (draft, looked_up), text, effects);
            }
            Request::Join { session, user, claim, room, is_away } => {
                self.join(session, (&user, claim), &room, is_away, effects);
            }
            Request::Leave { session, user, room, reason, everywhere } => {
                self.leave(session, user, room, (reason, everywhere), effects);
            }
            Request::Rename { session, room, old, new, claim, everywhere } => {
                let limits = self.settings.rooms;
                self.with_room(room, session, Reply::Refused, effects, |r, e, _| {
                    r.rename(session, &old, (&new, claim), everywhere, &limits, e);
                    Ok(())
                })
            }
            Request::Amend { session, user, room, draft, target, change } => {
                self.amend(AmendQuestion { session, user, room, draft, target, change }, looked_up, effects);
            }
            Request::Resume { session, user, room, after, count } => {
                self.resume(session, user, room, (after, count), effects);
            }
            Request::History { session, user, room, page } => {
                self.history(session, PageReader::Member(user), room, page, effects);
            }
            Request::HistoryOf { session, room, page } => {
                self.history(session, PageReader::Admitted, room.key(), page, effects);
            }
            Request::PublishAs { session, author, room, draft, text } => {
                self.publish_as((session, author), room, (draft, looked_up), text, effects);
            }
            Request::Who { session, room } => self.who(session, &room, effects),
            Request::Rooms { session, pattern } => {
                self.list_rooms(session, &pattern, effects.outbound);
            }
            Request::Members { session, room, start } => {
                self.page_of_members(session, &room, start, effects);
            }
            Request::RoomsInOrder { session, pattern, start } => {
                self.page_of_rooms(session, &pattern, start, effects.outbound);
            }
            Request::SetAway { user, room: Some(room), away } => {
                if let Some(loaded) = self.rooms.get_mut(&room) {
                    loaded.room.set_away(user.key(), away.is_some());
                }
            }
            Request::PublishDirect { session, readers, copies_to, room, from, to, draft, text } => {
                let whisper = DirectMessage { session, readers, copies_to, room, from, to, draft, text };
                self.publish_direct(whisper, looked_up, effects);
            }
            Request::ChangeFacts { session, room, by, change } => {
                self.change_facts(session, &room, by, *change, effects);
            }
            Request::MoveRead { room, account, read } => self.move_read(&room, account, read, effects),
            Request::LoadFacts { room } => {
                self.evict_if_idle(room.key(), effects.now, effects.outbound);
            }
            Request::TakeLooks { room, is_there, .. } => self.take_looks(room, is_there, effects.outbound),
            Request::GiveLooks { room, is_stored, .. } => self.give_looks(&room, is_stored),
            Request::Carry(carried) => self.take_over(*carried, effects),
            request => self.handle_user(request, effects),
        }
    }

    /// Sends on what waited for the log.
    pub fn release_held(&mut self, log: &Appender, outbound: &mut Outbound) {
        self.held.release(log.last_committed(), outbound);
    }

    /// Lets a room act, appends what it accepts, and sends its events on or holds them back.
    /// `no` makes the answer of a refusal.
    fn with_room(
        &mut self,
        key: RoomKey,
        session: SessionId,
        no: fn(Refusal) -> Reply,
        effects: &mut Effects<'_>,
        act: impl FnOnce(&mut Room, &mut Vec<ShardEvent>, &mut Acceptance<'_>) -> Result<(), Refusal>,
    ) {
        let Some(loaded) = self.rooms.get_mut(&key) else {
            effects.counters.refusals += 1;
            return send_reply(session, no(Refusal::NotMember { room: "".into() }), effects.outbound);
        };
        let mut acceptance = Acceptance { log: effects.log, archive: &mut self.archive, batch: None };
        let done = act(&mut loaded.room, &mut self.events, &mut acceptance);
        if let Some(batch) = acceptance.batch {
            loaded.last_batch = batch;
            effects.counters.messages += 1;
        }
        if let Err(refusal) = done {
            effects.counters.refusals += 1;
            let reply = Event::Reply { to: session.connection, reply: no(refusal) };
            self.events.push((session.shard, reply));
        }
        self.ranking.rank(loaded);
        send_or_hold(loaded.last_batch, &mut self.events, &mut self.held, effects.log, effects.outbound);
        if loaded.room.is_idle() {
            self.evict_if_idle(key, effects.now, effects.outbound);
        }
    }
}

/// What a room accepts goes through here into the log.
struct Acceptance<'a> {
    log: &'a mut Appender,
    archive: &'a mut Archive,
    batch: Option<BatchId>,
}

impl Acceptance<'_> {
    /// A message; of the room's entries before it so many are none.
    fn accept(&mut self, message: &madang_model::Message, amendments_before: u64) {
        let batch = self.log.append(NewEntry::message(message, amendments_before));
        self.archive.appended(batch, &message.room, message.seq, &message.author);
        self.batch = Some(batch);
    }
}

/// Sends events on at once when nothing they could report is uncommitted; holds them otherwise.
fn send_or_hold(
    last_batch: BatchId,
    events: &mut Vec<ShardEvent>,
    held: &mut HeldEvents,
    log: &Appender,
    outbound: &mut Outbound,
) {
    #[cfg(any(test, feature = "deliberate-faults"))]
    let last_batch = crate::mutation::batch_to_wait_for(last_batch);
    if last_batch > log.last_committed() {
        held.hold(last_batch, events);
    } else {
        for (shard, event) in events.drain(..) {
            outbound.push(shard, MeshEntry::Event(event));
        }
    }
}

fn send_reply(session: SessionId, reply: Reply, outbound: &mut Outbound) {
    outbound.push(session.shard, MeshEntry::Event(Event::Reply { to: session.connection, reply }));
}

fn refuse(session: SessionId, refusal: Refusal, effects: &mut Effects<'_>) {
    effects.counters.refusals += 1;
    send_reply(session, Reply::Refused(refusal), effects.outbound);
}

/// Refuses what was to be said.
fn refuse_message(session: SessionId, refusal: Refusal, effects: &mut Effects<'_>) {
    effects.counters.refusals += 1;
    send_reply(session, Reply::NotSaid(refusal), effects.outbound);
}
