//! Accepting, as fast as a turn allows.

use super::ring::POLL_IN;
use super::{CANCEL, LISTENER, Sockets};
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

impl Sockets {
    /// Starts to report connections that wait, after a pause.
    pub fn listen(&mut self) -> io::Result<()> {
        if self.reserve.is_none() {
            self.reserve = open_reserve();
        }
        self.is_listening = self.listener.is_some();
        self.poll_listener()
    }

    /// Asked once each time, and then accepted by hand: the kernel's own repeated accept would know
    /// neither the pace of a turn nor the peers' addresses.
    fn poll_listener(&mut self) -> io::Result<()> {
        if let Some(listener) = &self.listener
            && self.is_listening
            && !self.is_listener_polled
        {
            self.ring.poll(listener.as_fd(), POLL_IN, LISTENER)?;
            self.is_listener_polled = true;
        }
        Ok(())
    }

    /// Stops reporting connections that wait.
    pub fn pause_listening(&mut self) {
        self.is_listening = false;
    }

    /// Stops listening for good.
    pub fn close_listener(&mut self) {
        self.is_listening = false;
        if self.is_listener_polled {
            // A request keeps its socket open: without this the port would stay taken. It fails
            // only when the ring does, which the turn meets next.
            let _ = self.ring.cancel(LISTENER, CANCEL).and_then(|()| self.ring.submit());
        }
        self.listener = None;
    }

    /// Takes one waiting connection.
    pub fn accept(&mut self) -> Accepted {
        let Some(listener) = &self.listener else { return Accepted::Nothing };
        loop {
            // Blocking: the ring fails a request on a non-blocking socket instead of waiting.
            match net::acceptfrom_with(listener, SocketFlags::CLOEXEC) {
                Ok((descriptor, _)) if descriptor.as_raw_fd() as u64 >= self.descriptors_max => {
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
                Err(_) => {
                    // Fails only when the ring does, which the turn meets next.
                    let _ = self.poll_listener();
                    return Accepted::Nothing;
                }
            }
        }
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
