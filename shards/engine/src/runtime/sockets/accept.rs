//! Accepting, as fast as a turn allows.

use super::super::listener::Listener;
use super::arrival::Arrival;
use super::ring::POLL_IN;
use super::{CANCEL, GENERATION_MASK, LISTENER, Sockets};
use madang_model::connection::EntranceKind;
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{self, SocketFlags};
use rustix::process::{Resource, getrlimit};
use std::io;
use std::net::SocketAddr;

/// Descriptors that connections leave to the log, its readers and the waits of a shard, and of the
/// process. Without them a shard could neither wait nor store.
const SHARD_FILES_LEFT: u64 = 80;
const PROCESS_FILES_LEFT: u64 = 16;

/// What accepting gave.
pub type Accepted = crate::turn::Accepted<Arrival>;

/// A socket at which connections wait.
#[derive(Debug)]
struct OpenListener {
    listener: Listener,
    /// The kernel will tell when connections wait.
    is_polled: bool,
}

/// Where a shard accepts.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    /// Usually one; several where systemd passed several, or none after a drain began.
    open_listeners: Vec<OpenListener>,
    /// Where accepting begins, so that a storm at one listener does not starve another.
    first: usize,
    is_listening: bool,
    /// How often open_listeners were closed: what the kernel tells of those before is of no interest.
    generation: u32,
    /// Of the open_listeners that were given away, which are polled.
    polled: Vec<bool>,
}

impl Listeners {
    /// Connections wait there, too.
    pub fn add(&mut self, listeners: Vec<Listener>) {
        for Listener { entrance, tls, .. } in &listeners {
            assert_eq!(
                entrance.kind.has_tls,
                tls.is_some(),
                "TLS is spoken where it is promised, only there"
            );
        }
        self.open_listeners
            .extend(listeners.into_iter().map(|listener| OpenListener { listener, is_polled: false }));
    }

    /// The kernel says that connections wait. Whether that is to be reported.
    pub fn take_knock(&mut self, tag: u64) -> bool {
        // The lower half is exactly 32 bits wide.
        let index = tag as u32 as usize;
        if tag != listener_tag(self.generation, index) {
            return false;
        }
        if let Some(open_listener) = self.open_listeners.get_mut(index) {
            open_listener.is_polled = false;
        }
        self.is_listening
    }

    /// Gives the listeners away; the kernel goes on watching them.
    pub fn give_away(&mut self) -> Vec<Listener> {
        self.polled = self.open_listeners.iter().map(|open_listener| open_listener.is_polled).collect();
        self.open_listeners.drain(..).map(|open_listener| open_listener.listener).collect()
    }

    /// They are back.
    pub fn take_back(&mut self, listeners: Vec<Listener>) {
        assert_eq!(listeners.len(), self.polled.len(), "what comes back is what was given away");
        let polled = self.polled.drain(..);
        self.open_listeners = listeners
            .into_iter()
            .zip(polled)
            .map(|(listener, is_polled)| OpenListener { listener, is_polled })
            .collect();
    }
}

impl Sockets {
    /// Starts to report connections that wait, after a pause.
    pub fn listen(&mut self) -> io::Result<()> {
        if self.reserve.is_none() {
            self.reserve = open_reserve();
        }
        self.listeners.is_listening = true;
        (0..self.listeners.open_listeners.len()).try_for_each(|index| self.poll_listener(index))
    }

    /// Listens there from now on, and at no other entrance of this kind. What waited to be accepted at one of
    /// those is lost.
    pub fn listen_at(&mut self, kind: EntranceKind, listeners: Vec<Listener>) -> io::Result<()> {
        self.close_listeners();
        self.listeners.open_listeners.retain(|open_listener| open_listener.listener.entrance.kind != kind);
        self.listeners.add(listeners);
        self.listen()
    }

    /// Asked once each time, and then accepted by hand: the kernel's own repeated accept would know
    /// neither the pace of a turn nor the peers' addresses.
    fn poll_listener(&mut self, index: usize) -> io::Result<()> {
        let Listeners { open_listeners, is_listening, generation, .. } = &mut self.listeners;
        let open_listener = &mut open_listeners[index];
        if *is_listening && !open_listener.is_polled {
            self.ring.poll(
                open_listener.listener.socket.as_fd(),
                POLL_IN,
                listener_tag(*generation, index),
            )?;
            open_listener.is_polled = true;
        }
        Ok(())
    }

    /// Stops reporting connections that wait.
    pub fn pause_listening(&mut self) {
        self.listeners.is_listening = false;
    }

    /// Stops listening for good.
    pub fn close_listener(&mut self) {
        self.pause_listening();
        self.close_listeners();
        self.listeners.open_listeners.clear();
    }

    /// No open_listener is watched any more, nor known by the number it had.
    fn close_listeners(&mut self) {
        let Listeners { open_listeners, generation, .. } = &mut self.listeners;
        for (index, open_listener) in
            open_listeners.iter_mut().enumerate().filter(|(_, open_listener)| open_listener.is_polled)
        {
            // A request keeps its socket open: without this the port would stay taken. It fails only
            // when the ring does, which the turn meets next.
            let _ = self.ring.cancel(listener_tag(*generation, index), CANCEL);
            open_listener.is_polled = false;
        }
        let _ = self.ring.submit();
        *generation = generation.wrapping_add(1);
    }

    /// Takes one waiting connection.
    pub fn accept(&mut self) -> Accepted {
        for _ in 0..self.listeners.open_listeners.len() {
            self.listeners.first = (self.listeners.first + 1) % self.listeners.open_listeners.len();
            let index = self.listeners.first;
            let accepted = accept_from(&self.listeners.open_listeners[index].listener, self.descriptors_max);
            if !matches!(accepted, Accepted::Nothing) {
                return accepted;
            }
            // Fails only when the ring does, which the turn meets next.
            let _ = self.poll_listener(index);
        }
        Accepted::Nothing
    }

    /// Turns one waiting connection away with a word, by the descriptor kept for that.
    pub fn turn_away(&mut self, words: &dyn Fn(EntranceKind) -> &'static [u8]) {
        self.reserve = None;
        if let Accepted::Connection(arrival) | Accepted::TooMany(arrival) = self.accept() {
            let words = words(arrival.entrance.kind);
            arrival.refuse(words);
        }
        self.reserve = open_reserve();
    }
}

fn listener_tag(generation: u32, index: usize) -> u64 {
    LISTENER | u64::from(generation & GENERATION_MASK) << 32 | index as u64
}

/// Takes one connection that waits at a listener.
fn accept_from(listener: &Listener, descriptors_max: u64) -> Accepted {
    loop {
        match net::acceptfrom_with(&listener.socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            Ok((descriptor, address)) => {
                let address =
                    address.and_then(|a| SocketAddr::try_from(a).ok()).map(|a| a.ip().to_canonical());
                let is_too_many = descriptor.as_raw_fd() as u64 >= descriptors_max;
                let tls = match &listener.tls {
                    None => None,
                    Some(acceptor) => match acceptor.accept() {
                        Ok(session) => Some(Box::new(session)),
                        // Without randomness nobody can be let in.
                        Err(_) => continue,
                    },
                };
                let arrival = Arrival { descriptor, entrance: listener.entrance, address, tls };
                return if is_too_many { Accepted::TooMany(arrival) } else { Accepted::Connection(arrival) };
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

pub(super) fn open_reserve() -> Option<OwnedFd> {
    rustix::fs::open("/dev/null", rustix::fs::OFlags::CLOEXEC, rustix::fs::Mode::empty()).ok()
}
