//! The sockets of a shard, on an io_uring of its own.
//!
//! Each connection has one receive with the kernel, which takes a buffer of the ring when bytes
//! come and is asked for again when they were read: a connection that is not read holds one
//! buffer at most, and its peer is held back by TCP. What a turn has to send goes out in one call.
//! An idle connection costs one entry of the table.

mod accept;
mod buffers;
mod ring;
mod send;
mod table;

pub use accept::{Accepted, refuse};
pub use buffers::{BUFFER_BYTES, BUFFERS};
pub use ring::{COMPLETIONS as NET_COMPLETIONS, SUBMISSIONS as NET_SUBMISSIONS};
pub use send::Written;

use crate::types::ConnectionId;
use ring::{Completion, NetRing};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use std::collections::HashMap;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;
use table::{Receipt, Socket, Table};

/// Completions taken from the kernel at a time, about: were there more than buffers, many would
/// say that there was none.
const COMPLETIONS_MAX: usize = BUFFERS as usize;

/// What a request belongs to: in the upper four bits of its tag. Below are the generation of a
/// connection, as far as it fits, and its place in the table.
const KIND_MASK: u64 = 0xf << 60;
const RECEIVE: u64 = 1 << 60;
const WRITABLE: u64 = 2 << 60;
const LISTENER: u64 = 3 << 60;
const CANCEL: u64 = 4 << 60;
const BELL: u64 = 5 << 60;
const SEND: u64 = 8 << 60;
const GENERATION_MASK: u32 = (1 << 28) - 1;

/// What the kernel reported.
#[derive(Clone, Copy, Debug)]
pub enum Readiness {
    /// Connections wait to be accepted.
    Accept,
    /// A socket can be read.
    Read(ConnectionId),
    /// A socket takes bytes again.
    Write(ConnectionId),
}

/// What reading gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input {
    /// So many bytes, and perhaps more to come at once.
    Bytes { count: usize, is_more: bool },
    /// Nothing now; readiness will be reported.
    Nothing,
    /// The peer will send no more.
    End,
    /// The connection is broken.
    Broken,
}

/// All sockets of a shard.
pub struct Sockets {
    ring: NetRing,
    bell: OwnedFd,
    is_bell_watched: bool,
    listeners: accept::Listeners,
    table: Table,
    /// Connections have descriptors below this. The kernel gives the lowest that is free, so that
    /// the number says how many the whole process has open.
    descriptors_max: u64,
    completions: Vec<Completion>,
    /// Which connection holds each buffer that was taken and not read.
    holders: [Option<ConnectionId>; BUFFERS as usize],
    /// What was copied out of buffers as there were too few, by place in the table.
    copies: HashMap<u32, Box<[u8]>>,
    /// Connections whose receive found no buffer.
    starved: Vec<ConnectionId>,
    sent: Vec<Result<usize, Errno>>,
    /// Given up for a moment when no other descriptor is left, so that a peer can be told so.
    reserve: Option<OwnedFd>,
}

impl Sockets {
    /// The sockets that the listeners of one of so many shards will bring, and the descriptor by
    /// which other threads end a sleep.
    pub fn new(listeners: Vec<OwnedFd>, bell: impl AsFd, shard_count: u16) -> io::Result<Sockets> {
        let mut sockets = Sockets {
            ring: NetRing::new(SEND)?,
            bell: bell.as_fd().try_clone_to_owned()?,
            is_bell_watched: false,
            listeners: accept::Listeners::default(),
            table: Table::default(),
            descriptors_max: accept::descriptors_max(shard_count),
            completions: Vec::new(),
            holders: [None; BUFFERS as usize],
            copies: HashMap::new(),
            starved: Vec::new(),
            sent: Vec::new(),
            reserve: accept::open_reserve(),
        };
        sockets.listen_at(listeners)?;
        Ok(sockets)
    }

    /// Ready when there is something to take, or may be.
    pub fn poll_ready(&mut self, context: &mut Context<'_>) -> io::Result<Poll<()>> {
        self.prepare_to_wait()?;
        self.ring.poll_ready(context)
    }

    /// Sleeps until there is something to report, or the time is over. What there is waits for
    /// [`Sockets::take_ready`].
    pub fn sleep(&mut self, time_max: Option<Duration>) -> io::Result<()> {
        self.prepare_to_wait()?;
        self.ring.sleep(time_max)
    }

    /// Whether there is something to report, which then waits for [`Sockets::take_ready`].
    pub fn look(&mut self) -> io::Result<bool> {
        self.prepare_to_wait()?;
        self.ring.look()
    }

    fn prepare_to_wait(&mut self) -> io::Result<()> {
        if !self.is_bell_watched {
            self.ring.watch(self.bell.as_fd(), BELL)?;
            self.is_bell_watched = true;
        }
        self.feed_starved()
    }

    /// Takes what the kernel has to report, without waiting.
    pub fn take_ready(&mut self, ready: &mut Vec<Readiness>) -> io::Result<()> {
        self.feed_starved()?;
        let mut completions = std::mem::take(&mut self.completions);
        self.ring.collect(&mut completions, COMPLETIONS_MAX)?;
        for completion in completions.drain(..) {
            match completion.tag & KIND_MASK {
                LISTENER => {
                    if self.take_knock(completion.tag) {
                        ready.push(Readiness::Accept);
                    }
                }
                BELL => self.is_bell_watched &= !completion.is_last,
                RECEIVE => self.take_received(completion, ready),
                WRITABLE => {
                    if let Some((id, socket)) = find_tagged(&mut self.table, completion.tag) {
                        socket.is_writable = true;
                        ready.push(Readiness::Write(id));
                    }
                }
                // Nothing comes of a cancellation that the request itself does not say.
                _ => {}
            }
        }
        self.completions = completions;
        Ok(())
    }

    fn take_received(&mut self, completion: Completion, ready: &mut Vec<Readiness>) {
        let Completion { tag, result, buffer, .. } = completion;
        let receiver = find_tagged(&mut self.table, tag);
        if let Some(buffer) = buffer
            && (receiver.is_none() || !matches!(result, Ok(1..)))
        {
            self.ring.release(buffer);
        }
        // Of a connection that is gone nothing is known any more, not even who has its place now.
        let Some((id, socket)) = receiver else { return };
        socket.receipt = match (result, buffer) {
            (Ok(count @ 1..), Some(buffer)) => {
                self.holders[usize::from(buffer)] = Some(id);
                Receipt::Holds { buffer, count: count as u16 }
            }
            (Ok(_), _) => Receipt::Ended,
            (Err(Errno::NOBUFS | Errno::INTR | Errno::AGAIN), _) => {
                socket.receipt = Receipt::Starved;
                self.starved.push(id);
                return;
            }
            (Err(_), _) => Receipt::Broken,
        };
        ready.push(Readiness::Read(id));
    }

    /// When buffers ran out: those that are held are copied, so that all are free again.
    fn feed_starved(&mut self) -> io::Result<()> {
        if self.starved.is_empty() {
            return Ok(());
        }
        for (id, number) in self.holders.iter_mut().zip(0..) {
            if let Some(id) = id.take()
                && let Some(socket) = self.table.find_mut(id)
                && let Receipt::Holds { buffer, count } = socket.receipt
                && buffer == number
            {
                self.copies.insert(id.index, self.ring.received(buffer, usize::from(count)).into());
                socket.receipt = Receipt::Copied;
                self.ring.release(buffer);
            }
        }
        for id in self.starved.drain(..) {
            if let Some(socket) = self.table.find_mut(id) {
                receive(&mut self.ring, socket, id, false)?;
            }
        }
        Ok(())
    }

    /// Adds an accepted connection.
    pub fn add(&mut self, id: ConnectionId, descriptor: OwnedFd) -> io::Result<()> {
        let socket = self.table.insert(id, descriptor);
        receive(&mut self.ring, socket, id, true)
    }

    /// Takes what came into `buffer`, which holds all that one receive brings.
    pub fn read(&mut self, id: ConnectionId, buffer: &mut [u8]) -> Input {
        let Some(socket) = self.table.find_mut(id) else { return Input::Nothing };
        let count = match socket.receipt {
            Receipt::Awaited | Receipt::Starved => return Input::Nothing,
            Receipt::Ended => return Input::End,
            Receipt::Broken => return Input::Broken,
            Receipt::Holds { buffer: held, count } => {
                let count = usize::from(count);
                buffer[..count].copy_from_slice(self.ring.received(held, count));
                self.holders[usize::from(held)] = None;
                self.ring.release(held);
                count
            }
            Receipt::Copied => {
                let bytes = self.copies.remove(&id.index).unwrap_or_default();
                buffer[..bytes.len()].copy_from_slice(&bytes);
                bytes.len()
            }
        };
        // A buffer that was not filled emptied the socket.
        match receive(&mut self.ring, socket, id, count < BUFFER_BYTES) {
            Ok(()) => Input::Bytes { count, is_more: false },
            Err(_) => Input::Broken,
        }
    }

    /// Whether a socket was reported readable and has not been read empty.
    pub fn is_readable(&mut self, id: ConnectionId) -> bool {
        let receipt = self.table.find(id).map(|socket| socket.receipt);
        !matches!(receipt, None | Some(Receipt::Awaited | Receipt::Starved))
    }

    /// Lets go of a socket.
    pub fn remove(&mut self, id: ConnectionId) -> Option<OwnedFd> {
        let socket = self.table.remove(id)?;
        match socket.receipt {
            Receipt::Holds { buffer, .. } => {
                self.holders[usize::from(buffer)] = None;
                self.ring.release(buffer);
            }
            Receipt::Copied => drop(self.copies.remove(&id.index)),
            // A request keeps its socket open: it is taken back. It fails only when the ring does,
            // which the turn meets next.
            Receipt::Awaited => drop(self.ring.cancel(tag(RECEIVE, id), CANCEL)),
            Receipt::Starved | Receipt::Ended | Receipt::Broken => {}
        }
        if !socket.is_writable {
            let _ = self.ring.cancel(tag(WRITABLE, id), CANCEL);
        }
        // The number may be another socket's soon: no request may still name it.
        let _ = self.ring.submit();
        Some(socket.descriptor)
    }
}

fn receive(ring: &mut NetRing, socket: &mut Socket, id: ConnectionId, polls_first: bool) -> io::Result<()> {
    ring.receive(socket.descriptor.as_fd(), tag(RECEIVE, id), polls_first)?;
    socket.receipt = Receipt::Awaited;
    Ok(())
}

fn tag(kind: u64, id: ConnectionId) -> u64 {
    kind | u64::from(id.generation & GENERATION_MASK) << 32 | u64::from(id.index)
}

fn find_tagged(table: &mut Table, tag: u64) -> Option<(ConnectionId, &mut Socket)> {
    let index = tag as u32;
    let generation = (tag >> 32) as u32 & GENERATION_MASK;
    let socket = table.at_mut(index)?;
    (socket.generation & GENERATION_MASK == generation)
        .then_some((ConnectionId { index, generation: socket.generation }, socket))
}

#[cfg(test)]
mod tests;
