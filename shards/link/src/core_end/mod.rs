//! The core's end: requests of the edge become requests to home shards, events of shards become events of the edge.
//!
//! It lasts as long as the process, whether an edge is connected or not: what shards send to sessions that are gone
//! must be given back to its home. **Invariant:** whatever a session holds or may hold at a home, its name, its
//! rooms, its place among the connections of its address, is given back when the session ends, also when the link is
//! lost and events with it.

mod batches;
mod connection;
mod counters;
mod sessions;
mod settings;

pub use batches::RequestBatches;
pub use counters::LinkCounters;
pub use sessions::comes_from_link;
pub use settings::CoreSettings;

use crate::body::EventBody;
use crate::bounds::EVENTS_WAITING_BYTES_MAX;
use crate::convert::{
    Asked, Incoming, bad_request_body, closed_body, event_in_all_body, reply_body, room_event_body,
};
use crate::format::WireFault;
use crate::stream::NotQueued;
use crate::words::{GoingDown, LinkEnd};
use connection::CoreConnection;
use madang_model::{Event, Moment, Request, RoomEvent, RoomKey, RoomName, Sight};
use sessions::{SessionNotice, Sessions};

/// The core's end of the link.
#[derive(Debug)]
pub struct CoreEnd {
    settings: CoreSettings,
    connection: Option<CoreConnection>,
    sessions: Sessions,
    /// What happened so far.
    pub counters: LinkCounters,
}

impl CoreEnd {
    /// The end of a core whose edge has not connected yet.
    pub fn new(settings: CoreSettings) -> CoreEnd {
        let sessions = Sessions::new(settings.shard, settings.shard_count);
        CoreEnd { settings, connection: None, sessions, counters: LinkCounters::default() }
    }

    /// An edge has connected. Until it is [gone](CoreEnd::disconnected) no other may.
    ///
    /// # Panics
    /// When one is connected.
    pub fn connected(&mut self, now: Moment) {
        assert!(self.connection.is_none(), "one edge is connected at a time");
        self.sessions.begin_life();
        self.connection = Some(CoreConnection::new(now));
        self.counters.links += 1;
    }

    /// Bytes came from the edge. All are taken: what the edge may send ahead is bounded by its credit.
    pub fn receive(&mut self, bytes: &[u8], now: Moment) {
        let Some(connection) = &mut self.connection else { return };
        if let Err(end) = connection.receive(bytes, now, &self.settings) {
            self.end(end);
        }
    }

    /// The next request for a home shard, if any. To be called only as long as shards take what they are sent:
    /// what is not taken here uses up the edge's credit.
    pub fn next_request(&mut self) -> Option<Request> {
        loop {
            if let Some(request) = self.sessions.next_request() {
                assert!(comes_from_link(&request), "shards alone say this to each other: {request:?}");
                return Some(request);
            }
            // An edge that has not taken what it asked for is given no more: its own queue fills instead.
            if self.expected_event_bytes() > EVENTS_WAITING_BYTES_MAX / 2 {
                return None;
            }
            let incoming = self.connection.as_mut()?.next_incoming()?;
            if let Err(fault) = self.take(incoming) {
                self.end(LinkEnd::Fault(fault));
            }
            self.send_notices();
        }
    }

    /// Bytes of events that wait for the edge, or will, at most, when all that it has asked for has come.
    fn expected_event_bytes(&self) -> usize {
        self.waiting_event_bytes().saturating_add(self.sessions.due_bytes())
    }

    fn take(&mut self, Incoming { session, asked }: Incoming) -> Result<(), WireFault> {
        self.counters.requests += 1;
        self.sessions.limit_texts((self.settings.text_bytes_max)());
        match asked {
            Asked::Open(address) => {
                let counted = address.and_then(|address| (self.settings.counted)(address));
                self.sessions.open(session, counted)
            }
            Asked::Close { is_clean } => self.sessions.close(session, is_clean),
            Asked::Request(request) => self.sessions.ask(session, request, &*self.settings.epoch),
            Asked::Bad(fault, words) => self.sessions.refuse(session, fault, words),
        }
    }

    /// A shard has something for a session of the link, or for a room that some are in.
    pub fn event(&mut self, event: Event) {
        match event {
            Event::Reply { to, reply } => self.sessions.reply(to, reply),
            Event::GivenBack { to } => self.sessions.given_back(to),
            Event::Room { room, event } => self.room_event(room, &event),
            // Sessions of a link are not handed to another process.
            Event::Carried { .. } => {}
        }
        self.send_notices();
    }

    /// One event, however many of the sessions are in the room.
    fn room_event(&mut self, key: RoomKey, event: &RoomEvent) {
        let Some(room) = self.sessions.room(key).cloned() else { return };
        let sight = self.sessions.see(event, key);
        let rooms: Vec<RoomName> = match sight {
            Sight::Nothing => return,
            Sight::Here => Vec::new(),
            Sight::InAll(rooms) => rooms.iter().filter_map(|key| self.sessions.room(*key)).cloned().collect(),
        };
        let author = match event {
            RoomEvent::Message { author, .. } | RoomEvent::Amended { author, .. } => {
                self.sessions.number_of(*author)
            }
            _ => None,
        };
        let Some(connection) = &mut self.connection else { return };
        let rooms: Vec<&str> = rooms.iter().map(RoomName::as_str).collect();
        let body = match event_in_all_body(&rooms, event) {
            Some(body) => body,
            None => room_event_body(room.as_str(), event, author.unwrap_or(0)),
        };
        let queued = connection.queue_event(&body);
        self.queued(queued);
    }

    /// Notifies the edge of what became of its sessions.
    fn send_notices(&mut self) {
        while let Some(notice) = self.sessions.next_notice() {
            let Some(connection) = self.connection.as_mut().filter(|it| it.end.is_none()) else { continue };
            let body = match &notice {
                SessionNotice::Reply(session, reply) => {
                    EventBody::Reply { session: *session, reply: reply_body(reply) }
                }
                SessionNotice::Closed(session, end) => closed_body(*session, *end),
                SessionNotice::BadRequest(session, fault, words) => {
                    self.counters.bad_requests += 1;
                    bad_request_body(*session, *fault, words)
                }
            };
            let queued = connection.queue_event(&body);
            self.queued(queued);
        }
    }

    /// An edge that does not take its events is disconnected: no shard waits for it, and no event is left out.
    fn queued(&mut self, queued: Result<(), NotQueued>) {
        self.counters.events += 1;
        match queued {
            Ok(()) => {}
            Err(NotQueued::TooLong { bytes }) => self.end(LinkEnd::TooLong { bytes }),
            Err(NotQueued::Full { bytes }) => {
                self.end(LinkEnd::SlowEdge { bytes, bytes_max: EVENTS_WAITING_BYTES_MAX });
            }
        }
    }

    /// Time has passed. To be called about once a second.
    pub fn tick(&mut self, now: Moment) {
        self.sessions.tick(now);
        let Some(connection) = self.connection.as_mut().filter(|it| it.end.is_none()) else { return };
        if let Some(silent_ms) = connection.stream.tick(now) {
            self.end(LinkEnd::Silent { silent_ms });
        }
    }

    /// What is to be written to the edge now.
    pub fn output(&mut self) -> &[u8] {
        self.connection.as_mut().map_or(&[], |connection| connection.stream.output())
    }

    /// This much of it was written.
    pub fn sent(&mut self, bytes: usize) {
        if let Some(connection) = &mut self.connection {
            connection.stream.sent(bytes);
        }
    }

    /// The core is about to end. From now on no request of the edge is taken; it still
    /// receives the answers to those that were.
    pub fn go_down(&mut self, going_down: GoingDown) {
        if let Some(connection) = &mut self.connection {
            connection.go_down(going_down);
        }
    }

    /// Ends the link. The edge may still be written its last words, before it is [disconnected](CoreEnd::disconnected).
    pub fn end(&mut self, end: LinkEnd) {
        let Some(connection) = self.connection.as_mut().filter(|it| it.end.is_none()) else { return };
        self.counters.ended(&end);
        connection.end(end);
        self.sessions.lose_all();
    }

    /// Why the link has ended; `None` while it lasts, or there is none.
    pub fn ended(&self) -> Option<&LinkEnd> {
        self.connection.as_ref().and_then(|connection| connection.end.as_ref())
    }

    /// The edge's socket is closed: another edge may connect. Returns why the link has ended.
    pub fn disconnected(&mut self) -> Option<LinkEnd> {
        self.end(LinkEnd::Lost);
        self.connection.take().and_then(|connection| connection.end)
    }

    /// Whether an edge is connected and both have agreed on a version.
    pub fn is_up(&self) -> bool {
        self.connection.as_ref().is_some_and(CoreConnection::is_up)
    }

    /// How many sessions of the edge there are.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// Whether requests of sessions that were lost are still to be [taken](CoreEnd::next_request).
    pub fn has_requests(&self) -> bool {
        self.sessions.has_requests()
    }

    /// Requests of the edge that wait to be taken.
    pub fn waiting_requests(&self) -> usize {
        self.connection.as_ref().map_or(0, CoreConnection::waiting_requests)
    }

    /// Bytes of events that wait for the edge.
    pub fn waiting_event_bytes(&self) -> usize {
        self.connection.as_ref().map_or(0, |connection| connection.stream.waiting_bytes())
    }
}
