//! The new process: it takes the state of the old one out of systemd's store.

use super::MAGIC;
use super::queue::Receiving;
use crate::handover::VERSION;
use crate::handover::error::TakeError;
use crate::handover::frame::{Frame, HEADER_BYTES, Header, Incoming, wrong};
use crate::handover::unpack::{Unpacked, unpack};
use crate::server::now_us;
use crate::systemd::StoredDescriptors;
use rustix::fd::OwnedFd;
use rustix::fs::{SealFlags, fcntl_get_seals};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::time::Duration;

/// Takes everything out and empties the store, even if the state cannot be used. `grace` is how long names are kept
/// after a lost connection. Connections beyond `connections_max` are closed.
///
/// # Errors
/// [`TakeError`]; all stored connections are closed.
pub fn collect(
    mut stored: StoredDescriptors,
    grace: Duration,
    connections_max: usize,
) -> Result<Unpacked, TakeError> {
    let (state, mut queues) = (stored.state.take(), std::mem::take(&mut stored.queues));
    queues.sort_unstable_by_key(|(number, _)| *number);
    let queues = queues.into_iter().map(|(_, queue)| queue);
    let collected = read(state, queues, grace, connections_max);
    stored.remove();
    if collected.is_err() {
        stored.await_closed();
    }
    collected
}

fn read(
    state: Option<OwnedFd>,
    queues: impl Iterator<Item = OwnedFd>,
    grace: Duration,
    connections_max: usize,
) -> Result<Unpacked, TakeError> {
    let mut state = File::from(state.ok_or_else(|| wrong("its state is missing"))?);
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK;
    // The old process sealed it when it was complete.
    if !fcntl_get_seals(&state).is_ok_and(|found| found.contains(seals)) {
        return Err(wrong("the old process ended while it wrote its state").into());
    }
    let bytes_left = state.metadata()?.len();
    // The inherited descriptor shares its file position with the one that was written to.
    state.rewind()?;
    let mut state_reader =
        StateReader { state: BufReader::new(state), bytes_left, queues: Receiving::new(queues) };
    if state_reader.read::<4>()? != *MAGIC {
        return Err(wrong("its state is not of a madang server").into());
    }
    let version = u32::from_le_bytes(state_reader.read()?);
    if version != VERSION {
        let reason = format!("it has version {version} of the handover, this program supports {VERSION}");
        return Err(TakeError::Broken(io::Error::other(reason)));
    }
    let since_us = u64::from_le_bytes(state_reader.read()?);
    let begin = state_reader.next()?;
    let unpacked = unpack(begin, &mut state_reader, grace, connections_max)?;
    Ok(Unpacked { paused: Duration::from_micros(now_us().saturating_sub(since_us)), ..unpacked })
}

/// Reads bytes from the state, and descriptors from the queues.
struct StateReader {
    state: BufReader<File>,
    bytes_left: u64,
    queues: Receiving,
}

impl StateReader {
    fn read<const COUNT: usize>(&mut self) -> io::Result<[u8; COUNT]> {
        let mut bytes = [0; COUNT];
        self.take(COUNT)?;
        self.state.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Counts bytes that are about to be read.
    fn take(&mut self, count: usize) -> io::Result<()> {
        let left = self.bytes_left.checked_sub(count as u64);
        self.bytes_left = left.ok_or_else(|| wrong("its state ends too early"))?;
        Ok(())
    }
}

impl Incoming for StateReader {
    fn next(&mut self) -> io::Result<Frame> {
        let Header { kind, descriptors, length } = Header::read(self.read::<HEADER_BYTES>()?)?;
        self.take(length)?;
        let mut payload = vec![0; length];
        self.state.read_exact(&mut payload)?;
        Ok(Frame { kind, payload, descriptors: self.queues.take(descriptors)? })
    }
}
