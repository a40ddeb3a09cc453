//! Accepting, as fast as a turn allows.

use super::super::listener::Listener;
use super::arrival::{Arrival, Caller};
use super::proxies::{Heard, PassedOn, ProxyRefusal};
use super::ring::POLL_IN;
use super::{CANCEL, GENERATION_MASK, LISTENER, PASSED_ON, RingSockets, close};
use crate::turn;
use madang_model::connection::EntranceKind;
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{self, SocketFlags};
use rustix::process::{Resource, getrlimit};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// Descriptors that connections leave to the log, its readers and the waits of a shard, and of the
/// process. Without them a shard could neither wait nor store.
const SHARD_FILES_LEFT: u64 = 80;
const PROCESS_FILES_LEFT: u64 = 16;

/// What accepting gave.
pub type AcceptedSocket = turn::Accepted<Arrival>;

/// A socket at which connections wait.
#[derive(Debug)]
struct OpenListener {
    listener: Listener,
    /// The kernel will report when connections wait.
    is_polled: bool,
}

/// The listening sockets of a shard.
#[derive(Debug, Default)]
pub(super) struct ShardListeners {
    /// Usually one; several where systemd passed several, or none after a drain began.
    open_listeners: Vec<OpenListener>,
    /// Where accepting begins, so that a storm at one listener does not starve another.
    first: usize,
    is_listening: bool,
    /// How often polling was stopped: what the kernel reports of earlier requests is ignored.
    generation: u32,
    /// Of the listeners that were given away, which are polled.
    polled: Vec<bool>,
}

impl ShardListeners {
    /// Adds listeners.
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

    /// The kernel reports that connections wait. Returns whether the caller is to report it.
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

    /// Gives the listeners away; the kernel continues to watch them.
    pub fn give_away(&mut self) -> Vec<Listener> {
        self.polled = self.open_listeners.iter().map(|open_listener| open_listener.is_polled).collect();
        self.open_listeners.drain(..).map(|open_listener| open_listener.listener).collect()
    }

    /// Takes the listeners back.
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

impl RingSockets {
    /// Starts to report connections that wait, after a pause.
    pub fn listen(&mut self) -> io::Result<()> {
        if self.reserve.is_none() {
            self.reserve = open_reserve();
        }
        self.listeners.is_listening = true;
        for (number, passed_on) in self.proxies.forget_ready() {
            self.ring.poll(passed_on.caller.descriptor.as_fd(), POLL_IN, PASSED_ON | number)?;
        }
        (0..self.listeners.open_listeners.len()).try_for_each(|index| self.poll_listener(index))
    }

    /// Listens there from now on, and at no other entrance of this kind. What waited to be accepted at one of
    /// those is lost.
    pub fn listen_at(&mut self, kind: EntranceKind, listeners: Vec<Listener>) -> io::Result<()> {
        self.stop_polling();
        self.listeners.open_listeners.retain(|open_listener| open_listener.listener.entrance.kind != kind);
        self.listeners.add(listeners);
        self.listen()
    }

    /// Polls once each time, and then accepts by hand: the kernel's own repeated accept would know neither the pace
    /// of a turn nor the peers' addresses.
    fn poll_listener(&mut self, index: usize) -> io::Result<()> {
        let ShardListeners { open_listeners, is_listening, generation, .. } = &mut self.listeners;
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
        self.stop_polling();
        self.listeners.open_listeners.clear();
        self.proxies.take_all().into_iter().for_each(|passed_on| close(passed_on.caller.descriptor));
    }

    /// Stops polling the listeners, and forgets their numbers.
    fn stop_polling(&mut self) {
        let ShardListeners { open_listeners, generation, .. } = &mut self.listeners;
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

    /// The kernel reports input of a connection that a proxy passes on. Returns whether the caller is to report it.
    pub(super) fn take_news_of_passed_on(&mut self, tag: u64) -> bool {
        self.proxies.came(tag & !PASSED_ON) && self.listeners.is_listening
    }

    /// Takes one waiting connection; first those that a proxy passes on and that have new input.
    pub fn accept(&mut self) -> AcceptedSocket {
        if let Some(passed_on) = self.proxies.take_ready() {
            return self.hear(passed_on);
        }
        match self.accept_at_listeners() {
            turn::Accepted::Connection(caller) if self.proxies.pass_on(caller.peer) => {
                let passed_on = self.proxies.begin(caller);
                self.hear(passed_on)
            }
            turn::Accepted::Connection(caller) => arrived(caller, AcceptedSocket::Connection),
            turn::Accepted::TooMany(caller) => arrived(caller, AcceptedSocket::TooMany),
            turn::Accepted::NotYet => AcceptedSocket::NotYet,
            turn::Accepted::Nothing => AcceptedSocket::Nothing,
            turn::Accepted::NoDescriptor => AcceptedSocket::NoDescriptor,
        }
    }

    fn accept_at_listeners(&mut self) -> turn::Accepted<Caller> {
        for _ in 0..self.listeners.open_listeners.len() {
            self.listeners.first = (self.listeners.first + 1) % self.listeners.open_listeners.len();
            let index = self.listeners.first;
            let accepted = accept_from(&self.listeners.open_listeners[index].listener, self.descriptors_max);
            if !matches!(accepted, turn::Accepted::Nothing) {
                return accepted;
            }
            // Fails only when the ring does, which the turn meets next.
            let _ = self.poll_listener(index);
        }
        turn::Accepted::Nothing
    }

    /// Reads what has come of a header: then the connection is accepted, waits for the rest, or is closed.
    fn hear(&mut self, mut passed_on: PassedOn) -> AcceptedSocket {
        let peer = passed_on.caller.peer;
        match passed_on.read() {
            Heard::Whole(source) => {
                return arrived_from(source.or(peer), passed_on.caller, AcceptedSocket::Connection);
            }
            Heard::Part => match self.proxies.wait_for(passed_on) {
                Ok((number, passed_on)) => {
                    let descriptor = passed_on.caller.descriptor.as_fd();
                    // Fails only when the ring does, which the turn meets next.
                    let _ = self.ring.poll(descriptor, POLL_IN, PASSED_ON | number);
                }
                Err(one_too_many) => {
                    self.proxies.count(ProxyRefusal::Full);
                    tracing::warn!(
                        peer = peer.map(tracing::field::display),
                        "closed: the PROXY headers of too many connections are waited for"
                    );
                    close(one_too_many.caller.descriptor);
                }
            },
            Heard::Absent { has_spoken } => {
                self.proxies.count(ProxyRefusal::Absent);
                if has_spoken {
                    tracing::warn!(
                        peer = peer.map(tracing::field::display),
                        "closed: no PROXY header from an address in listen.proxy_from; have the proxy send one"
                    );
                }
                close(passed_on.caller.descriptor);
            }
            Heard::Malformed(fault) => {
                self.proxies.count(ProxyRefusal::Malformed);
                tracing::warn!(peer = peer.map(tracing::field::display), %fault, "closed: a PROXY header is wrong");
                close(passed_on.caller.descriptor);
            }
        }
        AcceptedSocket::NotYet
    }

    /// A second has passed: connections whose headers are late are closed.
    pub fn close_late(&mut self, now: Instant) {
        for passed_on in self.proxies.take_late(now) {
            self.proxies.count(ProxyRefusal::Late);
            tracing::warn!(
                peer = passed_on.caller.peer.map(tracing::field::display),
                "closed: its PROXY header did not come in time"
            );
            close(passed_on.caller.descriptor);
        }
    }

    /// Refuses one waiting connection with a message, by the descriptor reserved for that.
    pub fn turn_away(&mut self, words: &dyn Fn(EntranceKind) -> &'static [u8]) {
        self.reserve = None;
        if let turn::Accepted::Connection(caller) | turn::Accepted::TooMany(caller) =
            self.accept_at_listeners()
            && let Some(arrival) = caller.arrive(None)
        {
            let words = words(arrival.entrance.kind);
            arrival.refuse(words);
        }
        self.reserve = open_reserve();
    }
}

fn arrived(caller: Caller, accepted: fn(Arrival) -> AcceptedSocket) -> AcceptedSocket {
    arrived_from(caller.peer, caller, accepted)
}

fn arrived_from(
    address: Option<IpAddr>,
    caller: Caller,
    accepted: fn(Arrival) -> AcceptedSocket,
) -> AcceptedSocket {
    caller.arrive(address).map_or(AcceptedSocket::NotYet, accepted)
}

fn listener_tag(generation: u32, index: usize) -> u64 {
    LISTENER | u64::from(generation & GENERATION_MASK) << 32 | index as u64
}

/// Takes one connection that waits at a listener.
fn accept_from(listener: &Listener, descriptors_max: u64) -> turn::Accepted<Caller> {
    loop {
        match net::acceptfrom_with(&listener.socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            Ok((descriptor, address)) => {
                let peer = address.and_then(|a| SocketAddr::try_from(a).ok()).map(|a| a.ip().to_canonical());
                let is_too_many = descriptor.as_raw_fd() as u64 >= descriptors_max;
                let tls = listener.tls.clone();
                let caller = Caller { descriptor, entrance: listener.entrance, peer, tls };
                return if is_too_many {
                    turn::Accepted::TooMany(caller)
                } else {
                    turn::Accepted::Connection(caller)
                };
            }
            Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                return turn::Accepted::NoDescriptor;
            }
            // A peer that gave up while it waited is no reason to stop accepting (accept(2)).
            Err(Errno::CONNABORTED | Errno::INTR | Errno::PROTO | Errno::PERM) => {}
            Err(_) => return turn::Accepted::Nothing,
        }
    }
}

/// Connections have descriptors below this, with this many shards.
pub(super) fn descriptors_max(shard_count: u16) -> u64 {
    let files_max = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    files_max.saturating_sub(PROCESS_FILES_LEFT + u64::from(shard_count) * SHARD_FILES_LEFT)
}

pub(super) fn open_reserve() -> Option<OwnedFd> {
    rustix::fs::open("/dev/null", rustix::fs::OFlags::CLOEXEC, rustix::fs::Mode::empty()).ok()
}
