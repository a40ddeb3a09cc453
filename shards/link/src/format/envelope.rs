//! The headers of batches and envelopes.

use super::fault::WireFault;
use super::kind::Kind;
use crate::bounds::{BATCH_BYTES_MAX, BATCH_ENVELOPES_MAX, BATCH_HEADER_BYTES};

/// What every batch begins with.
pub const MAGIC: [u8; 4] = *b"MDLK";
/// Bytes of the header of an envelope.
pub const ENVELOPE_HEADER_BYTES: usize = 8;
/// Envelopes begin at multiples of this, so that a body can be read where it lies.
pub const ALIGN_BYTES: usize = 8;

/// An envelope that came, its body not validated yet.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// The version of its body; 0 for those that come before a version is agreed on.
    pub version: u16,
    /// What it is.
    pub kind: Kind,
    /// The archive, aligned.
    pub body: &'a [u8],
    /// How much of the window it uses: header, body and padding.
    pub bytes: usize,
}

/// The header of a batch.
#[derive(Clone, Copy, Debug)]
pub struct BatchHeader {
    /// Bytes of its envelopes.
    pub bytes: usize,
    /// How many they are.
    pub envelopes: usize,
}

impl BatchHeader {
    /// Writes it.
    pub fn encode(self) -> [u8; BATCH_HEADER_BYTES] {
        let mut header = [0; BATCH_HEADER_BYTES];
        header[..4].copy_from_slice(&MAGIC);
        // Both are bounded far below 2^32.
        header[4..8].copy_from_slice(&(self.bytes as u32).to_le_bytes());
        header[8..12].copy_from_slice(&(self.envelopes as u32).to_le_bytes());
        header
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`WireFault`] when it is none, or beyond a bound.
    pub fn decode(header: &[u8; BATCH_HEADER_BYTES]) -> Result<BatchHeader, WireFault> {
        let [m0, m1, m2, m3, ..] = *header;
        if [m0, m1, m2, m3] != MAGIC {
            return Err(WireFault::Magic { found: [m0, m1, m2, m3] });
        }
        let bytes = u32_at(header, 4);
        let bytes_max = BATCH_BYTES_MAX - BATCH_HEADER_BYTES;
        if bytes == 0 || bytes as usize > bytes_max {
            return Err(WireFault::BatchBytes { bytes: u64::from(bytes), bytes_max });
        }
        let envelopes = u32_at(header, 8);
        if envelopes == 0 || envelopes as usize > BATCH_ENVELOPES_MAX {
            return Err(WireFault::BatchEnvelopes { envelopes, envelopes_max: BATCH_ENVELOPES_MAX });
        }
        if u32_at(header, 12) != 0 {
            return Err(WireFault::NotZero);
        }
        Ok(BatchHeader { bytes: bytes as usize, envelopes: envelopes as usize })
    }
}

/// The header of an envelope.
pub fn envelope_header(body_bytes: usize, version: u16, kind: Kind) -> [u8; ENVELOPE_HEADER_BYTES] {
    let mut header = [0; ENVELOPE_HEADER_BYTES];
    header[..4].copy_from_slice(&(body_bytes as u32).to_le_bytes());
    header[4..6].copy_from_slice(&version.to_le_bytes());
    header[6..].copy_from_slice(&(kind as u16).to_le_bytes());
    header
}

/// Takes the first envelope off the envelopes of a batch.
///
/// # Errors
/// [`WireFault`] when there is none.
pub fn split_envelope(bytes: &[u8]) -> Result<(Envelope<'_>, &[u8]), WireFault> {
    let (header, rest) = bytes.split_at_checked(ENVELOPE_HEADER_BYTES).ok_or(WireFault::BatchFill)?;
    let body_bytes = u32_at(header, 0) as usize;
    let (body, rest) = rest.split_at_checked(body_bytes).ok_or(WireFault::BatchFill)?;
    let padding_bytes = body_bytes.next_multiple_of(ALIGN_BYTES) - body_bytes;
    let (padding, rest) = rest.split_at_checked(padding_bytes).ok_or(WireFault::BatchFill)?;
    if padding.iter().any(|byte| *byte != 0) {
        return Err(WireFault::NotZero);
    }
    let number = u16_at(header, 6);
    let kind = Kind::of(number).ok_or(WireFault::UnknownKind { kind: number })?;
    let bytes = ENVELOPE_HEADER_BYTES + body_bytes + padding_bytes;
    Ok((Envelope { version: u16_at(header, 4), kind, body, bytes }, rest))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}
