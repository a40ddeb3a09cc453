//! The rooms and users whose home this shard is, and the requests about them.
//!
//! **Invariant:** what a room tells is sent on only when every message it accepted before is
//! committed. So whoever sees a message, a join or a page of history sees only what is on disk,
//! in the room's order.

mod members;
mod talk;
mod users;

use super::archive::Archive;
use super::counters::Counters;
use super::held::Held;
use super::settings::Settings;
use super::wheel::Wheel;
use super::{Deadline, Request, Storage};
use crate::log::{Appender, BatchId};
use crate::mesh::Outbound;
use crate::room::{Kind, Recent, Room, ShardEvent};
use crate::types::{Envelope, Event, Message, Now, Refusal, Reply, RoomKey, SessionId, ShardId};
use crate::user::Users;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

/// Joins and whispers that wait for the latest messages of one room to be read from the disk; more
/// are refused.
const LOADING_MAX: usize = 4096;

/// A room and the last batch that carries something of it.
#[derive(Debug)]
struct Resident {
    room: Room,
    last_batch: BatchId,
    /// Requests that wait for its latest messages to be read, in order; at most [`LOADING_MAX`]
    /// that join or whisper.
    loading: Option<VecDeque<Request>>,
}

impl Resident {
    fn new(room: Room) -> Resident {
        Resident { room, last_batch: BatchId::default(), loading: None }
    }
}

/// What this shard is home to.
#[derive(Debug)]
pub struct Homes {
    id: ShardId,
    settings: Arc<Settings>,
    rooms: HashMap<RoomKey, Resident>,
    users: Users,
    /// Whether messages can be stored.
    pub storage: Storage,
    /// What is stored.
    pub archive: Archive,
    held: Held,
    connections_by_address: HashMap<IpAddr, u32>,
    events: Vec<ShardEvent>,
}

/// Where a request's consequences go.
struct Effects<'a> {
    now: Now,
    log: &'a mut Appender,
    outbound: &'a mut Outbound,
    wheel: &'a mut Wheel<Deadline>,
    counters: &'a mut Counters,
}

impl Homes {
    pub fn new(id: ShardId, settings: Arc<Settings>, archive: Archive) -> Homes {
        let mut homes = Homes {
            id,
            settings,
            rooms: HashMap::new(),
            users: Users::default(),
            storage: Storage::default(),
            archive,
            held: Held::default(),
            connections_by_address: HashMap::new(),
            events: Vec::new(),
        };
        let lobby = homes.settings.lobby.clone();
        if lobby.key().home(homes.settings.shard_count) == id {
            homes.restore(Room::new(lobby, Kind::Lobby));
        }
        homes
    }

    /// Takes over a room as the log knows it.
    pub fn restore(&mut self, room: Room) {
        assert_eq!(room.key().home(self.settings.shard_count), self.id, "a room lives on its home shard");
        self.rooms.insert(room.key(), Resident::new(room));
    }

    /// Does what was asked.
    pub fn handle(
        &mut self,
        request: Request,
        now: Now,
        log: &mut Appender,
        outbound: &mut Outbound,
        wheel: &mut Wheel<Deadline>,
        counters: &mut Counters,
    ) {
        let mut effects = Effects { now, log, outbound, wheel, counters };
        if let Some(request) = self.wait_for_messages(request, &mut effects) {
            self.act(request, &mut effects);
        }
    }

    /// Lets a request wait when the latest messages of its room are still on disk only; gives it
    /// back when it may go on.
    fn wait_for_messages(&mut self, request: Request, effects: &mut Effects<'_>) -> Option<Request> {
        let Some(key) = request.room() else { return Some(request) };
        let Some(resident) = self.rooms.get_mut(&key) else { return Some(request) };
        if let Some(waiting) = &mut resident.loading {
            let refusal = Refusal::NotStored { reason: "too many wait for the disk".into() };
            match request {
                Request::Join { session, .. } if waiting.len() >= LOADING_MAX => {
                    refuse(session, refusal, effects)
                }
                Request::PublishDirect { session, .. } if waiting.len() >= LOADING_MAX => {
                    effects.counters.refusals += 1;
                    tell(session, Reply::NotSaid(refusal), effects.outbound);
                }
                request => waiting.push_back(request),
            }
            return None;
        }
        let room = &resident.room;
        let needs_messages = matches!(request, Request::Join { .. } | Request::PublishDirect { .. });
        if room.is_loaded() || !needs_messages {
            return Some(request);
        }
        self.archive.load(room.name().clone(), room.head(), Recent::DRAFTS_MAX as u32);
        resident.loading = Some(VecDeque::from([request]));
        None
    }

    /// The latest messages of a room were read. Returns what waited for them, in order.
    pub fn loaded(&mut self, key: RoomKey, messages: Vec<Arc<Message>>) -> VecDeque<Request> {
        let Some(resident) = self.rooms.get_mut(&key) else { return VecDeque::new() };
        resident.room.load(messages);
        resident.loading.take().unwrap_or_default()
    }

    fn act(&mut self, request: Request, effects: &mut Effects<'_>) {
        match request {
            Request::Publish { session, user, room, draft, text } => {
                self.publish(session, user, room, draft, text, effects);
            }
            Request::Join { session, user, room, is_away } => {
                self.join(session, &user, &room, is_away, effects);
            }
            Request::Leave { session, user, room, is_clean } => {
                self.leave(session, user, room, is_clean, effects);
            }
            Request::Rename { session, room, old, new } => {
                self.with_room(room, session, Reply::Refused, effects, |r, e, _| {
                    r.rename(session, &old, &new, e);
                    Ok(())
                })
            }
            Request::History { session, user, room, page } => {
                self.history(session, user, room, page, effects);
            }
            Request::Who { session, room } => {
                let is_known =
                    self.rooms.get(&room.key()).is_some_and(|found| found.room.summary().is_some());
                if !is_known {
                    let room = room.as_str().into();
                    return refuse(session, Refusal::NoSuchRoom { room }, effects);
                }
                self.with_room(room.key(), session, Reply::Refused, effects, |r, e, _| {
                    r.who(session, e);
                    Ok(())
                });
            }
            Request::Rooms { session, pattern } => {
                let page = self.rooms_like(&pattern);
                tell(session, Reply::Rooms(page), effects.outbound);
            }
            Request::SetAway { user, room: Some(room), away } => {
                if let Some(resident) = self.rooms.get_mut(&room) {
                    resident.room.set_away(user.key(), away.is_some());
                }
            }
            Request::PublishDirect { session, readers, room, from, to, draft, text } => {
                self.publish_direct(session, &readers, &room, (&from, &to), draft, text, effects);
            }
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
        let Some(resident) = self.rooms.get_mut(&key) else {
            effects.counters.refusals += 1;
            return tell(session, no(Refusal::NotMember { room: "".into() }), effects.outbound);
        };
        let mut acceptance = Acceptance { log: effects.log, archive: &mut self.archive, batch: None };
        let done = act(&mut resident.room, &mut self.events, &mut acceptance);
        if let Some(batch) = acceptance.batch {
            resident.last_batch = batch;
            effects.counters.messages += 1;
        }
        if let Err(refusal) = done {
            effects.counters.refusals += 1;
            let reply = Event::Reply { to: session.connection, reply: no(refusal) };
            self.events.push((session.shard, reply));
        }
        send_or_hold(resident.last_batch, &mut self.events, &mut self.held, effects.log, effects.outbound);
    }
}

/// What a room accepts goes through here into the log.
struct Acceptance<'a> {
    log: &'a mut Appender,
    archive: &'a mut Archive,
    batch: Option<BatchId>,
}

impl Acceptance<'_> {
    fn accept(&mut self, message: &crate::types::Message) {
        let batch = self.log.append(message);
        self.archive.appended(batch, &message.room, message.seq);
        self.batch = Some(batch);
    }
}

/// Sends events on at once when nothing they could tell of is uncommitted; holds them otherwise.
fn send_or_hold(
    last_batch: BatchId,
    events: &mut Vec<ShardEvent>,
    held: &mut Held,
    log: &Appender,
    outbound: &mut Outbound,
) {
    if last_batch > log.last_committed() {
        held.hold(last_batch, events);
    } else {
        for (shard, event) in events.drain(..) {
            outbound.push(shard, Envelope::Event(event));
        }
    }
}

fn tell(session: SessionId, reply: Reply, outbound: &mut Outbound) {
    outbound.push(session.shard, Envelope::Event(Event::Reply { to: session.connection, reply }));
}

fn refuse(session: SessionId, refusal: Refusal, effects: &mut Effects<'_>) {
    effects.counters.refusals += 1;
    tell(session, Reply::Refused(refusal), effects.outbound);
}
