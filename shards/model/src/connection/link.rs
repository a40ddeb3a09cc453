//! What a protocol can do while it handles one input.

use super::closing::CloseReason;
use super::core::Core;
use super::flood::FloodLimit;
use super::rooms::LocalRooms;
use super::style::Style;
use crate::{ClaimNumber, Now, Request, RoomKey, Seq, SessionId, UserName};
use std::time::Duration;

/// The longest that input is delayed at a time.
pub const DELAY_MAX: Duration = Duration::from_secs(60);
/// The longest that a reminder is waited for. What is waited for outlives its connection, so that this bounds memory.
pub const REMINDER_MAX: Duration = Duration::from_secs(600);

/// What a session asks of the engine, beside requests to homes. The engine does it after the call.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct FollowUp {
    /// To read nothing for this long.
    pub delay: Option<Duration>,
    /// To be called after this time.
    pub reminder: Option<Duration>,
    /// To be called when everything is answered.
    pub wants_answered_call: bool,
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
    /// What is asked of the engine.
    pub follow_up: &'a mut FollowUp,
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

    /// Reads nothing more of this connection for `time`, at most [`DELAY_MAX`]: slows down a sender that is too fast,
    /// instead of refusing. Up to a second longer, as the engine looks at its clocks once a second; shorter where a
    /// drain or a handover comes. Until it ends, asking again changes nothing. What [`Surface::receive`] did not consume
    /// is offered again then, and the end of input is reported then.
    ///
    /// [`Surface::receive`]: super::Surface::receive
    pub fn delay_input(&mut self, time: Duration) {
        self.follow_up.delay = Some(time);
    }

    /// Calls [`Surface::reminded`] after `time`, at most [`REMINDER_MAX`], or up to a second later. One call at most
    /// is waited for: until it comes, asking again changes nothing.
    ///
    /// [`Surface::reminded`]: super::Surface::reminded
    pub fn remind_after(&mut self, time: Duration) {
        self.follow_up.reminder = Some(time);
    }

    /// Calls [`Surface::all_answered`] once nothing is unanswered that this connection has asked with `Publish` and
    /// `Whisper`; soon, when that is so already; not at all, when it is closed before. Asking more meanwhile puts the
    /// call off: a session that wants to know of what it has asked so far leaves the rest of its input unconsumed, which is
    /// offered again after the call.
    ///
    /// [`Surface::all_answered`]: super::Surface::all_answered
    pub fn call_when_answered(&mut self) {
        self.follow_up.wants_answered_call = true;
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
