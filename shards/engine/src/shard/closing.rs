//! How connections end: in order, in time, or at once.
//!
//! A connection that wants to close first gets the answers to what it sent. Then it leaves its rooms and gives
//! its name back, and once the name's home has it, so that the next user may have it, it gets its last
//! words. Its slot is free when the outbox is empty.

use super::{Deadline, Ended, Shard};
use madang_model::connection::{CloseReason, Surface};
use madang_model::{ConnectionId, LeaveReason, Leaving, Reply, Request, RoomName};
use std::time::Duration;

/// How long answers and the outbox may take once a connection wants to close.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(5);

impl<S: Surface> Shard<S> {
    /// Ends a connection for a reason of the engine's own.
    pub(super) fn close(&mut self, id: ConnectionId, reason: CloseReason) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.core.closing.is_some() {
            return;
        }
        connection.core.closing = Some(reason);
        self.begin_closing(id);
    }

    /// A connection wants to close: as soon as what it sent is answered.
    pub(super) fn begin_closing(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        connection.unread = Vec::new();
        self.closable.push(id);
        self.remind(Deadline::Close(id), CLOSE_TIME_MAX);
    }

    /// Closes the connections whose answers have all come.
    pub(super) fn close_closable(&mut self) {
        while let Some(id) = self.closable.pop() {
            let Some(connection) = self.connections.get(id) else { continue };
            if connection.core.outstanding == 0 && !connection.has_left() {
                self.leave(id);
            }
        }
    }

    /// Leaves everything, and says farewell when the homes know.
    fn leave(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let reason = connection.core.closing.as_ref().map_or(LeaveReason::Lost, CloseReason::leave_reason);
        self.leave_everything(id, reason);
        self.say_farewell_if_left(id);
    }

    /// A home has what a connection gave back.
    pub(super) fn given_back(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        connection.returns = connection.returns.saturating_sub(1);
        if let Some(Reply::Claimed { user, claim, .. }) = self.renames.get(&id) {
            let (user, claim) = (user.clone(), *claim);
            self.take_name(id, user, claim);
            if let Some(reply) = self.renames.remove(&id) {
                self.answer(id, &reply);
            }
        }
        self.say_farewell_if_left(id);
    }

    fn say_farewell_if_left(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(id) else { return };
        let is_returned = connection.returns == 0;
        #[cfg(any(test, feature = "deliberate-faults"))]
        let is_returned = is_returned || crate::mutation::is_on(crate::mutation::Mutation::SayFarewellEarly);
        if connection.is_leaving && is_returned && !connection.is_ending {
            self.say_farewell(id);
        }
    }

    /// Gives something back to its home, which says when it has it.
    pub(super) fn give_back(&mut self, id: ConnectionId, request: Request) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.returns = connection.returns.saturating_add(1);
        }
        self.ask(request);
    }

    fn say_farewell(&mut self, id: ConnectionId) {
        let Shard { connections, surface, .. } = self;
        let Some(connection) = connections.get_mut(id) else { return };
        let reason = connection.core.closing.clone().unwrap_or(CloseReason::Lost);
        let before = connection.core.outbox.len();
        surface.farewell(&connection.protocol, &reason, &mut connection.core.outbox);
        self.outboxes.changed(before, connection.core.outbox.len());
        connection.is_ending = true;
        if !connection.is_leaving {
            self.leave_everything(id, reason.leave_reason());
        }
        self.mark_dirty(id);
    }

    /// The outbox is full: what is whole of it stays, the rest gives way to the reason.
    pub(super) fn cut_off_slow_reader(&mut self, id: ConnectionId) {
        let outbox_bytes_max = self.settings.outbox_bytes_max;
        self.cut_off(id, CloseReason::SlowReader { outbox_bytes_max });
    }

    pub(super) fn cut_off(&mut self, id: ConnectionId, reason: CloseReason) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.has_left() {
            return;
        }
        let outbox = &mut connection.core.outbox;
        let begun_bytes = self.surface.begun_bytes(&connection.protocol, outbox).min(outbox.len());
        self.outboxes.removed(outbox.len() - begun_bytes);
        outbox.truncate(begun_bytes);
        outbox.shrink_to_fit();
        connection.core.closing = Some(reason);
        connection.unread = Vec::new();
        self.counters.slow_readers += 1;
        tracing::info!(
            shard = self.id.0,
            connection = %id,
            user = connection.core.user.as_ref().map(|user| user.as_str()),
            "a slow reader is closed"
        );
        self.remind(Deadline::Close(id), CLOSE_TIME_MAX);
        self.leave(id);
    }

    /// Ends a slow reader at once.
    pub(super) fn drop_slow_reader(&mut self, id: ConnectionId, outbox_bytes_max: usize) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if !connection.has_left() {
            self.counters.slow_readers += 1;
            connection.core.closing = Some(CloseReason::SlowReader { outbox_bytes_max });
        }
        self.lost(id);
    }

    /// The peer is gone: nothing can be said to it any more.
    pub fn lost(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let reason = connection.core.closing.get_or_insert(CloseReason::Lost).clone();
        if !connection.has_left() {
            self.leave_everything(id, reason.leave_reason());
        }
        self.end(id, false);
        self.settle();
    }

    /// Leaves all rooms, the name and the address count, here and at their homes.
    fn leave_everything(&mut self, id: ConnectionId, reason: LeaveReason) {
        let is_clean = reason != LeaveReason::Lost;
        let session = self.session(id);
        let Some(connection) = self.connections.get_mut(id) else { return };
        connection.is_leaving = true;
        let address = connection.core.counted_address.take();
        let user = connection.core.user.take();
        self.counters.sessions -= u64::from(user.is_some());
        let subscriptions = std::mem::take(&mut connection.core.subscriptions);
        let mut names = subscriptions.iter().map(|subscription| &self.rooms.room_of(subscription).name);
        let rooms: Vec<_> = names.clone().map(RoomName::key).collect();
        // The last that was entered is the one that the user sees. The lobby is entered by whoever comes.
        let is_lobby = |room: &RoomName| room.key() == self.settings.lobby.key();
        let room = names.next_back().filter(|room| !is_clean && !is_lobby(room)).cloned();
        if let Some(connection) = self.connections.get_mut(id) {
            connection.core.subscriptions = subscriptions;
        }
        let mut left = Vec::with_capacity(rooms.len());
        for room in rooms {
            self.unsubscribe(id, room);
            #[cfg(any(test, feature = "deliberate-faults"))]
            if !is_clean && crate::mutation::is_on(crate::mutation::Mutation::ForgetToLeave) {
                continue;
            }
            left.push(room);
        }
        if let Some(name) = user {
            let at = self.now.monotonic;
            let leaving = Leaving { rooms: left.into_boxed_slice(), reason };
            let leaving = match leaving.goes_by_home(&name) {
                true => Some(Box::new(leaving)),
                false => {
                    leaving.requests(session, name.key(), true, at).for_each(|request| self.ask(request));
                    None
                }
            };
            self.give_back(id, Request::Release { session, name, is_clean, leaving, room });
        }
        if let Some(Reply::Claimed { user: name, .. }) = self.renames.remove(&id) {
            let release = Request::Release { session, name, is_clean: true, leaving: None, room: None };
            self.give_back(id, release);
        }
        if let Some(address) = address {
            self.give_back(id, Request::Discharge { session, address });
        }
    }

    /// Frees the slot; the socket follows.
    pub(super) fn end(&mut self, id: ConnectionId, is_orderly: bool) {
        if let Some(gone) = self.connections.remove(id) {
            self.outboxes.removed(gone.waiting_bytes());
            let reason = gone.core.closing.unwrap_or(CloseReason::Lost);
            let name = self.counters.close(&reason);
            tracing::debug!(shard = self.id.0, connection = %id, reason = name, "ended");
            self.ended.push(Ended { connection: id, is_orderly });
        }
    }

    pub(super) fn login_timed_out(&mut self, id: ConnectionId) {
        let is_nameless = |c: &super::Connection<S::Session>| c.core.user.is_none() && !c.is_ending;
        if self.connections.get(id).is_some_and(is_nameless) {
            let login_seconds = self.settings.login.as_secs();
            self.close(id, CloseReason::LoginTimeout { login_seconds });
        }
    }

    pub(super) fn close_timed_out(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(id) else { return };
        if connection.is_ending {
            self.end(id, false);
        } else {
            // The answers did not come in time, or a home did not; it may still have its last words.
            self.counters.hasty_farewells += 1;
            self.say_farewell(id);
            self.remind(Deadline::Close(id), CLOSE_TIME_MAX);
        }
    }

    /// The server stops: it is announced to everyone, and nothing more is read.
    pub fn begin_drain(&mut self) {
        self.is_draining = true;
        for id in self.connections.ids() {
            let Shard { connections, surface, .. } = self;
            let Some(connection) = connections.get_mut(id) else { continue };
            if !connection.is_ending {
                let before = connection.core.outbox.len();
                surface.going_down(&connection.protocol, &mut connection.core.outbox);
                self.outboxes.changed(before, connection.core.outbox.len());
                self.mark_dirty(id);
            }
            // What was read is carried to its end.
            self.delay_ended(id);
        }
        self.settle();
    }

    /// Everything is said and stored: all connections end when their outboxes are empty.
    pub fn finish_drain(&mut self) {
        for id in self.connections.ids() {
            if let Some(connection) = self.connections.get_mut(id) {
                connection.core.closing.get_or_insert(CloseReason::GoingDown);
                connection.is_ending = true;
            }
            self.mark_dirty(id);
        }
    }
}
