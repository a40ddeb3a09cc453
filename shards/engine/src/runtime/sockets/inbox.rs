//! What came and has not been read: in buffers of the ring, or copied out of them.

use super::buffers::{BUFFER_BYTES, BUFFERS};
use super::ring::NetRing;
use super::table::{Receipt, Socket, Table};
use super::{RECEIVE, tag};
use crate::turn::Input;
use hashbrown::HashMap;
use madang_model::ConnectionId;
use rustix::fd::AsFd;
use std::io;

const _: () = assert!(BUFFERS <= 256, "a socket names its buffer by one byte");

/// Input that connections have not read yet, and which of them have no receive.
pub struct Inbox {
    /// Which connection holds each buffer that was taken and not read.
    holders: [Option<ConnectionId>; BUFFERS as usize],
    /// What was copied out of buffers, by place in the table; of each what one buffer held at most.
    pub(super) copies: HashMap<u32, Box<[u8]>>,
    /// Connections that have no receive with the kernel, as it found no buffer or may not be asked.
    starved: Vec<ConnectionId>,
    /// Nothing is to be received for now.
    is_closed: bool,
}

impl Inbox {
    /// Empty.
    pub fn new() -> Inbox {
        Inbox {
            holders: [None; BUFFERS as usize],
            copies: HashMap::new(),
            starved: Vec::new(),
            is_closed: false,
        }
    }

    /// Sets whether nothing more is to be asked of the kernel for now. Receives under way continue.
    pub fn set_closed(&mut self, is_closed: bool) {
        self.is_closed = is_closed;
    }

    /// Asks for what comes next on a socket. `polls_first` spares the kernel to try where nothing is
    /// expected yet.
    pub fn ask(
        &mut self,
        ring: &mut NetRing,
        socket: &mut Socket,
        id: ConnectionId,
        polls_first: bool,
    ) -> io::Result<()> {
        if self.is_closed {
            self.starve(id, socket);
            return Ok(());
        }
        ring.receive(socket.descriptor.as_fd(), tag(RECEIVE, id), polls_first)?;
        socket.receipt = Receipt::Awaited;
        Ok(())
    }

    /// A connection has to wait until it is asked for again.
    pub fn starve(&mut self, id: ConnectionId, socket: &mut Socket) {
        socket.receipt = Receipt::Starved;
        self.starved.push(id);
    }

    /// Bytes came, into a buffer.
    pub fn hold(&mut self, id: ConnectionId, buffer: u16, count: usize) -> Receipt {
        assert!(count <= BUFFER_BYTES, "a buffer holds what came");
        self.holders[usize::from(buffer)] = Some(id);
        // There are no more than 256.
        Receipt::Holds { buffer: buffer as u8, count: count as u16 }
    }

    /// Moves what came into `into`, and asks for more when that was all.
    pub fn take(
        &mut self,
        ring: &mut NetRing,
        socket: &mut Socket,
        id: ConnectionId,
        into: &mut [u8],
    ) -> Input {
        let (count, rest) = match socket.receipt {
            Receipt::Awaited | Receipt::Starved => return Input::Nothing,
            Receipt::Ended => return Input::End,
            Receipt::Broken => return Input::Broken,
            Receipt::Holds { buffer, count } => {
                let moved = move_bytes(ring.received(buffer.into(), usize::from(count)), into);
                self.holders[usize::from(buffer)] = None;
                ring.release(buffer.into());
                moved
            }
            Receipt::Copied => move_bytes(&self.copies.remove(&id.index).unwrap_or_default(), into),
        };
        if let Some(rest) = rest {
            self.copies.insert(id.index, rest);
            socket.receipt = Receipt::Copied;
            return Input::Bytes { count, is_more: true };
        }
        // A buffer that was not filled emptied the socket.
        match self.ask(ring, socket, id, count < BUFFER_BYTES) {
            Ok(()) => Input::Bytes { count, is_more: false },
            Err(_) => Input::Broken,
        }
    }

    /// A connection is gone: discards what came for it.
    pub fn forget(&mut self, ring: &mut NetRing, id: ConnectionId, receipt: Receipt) {
        match receipt {
            Receipt::Holds { buffer, .. } => {
                self.holders[usize::from(buffer)] = None;
                ring.release(buffer.into());
            }
            Receipt::Copied => drop(self.copies.remove(&id.index)),
            Receipt::Awaited | Receipt::Starved | Receipt::Ended | Receipt::Broken => {}
        }
    }

    /// When buffers ran out: adds more, or copies those that are held, so that all are free again; then asks again
    /// for connections that found none.
    pub fn feed_starved(&mut self, ring: &mut NetRing, table: &mut Table) -> io::Result<()> {
        if self.starved.is_empty() || self.is_closed {
            return Ok(());
        }
        if !ring.add_buffers() {
            self.copy_all(ring, table);
        }
        for id in std::mem::take(&mut self.starved) {
            if let Some(socket) = table.find_mut(id)
                && socket.receipt == Receipt::Starved
            {
                self.ask(ring, socket, id, false)?;
            }
        }
        Ok(())
    }

    /// Copies what buffers hold, and gives them back to the ring.
    pub fn copy_all(&mut self, ring: &mut NetRing, table: &mut Table) {
        for (id, number) in self.holders.iter_mut().zip(0..=u8::MAX) {
            if let Some(id) = id.take()
                && let Some(socket) = table.find_mut(id)
                && let Receipt::Holds { buffer, count } = socket.receipt
                && buffer == number
            {
                self.copies.insert(id.index, ring.received(buffer.into(), usize::from(count)).into());
                socket.receipt = Receipt::Copied;
                ring.release(buffer.into());
            }
        }
    }
}

/// Moves as many bytes as there is room for. Returns how many, and what is left.
fn move_bytes(bytes: &[u8], into: &mut [u8]) -> (usize, Option<Box<[u8]>>) {
    let (now, rest) = bytes.split_at(bytes.len().min(into.len()));
    into[..now.len()].copy_from_slice(now);
    (now.len(), (!rest.is_empty()).then(|| rest.into()))
}
