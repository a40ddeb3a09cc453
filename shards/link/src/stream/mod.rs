//! What both ends have in common: batches in and out, the credit of both directions, and silence.

mod credit;
mod outgoing;

pub use outgoing::NotQueued;

use crate::body::control::{ArchivedPingBody, ArchivedTakenBody, GoodbyeBody, VERSION_OF_ALL};
use crate::body::open;
use crate::bounds::{HELLO_MS_MAX, LAST_WORDS_BYTES_MAX, PING_AFTER_MS, SILENCE_MS_MAX};
use crate::format::{BatchReader, Body, Envelope, Kind, WireFault};
use credit::ReceiveCredit;
use madang_model::Moment;
use outgoing::Outgoing;

/// What both ends have agreed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Agreement {
    /// The version of requests and events.
    pub version: u16,
    /// Bytes that the other end takes ahead.
    pub window_bytes: u32,
}

/// One life of the stream between the two ends.
#[derive(Debug)]
pub struct Stream {
    reader: BatchReader,
    outgoing: Outgoing,
    incoming: ReceiveCredit,
    /// The version of requests and events; 0 until both have agreed.
    version: u16,
    now: Moment,
    heard_at: Moment,
    /// Since when there is this stream: the first envelope has its time from then on, however slowly it comes.
    began_at: Moment,
    said_at: Moment,
}

impl Stream {
    /// A stream that begins; the other end may send `window_bytes` that are not taken.
    pub fn new(window_bytes: u32, now: Moment) -> Stream {
        Stream {
            reader: BatchReader::default(),
            outgoing: Outgoing::default(),
            incoming: ReceiveCredit::new(window_bytes),
            version: VERSION_OF_ALL,
            now,
            heard_at: now,
            began_at: now,
            said_at: now,
        }
    }

    /// The version that was agreed on; 0 before.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// Bytes came. `read` is given every envelope, except those of credit and pings, and returns what the ends agree on.
    ///
    /// # Errors
    /// [`WireFault`] of the other end: nothing more can be received.
    pub fn receive(
        &mut self,
        bytes: &[u8],
        now: Moment,
        mut read: impl FnMut(Envelope<'_>) -> Result<Option<Agreement>, WireFault>,
    ) -> Result<(), WireFault> {
        self.now = now;
        if !bytes.is_empty() {
            self.heard_at = now;
        }
        let Stream { reader, outgoing, incoming, version: agreed, .. } = self;
        reader.receive(bytes, |envelope| {
            let Envelope { version, kind, body, bytes } = envelope;
            let expected = if kind.needs_credit() { *agreed } else { VERSION_OF_ALL };
            let is_too_soon = kind.needs_credit() && expected == VERSION_OF_ALL;
            if version != expected || is_too_soon {
                return Err(WireFault::Version { version, agreed: *agreed });
            }
            match kind {
                Kind::Taken => {
                    let taken = open::<ArchivedTakenBody>(kind, body)?.bytes.to_native();
                    outgoing.taken(taken)
                }
                Kind::Ping => open::<ArchivedPingBody>(kind, body).map(|_| ()),
                _ => {
                    if kind.needs_credit() {
                        incoming.receive(bytes)?;
                    }
                    if let Some(Agreement { version, window_bytes }) = read(envelope)? {
                        *agreed = version;
                        outgoing.grant(window_bytes);
                    }
                    Ok(())
                }
            }
        })
    }

    /// What came and had credit is taken: the other end may send as much more.
    pub fn take(&mut self, bytes: usize) {
        self.incoming.take(bytes);
        if let Some(taken) = self.incoming.due() {
            self.outgoing.announce_taken(taken);
        }
    }

    /// Sends something about the link, before all that waits.
    pub fn say(&mut self, kind: Kind, body: &impl Body) {
        self.outgoing.say(kind, body);
    }

    /// Sends something that needs credit, in its order.
    ///
    /// # Errors
    /// [`NotQueued`] when it is too long, or more than `waiting_bytes_max` would wait.
    pub fn queue(&mut self, kind: Kind, body: &impl Body, waiting_bytes_max: usize) -> Result<(), NotQueued> {
        self.outgoing.queue(self.version, kind, body, waiting_bytes_max)
    }

    /// Bytes that wait for credit or for the socket to be ready for them.
    pub fn waiting_bytes(&self) -> usize {
        self.outgoing.waiting_bytes()
    }

    /// What is to be written now.
    pub fn output(&mut self) -> &[u8] {
        if self.outgoing.load() {
            self.said_at = self.now;
        }
        self.outgoing.ready()
    }

    /// This much of it was written.
    pub fn sent(&mut self, bytes: usize) {
        self.outgoing.sent(bytes);
    }

    /// Nothing that needs credit is sent any more; the last envelope gives the reason.
    pub fn end(&mut self, words: Option<&str>) {
        self.outgoing.forget_waiting();
        if let Some(words) = words {
            let words = &words[..words.floor_char_boundary(LAST_WORDS_BYTES_MAX)];
            self.say(Kind::Goodbye, &GoodbyeBody { words });
        }
    }

    /// Time has passed. Returns for how long the other end has been silent, when that is too long.
    pub fn tick(&mut self, now: Moment) -> Option<u64> {
        self.now = now;
        let (since, silent_ms_max) = match self.version {
            VERSION_OF_ALL => (self.began_at, HELLO_MS_MAX),
            _ => (self.heard_at, SILENCE_MS_MAX),
        };
        let silent_ms = now.since_ms(since);
        if silent_ms > silent_ms_max {
            return Some(silent_ms);
        }
        if now.since_ms(self.said_at) >= PING_AFTER_MS && self.version != VERSION_OF_ALL {
            self.outgoing.ping();
        }
        None
    }
}
