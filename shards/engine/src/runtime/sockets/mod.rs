//! The sockets of a shard, on an io_uring of its own.
//!
//! Each connection has one receive with the kernel, which takes a buffer of the ring when bytes
//! come and is asked for again when they were read: a connection that is not read holds one
//! buffer at most, and its peer is held back by TCP. What a turn has to send goes out in one call.
//! An idle connection costs one entry of the table.
//!
//! **Invariant:** a byte leaves the kernel only while the shard is in a call to its ring, and only into a buffer: a
//! shard that makes no call, and has taken the buffers back, can give a connection away.

mod accept;
mod arrival;
mod arrived;
mod buffers;
mod doubts;
mod hold;
mod inbox;
mod proxies;
mod ring;
mod send;
mod table;

pub use accept::AcceptedSocket;
pub use arrival::Arrival;
pub use arrived::has_arrived;
pub use buffers::BUFFERS;
pub use hold::HeldSockets;
pub use proxies::ProxyRefusal;
pub use ring::{COMPLETIONS as NET_COMPLETIONS, SUBMISSIONS as NET_SUBMISSIONS};
pub use table::Socket;

use super::keep_alive;
use super::listener::{self, Listener};
use super::tls::{TlsCounters, TlsFault, TlsTable};
use crate::turn::{Input, Readiness};
use accept::ShardListeners;
use doubts::WRITTEN;
use inbox::Inbox;
use madang_model::ConnectionId;
use madang_model::connection::Networks;
use proxies::Proxies;
use ring::{NetRing, RingCompletion};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{self, Shutdown};
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;
use table::{Receipt, Table};

/// About how many completions are taken from the kernel at a time: if there were more than buffers, many would report
/// that no buffer was left.
const COMPLETIONS_MAX: usize = BUFFERS as usize;

/// What a request belongs to: in the upper four bits of its tag. Below are the generation of a
/// connection, as far as it fits, and its place in the table; or the number of one that a proxy passes on.
const KIND_MASK: u64 = 0xf << 60;
const RECEIVE: u64 = 1 << 60;
const WRITABLE: u64 = 2 << 60;
const LISTENER: u64 = 3 << 60;
const CANCEL: u64 = 4 << 60;
const BELL: u64 = 5 << 60;
const PASSED_ON: u64 = 6 << 60;
const SEND: u64 = 8 << 60;
const GENERATION_MASK: u32 = (1 << 28) - 1;

/// All sockets of a shard.
pub struct RingSockets {
    ring: NetRing,
    bell: OwnedFd,
    is_bell_watched: bool,
    listeners: ShardListeners,
    proxies: Proxies,
    table: Table,
    inbox: Inbox,
    tls: TlsTable,
    /// Connections have descriptors below this. The kernel gives the lowest that is free, so that
    /// the number says how many the whole process has open.
    descriptors_max: u64,
    completions: Vec<RingCompletion>,
    /// Readiness that was reported while everything was given away.
    unreported: Vec<Readiness>,
    sent: Vec<Result<usize, Errno>>,
    tries: Vec<u32>,
    /// Connections added so far, modulo 2^32.
    arrivals: u32,
    /// Selects the connections that are checked in this second for gone peers.
    second: u32,
    /// Closed for a moment when no other descriptor is left, so that a peer can be notified.
    reserve: Option<OwnedFd>,
}

impl RingSockets {
    /// The sockets of one of `shard_count` shards with its listeners, and the descriptor by which other threads end a
    /// sleep. Belongs to the calling thread from now on.
    pub fn new(listeners: Vec<Listener>, bell: impl AsFd, shard_count: u16) -> io::Result<RingSockets> {
        let mut sockets = RingSockets {
            ring: NetRing::new(SEND)?,
            bell: bell.as_fd().try_clone_to_owned()?,
            is_bell_watched: false,
            listeners: ShardListeners::default(),
            proxies: Proxies::new(),
            table: Table::default(),
            inbox: Inbox::new(),
            tls: TlsTable::new(),
            descriptors_max: accept::descriptors_max(shard_count),
            completions: Vec::new(),
            unreported: Vec::new(),
            sent: Vec::new(),
            tries: Vec::new(),
            arrivals: 0,
            second: 0,
            reserve: accept::open_reserve(),
        };
        sockets.listeners.add(listeners);
        sockets.listen()?;
        Ok(sockets)
    }

    /// Ready when there is something to take, or may be.
    pub fn poll_ready(&mut self, context: &mut Context<'_>) -> io::Result<Poll<()>> {
        self.prepare_to_wait()?;
        self.ring.poll_ready(context)
    }

    /// Sleeps until there is something to report, or the time is over. What there is waits for
    /// [`RingSockets::take_ready`].
    pub fn sleep(&mut self, time_max: Option<Duration>) -> io::Result<()> {
        self.prepare_to_wait()?;
        self.ring.sleep(time_max)
    }

    /// Whether there is something to report, which then waits for [`RingSockets::take_ready`].
    pub fn look(&mut self) -> io::Result<bool> {
        self.prepare_to_wait()?;
        self.ring.look()
    }

    fn prepare_to_wait(&mut self) -> io::Result<()> {
        if !self.is_bell_watched {
            self.ring.watch(self.bell.as_fd(), BELL)?;
            self.is_bell_watched = true;
        }
        self.inbox.feed_starved(&mut self.ring, &mut self.table)
    }

    /// Takes what the kernel has to report, without waiting.
    pub fn take_ready(&mut self, ready: &mut Vec<Readiness>) -> io::Result<()> {
        self.tls.begin_turn();
        ready.append(&mut self.unreported);
        self.inbox.feed_starved(&mut self.ring, &mut self.table)?;
        self.take_completions(ready, COMPLETIONS_MAX)
    }

    fn take_completions(&mut self, ready: &mut Vec<Readiness>, count_max: usize) -> io::Result<()> {
        let mut completions = std::mem::take(&mut self.completions);
        self.ring.collect(&mut completions, count_max)?;
        for completion in completions.drain(..) {
            match completion.tag & KIND_MASK {
                LISTENER => {
                    let is_reported = self.listeners.take_knock(completion.tag);
                    ready.extend(is_reported.then_some(Readiness::Accept));
                }
                PASSED_ON => {
                    let is_reported = self.take_news_of_passed_on(completion.tag);
                    ready.extend(is_reported.then_some(Readiness::Accept));
                }
                BELL => self.is_bell_watched &= !completion.is_last,
                RECEIVE => ready.extend(self.take_received(completion)),
                WRITABLE => {
                    if let Some((id, socket)) = find_tagged(&mut self.table, completion.tag) {
                        socket.is_writable = true;
                        ready.push(Readiness::Write(id));
                    }
                }
                // A cancellation reports nothing that the request itself does not.
                _ => {}
            }
        }
        self.completions = completions;
        Ok(())
    }

    fn take_received(&mut self, completion: RingCompletion) -> Option<Readiness> {
        let RingCompletion { tag, result, buffer, .. } = completion;
        let receiver = find_tagged(&mut self.table, tag);
        if let Some(buffer) = buffer
            && (receiver.is_none() || !matches!(result, Ok(1..)))
        {
            self.ring.release(buffer);
        }
        // Nothing is reported of a connection that is gone, nor of the one that has its place now.
        let (id, socket) = receiver?;
        socket.receipt = match (result, buffer) {
            (Ok(count @ 1..), Some(buffer)) => self.inbox.hold(id, buffer, count),
            (Ok(_), _) => Receipt::Ended,
            (Err(Errno::NOBUFS | Errno::INTR | Errno::AGAIN), _) => {
                self.inbox.starve(id, socket);
                return None;
            }
            (Err(_), _) => Receipt::Broken,
        };
        Some(Readiness::Read(id))
    }

    /// Adds a connection.
    pub fn add(&mut self, id: ConnectionId, arrival: Arrival) -> io::Result<()> {
        let Arrival { descriptor, tls, .. } = arrival;
        let has_tls = tls.is_some();
        if let Some(session) = tls {
            self.tls.add(id, session);
        }
        self.insert(id, descriptor, has_tls, 0)
    }

    /// Adds a connection that another process has handed over.
    pub fn add_carried(&mut self, id: ConnectionId, descriptor: OwnedFd) -> io::Result<()> {
        // Where this fails the peer is gone already, and reading reports that.
        let _ = listener::set_options(&descriptor);
        // It may have been written to before.
        self.insert(id, descriptor, false, WRITTEN)
    }

    fn insert(&mut self, id: ConnectionId, descriptor: OwnedFd, has_tls: bool, doubts: u8) -> io::Result<()> {
        // As above.
        let _ = keep_alive::set_for_one(&descriptor, self.arrivals);
        self.arrivals = self.arrivals.wrapping_add(1);
        let socket = self.table.insert(id, descriptor, has_tls);
        socket.doubts = doubts;
        self.inbox.ask(&mut self.ring, socket, id, true)
    }

    /// Takes what came into `buffer`, which holds [`super::tls::RECORD_BYTES_MAX`].
    pub fn read(&mut self, id: ConnectionId, buffer: &mut [u8]) -> Input {
        let RingSockets { ring, table, inbox, tls, .. } = self;
        let Some(socket) = table.find_mut(id) else { return Input::Nothing };
        if !socket.has_tls {
            return inbox.take(ring, socket, id, buffer);
        }
        socket.doubts = socket.doubts.max(WRITTEN);
        let was_writable = socket.is_writable;
        let input = tls.read(id, socket, buffer, |socket, wire| inbox.take(ring, socket, id, wire));
        if send::await_room(ring, socket, id, was_writable).is_err() { Input::Broken } else { input }
    }

    /// Whether a socket was reported readable and has not been read empty.
    pub fn is_readable(&self, id: ConnectionId) -> bool {
        self.table.find(id).is_some_and(|socket| {
            !matches!(socket.receipt, Receipt::Awaited | Receipt::Starved)
                || socket.has_tls && self.tls.has_ended(id)
        })
    }

    /// Whether the connection that was read last can be written from now on.
    pub fn take_opened(&mut self) -> bool {
        self.tls.take_opened()
    }

    /// Why the connection that was read last is broken, if TLS is why.
    pub fn take_tls_fault(&mut self) -> Option<TlsFault> {
        self.tls.take_fault()
    }

    /// How many connections have TLS, and what happened with it so far.
    pub fn tls_counts(&self) -> (usize, TlsCounters) {
        self.tls.counts()
    }

    /// From now on connections from these networks begin with a PROXY header.
    pub fn set_proxies(&mut self, networks: Networks) {
        self.proxies.set_networks(networks);
    }

    /// How many connections wait for their PROXY header, and how many were closed without one so far, by
    /// [`ProxyRefusal`].
    pub fn proxy_counts(&self) -> (usize, [u64; ProxyRefusal::COUNT]) {
        self.proxies.counts()
    }

    /// Removes a socket, which is to be closed by [`close`].
    pub fn remove(&mut self, id: ConnectionId) -> Option<OwnedFd> {
        let socket = self.table.remove(id)?;
        self.inbox.forget(&mut self.ring, id, socket.receipt);
        if socket.has_tls {
            self.tls.remove(id, &socket);
        }
        // The number may be another socket's soon: no request may still name it. It fails only when the
        // ring does, which the turn meets next.
        let _ = self.ring.submit();
        Some(socket.descriptor)
    }
}

/// Closes a socket that may have requests under way: as each of them keeps it open, they are ended first. A process
/// that shares the socket loses it, too.
pub fn close(descriptor: OwnedFd) {
    keep_alive::set_for_closed(&descriptor);
    // It fails where the peer is gone already, and then nothing is under way.
    let _ = net::shutdown(&descriptor, Shutdown::Both);
}

fn tag(kind: u64, id: ConnectionId) -> u64 {
    kind | u64::from(id.generation & GENERATION_MASK) << 32 | u64::from(id.index)
}

fn find_tagged(table: &mut Table, tag: u64) -> Option<(ConnectionId, &mut Socket)> {
    // The lower half is exactly 32 bits wide.
    let index = tag as u32;
    let generation = (tag >> 32) as u32 & GENERATION_MASK;
    let socket = table.at_mut(index)?;
    (socket.generation & GENERATION_MASK == generation)
        .then_some((ConnectionId { index, generation: socket.generation }, socket))
}

#[cfg(test)]
mod tests;
