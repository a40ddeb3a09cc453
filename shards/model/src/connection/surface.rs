//! The seam between the engine and a protocol: bytes on one side, requests and replies on the other.

use super::closing::CloseReason;
use super::core::Core;
use super::entrance::{Entrance, EntranceKind, SurfaceId};
use super::link::Link;
use super::style::Style;
use crate::{Reply, RoomEvent, RoomName, Text};
use std::time::Duration;

/// A protocol by which people reach the shard. It holds no socket and no clock: bytes in,
/// effects on the [`Link`] out.
pub trait Surface: 'static {
    /// What the protocol remembers of one connection. Small: a million of them are idle at once.
    type Session: 'static;

    /// Whether connections of this protocol are its own.
    fn serves(&self, surface: SurfaceId) -> bool;

    /// A connection came at this entrance: greet it.
    fn open(&self, entrance: &Entrance, link: &mut Link<'_>) -> Self::Session;

    /// Bytes came. Returns how many were consumed. Fewer than given means that the session waits
    /// for a reply: the rest is offered again after the next reply, and the socket is not read
    /// until then. An incomplete line is consumed and kept by the session.
    fn receive(&self, session: &mut Self::Session, bytes: &[u8], link: &mut Link<'_>) -> usize;

    /// The peer will send no more, and everything it sent is consumed. OnProgress again after each answer while the
    /// connection stays open.
    fn end_of_input(&self, session: &mut Self::Session, link: &mut Link<'_>);

    /// An answer came.
    fn reply(&self, session: &mut Self::Session, reply: &Reply, link: &mut Link<'_>);

    /// Everything that the session has asked with `Publish` and `Whisper` is answered; called if it was asked for with
    /// [`Link::call_when_answered`].
    fn all_answered(&self, session: &mut Self::Session, link: &mut Link<'_>) {
        let _ = (session, link);
    }

    /// The time has passed that [`Link::remind_after`] was given.
    fn reminded(&self, session: &mut Self::Session, since: Silence, link: &mut Link<'_>) {
        let _ = (session, since, link);
    }

    /// When a session that was carried over from another process wants to be reminded first.
    fn reminder(&self, session: &Self::Session) -> Option<Duration> {
        let _ = session;
        None
    }

    /// Writes what the members of `room` see of `event`, once for all of one style.
    fn render(&self, room: &RoomName, event: &RoomEvent, style: Style, out: &mut Vec<u8>);

    /// Writes what a reader sees of `event` that shares all of these rooms, at least two, with the one whom it is about:
    /// nothing comes from the others. By default it is written for each of them.
    fn render_in_all(&self, rooms: &[&RoomName], event: &RoomEvent, style: Style, out: &mut Vec<u8>) {
        rooms.iter().for_each(|room| self.render(room, event, style, out));
    }

    /// Adds to the outbox of one reader what [`Surface::render`] has written for its style. A protocol whose readers
    /// differ in a header writes that here, before the body; what it adds beyond the body may pass the bound of
    /// an outbox.
    fn deliver(&self, session: &Self::Session, room: &RoomName, body: &[u8], outbox: &mut Vec<u8>) {
        let _ = (session, room);
        outbox.extend_from_slice(body);
    }

    /// A slow reader is cut off: how many bytes of its outbox, from the front, are the rest of what was sent to it in
    /// part. They stay, and the last words follow them; all others are dropped.
    fn begun_bytes(&self, session: &Self::Session, outbox: &[u8]) -> usize;

    /// Writes the last words of a connection that is about to be closed.
    fn farewell(&self, session: &Self::Session, reason: &CloseReason, out: &mut Vec<u8>);

    /// Writes the notice that the server is about to stop.
    fn going_down(&self, session: &Self::Session, out: &mut Vec<u8>);

    /// Writes what the operator says to everyone into the outbox.
    fn announce(&self, session: &Self::Session, text: &Text, core: &mut Core);

    /// What must be remembered of a connection for another process to resume it, as
    /// [`Surface::restore`] understands it. `None` when it cannot be resumed there: a session that waits
    /// for an answer, or whose bytes only this process can read.
    fn save(&self, _: &Self::Session) -> Option<Vec<u8>> {
        None
    }

    /// Resumes a connection that came in so, and that another process has saved; the engine's part of it is there
    /// already. `None` when what was saved cannot be understood.
    fn restore(&self, entrance: EntranceKind, saved: &[u8]) -> Option<Self::Session> {
        let _ = (entrance, saved);
        None
    }

    /// What is said to a peer that cannot be given a connection at all (no descriptor left).
    fn server_full(&self, entrance: EntranceKind) -> &'static [u8];
}

/// What happened on a connection since it asked to be reminded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Silence {
    /// Nothing was received, though the connection was read.
    pub has_heard_nothing: bool,
    /// Nothing was sent.
    pub has_sent_nothing: bool,
}
