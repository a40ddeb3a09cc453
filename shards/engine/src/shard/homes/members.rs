//! Members who join rooms and leave them.

use super::{Effects, Homes, LoadedRoom, refuse, send_or_hold, send_reply};
use crate::mesh::Outbound;
use crate::shard::Deadline;
use madang_log::Appender;
use madang_model::{
    ClaimNumber, Everywhere, LeaveReason, ListStart, MembersPage, Now, Refusal, Reply, RoomKey, RoomName,
    SessionId, UserKey, UserName, WhoPage,
};
use std::sync::Arc;

impl Homes {
    pub(super) fn join(
        &mut self,
        session: SessionId,
        user: (&UserName, ClaimNumber),
        room: &RoomName,
        is_away: bool,
        effects: &mut Effects<'_>,
    ) {
        let limits = self.settings.rooms;
        self.with_room(room.key(), session, Reply::Refused, effects, |found, events, _| {
            found.join(session, user, room, is_away, &limits, events)
        });
    }

    pub(super) fn leave(
        &mut self,
        session: SessionId,
        user: UserKey,
        room: RoomKey,
        why: (LeaveReason, Option<Arc<Everywhere>>),
        effects: &mut Effects<'_>,
    ) {
        let (limits, now) = (self.settings.rooms, effects.now);
        let mut grace_ends = None;
        self.with_room(room, session, Reply::Refused, effects, |found, events, _| {
            grace_ends = found.leave(session, user, why, now, &limits, events);
            Ok(())
        });
        if let Some(end) = grace_ends {
            effects.wheel.add(end, Deadline::Member(room, user));
        }
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
        let Some(loaded) = self.rooms.get_mut(&room) else { return };
        loaded.room.expire(user, now, &self.settings.rooms, &mut self.events);
        self.ranking.rank(loaded);
        send_or_hold(loaded.last_batch, &mut self.events, &mut self.held, log, outbound);
        self.evict_if_idle(room, now, outbound);
    }

    /// Answers with a page of the members of a room: of one with up to 4,096 members it looks at all, of a larger one at
    /// those of the page.
    pub(super) fn page_of_members(
        &mut self,
        session: SessionId,
        room: &RoomName,
        start: ListStart<UserKey>,
        effects: &mut Effects<'_>,
    ) {
        if self.is_listed(room) {
            self.with_room(room.key(), session, Reply::Refused, effects, |found, events, _| {
                found.page_of_members(session, start, events);
                Ok(())
            });
        } else if room.key() == self.settings.lobby.key() {
            let (room, epoch) = (self.settings.lobby.clone(), start.epoch);
            let nobody = MembersPage { room, members: Vec::new(), total: 0, epoch, next: None };
            send_reply(session, Reply::Members(nobody), effects.outbound);
        } else {
            refuse(session, Refusal::NoSuchRoom { room: room.as_str().into() }, effects);
        }
    }

    /// A channel without members does not exist; the lobby is always there.
    fn is_listed(&self, room: &RoomName) -> bool {
        let is_listed = |found: &LoadedRoom| found.room.listed_members() > 0;
        self.rooms.get(&room.key()).is_some_and(is_listed)
    }

    /// Answers with the first members of a room.
    pub(super) fn who(&mut self, session: SessionId, room: &RoomName, effects: &mut Effects<'_>) {
        if self.is_listed(room) {
            self.with_room(room.key(), session, Reply::Refused, effects, |found, events, _| {
                found.who(session, events);
                Ok(())
            });
        } else if room.key() == self.settings.lobby.key() {
            let nobody = WhoPage { room: self.settings.lobby.clone(), members: Vec::new(), total: 0 };
            send_reply(session, Reply::Who(nobody), effects.outbound);
        } else {
            refuse(session, Refusal::NoSuchRoom { room: room.as_str().into() }, effects);
        }
    }
}
