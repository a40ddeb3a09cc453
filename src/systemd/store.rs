//! Descriptors that are stored for the new process of a server: in systemd's file-descriptor store, or in the
//! process itself, if the program changes and the process stays.
//!
//! The old and the new process use the same names for them.

use super::notify;
use rustix::fd::OwnedFd;

/// The lock of the data directory.
pub const LOCK: &str = "madang-lock";
/// The frames, without their descriptors.
pub const STATE: &str = "madang-state";
/// Queues of descriptors, with a number appended, from 0.
const QUEUE: &str = "madang-queue-";
/// Together with the lock and the state, as many as the unit allows (`FileDescriptorStoreMax=`).
pub const QUEUES_MAX: usize = 62;

/// The name of a queue.
pub fn queue_name(number: usize) -> String {
    format!("{QUEUE}{number}")
}

/// The descriptors that the old process has left, as found at the start.
#[derive(Debug, Default)]
pub struct StoredDescriptors {
    /// The lock of the data directory.
    pub lock: Option<OwnedFd>,
    /// The memory file with the frames.
    pub state: Option<OwnedFd>,
    /// The receiving ends of the queues, with their numbers.
    pub queues: Vec<(usize, OwnedFd)>,
    /// Their names in systemd's store.
    names: Vec<String>,
    /// The old program has left them in this process, and not in systemd's store.
    is_in_place: bool,
}

impl StoredDescriptors {
    /// The descriptors that the old program has left in this process: the lock, the state, queues.
    pub fn in_place(descriptors: Vec<OwnedFd>) -> StoredDescriptors {
        let mut descriptors = descriptors.into_iter();
        StoredDescriptors {
            lock: descriptors.next(),
            state: descriptors.next(),
            queues: descriptors.enumerate().collect(),
            is_in_place: true,
            ..StoredDescriptors::default()
        }
    }

    /// Whether this is a name of a stored descriptor.
    pub fn is_name(name: &str) -> bool {
        name == LOCK || name == STATE || name.starts_with(QUEUE)
    }

    /// Adds an inherited descriptor.
    pub fn add(&mut self, name: &str, descriptor: OwnedFd) {
        match name.strip_prefix(QUEUE).map(str::parse) {
            Some(Ok(number)) => self.queues.push((number, descriptor)),
            _ if name == LOCK => self.lock = Some(descriptor),
            _ if name == STATE => self.state = Some(descriptor),
            _ => {}
        }
        self.names.push(name.to_owned());
    }

    /// Whether nothing was stored.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && !self.is_in_place
    }

    /// Whether the old program has left them in this process.
    pub fn is_in_place(&self) -> bool {
        self.is_in_place
    }

    /// Takes the lock of the data directory.
    pub fn take_lock(&mut self) -> Option<OwnedFd> {
        self.lock.take()
    }

    /// Makes systemd remove all of them from its store.
    pub fn remove(&self) {
        notify::remove_stored(&self.names);
    }

    /// Returns when systemd has closed the removed descriptors: the lock of the data directory and listeners may be
    /// among them.
    pub fn await_closed(&self) {
        if self.is_in_place {
            return;
        }
        if let Err(error) = notify::await_confirmation() {
            tracing::debug!(%error, "systemd does not confirm what it was sent");
        }
    }

    /// Closes everything, and empties the store.
    pub fn discard(self) {
        self.remove();
        self.await_closed();
    }
}
