//! Envelopes and batches that are to be sent.

use super::envelope::{ALIGN_BYTES, BatchHeader, ENVELOPE_HEADER_BYTES, envelope_header};
use super::kind::Kind;
use crate::bounds::{BATCH_BYTES_MAX, BATCH_ENVELOPES_MAX, BATCH_HEADER_BYTES, ENVELOPE_BYTES_MAX};
use rkyv::Serialize;
use rkyv::rancor::{Panic, Strategy};
use rkyv::ser::allocator::{Arena, ArenaHandle};
use rkyv::ser::{Positional, Serializer, Writer};
use std::fmt;

/// What bodies are archived with.
pub type BodySerializer<'a, 'b> = Strategy<Serializer<BodyWriter<'a>, ArenaHandle<'b>, ()>, Panic>;

/// What can be the body of an envelope.
pub trait Body: for<'a, 'b> Serialize<BodySerializer<'a, 'b>> {}

impl<T> Body for T where T: for<'a, 'b> Serialize<BodySerializer<'a, 'b>> {}

/// An envelope that is longer than envelopes may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooLong {
    /// How long it would be.
    pub bytes: usize,
}

/// Archives bodies into envelopes, one at a time, with memory that is used again.
#[derive(Default)]
pub struct EnvelopeEncoder {
    bytes: Vec<u8>,
    arena: Arena,
}

impl EnvelopeEncoder {
    /// A whole envelope.
    ///
    /// # Errors
    /// [`TooLong`] when it would fit into no batch.
    pub fn encode(&mut self, version: u16, kind: Kind, body: &impl Body) -> Result<&[u8], TooLong> {
        self.bytes.clear();
        self.bytes.resize(ENVELOPE_HEADER_BYTES, 0);
        let writer = BodyWriter { bytes: &mut self.bytes };
        let mut serializer = Serializer::new(writer, self.arena.acquire(), ());
        let written = rkyv::api::serialize_using::<_, Panic>(body, &mut serializer);
        written.unwrap_or_else(|never| match never {});
        let body_bytes = self.bytes.len() - ENVELOPE_HEADER_BYTES;
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGN_BYTES), 0);
        let bytes = self.bytes.len();
        if bytes > ENVELOPE_BYTES_MAX {
            return Err(TooLong { bytes });
        }
        let header = envelope_header(body_bytes, version, kind);
        self.bytes[..ENVELOPE_HEADER_BYTES].copy_from_slice(&header);
        Ok(&self.bytes)
    }
}

impl fmt::Debug for EnvelopeEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvelopeEncoder").finish_non_exhaustive()
    }
}

/// A batch that is being filled.
///
/// Invariant: `bytes` is empty, or a header that is still zero and `envelopes` whole envelopes.
#[derive(Debug, Default)]
pub struct BatchBuilder {
    bytes: Vec<u8>,
    envelopes: usize,
}

impl BatchBuilder {
    /// Bytes of its envelopes.
    pub fn envelope_bytes(&self) -> usize {
        self.bytes.len().saturating_sub(BATCH_HEADER_BYTES)
    }

    /// Whether an envelope still fits.
    pub fn fits(&self, envelope: &[u8]) -> bool {
        let bytes = self.bytes.len().max(BATCH_HEADER_BYTES) + envelope.len();
        bytes <= BATCH_BYTES_MAX && self.envelopes < BATCH_ENVELOPES_MAX
    }

    /// Adds a whole envelope.
    ///
    /// # Panics
    /// When it does not fit: the caller has not asked.
    pub fn add(&mut self, envelope: &[u8]) {
        assert!(self.fits(envelope), "an envelope is added to a batch that has room for it");
        if self.bytes.is_empty() {
            self.bytes.resize(BATCH_HEADER_BYTES, 0);
        }
        self.bytes.extend_from_slice(envelope);
        self.envelopes += 1;
    }

    /// The whole batch; nothing when it has no envelope.
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        if self.envelopes == 0 {
            return None;
        }
        let (bytes, envelopes) = (self.envelope_bytes(), std::mem::take(&mut self.envelopes));
        let mut batch = std::mem::take(&mut self.bytes);
        batch[..BATCH_HEADER_BYTES].copy_from_slice(&BatchHeader { bytes, envelopes }.encode());
        Some(batch)
    }
}

/// Writes a body behind the header of its envelope. Positions are counted from its start, which is aligned.
#[derive(Debug)]
pub struct BodyWriter<'a> {
    bytes: &'a mut Vec<u8>,
}

impl Positional for BodyWriter<'_> {
    fn pos(&self) -> usize {
        self.bytes.len() - ENVELOPE_HEADER_BYTES
    }
}

impl Writer<Panic> for BodyWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Panic> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}
