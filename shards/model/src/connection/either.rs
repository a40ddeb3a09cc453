//! Two protocols on one shard. Either may be two itself.

use super::closing::CloseReason;
use super::core::Core;
use super::entrance::{Entrance, EntranceKind, SurfaceId};
use super::link::Link;
use super::style::Style;
use super::surface::{Silence, Surface};
use crate::{Reply, RoomEvent, RoomName, Text};
use std::time::Duration;

/// Serves what either serves: each connection by the one that its entrance names. One that nobody serves, which the
/// program's table of entrances does not have, would be given to the second.
#[derive(Clone, Copy, Debug)]
pub struct Either<A, B>(pub A, pub B);

/// A session of one of them.
#[derive(Debug)]
pub enum EitherSession<A, B> {
    /// Of the first.
    First(A),
    /// Of the second.
    Second(B),
}

use EitherSession::{First, Second};

impl<A: Surface, B: Surface> Surface for Either<A, B> {
    type Session = EitherSession<A::Session, B::Session>;

    fn serves(&self, surface: SurfaceId) -> bool {
        self.0.serves(surface) || self.1.serves(surface)
    }

    fn open(&self, entrance: &Entrance, link: &mut Link<'_>) -> Self::Session {
        if self.0.serves(entrance.kind.surface) {
            First(self.0.open(entrance, link))
        } else {
            Second(self.1.open(entrance, link))
        }
    }

    fn receive(&self, session: &mut Self::Session, bytes: &[u8], link: &mut Link<'_>) -> usize {
        match session {
            First(session) => self.0.receive(session, bytes, link),
            Second(session) => self.1.receive(session, bytes, link),
        }
    }

    fn end_of_input(&self, session: &mut Self::Session, link: &mut Link<'_>) {
        match session {
            First(session) => self.0.end_of_input(session, link),
            Second(session) => self.1.end_of_input(session, link),
        }
    }

    fn reply(&self, session: &mut Self::Session, reply: &Reply, link: &mut Link<'_>) {
        match session {
            First(session) => self.0.reply(session, reply, link),
            Second(session) => self.1.reply(session, reply, link),
        }
    }

    fn all_answered(&self, session: &mut Self::Session, link: &mut Link<'_>) {
        match session {
            First(session) => self.0.all_answered(session, link),
            Second(session) => self.1.all_answered(session, link),
        }
    }

    fn reminded(&self, session: &mut Self::Session, since: Silence, link: &mut Link<'_>) {
        match session {
            First(session) => self.0.reminded(session, since, link),
            Second(session) => self.1.reminded(session, since, link),
        }
    }

    fn reminder(&self, session: &Self::Session) -> Option<Duration> {
        match session {
            First(session) => self.0.reminder(session),
            Second(session) => self.1.reminder(session),
        }
    }

    fn render_in_all(&self, rooms: &[&RoomName], event: &RoomEvent, style: Style, out: &mut Vec<u8>) {
        if self.0.serves(style.surface) {
            self.0.render_in_all(rooms, event, style, out);
        } else {
            self.1.render_in_all(rooms, event, style, out);
        }
    }

    fn render(&self, room: &RoomName, event: &RoomEvent, style: Style, out: &mut Vec<u8>) {
        if self.0.serves(style.surface) {
            self.0.render(room, event, style, out);
        } else {
            self.1.render(room, event, style, out);
        }
    }

    fn deliver(&self, session: &Self::Session, room: &RoomName, body: &[u8], outbox: &mut Vec<u8>) {
        match session {
            First(session) => self.0.deliver(session, room, body, outbox),
            Second(session) => self.1.deliver(session, room, body, outbox),
        }
    }

    fn begun_bytes(&self, session: &Self::Session, outbox: &[u8]) -> usize {
        match session {
            First(session) => self.0.begun_bytes(session, outbox),
            Second(session) => self.1.begun_bytes(session, outbox),
        }
    }

    fn farewell(&self, session: &Self::Session, reason: &CloseReason, out: &mut Vec<u8>) {
        match session {
            First(session) => self.0.farewell(session, reason, out),
            Second(session) => self.1.farewell(session, reason, out),
        }
    }

    fn going_down(&self, session: &Self::Session, out: &mut Vec<u8>) {
        match session {
            First(session) => self.0.going_down(session, out),
            Second(session) => self.1.going_down(session, out),
        }
    }

    fn announce(&self, session: &Self::Session, text: &Text, core: &mut Core) {
        match session {
            First(session) => self.0.announce(session, text, core),
            Second(session) => self.1.announce(session, text, core),
        }
    }

    fn save(&self, session: &Self::Session) -> Option<Vec<u8>> {
        match session {
            First(session) => self.0.save(session),
            Second(session) => self.1.save(session),
        }
    }

    fn restore(&self, entrance: EntranceKind, saved: &[u8]) -> Option<Self::Session> {
        if self.0.serves(entrance.surface) {
            self.0.restore(entrance, saved).map(First)
        } else {
            self.1.restore(entrance, saved).map(Second)
        }
    }

    fn server_full(&self, entrance: EntranceKind) -> &'static [u8] {
        if self.0.serves(entrance.surface) {
            self.0.server_full(entrance)
        } else {
            self.1.server_full(entrance)
        }
    }
}
