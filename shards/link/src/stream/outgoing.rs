//! What an end has to send, in order, as far as the other end takes it.

use super::credit::SendCredit;
use crate::body::control::{PingBody, TakenBody, VERSION_OF_ALL};
use crate::bounds::{BATCH_BYTES_GOAL, OUTPUT_BYTES_GOAL};
use crate::format::{BatchBuilder, Body, EnvelopeEncoder, Kind, TooLong, WireFault};
use std::collections::VecDeque;

/// Why something is not sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotQueued {
    /// It is longer than an envelope may be.
    TooLong {
        /// How long.
        bytes: usize,
    },
    /// Too much waits already.
    Full {
        /// What would wait with it.
        bytes: usize,
    },
}

/// What is to be sent.
///
/// Invariant: `waiting_bytes` is the sum of the envelopes of `open` and `finished`.
#[derive(Debug, Default)]
pub struct Outgoing {
    encoder: EnvelopeEncoder,
    /// What is being written, and how much of it was.
    ready: Vec<u8>,
    sent: usize,
    /// What is sent about the link, each kind at most once in a life: so it is bounded.
    control: BatchBuilder,
    /// What was taken of the other end, as it is when it is written.
    taken: Option<u64>,
    is_ping_due: bool,
    /// What waits for credit.
    finished: VecDeque<Finished>,
    open: BatchBuilder,
    waiting_bytes: usize,
    credit: SendCredit,
}

#[derive(Debug)]
struct Finished {
    batch: Vec<u8>,
    credit_bytes: usize,
}

impl Outgoing {
    /// The other end takes this many bytes ahead.
    pub fn grant(&mut self, window_bytes: u32) {
        self.credit.grant(window_bytes);
    }

    /// The other end has taken this many bytes, counted from the beginning.
    ///
    /// # Errors
    /// [`WireFault::Taken`] when they were never sent.
    pub fn taken(&mut self, taken_bytes: u64) -> Result<(), WireFault> {
        self.credit.taken(taken_bytes)
    }

    /// Sends something about the link.
    ///
    /// # Panics
    /// When it fits into no batch: such envelopes are short, and sent once.
    pub fn say(&mut self, kind: Kind, body: &impl Body) {
        let Outgoing { encoder, control, .. } = self;
        let envelope = encoder.encode(VERSION_OF_ALL, kind, body);
        control.add(envelope.expect("what is sent about the link is short"));
    }

    /// Announces to the other end how much was taken.
    pub fn announce_taken(&mut self, taken_bytes: u64) {
        self.taken = Some(taken_bytes);
    }

    /// Shows the other end that this one is alive, unless something else is sent anyway.
    pub fn ping(&mut self) {
        self.is_ping_due = true;
    }

    /// Adds what needs credit.
    ///
    /// # Errors
    /// [`NotQueued`], and nothing is added.
    pub fn queue(
        &mut self,
        version: u16,
        kind: Kind,
        body: &impl Body,
        waiting_bytes_max: usize,
    ) -> Result<(), NotQueued> {
        let envelope = match self.encoder.encode(version, kind, body) {
            Ok(envelope) => envelope,
            Err(TooLong { bytes }) => return Err(NotQueued::TooLong { bytes }),
        };
        let bytes = self.waiting_bytes + envelope.len();
        if bytes > waiting_bytes_max {
            return Err(NotQueued::Full { bytes });
        }
        self.waiting_bytes = bytes;
        if !self.open.fits(envelope) {
            finish(&mut self.open, &mut self.finished);
        }
        self.open.add(envelope);
        if self.open.envelope_bytes() >= BATCH_BYTES_GOAL {
            finish(&mut self.open, &mut self.finished);
        }
        Ok(())
    }

    /// Bytes of envelopes that wait.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Makes what may be sent ready to be written, when all before it is. Returns whether there is more now.
    pub fn load(&mut self) -> bool {
        if self.sent < self.ready.len() {
            return false;
        }
        self.ready.clear();
        self.sent = 0;
        self.load_control();
        while self.ready.len() < OUTPUT_BYTES_GOAL {
            if self.finished.is_empty() && self.credit.covers(self.open.envelope_bytes()) {
                finish(&mut self.open, &mut self.finished);
            }
            let credit = &self.credit;
            let Some(next) = self.finished.pop_front_if(|next| credit.covers(next.credit_bytes)) else {
                break;
            };
            self.credit.spend(next.credit_bytes);
            self.waiting_bytes -= next.credit_bytes;
            self.ready.extend_from_slice(&next.batch);
        }
        if self.ready.is_empty() && std::mem::take(&mut self.is_ping_due) {
            self.say(Kind::Ping, &PingBody { zero: 0 });
            self.load_control();
        }
        self.is_ping_due = false;
        !self.ready.is_empty()
    }

    fn load_control(&mut self) {
        if let Some(bytes) = self.taken.take() {
            self.say(Kind::Taken, &TakenBody { bytes });
        }
        if let Some(batch) = self.control.finish() {
            self.ready.extend_from_slice(&batch);
        }
    }

    /// What is to be written now.
    pub fn ready(&self) -> &[u8] {
        &self.ready[self.sent..]
    }

    /// This much of it was written.
    ///
    /// # Panics
    /// When there was less.
    pub fn sent(&mut self, bytes: usize) {
        self.sent += bytes;
        assert!(self.sent <= self.ready.len(), "only what is ready is written");
        if self.sent == self.ready.len() {
            self.ready.clear();
            self.sent = 0;
            // What one write has needed is kept, not what a long page did.
            self.ready.shrink_to(2 * OUTPUT_BYTES_GOAL);
        }
    }

    /// Drops what waits for credit.
    pub fn forget_waiting(&mut self) {
        self.finished = VecDeque::new();
        self.open = BatchBuilder::default();
        self.waiting_bytes = 0;
    }
}

fn finish(open: &mut BatchBuilder, finished: &mut VecDeque<Finished>) {
    let credit_bytes = open.envelope_bytes();
    if let Some(batch) = open.finish() {
        finished.push_back(Finished { batch, credit_bytes });
    }
}
