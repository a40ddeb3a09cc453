//! Writing the state for the new process: bytes into a memory file, descriptors into queues.

use super::MAGIC;
use super::queue::Sending;
use crate::handover::VERSION;
use crate::handover::frame::{Header, Kind, Outgoing};
use crate::handover::pack::pack;
use crate::server::{ServerState, now_us};
use crate::systemd::store::STATE;
use madang_engine::runtime::Snapshotted;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use std::fs::File;
use std::io::{self, BufWriter, Write};

/// The maximum size of the state, which is memory in addition to the images.
const STATE_BYTES_MAX: u64 = 16 << 30;

/// Writes everything into an empty [`memory_file`] and the sending ends of queues. Returns the number of bytes.
///
/// # Errors
/// The error of the system; nothing is lost.
pub fn fill(
    file: &File,
    queues: impl IntoIterator<Item = OwnedFd>,
    snapshotted: &Snapshotted,
    state: &ServerState,
    has_listeners: bool,
) -> io::Result<u64> {
    let mut state_writer =
        StateWriter { state: BufWriter::new(file), bytes: 0, queues: Sending::new(queues) };
    let since_us = now_us().saturating_sub(snapshotted.since.elapsed().as_micros() as u64);
    state_writer.write(MAGIC)?;
    state_writer.write(&VERSION.to_le_bytes())?;
    state_writer.write(&since_us.to_le_bytes())?;
    pack(snapshotted, state, has_listeners, &mut state_writer)?;
    state_writer.queues.flush()?;
    state_writer.state.flush()?;
    let bytes = state_writer.bytes;
    drop(state_writer);
    // It is complete, and nobody can change it any more.
    fcntl_add_seals(file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(bytes)
}

/// Writes bytes to the state, and descriptors to the queues.
struct StateWriter<'a, 's> {
    state: BufWriter<&'s File>,
    bytes: u64,
    queues: Sending<'a>,
}

impl StateWriter<'_, '_> {
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

impl<'a> Outgoing<'a> for StateWriter<'a, '_> {
    fn send(&mut self, kind: Kind, payload: &[u8], descriptors: &[BorrowedFd<'a>]) -> io::Result<()> {
        self.write(&Header { kind, descriptors: descriptors.len(), length: payload.len() }.write())?;
        self.write(payload)?;
        self.queues.push(descriptors)
    }
}

/// A file in memory, which can be sealed.
pub fn memory_file() -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Kernels before 6.3 do not support the last flag, newer ones may require it (vm.memfd_noexec).
    let memory =
        memfd_create(STATE, flags | MemfdFlags::NOEXEC_SEAL).or_else(|_| memfd_create(STATE, flags))?;
    Ok(File::from(memory))
}
