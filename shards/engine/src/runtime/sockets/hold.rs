//! Gives all sockets away to a new process, and takes them back if it fails.
//!
//! What was asked of the kernel stays with it: no receive moves a byte while the shard makes no call to its ring
//! (`DEFER_TASKRUN`), and none could, as the kernel has no buffer then. So a process that reads the sockets meanwhile
//! misses nothing, and the requests of an owner that ends have no effect.

use super::table::{Receipt, Table};
use super::{Listener, RingSockets, TlsTable};
use hashbrown::HashMap;
use madang_model::ConnectionId;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::net::{self, SendFlags, Shutdown};
use std::io;

/// The sockets of a shard that is paused, and stays their owner.
#[derive(Debug)]
pub struct HeldSockets {
    table: Table,
    copies: HashMap<u32, Box<[u8]>>,
    tls: TlsTable,
}

impl HeldSockets {
    /// The descriptor of a connection.
    pub fn descriptor(&self, id: ConnectionId) -> Option<BorrowedFd<'_>> {
        Some(self.table.find(id)?.descriptor.as_fd())
    }

    /// Whether another process could resume a connection. Not one under TLS: the keys stay in this process. Nor a
    /// broken one: the next read of its socket would report an end.
    pub fn is_carriable(&self, id: ConnectionId) -> bool {
        self.table.find(id).is_some_and(|socket| !socket.has_tls && socket.receipt != Receipt::Broken)
    }

    /// Ends a connection with these words, as far as the kernel takes them at once.
    pub fn end(&mut self, id: ConnectionId, words: &[u8]) {
        let Some(socket) = self.table.find_mut(id) else { return };
        if socket.has_tls {
            // A broken connection receives nothing more.
            let _ = self.tls.write(id, socket, words);
            self.tls.remove(id, socket);
        } else {
            let _ = net::send(&socket.descriptor, words, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
        }
        let _ = net::shutdown(&socket.descriptor, Shutdown::Write);
    }

    /// What came from a connection and was not read, and so is no longer to be had from its socket.
    pub fn came(&self, id: ConnectionId) -> &[u8] {
        let copy = self.table.find(id).and_then(|_| self.copies.get(&id.index));
        copy.map_or(&[], |copy| &copy[..])
    }
}

impl RingSockets {
    /// Asks the kernel for no more input; what it was asked for may still come.
    pub fn pause(&mut self) {
        self.pause_listening();
        self.inbox.set_closed(true);
    }

    /// Connections are read and accepted again.
    pub fn resume(&mut self) -> io::Result<()> {
        self.inbox.set_closed(false);
        self.listen()
    }

    /// Gives all away, connections and listeners, with what came and was not read. Until they are back, nothing else
    /// may be called.
    pub fn give_away(&mut self) -> io::Result<(HeldSockets, Vec<Listener>)> {
        self.ring.withdraw_buffers()?;
        let mut unreported = std::mem::take(&mut self.unreported);
        self.take_completions(&mut unreported, usize::MAX)?;
        self.unreported = unreported;
        self.inbox.copy_all(&mut self.ring, &mut self.table);
        let (table, copies) = (std::mem::take(&mut self.table), std::mem::take(&mut self.inbox.copies));
        let tls = std::mem::replace(&mut self.tls, TlsTable::new());
        Ok((HeldSockets { table, copies, tls }, self.listeners.give_away()))
    }

    /// Takes them back. What became ready meanwhile is reported.
    pub fn take_back(&mut self, (held, listeners): (HeldSockets, Vec<Listener>)) -> io::Result<()> {
        (self.table, self.inbox.copies, self.tls) = (held.table, held.copies, held.tls);
        self.listeners.take_back(listeners);
        self.ring.offer_buffers()
    }
}
