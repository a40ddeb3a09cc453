//! The new process: it finds in systemd's store what the one before has left.

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

/// Takes everything out and empties the store: whatever becomes of it, it is there no more. `grace` is how
/// long names outlive connections. Connections beyond `connections_max` end.
///
/// # Errors
/// [`TakeError`]; everything that waited is closed.
pub fn collect(
    mut stored: StoredDescriptors,
    grace: Duration,
    connections_max: usize,
) -> Result<Unpacked, TakeError> {
    let (state, mut queues) = (stored.state.take(), std::mem::take(&mut stored.queues));
    queues.sort_unstable_by_key(|(number, _)| *number);
    let queues = queues.into_iter().map(|(_, queue)| queue);
    let collected = read(state, queues, grace, connections_max);
    stored.forget();
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
    // The process that wrote it sealed it when it was whole.
    if !fcntl_get_seals(&state).is_ok_and(|found| found.contains(seals)) {
        return Err(wrong("the old process ended while it wrote its state").into());
    }
    let bytes_left = state.metadata()?.len();
    // A descriptor that was passed shares its place with the one that was written to.
    state.rewind()?;
    let mut emptying = Emptying { state: BufReader::new(state), bytes_left, queues: Receiving::new(queues) };
    if emptying.read::<4>()? != *MAGIC {
        return Err(wrong("its state is not of a madang server").into());
    }
    let version = u32::from_le_bytes(emptying.read()?);
    if version != VERSION {
        let reason = format!("it has version {version} of the handover, this program supports {VERSION}");
        return Err(TakeError::Broken(io::Error::other(reason)));
    }
    let since_us = u64::from_le_bytes(emptying.read()?);
    let begin = emptying.next()?;
    let unpacked = unpack(begin, &mut emptying, grace, connections_max)?;
    Ok(Unpacked { paused: Duration::from_micros(now_us().saturating_sub(since_us)), ..unpacked })
}

/// Bytes come from the state, descriptors from the queues.
struct Emptying {
    state: BufReader<File>,
    bytes_left: u64,
    queues: Receiving,
}

impl Emptying {
    fn read<const COUNT: usize>(&mut self) -> io::Result<[u8; COUNT]> {
        let mut bytes = [0; COUNT];
        self.take(COUNT)?;
        self.state.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// So many bytes are about to be read.
    fn take(&mut self, count: usize) -> io::Result<()> {
        let left = self.bytes_left.checked_sub(count as u64);
        self.bytes_left = left.ok_or_else(|| wrong("its state ends too early"))?;
        Ok(())
    }
}

impl Incoming for Emptying {
    fn next(&mut self) -> io::Result<Frame> {
        let Header { kind, descriptors, length } = Header::read(self.read::<HEADER_BYTES>()?)?;
        self.take(length)?;
        let mut payload = vec![0; length];
        self.state.read_exact(&mut payload)?;
        Ok(Frame { kind, payload, descriptors: self.queues.take(descriptors)? })
    }
}
