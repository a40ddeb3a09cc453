//! The new process: it finds in systemd's store what the one before has left.

use super::deposit::now_us;
use super::queue::Receiving;
use super::{LOCK, MAGIC, QUEUE, STATE};
use crate::handover::VERSION;
use crate::handover::frame::{Frame, HEADER_BYTES, Header, Incoming, wrong};
use crate::handover::take::TakeError;
use crate::handover::unpack::{Unpacked, unpack};
use crate::systemd::notify;
use rustix::fd::OwnedFd;
use rustix::fs::{SealFlags, fcntl_get_seals};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::time::Duration;

/// Descriptors of the store that are ours, as they were passed.
#[derive(Debug, Default)]
pub struct Stored {
    pub(super) lock: Option<OwnedFd>,
    pub(super) state: Option<OwnedFd>,
    pub(super) queues: Vec<(usize, OwnedFd)>,
    /// By these systemd knows them.
    pub(super) names: Vec<String>,
    /// The program before has left it in this process, and not with systemd.
    pub(super) is_in_place: bool,
}

impl Stored {
    /// Whether a descriptor of this name is one of the store.
    pub fn is_name(name: &str) -> bool {
        name == LOCK || name == STATE || name.starts_with(QUEUE)
    }

    /// One more was passed.
    pub fn add(&mut self, name: &str, descriptor: OwnedFd) {
        match name.strip_prefix(QUEUE).map(str::parse) {
            Some(Ok(number)) => self.queues.push((number, descriptor)),
            _ if name == LOCK => self.lock = Some(descriptor),
            _ if name == STATE => self.state = Some(descriptor),
            _ => {}
        }
        self.names.push(name.to_owned());
    }

    /// Whether anything was passed.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && !self.is_in_place
    }

    /// Whether the program before has left it in this process.
    pub fn is_in_place(&self) -> bool {
        self.is_in_place
    }

    /// The lock of the data directory, once.
    pub fn take_lock(&mut self) -> Option<OwnedFd> {
        self.lock.take()
    }

    /// Takes everything out and empties the store: whatever becomes of it, it is there no more. `grace` is how
    /// long names outlive connections. Connections beyond `connections_max` end.
    ///
    /// # Errors
    /// [`TakeError`]; everything that waited is closed.
    pub fn collect(self, grace: Duration, connections_max: usize) -> Result<Unpacked, TakeError> {
        let Stored { state, mut queues, names, is_in_place, lock: _ } = self;
        queues.sort_unstable_by_key(|(number, _)| *number);
        let collected = collect(state, queues.into_iter().map(|(_, queue)| queue), grace, connections_max);
        notify::forget(&names);
        if collected.is_err() && !is_in_place {
            await_closed();
        }
        collected
    }

    /// Closes everything, and empties the store.
    pub fn discard(self) {
        notify::forget(&self.names);
        if !self.is_in_place {
            await_closed();
        }
    }
}

/// Returns when systemd has let go, too: the lock of the data directory and listeners may be among it.
fn await_closed() {
    if let Err(error) = notify::await_understood() {
        tracing::debug!(%error, "systemd cannot be waited for");
    }
}

fn collect(
    state: Option<OwnedFd>,
    queues: impl Iterator<Item = OwnedFd>,
    grace: Duration,
    connections_max: usize,
) -> Result<Unpacked, TakeError> {
    let mut state = File::from(state.ok_or_else(|| wrong("it has no state"))?);
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK;
    // The process that wrote it sealed it when it was whole.
    if !fcntl_get_seals(&state).is_ok_and(|found| found.contains(seals)) {
        return Err(wrong("the process before ended while it wrote it").into());
    }
    let bytes_left = state.metadata()?.len();
    // A descriptor that was passed shares its place with the one that was written to.
    state.rewind()?;
    let mut emptying = Emptying { state: BufReader::new(state), bytes_left, queues: Receiving::new(queues) };
    if emptying.read::<4>()? != *MAGIC {
        return Err(wrong("its state is none").into());
    }
    let version = u32::from_le_bytes(emptying.read()?);
    if version != VERSION {
        let reason = format!("it is of version {version} of the handover, this program takes {VERSION}");
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
