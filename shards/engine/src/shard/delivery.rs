//! From events to outboxes: the last step before the sockets.

mod presence;

use super::connections::{Connection, Connections};
use super::writes::CROWD_MEMBERS;
use super::{Deadline, RefusalKind, Shard, spares};
use madang_model::connection::{CloseReason, LocalMember, Surface};
use madang_model::{
    ClaimNumber, ConnectionId, Everywhere, LeaveReason, Refusal, Reply, Request, RoomEvent, RoomKey,
    RoomName, SharedRooms, Sight, UserName,
};
use presence::PresenceChange;

/// Last words may pass the bound of an outbox by this much.
const LAST_WORDS_BYTES_MAX: usize = 1024;

impl<S: Surface> Shard<S> {
    /// Writes an event into the outbox of every member of the room who is here.
    pub(super) fn deliver_to_room(&mut self, key: RoomKey, event: RoomEvent) {
        let Some(slot) = self.rooms.slot_of(key) else { return };
        let Shard {
            rooms,
            connections,
            rendered,
            surface,
            writes,
            spare_outboxes,
            closable,
            answered,
            counters,
            outboxes,
            seen,
            ..
        } = self;
        let change = PresenceChange::of(&event, rooms);
        let room = rooms.by_slot_mut(slot);
        let author = match &event {
            RoomEvent::Message { message, author } => {
                room.head = message.seq;
                counters.deliveries += room.members.len() as u64;
                (author.shard == self.id).then_some(author.connection)
            }
            RoomEvent::Amended { amendment, author } => {
                room.head = amendment.seq;
                (author.shard == self.id).then_some(author.connection)
            }
            _ => None,
        };
        let bytes_max = self.settings.outbox_bytes_max;
        let (mut cut_off, mut in_all) = (Vec::new(), Vec::new());
        let mut added_bytes = 0;
        rendered.begin_event();
        let is_talk = matches!(event, RoomEvent::Message { .. });
        let can_wait = !is_talk || room.members.len() > CROWD_MEMBERS;
        for member in &room.members {
            let Some(connection) = connections.get_mut(member.connection) else { continue };
            if author == Some(member.connection) {
                let is_last = connection.has_one_answer();
                if connection.core.closing.is_some() {
                    closable.push(member.connection);
                } else if is_last {
                    answered.push(member.connection);
                }
                if !connection.core.is_echoed {
                    continue;
                }
            } else if member.hears_only_own {
                continue;
            }
            let (name, style) = (&room.name, member.style);
            let sight = match &change {
                None => Sight::Here,
                Some(change) => change.sight(seen, key, (member.connection, &connection.core.subscriptions)),
            };
            let body = match sight {
                Sight::Here => rendered.in_style(style, |out| surface.render(name, &event, style, out)),
                Sight::Nothing => continue,
                Sight::InAll(shared) => {
                    in_all.clear();
                    let names = change.iter().flat_map(|change| change.names(&shared)).collect::<Vec<_>>();
                    surface.render_in_all(&names, &event, style, &mut in_all);
                    &in_all
                }
            };
            let outbox = &mut connection.core.outbox;
            let is_over = outbox.len() + body.len() > bytes_max;
            #[cfg(any(test, feature = "deliberate-faults"))]
            let is_over = is_over && !crate::mutation::is_on(crate::mutation::Mutation::KeepSlowReader);
            if connection.is_blocked && is_over {
                cut_off.push(member.connection);
                continue;
            }
            if outbox.capacity() == 0
                && let Some(spare) = spare_outboxes.take()
            {
                *outbox = spare;
            }
            let bytes_before = outbox.len();
            surface.deliver(&connection.protocol, name, body, outbox);
            #[cfg(any(test, feature = "deliberate-faults"))]
            if crate::mutation::now_and_then(crate::mutation::Mutation::RepeatDelivery) {
                surface.deliver(&connection.protocol, name, body, outbox);
            }
            added_bytes += outbox.len() - bytes_before;
            if can_wait {
                if !connection.is_due && !connection.has_place {
                    connection.has_place = true;
                    writes.add_deferred(member.connection);
                }
            } else if !connection.is_due {
                connection.is_due = true;
                writes.add(member.connection);
            }
        }
        outboxes.added(added_bytes);
        for id in cut_off {
            self.cut_off_slow_reader(id);
        }
    }

    /// Writes an answer to one connection, after noting what it means for the engine.
    pub(super) fn deliver_reply(&mut self, id: ConnectionId, reply: Reply) {
        if self.connections.get(id).is_none_or(Connection::has_left) {
            return self.undo_for_the_gone(id, reply);
        }
        if let Reply::Claimed { user, .. } = &reply
            && self.gives_old_name_back(id, user)
        {
            self.renames.insert(id, reply);
            return;
        }
        if let Reply::Refused(refusal) | Reply::NotSaid(refusal) = &reply {
            let kind = RefusalKind::from(refusal);
            self.counters.refuse(kind);
            tracing::debug!(shard = self.id.0, connection = %id, kind = kind.name(), "refused");
        }
        match &reply {
            Reply::Claimed { user, claim, .. } => self.take_name(id, user.clone(), *claim),
            Reply::Joined(joined) => self.subscribe(id, &joined.room, joined.head),
            Reply::Left { room } => self.unsubscribe(id, room.key()),
            Reply::Who(page) => self.seen.look(id, page.room.key()),
            Reply::Members(page) => self.seen.look(id, page.room.key()),
            Reply::Refused(Refusal::TooManyFromAddress { connections_max }) => {
                let reason = CloseReason::TooManyFromAddress { connections_max: *connections_max };
                return self.close(id, reason);
            }
            _ => {}
        }
        let Some(connection) = self.connections.get_mut(id) else { return };
        if matches!(&reply, Reply::NotSaid(_) | Reply::Whisper { is_receipt: true, .. }) {
            let is_last = connection.has_one_answer();
            let is_closing = connection.core.closing.is_some();
            if is_last && !is_closing {
                self.answered.push(id);
            }
            #[cfg(any(test, feature = "deliberate-faults"))]
            let is_closing = is_closing && !crate::mutation::is_on(crate::mutation::Mutation::ForgetClosable);
            if is_closing {
                self.closable.push(id);
            }
        }
        self.answer(id, &reply);
    }

    /// Has its protocol write an answer to a connection, and continues with what the connection had sent.
    pub(super) fn answer(&mut self, id: ConnectionId, reply: &Reply) {
        self.with_link(id, |surface, protocol, link| surface.reply(protocol, reply, link));
        self.continue_input(id);
    }

    /// An answer came for a connection that is gone: what it gained is given back.
    fn undo_for_the_gone(&mut self, id: ConnectionId, reply: Reply) {
        #[cfg(any(test, feature = "deliberate-faults"))]
        if let Some(taker) = self.taker_of_name(&reply) {
            return self.answer(taker, &reply);
        }
        let session = self.session(id);
        let request = match reply {
            Reply::Claimed { user, .. } => {
                Request::Release { session, name: user, is_clean: true, leaving: None, room: None }
            }
            Reply::Joined(joined) => Request::Leave {
                session,
                user: joined.user.key(),
                room: joined.room.key(),
                reason: LeaveReason::Quit,
                everywhere: None,
            },
            Reply::Whisper { from, to, is_receipt: false, .. } => Request::WhisperMissed { from, to },
            _ => return,
        };
        match request {
            Request::Release { .. } => self.give_back(id, request),
            request => self.ask(request),
        }
    }

    /// By a deliberate fault, a whisper for one who is gone is read by the connection that has the name by now.
    #[cfg(any(test, feature = "deliberate-faults"))]
    fn taker_of_name(&self, reply: &Reply) -> Option<ConnectionId> {
        let Reply::Whisper { to, is_receipt: false, .. } = reply else { return None };
        let user_of = |id: &ConnectionId| self.connections.get(*id).and_then(|c| c.core.user.as_ref());
        let all = || self.connections.ids().into_iter();
        crate::mutation::is_on(crate::mutation::Mutation::ReadAsTaker)
            .then(|| all().find(|id| user_of(id) == Some(to)))
            .flatten()
    }

    /// Whether a connection has another name that it gives back now. Only when the old name's home has it, others
    /// see the new one: so they can have the old one from then on.
    fn gives_old_name_back(&mut self, id: ConnectionId, new: &UserName) -> bool {
        let user = self.connections.get(id).and_then(|connection| connection.core.user.as_ref());
        // Of two names that look alike one entry was renamed.
        let Some(name) = user.filter(|old| old.skeleton() != new.skeleton()).cloned() else { return false };
        let session = self.session(id);
        self.give_back(id, Request::GiveUp { session, name });
        true
    }

    /// A name is the connection's: it goes by it everywhere.
    pub(super) fn take_name(&mut self, id: ConnectionId, new: UserName, claim: ClaimNumber) {
        let session = self.session(id);
        tracing::debug!(shard = self.id.0, connection = %id, user = new.as_str(), "named");
        let Some(connection) = self.connections.get_mut(id) else { return };
        connection.core.claim = claim;
        let Some(old) = connection.core.user.replace(new.clone()) else {
            self.counters.sessions += 1;
            return;
        };
        let rooms: SharedRooms = connection
            .core
            .subscriptions
            .iter()
            .map(|in_room| self.rooms.room_of(in_room).name.key())
            .collect();
        let everywhere = Everywhere::of_rename(session, (&old, &new, claim), self.now.monotonic, &rooms);
        for room in rooms {
            let (old, new, everywhere) = (old.clone(), new.clone(), everywhere.clone());
            self.requests.push(Request::Rename { session, room, old, new, claim, everywhere });
        }
        self.route_requests();
    }

    pub(super) fn subscribe(&mut self, id: ConnectionId, room: &RoomName, head: madang_model::Seq) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let is_in =
            |s: &madang_model::connection::Subscription| self.rooms.room_of(s).name.key() == room.key();
        if connection.core.subscriptions.iter().any(is_in) {
            return;
        }
        let member = LocalMember { connection: id, style: connection.core.style, hears_only_own: false };
        let subscription = self.rooms.subscribe(room, head, member);
        connection.core.subscriptions.push(subscription);
        let now = self.now.monotonic;
        match &connection.core.subscriptions[..] {
            [first, _] => {
                let first = self.rooms.room_of(first).name.key();
                self.seen.is_in(id, first, now);
                self.seen.enter(id, room.key(), now);
            }
            [_, _, ..] => self.seen.enter(id, room.key(), now),
            _ => {}
        }
        tracing::debug!(shard = self.id.0, connection = %id, room = room.as_str(), "in a room");
    }

    pub(super) fn unsubscribe(&mut self, id: ConnectionId, room: RoomKey) {
        let Shard { connections, rooms, .. } = self;
        let Some(connection) = connections.get_mut(id) else { return };
        let is_in = |s: &madang_model::connection::Subscription| rooms.room_of(s).name.key() == room;
        let Some(position) = connection.core.subscriptions.iter().position(is_in) else { return };
        let gone = connection.core.subscriptions.swap_remove(position);
        let name = &rooms.room_of(&gone).name;
        tracing::debug!(shard = self.id.0, connection = %id, room = name.as_str(), "out of a room");
        if let Some(moved) = rooms.unsubscribe(gone) {
            repoint(connections, moved, gone);
        }
    }

    /// What was taken of a connection's outbox, from its front, and how much of what that became is
    /// held below until the peer reads. That counts towards the bounds of outboxes, too.
    pub fn sent(&mut self, id: ConnectionId, bytes: usize, held: usize) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        connection.is_due = false;
        connection.has_sent |= bytes > 0;
        self.counters.sent_bytes += bytes as u64;
        self.outboxes.changed(connection.held_bytes as usize, held);
        connection.held_bytes = u32::try_from(held).expect("at most one record is held");
        let outbox = &mut connection.core.outbox;
        connection.is_blocked = bytes < outbox.len() || held > 0;
        if connection.is_blocked {
            if !connection.is_listed_slow {
                connection.is_listed_slow = true;
                self.slow.push(id);
            }
            outbox.drain(..bytes);
            self.outboxes.removed(bytes);
            // What is held for a slow reader is in proportion to what waits for it.
            if outbox.capacity() > spares::BUFFER_BYTES_MAX && outbox.len() < outbox.capacity() / 4 {
                outbox.shrink_to_fit();
            }
            let is_over = outbox.len() + held > self.settings.outbox_bytes_max;
            #[cfg(any(test, feature = "deliberate-faults"))]
            let is_over = is_over && !crate::mutation::is_on(crate::mutation::Mutation::KeepSlowReader);
            let waiting_bytes = outbox.len() + held;
            if is_over && !connection.has_left() {
                self.cut_off_slow_reader(id);
                self.settle();
            } else if is_over && waiting_bytes > self.settings.outbox_bytes_max + LAST_WORDS_BYTES_MAX {
                // It has its last words already, behind what it asked for in its last turn.
                self.drop_slow_reader(id, self.settings.outbox_bytes_max);
            }
            return;
        }
        let emptied = std::mem::take(outbox);
        self.outboxes.removed(emptied.len());
        self.spare_outboxes.keep(emptied);
        if connection.is_ending {
            self.end(id, true);
        }
    }

    /// A connection cannot be written yet: its peer and we have not agreed on keys.
    /// [`Shard::writable`] reports when it can.
    pub fn not_open_yet(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        connection.is_due = false;
        if !connection.is_ending {
            return;
        }
        let is_refused = matches!(connection.core.closing, Some(CloseReason::TooManyFromAddress { .. }));
        if !is_refused || self.is_draining {
            self.end(id, false);
        } else if !connection.awaits_keys {
            // It has until its deadline for the handshake, to receive the reason. What was not read of it is read now.
            connection.awaits_keys = true;
            self.read_again(id);
        }
    }

    /// What waits to be sent to a connection.
    pub fn outbox(&self, id: ConnectionId) -> Option<&[u8]> {
        self.connections.get(id).map(|connection| connection.core.outbox.as_slice())
    }

    /// A connection's socket takes bytes again.
    pub fn writable(&mut self, id: ConnectionId) {
        self.mark_dirty(id);
    }

    pub(super) fn mark_dirty(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let is_over = connection.waiting_bytes() > self.settings.outbox_bytes_max;
        #[cfg(any(test, feature = "deliberate-faults"))]
        let is_over = is_over && !crate::mutation::is_on(crate::mutation::Mutation::KeepSlowReader);
        if is_over && connection.is_blocked && !connection.has_left() {
            return self.cut_off_slow_reader(id);
        }
        if connection.has_output() && !connection.is_due {
            connection.is_due = true;
            self.writes.add(id);
        }
    }

    /// Adds a deadline for a connection.
    pub(super) fn remind(&mut self, deadline: Deadline, after: std::time::Duration) {
        self.wheel.add(self.now.monotonic.after(after), deadline);
    }

    /// Sends a request of the engine's own on behalf of a connection.
    pub(super) fn ask(&mut self, request: Request) {
        self.requests.push(request);
        self.route_requests();
    }

    /// Whether something is to be flushed that is not waiting for others.
    pub fn has_work(&self) -> bool {
        self.deferred.front().is_some_and(|request| self.may_handle(request))
            || self.outbound.has_open_batch()
            || self.homes.is_searching()
            || self.homes.looks.may_answer(self.is_paused || self.is_draining)
            || self.outboxes.is_pausing()
            || !self.resumed.is_empty()
            || !self.answered.is_empty()
            || !(self.is_adopting || self.writes.is_empty() && self.ended.is_empty())
    }

    /// Whether something is on its way to other shards, or to the log.
    pub fn has_outbound(&self) -> bool {
        self.outbound.has_any()
            || !self.deferred.is_empty()
            || self.outboxes.is_pausing()
            || self.homes.reacting() > 0
    }
}

/// Notes for a connection that its subscription moved to the place of one that left.
fn repoint<T>(
    connections: &mut Connections<T>,
    moved: ConnectionId,
    to: madang_model::connection::Subscription,
) {
    #[cfg(any(test, feature = "deliberate-faults"))]
    if crate::mutation::is_on(crate::mutation::Mutation::LoseListenerOnMove) {
        return;
    }
    let Some(Connection { core, .. }) = connections.get_mut(moved) else { return };
    if let Some(own) = core.subscriptions.iter_mut().find(|own| own.room == to.room) {
        own.position = to.position;
    }
}
