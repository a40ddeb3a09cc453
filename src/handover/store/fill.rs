//! What waits for the next process: bytes in a file in memory, descriptors in flight.

use super::MAGIC;
use super::queue::Sending;
use crate::handover::VERSION;
use crate::handover::frame::{Header, Kind, Outgoing};
use crate::handover::pack::pack;
use crate::server::{ServerState, now_us};
use crate::systemd::store::STATE;
use madang_engine::runtime::Frozen;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use std::fs::File;
use std::io::{self, BufWriter, Write};

/// Bytes of the state; they are memory, beside that of the images.
const STATE_BYTES_MAX: u64 = 16 << 30;

/// Writes everything, into an empty file in [`memory`] and the sending ends of queues. Returns how many bytes that
/// is.
///
/// # Errors
/// What the system says; nothing is lost by it.
pub fn fill(
    file: &File,
    queues: impl IntoIterator<Item = OwnedFd>,
    frozen: &Frozen,
    state: &ServerState,
    has_listeners: bool,
) -> io::Result<u64> {
    let mut filling = Filling { state: BufWriter::new(file), bytes: 0, queues: Sending::new(queues) };
    let since_us = now_us().saturating_sub(frozen.since.elapsed().as_micros() as u64);
    filling.write(MAGIC)?;
    filling.write(&VERSION.to_le_bytes())?;
    filling.write(&since_us.to_le_bytes())?;
    pack(frozen, state, has_listeners, &mut filling)?;
    filling.queues.flush()?;
    filling.state.flush()?;
    let bytes = filling.bytes;
    drop(filling);
    // Whole, and nobody changes it any more.
    fcntl_add_seals(file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(bytes)
}

/// Bytes go to the state, descriptors to the queues.
struct Filling<'a, 's> {
    state: BufWriter<&'s File>,
    bytes: u64,
    queues: Sending<'a>,
}

impl Filling<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes += bytes.len() as u64;
        if self.bytes > STATE_BYTES_MAX {
            return Err(io::Error::other(
                "the state does not fit: too many bytes wait to be sent to clients",
            ));
        }
        self.state.write_all(bytes)
    }
}

impl<'a> Outgoing<'a> for Filling<'a, '_> {
    fn send(&mut self, kind: Kind, payload: &[u8], descriptors: &[BorrowedFd<'a>]) -> io::Result<()> {
        self.write(&Header { kind, descriptors: descriptors.len(), length: payload.len() }.write())?;
        self.write(payload)?;
        self.queues.push(descriptors)
    }
}

/// A file that is nowhere, and can be sealed.
pub fn memory() -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Kernels before 6.3 do not know the last, newer ones may want it (vm.memfd_noexec).
    let memory =
        memfd_create(STATE, flags | MemfdFlags::NOEXEC_SEAL).or_else(|_| memfd_create(STATE, flags))?;
    Ok(File::from(memory))
}
