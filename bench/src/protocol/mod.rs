//! The protocols that are spoken: bytes to frames and back, without a socket or a clock.
//!
//! Each module knows how its server proves what it is, how a user enters, how a text is said, and where one frame
//! ends. All of them number nothing and keep no state but how far a user has come.

mod entry;
mod frame;
mod irc;
mod line;
mod nats;
mod redis;
#[cfg(test)]
mod tests;

pub(crate) use entry::{EntryFault, Guest, Names, Stage};
pub(crate) use frame::{Envelope, Frame};

/// What a server speaks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Protocol {
    /// Madang's lines. Every workload.
    Line,
    /// IRC (RFC 1459, RFC 2812). `echo`, `fanout`, `idle` and `whisper`.
    Irc,
    /// Redis Pub/Sub (RESP3: Redis 6 or newer). `echo`, `fanout` and `idle`.
    Redis,
    /// NATS's text protocol. `echo`, `fanout` and `idle`.
    Nats,
}

impl Protocol {
    /// Its name, as in a target's `irc://`: `madang`, `irc`, `redis`, `nats`.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Line => "madang",
            Protocol::Irc => "irc",
            Protocol::Redis => "redis",
            Protocol::Nats => "nats",
        }
    }

    /// How its deliveries are counted, to be known when they are compared.
    pub(crate) fn counting(self) -> Option<&'static str> {
        match self {
            Protocol::Line => None,
            Protocol::Irc => Some(
                "IRC: a server sends a member everything but its own messages, so that each message is one \
                 delivery less than the room has members; saturated, the next member sends when it receives \
                 the message before. The load acknowledges at once what it reads (TCP_QUICKACK), as these \
                 servers leave Nagle's delay on",
            ),
            Protocol::Redis => Some(
                "Redis: each member has one connection (RESP3), which subscribes and publishes and receives its \
                 own messages too; the integer reply to PUBLISH is not counted",
            ),
            Protocol::Nats => Some(
                "NATS: each member has one connection, which receives its own messages too (echo), without \
                 acknowledgements (verbose off)",
            ),
        }
    }

    /// Whether an author receives its own messages.
    pub(crate) fn hears_itself(self) -> bool {
        self != Protocol::Irc
    }

    /// Whether all members of a room are promised the same order, own messages included.
    pub(crate) fn has_one_order(self) -> bool {
        matches!(self, Protocol::Line | Protocol::Redis)
    }

    /// What to do when such a server refuses or limits.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Protocol::Line => {
                "start it with --set limits.messages_per_second=0 and with limits that fit the load; its journal says more"
            }
            Protocol::Irc => "lift its flood, throttle and connection limits: bench/peers has configurations",
            Protocol::Redis => "give it no password, maxclients and output buffers that fit: see bench/peers",
            Protocol::Nats => "give it no authorization, and limits that fit the load: see bench/peers",
        }
    }

    /// The first frame in `bytes` and how many of them it takes; `None` when it has not all come.
    pub(crate) fn next_frame(self, bytes: &[u8]) -> Option<(usize, Frame<'_>)> {
        match self {
            Protocol::Line => line::next_frame(bytes),
            Protocol::Irc => irc::next_frame(bytes),
            Protocol::Redis => redis::next_frame(bytes),
            Protocol::Nats => nats::next_frame(bytes),
        }
    }

    /// Where a new connection begins, and what it says at once. The first one waits for the server to
    /// say what it is, where it does that by itself.
    pub(crate) fn greet(self, guest: &Guest, is_first: bool, out: &mut Vec<u8>) -> Stage {
        match self {
            Protocol::Line if is_first => return Stage::Silent,
            Protocol::Line => line::say_name(guest, out),
            Protocol::Irc => irc::register(guest, out),
            Protocol::Redis => redis::subscribe(guest, out),
            Protocol::Nats => nats::subscribe(guest, out),
        }
        Stage::Naming
    }

    /// Whether only a server of this protocol says such a thing.
    pub(crate) fn is_proved_by(self, frame: &Frame<'_>) -> bool {
        match self {
            Protocol::Line => *frame == Frame::Prompt,
            Protocol::Irc | Protocol::Redis | Protocol::Nats => *frame != Frame::Foreign,
        }
    }

    /// Takes one frame on the way in, and says what comes next.
    ///
    /// # Errors
    /// [`EntryFault`] when the server does not let the guest in.
    pub(crate) fn proceed(
        self,
        stage: &mut Stage,
        guest: &Guest,
        frame: &Frame<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), EntryFault> {
        match self {
            Protocol::Line => line::proceed(stage, guest, frame, out),
            Protocol::Irc => irc::proceed(stage, guest, frame, out),
            Protocol::Redis => redis::proceed(stage, guest, frame),
            Protocol::Nats => nats::proceed(stage, frame),
        }
    }

    /// What stands around a text that is said in a room.
    pub(crate) fn to_room(self, room: &str, size_bytes: usize) -> Envelope {
        match self {
            Protocol::Line => line::to_room(),
            Protocol::Irc => irc::to_room(room),
            Protocol::Redis => redis::to_channel(room, size_bytes),
            Protocol::Nats => nats::to_subject(room, size_bytes),
        }
    }

    /// What stands around a text that is whispered to a user.
    pub(crate) fn to_user(self, user: &str, size_bytes: usize) -> Envelope {
        match self {
            Protocol::Line => line::to_user(user),
            Protocol::Irc => irc::to_user(user),
            Protocol::Redis => redis::to_channel(user, size_bytes),
            Protocol::Nats => nats::to_subject(user, size_bytes),
        }
    }

    /// The answer to [`Frame::Ping`].
    pub(crate) fn pong(self, words: &[u8], out: &mut Vec<u8>) {
        match self {
            Protocol::Irc => irc::pong(words, out),
            Protocol::Nats => out.extend_from_slice(b"PONG\r\n"),
            Protocol::Line | Protocol::Redis => {}
        }
    }
}
