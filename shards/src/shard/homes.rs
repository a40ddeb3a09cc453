//! The rooms and users whose home this shard is, and the requests about them.
//!
//! **Invariant:** what a room tells is sent on only when every message it accepted before is
//! committed. So whoever sees a message, a join or a page of history sees only what is on disk,
//! in the room's order.

use super::archive::{Archive, Question};
use super::counters::Counters;
use super::held::Held;
use super::settings::Settings;
use super::wheel::Wheel;
use super::{Deadline, Request, Storage};
use crate::log::{Appender, BatchId};
use crate::mesh::Outbound;
use crate::room::{Kind, Recent, RecentPage, Room, ShardEvent};
use crate::types::{
    ClaimNumber, Destination, DraftId, Envelope, Event, HistoryPage, Message, Now, Page, Refusal, Reply,
    RoomKey, RoomName, RoomSummary, RoomsPage, SessionId, ShardId, SkeletonKey, Text, UserKey, UserName,
};
use crate::user::{Claimed, Users};
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

    /// The rooms in memory.
    pub fn rooms(&self) -> impl Iterator<Item = &Room> {
        self.rooms.values().map(|resident| &resident.room)
    }

    /// Events that wait for the disk.
    pub fn held_events(&self) -> usize {
        self.held.len()
    }

    /// How many names are held.
    pub fn user_count(&self) -> usize {
        self.users.len()
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
            Request::Join { session, user, claim, room, is_away } => {
                self.join(session, (&user, claim), &room, is_away, effects);
            }
            Request::Leave { session, user, room, is_clean } => {
                self.leave(session, user, room, is_clean, effects);
            }
            Request::Rename { session, room, old, new, claim } => {
                self.with_room(room, session, Reply::Refused, effects, |r, e, _| {
                    r.rename(session, &old, (&new, claim), e);
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

    fn handle_user(&mut self, request: Request, effects: &mut Effects<'_>) {
        match request {
            Request::Claim { session, name } => match self.users.claim(session, &name, effects.now) {
                Ok(claimed) => {
                    let Claimed { claim, missed_whispers } = claimed;
                    tell(session, Reply::Claimed { user: name, claim, missed_whispers }, effects.outbound);
                }
                Err(refusal) => refuse(session, refusal, effects),
            },
            Request::Release { session, name, is_clean } => {
                let limits = &self.settings.users;
                if let Some(end) = self.users.release(session, &name, is_clean, effects.now, limits) {
                    effects.wheel.add(end, Deadline::Name(name.skeleton()));
                }
            }
            Request::SetAway { user, room: None, away } => self.users.set_away(&user, away),
            Request::Whois { session, name } => match self.users.whois(&name) {
                Ok(summary) => tell(session, Reply::Whois(summary), effects.outbound),
                Err(refusal) => refuse(session, refusal, effects),
            },
            Request::Whisper { session, from, to, draft, text } => {
                self.route_whisper(session, from, &to, draft, text, effects);
            }
            Request::WhisperMissed { from, to, message } => {
                if let Some(reader) = self.users.reroute_missed_whisper(&from, &to) {
                    tell(reader, Reply::Whisper { from, to, message, is_receipt: false }, effects.outbound);
                }
            }
            Request::Admit { session, address } => self.admit(session, address, effects),
            Request::Discharge { address } => {
                if let Some(count) = self.connections_by_address.get_mut(&address) {
                    *count -= 1;
                    if *count == 0 {
                        self.connections_by_address.remove(&address);
                    }
                }
            }
            other => unreachable!("a request about a room is handled with its room: {other:?}"),
        }
    }

    fn publish(
        &mut self,
        session: SessionId,
        user: UserKey,
        room: RoomKey,
        draft: Option<DraftId>,
        text: Text,
        effects: &mut Effects<'_>,
    ) {
        if !self.is_stored(room, user, draft.as_ref()) && self.refuses_to_store(session, effects) {
            return;
        }
        let now = effects.now;
        self.with_room(room, session, Reply::NotSaid, effects, |room, events, log| {
            let message = room.publish(session, user, draft, text, now, events)?;
            log.accept(&message);
            Ok(())
        });
    }

    #[allow(clippy::too_many_arguments)]
    fn publish_direct(
        &mut self,
        session: SessionId,
        readers: &[SessionId],
        room: &RoomName,
        (from, to): (&UserName, &UserName),
        draft: Option<DraftId>,
        text: Text,
        effects: &mut Effects<'_>,
    ) {
        let is_stored = self.is_stored(room.key(), from.key(), draft.as_ref());
        if !is_stored && self.refuses_to_store(session, effects) {
            return;
        }
        let now = effects.now;
        self.rooms.entry(room.key()).or_insert_with(|| Resident::new(Room::new(room.clone(), Kind::Direct)));
        self.with_room(room.key(), session, Reply::NotSaid, effects, |found, events, log| {
            if !found.name().is_same_as(room) {
                return Err(Refusal::RoomNameCollides { room: room.as_str().into() });
            }
            let message = found.publish_direct(session, readers, from, to, draft, text, now, events)?;
            log.accept(&message);
            Ok(())
        });
    }

    /// Answers with what is in memory, or has the rest looked up first.
    fn history(
        &mut self,
        session: SessionId,
        user: UserKey,
        room: RoomKey,
        page: Page,
        effects: &mut Effects<'_>,
    ) {
        let mut question = None;
        let after = self.rooms.get(&room).map(|resident| resident.last_batch).unwrap_or_default();
        self.with_room(room, session, Reply::Refused, effects, |found, events, _| {
            let (room, head) = (found.name().clone(), found.head());
            let RecentPage { messages, gap } = found.history(user, page)?;
            match gap {
                None => {
                    let reply = Reply::History(HistoryPage { room, messages, head, gap: None });
                    events.push((session.shard, Event::Reply { to: session.connection, reply }));
                }
                Some(gap) => question = Some(Question { session, room, head, gap, recent: messages, after }),
            }
            Ok(())
        });
        if let Some(question) = question
            && let Some((session, reply)) = self.archive.ask(question)
        {
            tell(session, reply, effects.outbound);
        }
    }

    /// Whether a draft is accepted already: its repeat needs no disk, and an author who is told that
    /// nothing was stored would be told wrongly.
    fn is_stored(&self, room: RoomKey, author: UserKey, draft: Option<&DraftId>) -> bool {
        let resident = self.rooms.get(&room);
        draft.is_some_and(|id| resident.is_some_and(|found| found.room.knows_draft(author, id)))
    }

    /// Tells an author that nothing can be stored. At once: what waits for the log waits for the disk.
    fn refuses_to_store(&self, session: SessionId, effects: &mut Effects<'_>) -> bool {
        let reason = match self.storage {
            Storage::Ready | Storage::Preparing => return false,
            Storage::LastSegment(_) if effects.log.has_room() => return false,
            Storage::LastSegment(reason) | Storage::Failing(reason) => reason,
        };
        effects.counters.refusals += 1;
        let refusal = Refusal::NotStored { reason: reason.into() };
        tell(session, Reply::NotSaid(refusal), effects.outbound);
        true
    }

    fn join(
        &mut self,
        session: SessionId,
        user: (&UserName, ClaimNumber),
        room: &RoomName,
        is_away: bool,
        effects: &mut Effects<'_>,
    ) {
        let limits = self.settings.rooms;
        self.rooms.entry(room.key()).or_insert_with(|| Resident::new(Room::new(room.clone(), Kind::Channel)));
        self.with_room(room.key(), session, Reply::Refused, effects, |found, events, _| {
            found.join(session, user, room, is_away, &limits, events)
        });
    }

    fn leave(
        &mut self,
        session: SessionId,
        user: UserKey,
        room: RoomKey,
        is_clean: bool,
        effects: &mut Effects<'_>,
    ) {
        let (limits, now) = (self.settings.rooms, effects.now);
        let mut grace_ends = None;
        self.with_room(room, session, Reply::Refused, effects, |found, events, _| {
            grace_ends = found.leave(session, user, is_clean, now, &limits, events);
            Ok(())
        });
        if let Some(end) = grace_ends {
            effects.wheel.add(end, Deadline::Member(room, user));
        }
        self.forget_if_empty(room);
    }

    /// The grace time of a member has passed.
    pub fn expire_member(
        &mut self,
        room: RoomKey,
        user: UserKey,
        now: Now,
        log: &Appender,
        outbound: &mut Outbound,
    ) {
        let Some(resident) = self.rooms.get_mut(&room) else { return };
        resident.room.expire(user, now, &self.settings.rooms, &mut self.events);
        send_or_hold(resident.last_batch, &mut self.events, &mut self.held, log, outbound);
        self.forget_if_empty(room);
    }

    /// The grace time of a name has passed.
    pub fn expire_name(&mut self, key: SkeletonKey, now: Now) {
        self.users.expire(key, now);
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

    fn route_whisper(
        &mut self,
        session: SessionId,
        from: UserName,
        to: &UserName,
        draft: Option<DraftId>,
        text: Text,
        effects: &mut Effects<'_>,
    ) {
        match self.users.route_whisper(&from, to) {
            Err(refusal) => {
                effects.counters.refusals += 1;
                tell(session, Reply::NotSaid(refusal), effects.outbound);
            }
            Ok(route) => {
                if let Some(away) = route.away {
                    let to = route.reader.clone();
                    tell(session, Reply::WhisperReaderAway { to, away }, effects.outbound);
                }
                let request = Request::PublishDirect {
                    session,
                    readers: route.session.into_iter().collect(),
                    room: RoomName::direct(&from, &route.reader),
                    from,
                    to: route.reader,
                    draft,
                    text,
                };
                if let Destination::Home(home) = request.destination(self.settings.shard_count) {
                    effects.outbound.push(home, Envelope::Request(request));
                }
            }
        }
    }

    fn admit(&mut self, session: SessionId, address: IpAddr, effects: &mut Effects<'_>) {
        let connections_max = self.settings.connections_per_address;
        let count = self.connections_by_address.entry(address).or_default();
        *count += 1;
        if *count > connections_max {
            refuse(session, Refusal::TooManyFromAddress { connections_max }, effects);
        }
    }

    fn rooms_like(&self, pattern: &str) -> RoomsPage {
        let pattern = pattern.to_lowercase();
        let is_like = |room: &RoomSummary| room.room.as_str().to_lowercase().contains(&pattern);
        let mut rooms: Vec<RoomSummary> =
            self.rooms.values().filter_map(|resident| resident.room.summary()).filter(is_like).collect();
        rooms.sort_unstable_by(|a, b| {
            b.members.cmp(&a.members).then_with(|| a.room.as_str().cmp(b.room.as_str()))
        });
        let more = rooms.len().saturating_sub(RoomsPage::ROOMS_MAX);
        rooms.truncate(RoomsPage::ROOMS_MAX);
        RoomsPage { rooms, more: u32::try_from(more).unwrap_or(u32::MAX) }
    }

    fn forget_if_empty(&mut self, key: RoomKey) {
        let is_lobby = key == self.settings.lobby.key();
        if !is_lobby && self.rooms.get(&key).is_some_and(|resident| resident.room.is_forgettable()) {
            self.rooms.remove(&key);
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
    #[cfg(test)]
    let last_batch = crate::mutation::batch_to_wait_for(last_batch);
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
