//! A shard that is paused so that a new process can resume it, and the one that resumes it.
//!
//! A paused shard reads nothing: what was read is handled to its end, and then every
//! connection is a name, a few words of its protocol, what waits to be sent, and what waits to be
//! understood. That is its image. The process that adopts it notifies nobody.

use super::image::{ConnectionImage, ShardImage};
use super::{Connection, Deadline, Shard};
use madang_model::connection::{CloseReason, Core, Entrance, EntranceKind, Flood, FollowUp, Link, Surface};
use madang_model::{Carried, ConnectionId, LeaveReason, Request, RoomName, Seq, UserKey};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// How long a connection that is ending has for its last words, in the new process.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(5);

/// What becomes of a connection when a new process takes over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Saved {
    /// It is resumed there.
    Image(ConnectionImage),
    /// It cannot: what is to be said to it before it is closed.
    LastWords(Vec<u8>),
}

impl<S: Surface> Shard<S> {
    /// From now on nothing is read.
    pub fn pause(&mut self) {
        self.is_paused = true;
    }

    /// Reads again, and continues with what was read before.
    pub fn resume(&mut self) {
        self.is_paused = false;
        self.is_adopting = false;
        for id in self.connections.ids() {
            self.continue_input(id);
            self.read_again(id);
        }
        self.settle();
    }

    /// Whether everything that was read has come to its end.
    pub fn is_idle(&self) -> bool {
        self.homes.is_idle() && !self.has_outbound() && self.log.is_idle() && self.parked.is_empty()
    }

    /// All that this shard knows and the log does not. It is paused, and idle. Connections that
    /// are not `carriable` by their sockets stay behind, with last words.
    pub fn image(&self, carriable: impl Fn(ConnectionId) -> bool) -> ShardImage {
        assert!(self.is_paused, "only a paused shard has an image");
        let ids = self.connections.ids().into_iter();
        let saved = |id| match self.connections.get(id)? {
            connection if carriable(id) => Some((id, self.saved(connection))),
            connection => Some((id, self.left_behind(connection))),
        };
        let saved = ids.filter_map(saved);
        ShardImage { shard: self.id, connections: saved.collect(), carried: self.homes.carried(self.now) }
    }

    fn saved(&self, connection: &Connection<S::Session>) -> Saved {
        let Connection { core, protocol, unread, has_input_ended, is_ending, .. } = connection;
        let words = match self.surface.save(protocol) {
            Some(words) => words,
            // Only what is in its outbox is still to be sent.
            None if *is_ending => Vec::new(),
            None => return self.left_behind(connection),
        };
        let mut outbox = core.outbox.clone();
        // Its last words wait for its homes, whose answers come to the old process.
        if let Some(reason) = core.closing.as_ref().filter(|_| !is_ending) {
            self.surface.farewell(protocol, reason, &mut outbox);
        }
        Saved::Image(ConnectionImage {
            entrance: core.entrance,
            user: core.user.clone(),
            address: core.counted_address,
            outbox,
            unread: unread.clone(),
            form: core.style.form,
            is_echoed: core.is_echoed,
            used: core.flood.used(self.now.monotonic),
            has_input_ended: *has_input_ended,
            is_ending: *is_ending || core.closing.is_some(),
            protocol: words,
        })
    }

    /// What is sent to a connection that ends with this process: what waits for it, and why it ends.
    fn left_behind(&self, connection: &Connection<S::Session>) -> Saved {
        let mut last_words = connection.core.outbox.clone();
        if !connection.is_ending {
            let reason = connection.core.closing.as_ref().unwrap_or(&CloseReason::NotCarried);
            self.surface.farewell(&connection.protocol, reason, &mut last_words);
        }
        Saved::LastWords(last_words)
    }

    /// Resumes a connection of the old process. Nothing is sent to its peer; its rooms follow by
    /// [`Shard::take_over`]. It gets the lowest slot that is free. Nothing is sent to it before
    /// [`Shard::resume`].
    pub fn adopt(&mut self, image: ConnectionImage) -> ConnectionId {
        self.begin_adopting();
        let id = self.connections.next_id();
        let session = self.session(id);
        let ConnectionImage { entrance, user, address, outbox, unread, form, is_echoed, used, .. } = image;
        let mut core = Core::new(session, entrance);
        core.counted_address = address.and_then(|address| self.settings.counted(address));
        if let Some(address) = core.counted_address {
            self.requests.push(Request::Carry(Box::new(Carried::Address(address))));
        }
        self.counters.sessions += u64::from(user.is_some());
        (core.user, core.outbox, core.style.form, core.is_echoed) = (user, outbox, form, is_echoed);
        core.flood = Flood::with_used(used, self.now.monotonic);
        let restored = self.surface.restore(entrance, &image.protocol);
        let (is_whole, is_ending) = (restored.is_some(), image.is_ending);
        let protocol = restored.unwrap_or_else(|| self.blank_session(id, entrance));
        if is_ending {
            core.closing = Some(CloseReason::Lost);
        }
        let is_nameless = core.user.is_none();
        self.outboxes.carried(core.outbox.len());
        let reminder = self.surface.reminder(&protocol);
        let mut connection = Connection::new(core, protocol);
        (connection.unread, connection.has_input_ended) = (unread, image.has_input_ended);
        connection.is_ending = is_ending;
        self.connections.insert(id, connection);
        self.do_follow_up(id, FollowUp { reminder, ..FollowUp::default() });
        if is_ending {
            self.remind(Deadline::Close(id), CLOSE_TIME_MAX);
        } else if !is_whole {
            self.close(id, CloseReason::NotCarried);
        } else if is_nameless {
            self.remind(Deadline::Login(id), self.settings.login);
        }
        self.route_requests();
        self.mark_dirty(id);
        id
    }

    fn begin_adopting(&mut self) {
        self.is_adopting = true;
        #[cfg(any(test, feature = "deliberate-faults"))]
        if crate::mutation::is_on(crate::mutation::Mutation::SendBeforeGo) {
            self.is_adopting = false;
        }
    }

    /// Takes over what homes here have to know.
    pub fn take_over(&mut self, carried: Vec<Carried>) {
        self.begin_adopting();
        self.requests.extend(carried.into_iter().map(|one| Request::Carry(Box::new(one))));
        self.route_requests();
        self.settle();
    }

    /// A home has said where a connection of the old process is.
    pub(super) fn carried_into(
        &mut self,
        id: ConnectionId,
        user: UserKey,
        room: &RoomName,
        head: Option<Seq>,
    ) {
        let is_there = self.connections.get(id).is_some_and(|connection| !connection.has_left());
        match head {
            Some(head) if is_there => self.subscribe(id, room, head),
            Some(_) => {
                let session = self.session(id);
                self.ask(Request::Leave {
                    session,
                    user,
                    room: room.key(),
                    reason: LeaveReason::Lost,
                    everywhere: None,
                });
            }
            None => self.close(id, CloseReason::NotCarried),
        }
    }

    /// What a protocol begins with, where nothing better is known: it has last words, too.
    fn blank_session(&mut self, id: ConnectionId, kind: EntranceKind) -> S::Session {
        let mut core = Core::new(self.session(id), kind);
        // Where that was is not known any more.
        let entrance = Entrance { kind, address: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)) };
        let mut requests = Vec::new();
        let mut refused = 0;
        let mut link = Link {
            now: self.now,
            core: &mut core,
            rooms: &mut self.rooms,
            requests: &mut requests,
            follow_up: &mut FollowUp::default(),
            flood: &self.settings.flood,
            refused_too_fast: &mut refused,
            shard_count: self.settings.shard_count,
        };
        self.surface.open(&entrance, &mut link)
    }
}
