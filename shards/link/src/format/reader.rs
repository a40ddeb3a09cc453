//! Bytes of the other end, until they are whole batches.

use super::envelope::{BatchHeader, Envelope, split_envelope};
use super::fault::WireFault;
use crate::bounds::BATCH_HEADER_BYTES;
use rkyv::util::AlignedVec;

/// Puts batches together, wherever the stream cuts them.
///
/// Invariant: `bytes` is less than one batch; never more than `BATCH_BYTES_MAX`.
#[derive(Debug, Default)]
pub struct BatchReader {
    bytes: AlignedVec<16>,
    header: Option<BatchHeader>,
}

impl BatchReader {
    /// Takes bytes, and hands on every envelope of each batch that is whole.
    ///
    /// # Errors
    /// [`WireFault`] of a batch or envelope, or from `handle`. The stream cannot be read on after it.
    pub fn receive(
        &mut self,
        mut bytes: &[u8],
        mut handle: impl FnMut(Envelope<'_>) -> Result<(), WireFault>,
    ) -> Result<(), WireFault> {
        while !bytes.is_empty() {
            let wanted = match self.header {
                None => BATCH_HEADER_BYTES - self.bytes.len(),
                Some(header) => BATCH_HEADER_BYTES + header.bytes - self.bytes.len(),
            };
            let (taken, rest) = bytes.split_at(wanted.min(bytes.len()));
            self.bytes.extend_from_slice(taken);
            bytes = rest;
            if taken.len() < wanted {
                return Ok(());
            }
            match self.header.take() {
                None => {
                    let header = self.bytes.first_chunk().ok_or(WireFault::BatchFill)?;
                    self.header = Some(BatchHeader::decode(header)?);
                }
                Some(header) => {
                    let handled = open(header, &self.bytes[BATCH_HEADER_BYTES..], &mut handle);
                    self.bytes.clear();
                    handled?;
                }
            }
        }
        Ok(())
    }
}

/// Hands on the envelopes of a batch.
fn open(
    header: BatchHeader,
    mut bytes: &[u8],
    handle: &mut impl FnMut(Envelope<'_>) -> Result<(), WireFault>,
) -> Result<(), WireFault> {
    for _ in 0..header.envelopes {
        let (envelope, rest) = split_envelope(bytes)?;
        handle(envelope)?;
        bytes = rest;
    }
    if bytes.is_empty() { Ok(()) } else { Err(WireFault::BatchFill) }
}
