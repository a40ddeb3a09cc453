//! Descriptors that wait for the next process of a server: with systemd, in its file-descriptor store, or in the
//! process itself, where the program changes and the process stays.
//!
//! The names by which systemd knows them are agreed between one process and the next.

use super::notify;
use rustix::fd::OwnedFd;

/// The lock of the data directory.
pub const LOCK: &str = "madang-lock";
/// The frames, without their descriptors.
pub const STATE: &str = "madang-state";
/// Queues of descriptors, with a number behind, from 0.
const QUEUE: &str = "madang-queue-";
/// With the lock and the state, as many as the unit lets be stored (`FileDescriptorStoreMax=`).
pub const QUEUES_MAX: usize = 62;

/// The name of a queue.
pub fn queue_name(number: usize) -> String {
    format!("{QUEUE}{number}")
}

/// What the process before has left, as it was found at the start.
#[derive(Debug, Default)]
pub struct StoredDescriptors {
    /// The lock of the data directory.
    pub lock: Option<OwnedFd>,
    /// The file in memory that holds the frames.
    pub state: Option<OwnedFd>,
    /// The receiving ends of the queues, with their numbers.
    pub queues: Vec<(usize, OwnedFd)>,
    /// By these systemd knows them.
    names: Vec<String>,
    /// The program before has left it in this process, and not with systemd.
    is_in_place: bool,
}

impl StoredDescriptors {
    /// What the program before has left in this process: the lock, the state, queues.
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

    /// Whether nothing was passed.
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

    /// Has systemd remove all of it from its store.
    pub fn forget(&self) {
        notify::forget(&self.names);
    }

    /// Returns when systemd has closed what it was to remove: the lock of the data directory and listeners may be
    /// among it.
    pub fn await_closed(&self) {
        if self.is_in_place {
            return;
        }
        if let Err(error) = notify::await_understood() {
            tracing::debug!(%error, "systemd does not confirm what it was sent");
        }
    }

    /// Closes everything, and empties the store.
    pub fn discard(self) {
        self.forget();
        self.await_closed();
    }
}
