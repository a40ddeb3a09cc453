//! From bytes to requests: the input of a connection.

use super::connections::Connection;
use super::{Deadline, RefusalKind, Shard};
use madang_model::connection::{Core, Entrance, FollowUp, Link, Surface};
use madang_model::{ConnectionId, Request};
use std::net::IpAddr;

/// A connection is new during its first reads: it sends its name, and the room it joins.
const FIRST_READS: u8 = 3;

impl<S: Surface> Shard<S> {
    /// A peer connected at this entrance: it gets a slot, and a greeting that goes out with the answer to its first
    /// bytes or by [`Shard::greet`].
    pub fn accepted(&mut self, entrance: &Entrance, address: Option<IpAddr>) -> ConnectionId {
        let id = self.connections.next_id();
        let session = self.session(id);
        let mut core = Core::new(session, entrance.kind);
        core.counted_address = address.and_then(|address| self.settings.counted(address));
        if let Some(address) = core.counted_address {
            self.requests.push(Request::Admit { session, address });
        }
        let mut follow_up = FollowUp::default();
        let mut link = Link {
            now: self.now,
            core: &mut core,
            rooms: &mut self.rooms,
            requests: &mut self.requests,
            follow_up: &mut follow_up,
            flood: &self.settings.flood,
            refused_too_fast: &mut self.counters.refused[RefusalKind::TooFast as usize],
            shard_count: self.settings.shard_count,
        };
        let protocol = self.surface.open(entrance, &mut link);
        let mut connection = Connection::new(core, protocol);
        connection.first_reads_left = FIRST_READS;
        tracing::debug!(shard = self.id.0, connection = %id, address = address.map(tracing::field::display), "connected");
        self.outboxes.added(connection.core.outbox.len());
        self.connections.insert(id, connection);
        self.counters.accepted += 1;
        self.remind(Deadline::Login(id), self.settings.login);
        self.do_follow_up(id, follow_up);
        self.route_requests();
        self.settle();
        id
    }

    /// Sends a new connection its greeting, if that has not gone out.
    pub fn greet(&mut self, id: ConnectionId) {
        self.mark_dirty(id);
    }

    /// Whether something waits in the outbox of a connection.
    pub fn has_unsent(&self, id: ConnectionId) -> bool {
        self.connections.get(id).is_some_and(|connection| connection.waiting_bytes() > 0)
    }

    /// Whether a connection's socket is to be read. When it is not, [`Shard::take_resumed`] names
    /// it once it is again.
    pub fn wants_input(&self, id: ConnectionId) -> bool {
        self.connections.get(id).is_some_and(|connection| {
            connection.unread.is_empty()
                && !connection.is_parked
                && !connection.is_delayed
                && (connection.core.closing.is_none() || connection.awaits_keys)
                && !self.is_draining
                && !self.is_paused
        })
    }

    /// Whether a connection is new, and what it asks for can wait for the connected clients.
    pub fn is_new(&self, id: ConnectionId) -> bool {
        self.connections.get(id).is_some_and(|connection| connection.first_reads_left > 0)
    }

    /// Bytes came on a connection that wants input.
    pub fn received(&mut self, id: ConnectionId, bytes: &[u8]) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.first_reads_left = connection.first_reads_left.saturating_sub(1);
            connection.has_heard = true;
        }
        let consumed = self.with_link(id, |surface, protocol, link| surface.receive(protocol, bytes, link));
        if let Some(consumed) = consumed
            && consumed < bytes.len()
            && let Some(connection) = self.connections.get_mut(id)
            && connection.core.closing.is_none()
        {
            connection.unread = bytes[consumed..].to_vec();
        }
        self.settle();
    }

    /// Bytes came together with the connection. Where they cannot be looked at now they wait.
    pub fn came_with(&mut self, id: ConnectionId, bytes: &[u8]) {
        if self.wants_input(id) {
            self.received(id, bytes);
        } else if let Some(connection) = self.connections.get_mut(id)
            && connection.core.closing.is_none()
        {
            connection.has_heard = true;
            connection.unread.extend_from_slice(bytes);
        }
    }

    /// The peer will send no more.
    pub fn input_ended(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.has_input_ended = true;
        }
        self.continue_input(id);
        self.settle();
    }

    /// Continues with what was read before: after a reply, or when the input has ended.
    pub(super) fn continue_input(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.core.closing.is_some() || connection.is_delayed || self.is_paused {
            return;
        }
        #[cfg(any(test, feature = "deliberate-faults"))]
        if crate::mutation::now_and_then(crate::mutation::Mutation::ForgetUnread) {
            return;
        }
        let had_unread = !connection.unread.is_empty();
        if had_unread {
            let mut unread = std::mem::take(&mut connection.unread);
            loop {
                let consumed =
                    self.with_link(id, |surface, protocol, link| surface.receive(protocol, &unread, link));
                let consumed = consumed.unwrap_or(unread.len());
                unread.drain(..consumed);
                let Some(connection) = self.connections.get_mut(id) else { return };
                if unread.is_empty() || connection.core.closing.is_some() {
                    break;
                }
                // Who would be offered the rest after a delay is offered it at once, once there are no delays.
                if !std::mem::take(&mut connection.is_undelayed) || consumed == 0 {
                    connection.unread = unread;
                    return;
                }
            }
        }
        let Some(connection) = self.connections.get(id) else { return };
        if connection.is_delayed {
            return;
        }
        if connection.core.closing.is_none() && connection.has_input_ended {
            self.with_link(id, |surface, protocol, link| {
                surface.end_of_input(protocol, link);
            });
        } else if had_unread {
            self.read_again(id);
        }
    }

    /// Lets a connection's protocol act, then carries out what it wants.
    pub(super) fn with_link<R>(
        &mut self,
        id: ConnectionId,
        act: impl FnOnce(&S, &mut S::Session, &mut Link<'_>) -> R,
    ) -> Option<R> {
        let connection = self.connections.get_mut(id)?;
        let was_closing = connection.core.closing.is_some();
        let outbox_bytes = connection.core.outbox.len();
        let mut follow_up = FollowUp::default();
        let mut link = Link {
            now: self.now,
            core: &mut connection.core,
            rooms: &mut self.rooms,
            requests: &mut self.requests,
            follow_up: &mut follow_up,
            flood: &self.settings.flood,
            refused_too_fast: &mut self.counters.refused[RefusalKind::TooFast as usize],
            shard_count: self.settings.shard_count,
        };
        let result = act(&self.surface, &mut connection.protocol, &mut link);
        let wants_to_close = !was_closing && connection.core.closing.is_some();
        self.outboxes.changed(outbox_bytes, connection.core.outbox.len());
        self.do_follow_up(id, follow_up);
        if self.route_requests()
            && let Some(connection) = self.connections.get_mut(id)
            && !connection.is_parked
        {
            connection.is_parked = true;
            self.parked.push(id);
        }
        if wants_to_close {
            self.begin_closing(id);
        }
        self.mark_dirty(id);
        Some(result)
    }
}
