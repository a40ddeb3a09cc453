//! The seam between the engine and a protocol: bytes on one side, requests and replies on the other.

use super::core::{CloseReason, Core};
use super::entrance::Entrance;
use super::flood::FloodLimit;
use super::rooms::LocalRooms;
use crate::{ClaimNumber, Now, Reply, Request, RoomEvent, RoomKey, RoomName, Seq, SessionId, Text, UserName};
use std::time::Duration;

/// A way of writing room events that several connections share (line ends, time stamps …), so that
/// an event is rendered once for all of them. The surface gives the number its meaning.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Style(pub u8);

impl Style {
    /// Styles are below this.
    pub const COUNT: usize = 8;
}

/// A protocol by which people reach the shard. It holds no socket and no clock: bytes in,
/// effects on the [`Link`] out.
pub trait Surface: 'static {
    /// What the protocol remembers of one connection. Small: a million of them are idle at once.
    type Session: 'static;

    /// A connection came at this entrance: greet it.
    fn open(&self, entrance: &Entrance, link: &mut Link<'_>) -> Self::Session;

    /// Bytes came. Returns how many were consumed. Fewer than given means that the session waits
    /// for a reply: the rest is offered again after the next reply, and the socket is not read
    /// until then. An incomplete line is consumed and kept by the session.
    fn receive(&self, session: &mut Self::Session, bytes: &[u8], link: &mut Link<'_>) -> usize;

    /// The peer will send no more, and everything it sent is consumed.
    fn end_of_input(&self, session: &mut Self::Session, link: &mut Link<'_>);

    /// An answer came.
    fn reply(&self, session: &mut Self::Session, reply: &Reply, link: &mut Link<'_>);

    /// Writes what one who is in `room` sees of `event`, once for all of one style.
    fn render(&self, room: &RoomName, event: &RoomEvent, style: Style, out: &mut Vec<u8>);

    /// Writes the last words of a connection that is about to be closed.
    fn farewell(&self, session: &Self::Session, reason: &CloseReason, out: &mut Vec<u8>);

    /// Writes the notice that the server is about to stop.
    fn going_down(&self, session: &Self::Session, out: &mut Vec<u8>);

    /// Writes what the operator says to everyone into the outbox.
    fn announce(&self, session: &Self::Session, text: &Text, core: &mut Core);

    /// What must be remembered of a connection for another process to go on with it, as
    /// [`Surface::restore`] understands it. `None` when it cannot go on there: a session that waits
    /// for an answer, or whose bytes only this process can read.
    fn save(&self, _: &Self::Session) -> Option<Vec<u8>> {
        None
    }

    /// Goes on with a connection that another process has saved; the engine's part of it is there
    /// already. `None` when what was saved cannot be understood.
    fn restore(&self, _: &[u8]) -> Option<Self::Session> {
        None
    }

    /// One line for a peer that cannot be given a connection at all (no descriptor left).
    fn server_full(&self) -> &'static [u8];
}

/// What a session can do while it handles one input.
pub struct Link<'a> {
    /// The clocks of this turn.
    pub now: Now,
    /// What the engine knows of this connection.
    pub core: &'a mut Core,
    /// The rooms this shard's connections are in.
    pub rooms: &'a mut LocalRooms,
    /// What is asked of home shards, in order. The engine sends it after the call.
    pub requests: &'a mut Vec<Request>,
    /// The configured message rate.
    pub flood: &'a FloodLimit,
    /// Counts what the rate refuses.
    pub refused_too_fast: &'a mut u64,
    /// How many shards there are: [`Request::Rooms`] is answered that often.
    pub shard_count: u16,
}

impl Link<'_> {
    /// This connection, as other shards name it.
    pub fn session(&self) -> SessionId {
        self.core.session
    }

    /// The name of this connection's user, once claimed.
    pub fn user(&self) -> Option<&UserName> {
        self.core.user.as_ref()
    }

    /// The grant of that name, as [`Request::Join`] says it.
    pub fn claim(&self) -> ClaimNumber {
        self.core.claim
    }

    /// Bytes for the peer. They are sent at the end of the turn, in one write.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.core.outbox
    }

    /// Asks a home shard. `Publish` and `Whisper` are counted until they are answered, so that
    /// [`Link::close`] can wait for them.
    pub fn request(&mut self, request: Request) {
        if matches!(request, Request::Publish { .. } | Request::Whisper { .. }) {
            self.core.outstanding += 1;
        }
        self.requests.push(request);
    }

    /// Takes what costs as much as `count` messages from the connection's allowance.
    ///
    /// # Errors
    /// How long to wait when not enough of it is left.
    pub fn spend(&mut self, count: u32) -> Result<(), Duration> {
        let spent = self.core.flood.spend(count, self.flood, self.now.monotonic);
        *self.refused_too_fast += u64::from(spent.is_err());
        spent
    }

    /// Changes how room events are written to this connection.
    pub fn set_style(&mut self, style: Style) {
        self.core.style = style;
        for subscription in &self.core.subscriptions {
            self.rooms.member_mut(subscription).style = style;
        }
    }

    /// Whether this connection's own messages come back to it. They are acknowledged either way.
    pub fn set_echo(&mut self, is_echoed: bool) {
        self.core.is_echoed = is_echoed;
    }

    /// From now on only this connection's own messages of a room it is leaving are shown to it.
    pub fn hear_only_own(&mut self, room: RoomKey) {
        for subscription in &self.core.subscriptions {
            if self.rooms.room_of(subscription).name.key() == room {
                self.rooms.member_mut(subscription).hears_only_own = true;
            }
        }
    }

    /// The newest message of a room this connection is in, as far as this shard has shown it.
    pub fn head(&self, room: RoomKey) -> Option<Seq> {
        self.rooms.by_key(room).map(|room| room.head)
    }

    /// Ends the connection, once all it said is answered and what is in its outbox is sent. Its
    /// rooms and its name are left cleanly. Nothing more is read from it.
    pub fn close(&mut self, reason: CloseReason) {
        if self.core.closing.is_none() {
            self.core.closing = Some(reason);
        }
    }
}
