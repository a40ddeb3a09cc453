//! What is known of each socket.

use madang_model::ConnectionId;
use rustix::fd::OwnedFd;

/// How far a connection's receive is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Receipt {
    /// With the kernel.
    Awaited,
    /// It found no buffer or was not asked for, and is asked for when that may be.
    Starved,
    /// Bytes came, into this buffer.
    Holds { buffer: u8, count: u16 },
    /// Bytes came, and were copied elsewhere.
    Copied,
    /// The peer will send no more.
    Ended,
    /// The connection is broken.
    Broken,
}

/// The socket of one connection.
#[derive(Debug)]
pub struct Socket {
    pub descriptor: OwnedFd,
    pub(super) generation: u32,
    pub(super) receipt: Receipt,
    /// It takes bytes; if not, the kernel reports when it does again.
    pub is_writable: bool,
    /// There is a TLS session for it.
    pub(super) has_tls: bool,
    /// 0 while everything that was written is known to be acknowledged; otherwise one more than the checks in a row
    /// that found no answer of its peer.
    pub(super) doubts: u8,
}

/// All sockets, by the place of their connection.
#[derive(Default, Debug)]
pub struct Table {
    sockets: Vec<Option<Socket>>,
}

const _: () = assert!(size_of::<Option<Socket>>() == 16);

impl Table {
    /// Puts a socket into its place: one from which nothing was asked yet, and which takes bytes.
    pub fn insert(&mut self, id: ConnectionId, descriptor: OwnedFd, has_tls: bool) -> &mut Socket {
        let index = id.index as usize;
        if self.sockets.len() <= index {
            self.sockets.resize_with(index + 1, || None);
        }
        self.sockets[index].insert(Socket {
            descriptor,
            generation: id.generation,
            receipt: Receipt::Starved,
            is_writable: true,
            has_tls,
            doubts: 0,
        })
    }

    pub fn find(&self, id: ConnectionId) -> Option<&Socket> {
        let socket = self.sockets.get(id.index as usize)?.as_ref()?;
        (socket.generation == id.generation).then_some(socket)
    }

    pub fn find_mut(&mut self, id: ConnectionId) -> Option<&mut Socket> {
        self.at_mut(id.index).filter(|socket| socket.generation == id.generation)
    }

    /// The socket that has this place now.
    pub fn at_mut(&mut self, index: u32) -> Option<&mut Socket> {
        self.sockets.get_mut(index as usize)?.as_mut()
    }

    /// Those at the places `first`, `first + n` and so on.
    pub fn every_nth(&mut self, first: u32, n: u32) -> impl Iterator<Item = (ConnectionId, &mut Socket)> {
        let places = (first..).step_by(n as usize);
        let sockets = self.sockets.iter_mut().skip(first as usize).step_by(n as usize);
        places.zip(sockets).filter_map(|(index, socket)| {
            let socket = socket.as_mut()?;
            Some((ConnectionId { index, generation: socket.generation }, socket))
        })
    }

    pub fn remove(&mut self, id: ConnectionId) -> Option<Socket> {
        self.find(id)?;
        self.sockets[id.index as usize].take()
    }
}
