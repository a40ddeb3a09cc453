//! Talk that is accounted for: each text says who wrote it, its number and when it was to be sent.

use crate::account::{Ledger, Payload, PayloadFormat, Promises, Record, empty_histogram};
use crate::crowd::Arrived;
use crate::error::BenchError;
use crate::protocol::{Envelope, Frame, Names, Protocol};
use hdrhistogram::Histogram;
use std::net::SocketAddr;

/// Rooms of equal size, or pairs that whisper.
pub(super) struct Talk {
    target: SocketAddr,
    protocol: Protocol,
    format: PayloadFormat,
    members: usize,
    /// What stands around each writer's texts.
    envelopes: Vec<Envelope>,
    /// Each connection's name.
    users: Vec<Box<[u8]>>,
    is_whispered: bool,
    pub(super) ledger: Ledger,
    /// Every delivery, receipts of whispers apart.
    pub(super) record: Record,
    /// From the intended sending to the reading of each receipt.
    pub(super) receipts_ns: Histogram<u64>,
}

/// Who talks to whom.
pub(super) struct Circle<'a> {
    /// The server.
    pub(super) target: SocketAddr,
    /// What it speaks.
    pub(super) protocol: Protocol,
    /// Names of users and rooms.
    pub(super) names: &'a Names,
    /// Rooms, or pairs.
    pub(super) rooms: usize,
    /// Members of each.
    pub(super) members: usize,
    /// Bytes of a text.
    pub(super) size_bytes: usize,
}

/// A delivery that came for the first time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delivered {
    /// Who wrote it.
    pub(super) writer: usize,
    /// When it was meant to be sent, in nanoseconds of the crowd's clock.
    pub(super) intended_ns: u64,
}

impl Talk {
    /// Members talk in rooms.
    pub(super) fn in_rooms(circle: &Circle<'_>, record: Record) -> Talk {
        let envelope = |number: usize| {
            let room = circle.names.room(number / circle.members);
            circle.protocol.to_room(&room, circle.size_bytes)
        };
        Talk::new(circle, record, envelope, circle.protocol.hears_itself(), false)
    }

    /// The two members of each pair whisper to each other, and hear themselves where there is a receipt.
    pub(super) fn in_pairs(circle: &Circle<'_>, record: Record) -> Talk {
        assert_eq!(circle.members, 2, "a pair is two");
        let envelope =
            |number: usize| circle.protocol.to_user(&circle.names.user(number ^ 1), circle.size_bytes);
        Talk::new(circle, record, envelope, circle.protocol.hears_itself(), true)
    }

    /// One user talks to itself: in its room, or over IRC in a whisper, as a room would keep silent.
    pub(super) fn alone(circle: &Circle<'_>, record: Record) -> Talk {
        let is_whispered = circle.protocol == Protocol::Irc;
        let envelope = |_| match circle.protocol {
            Protocol::Irc => circle.protocol.to_user(&circle.names.user(0), circle.size_bytes),
            other => other.to_room(&circle.names.room(0), circle.size_bytes),
        };
        Talk::new(circle, record, envelope, true, is_whispered)
    }

    fn new(
        circle: &Circle<'_>,
        record: Record,
        envelope: impl Fn(usize) -> Envelope,
        hears_itself: bool,
        is_whispered: bool,
    ) -> Talk {
        let Circle { target, protocol, names, rooms, members, size_bytes } = *circle;
        let promises = Promises { hears_itself, has_one_order: protocol.has_one_order() };
        Talk {
            target,
            protocol,
            format: PayloadFormat::new(size_bytes),
            members,
            envelopes: (0..rooms * members).map(envelope).collect(),
            users: (0..rooms * members).map(|number| names.user(number).into_bytes().into()).collect(),
            is_whispered,
            ledger: Ledger::new(rooms, members, promises, names.clone()),
            record,
            receipts_ns: empty_histogram(),
        }
    }

    /// Writes a writer's next message.
    pub(super) fn say(&mut self, writer: usize, intended_ns: u64, outbox: &mut Vec<u8>) {
        let sequence = self.ledger.send(writer);
        let envelope = &self.envelopes[writer];
        outbox.extend_from_slice(&envelope.before);
        self.format.write(Payload { writer: writer as u32, sequence, intended_ns }, outbox);
        outbox.extend_from_slice(envelope.behind);
    }

    /// Takes account of one frame. Returns a delivery that came for the first time.
    ///
    /// # Errors
    /// [`BenchError::Refused`] when the server refuses something.
    pub(super) fn take(&mut self, arrived: &Arrived<'_>) -> Result<Option<Delivered>, BenchError> {
        let (author, whispered_to, text) = match arrived.frame {
            Frame::Said { author, whispered_to, text } => (author, whispered_to, text),
            Frame::Refusal(words) => return Err(BenchError::refused(self.target, self.protocol, words)),
            _ => return Ok(None),
        };
        if whispered_to.is_empty() == self.is_whispered {
            // Talk beside whispers is none of ours; a whisper beside talk was sent by nobody here.
            if !self.is_whispered {
                self.ledger.damaged(arrived.connection, text);
            }
            return Ok(None);
        }
        let is_true = |payload: &Payload| self.is_true(payload, author, whispered_to, arrived);
        let Some(payload) = self.format.read(text).filter(is_true) else {
            self.ledger.damaged(arrived.connection, text);
            return Ok(None);
        };
        let writer = payload.writer as usize;
        if !self.ledger.receive(arrived.connection, writer, payload.sequence) {
            return Ok(None);
        }
        if self.is_whispered && self.members == 2 && writer == arrived.connection {
            self.receipts_ns.saturating_record(arrived.read_at_ns.saturating_sub(payload.intended_ns));
        } else {
            self.record.delivery(payload.intended_ns, arrived.read_at_ns);
        }
        Ok(Some(Delivered { writer, intended_ns: payload.intended_ns }))
    }

    /// Whether that author sent it, and to somewhere the receiver hears.
    fn is_true(&self, payload: &Payload, author: &[u8], whispered_to: &[u8], arrived: &Arrived<'_>) -> bool {
        let writer = payload.writer as usize;
        let is_for = |addressee: usize| self.users.get(addressee).is_some_and(|user| **user == *whispered_to);
        self.ledger.is_plausible(arrived.connection, writer, payload.sequence)
            && (author.is_empty() || *author == *self.users[writer])
            // The other one of a pair, or oneself.
            && (!self.is_whispered || is_for(writer ^ (self.members - 1)))
    }

    /// The member behind this one in its room.
    pub(super) fn next_member(&self, number: usize) -> usize {
        let room = number / self.members;
        room * self.members + (number + 1 - room * self.members) % self.members
    }

    /// Members of a room.
    pub(super) fn members(&self) -> usize {
        self.members
    }

    /// Whether an author is owed its own messages.
    pub(super) fn hears_itself(&self) -> bool {
        self.ledger.hears_itself()
    }

    /// How many connections are accounted for.
    pub(super) fn connections(&self) -> usize {
        self.users.len()
    }
}
