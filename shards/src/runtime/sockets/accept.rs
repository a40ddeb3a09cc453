//! Accepting, as fast as a turn allows.

use super::ring::POLL_IN;
use super::{CANCEL, GENERATION_MASK, LISTENER, Sockets};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{self, SendFlags, Shutdown, SocketFlags};
use rustix::process::{Resource, getrlimit};
use std::io;
use std::net::{IpAddr, SocketAddr};

/// Descriptors that connections leave to the log, its readers and the waits of a shard, and of the
/// process. Without them a shard could neither wait nor store.
const SHARD_FILES_LEFT: u64 = 80;
const PROCESS_FILES_LEFT: u64 = 16;

/// What accepting gave.
#[derive(Debug)]
pub enum Accepted {
    /// A connection, to be named and added.
    Connection(OwnedFd, Option<IpAddr>),
    /// A connection for which there is no descriptor to spare.
    TooMany(OwnedFd),
    /// None is left for now.
    Nothing,
    /// No descriptor is left for one more.
    NoDescriptor,
}

/// A socket at which connections wait.
#[derive(Debug)]
pub(super) struct Listener {
    descriptor: OwnedFd,
    /// The kernel will tell when connections wait.
    is_polled: bool,
}

/// Where a shard accepts.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    /// Usually one; several where systemd passed several, or none after a drain began.
    list: Vec<Listener>,
    /// Where accepting begins, so that a storm at one listener does not starve another.
    first: usize,
    is_listening: bool,
    /// How often the list was replaced: what the kernel tells of those before is of no interest.
    generation: u32,
}

impl Sockets {
    /// Starts to report connections that wait, after a pause.
    pub fn listen(&mut self) -> io::Result<()> {
        if self.reserve.is_none() {
            self.reserve = open_reserve();
        }
        self.listeners.is_listening = true;
        (0..self.listeners.list.len()).try_for_each(|index| self.poll_listener(index))
    }

    /// Listens there from now on, and no more where it did. What waited to be accepted there is lost.
    pub fn listen_at(&mut self, listeners: Vec<OwnedFd>) -> io::Result<()> {
        self.close_listener();
        let listener = |descriptor| Listener { descriptor, is_polled: false };
        self.listeners.list = listeners.into_iter().map(listener).collect();
        self.listen()
    }

    /// Asked once each time, and then accepted by hand: the kernel's own repeated accept would know
    /// neither the pace of a turn nor the peers' addresses.
    fn poll_listener(&mut self, index: usize) -> io::Result<()> {
        let Listeners { list, is_listening, generation, .. } = &mut self.listeners;
        let listener = &mut list[index];
        if *is_listening && !listener.is_polled {
            self.ring.poll(listener.descriptor.as_fd(), POLL_IN, listener_tag(*generation, index))?;
            listener.is_polled = true;
        }
        Ok(())
    }

    /// The kernel says that connections wait. Whether that is to be reported.
    pub(super) fn take_knock(&mut self, tag: u64) -> bool {
        let Listeners { list, is_listening, generation, .. } = &mut self.listeners;
        let index = tag as u32 as usize;
        if tag != listener_tag(*generation, index) {
            return false;
        }
        if let Some(listener) = list.get_mut(index) {
            listener.is_polled = false;
        }
        *is_listening
    }

    /// Stops reporting connections that wait.
    pub fn pause_listening(&mut self) {
        self.listeners.is_listening = false;
    }

    /// Stops listening for good.
    pub fn close_listener(&mut self) {
        self.pause_listening();
        let Listeners { list, generation, .. } = &mut self.listeners;
        for index in (0..list.len()).filter(|index| list[*index].is_polled) {
            // A request keeps its socket open: without this the port would stay taken. It fails only
            // when the ring does, which the turn meets next.
            let _ = self.ring.cancel(listener_tag(*generation, index), CANCEL);
        }
        let _ = self.ring.submit();
        list.clear();
        *generation = generation.wrapping_add(1);
    }

    /// Takes one waiting connection.
    pub fn accept(&mut self) -> Accepted {
        for _ in 0..self.listeners.list.len() {
            self.listeners.first = (self.listeners.first + 1) % self.listeners.list.len();
            let index = self.listeners.first;
            let accepted = accept_from(&self.listeners.list[index].descriptor, self.descriptors_max);
            if !matches!(accepted, Accepted::Nothing) {
                return accepted;
            }
            // Fails only when the ring does, which the turn meets next.
            let _ = self.poll_listener(index);
        }
        Accepted::Nothing
    }

    /// Turns one waiting connection away with a word, by the descriptor kept for that.
    pub fn turn_away(&mut self, words: &[u8]) {
        self.reserve = None;
        if let Accepted::Connection(descriptor, _) | Accepted::TooMany(descriptor) = self.accept() {
            refuse(&descriptor, words);
        }
        self.reserve = open_reserve();
    }
}

fn listener_tag(generation: u32, index: usize) -> u64 {
    LISTENER | u64::from(generation & GENERATION_MASK) << 32 | index as u64
}

/// Takes one connection that waits at a listener.
fn accept_from(listener: &OwnedFd, descriptors_max: u64) -> Accepted {
    loop {
        // Blocking: the ring fails a request on a non-blocking socket instead of waiting.
        match net::acceptfrom_with(listener, SocketFlags::CLOEXEC) {
            Ok((descriptor, _)) if descriptor.as_raw_fd() as u64 >= descriptors_max => {
                return Accepted::TooMany(descriptor);
            }
            Ok((descriptor, address)) => {
                let address = address.and_then(|a| SocketAddr::try_from(a).ok()).map(|a| a.ip());
                return Accepted::Connection(descriptor, address);
            }
            Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                return Accepted::NoDescriptor;
            }
            // A peer that gave up while it waited is no reason to stop accepting (accept(2)).
            Err(Errno::CONNABORTED | Errno::INTR | Errno::PROTO | Errno::PERM) => {}
            Err(_) => return Accepted::Nothing,
        }
    }
}

/// Descriptors below which connections have theirs, with so many shards.
pub(super) fn descriptors_max(shard_count: u16) -> u64 {
    let files_max = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    files_max.saturating_sub(PROCESS_FILES_LEFT + u64::from(shard_count) * SHARD_FILES_LEFT)
}

/// Best effort: the peer learns why, or just that it is closed.
pub fn refuse(descriptor: &OwnedFd, words: &[u8]) {
    let _ = net::send(descriptor, words, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
    let _ = net::shutdown(descriptor, Shutdown::Write);
}

pub(super) fn open_reserve() -> Option<OwnedFd> {
    rustix::fs::open("/dev/null", rustix::fs::OFlags::CLOEXEC, rustix::fs::Mode::empty()).ok()
}
