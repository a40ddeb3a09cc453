//! The protocols that are spoken.

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

    /// What such a server promises of a message that it has taken, in a few words.
    pub fn promise(self) -> &'static str {
        match self {
            Protocol::Line => "stored before anyone sees it, one order a room",
            Protocol::Irc | Protocol::Redis | Protocol::Nats => "in memory, at most once, nothing kept",
        }
    }
}
