//! What a turn has to send, in one call.

use super::doubts::WRITTEN;
use super::ring::{NetRing, POLL_OUT};
use super::table::{Socket, Table};
use super::{RingSockets, WRITABLE, tag};
use crate::turn::Written;
use madang_model::ConnectionId;
use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::net::{self, SendFlags};
use std::io;

impl RingSockets {
    /// Writes to each connection what the kernel takes of its outbox. `written` gets every one that
    /// has an outbox.
    pub fn write_each<'a>(
        &mut self,
        ids: &[ConnectionId],
        outbox: impl Fn(ConnectionId) -> Option<&'a [u8]>,
        written: &mut Vec<(ConnectionId, Written)>,
    ) {
        written.clear();
        self.tries.clear();
        for id in ids {
            if let Some(bytes) = outbox(*id) {
                let outcome = self.write_at_once(*id, bytes).unwrap_or_else(|| {
                    self.tries.push(written.len() as u32);
                    Written::Bytes { taken: bytes.len(), held: 0 }
                });
                written.push((*id, outcome));
            }
        }
        let RingSockets { ring, table, sent, tries, .. } = self;
        let mut sends = tries.iter().filter_map(|index| {
            let (id, _) = written[*index as usize];
            Some((table.find(id)?.descriptor.as_fd(), outbox(id)?))
        });
        sent.clear();
        match (sends.next(), sends.next()) {
            (None, _) => {}
            // Alone, it is cheaper without the ring.
            (Some((socket, bytes)), None) => {
                sent.push(net::send(socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT));
            }
            (first, second) => ring.send_each(first.into_iter().chain(second).chain(sends), sent),
        }
        assert_eq!(tries.len(), sent.len(), "each try has an outcome");
        for (index, sent) in tries.drain(..).zip(sent.drain(..)) {
            let (id, outcome) = &mut written[index as usize];
            if let Written::Bytes { taken: length, .. } = *outcome {
                *outcome = conclude(ring, table, *id, length, sent);
            }
        }
    }

    /// The outcome of a write that needs no ring; `None` if it needs one.
    fn write_at_once(&mut self, id: ConnectionId, bytes: &[u8]) -> Option<Written> {
        let RingSockets { ring, table, tls, .. } = self;
        let Some(socket) = table.find_mut(id) else { return Some(Written::Broken) };
        if socket.has_tls {
            // It goes out record by record, each by a call of its own: what the kernel does not take of
            // one is to be known before the next is encrypted.
            socket.doubts = socket.doubts.max(WRITTEN);
            let was_writable = socket.is_writable;
            let written = tls.write(id, socket, bytes);
            return Some(match await_room(ring, socket, id, was_writable) {
                Ok(()) => written,
                Err(_) => Written::Broken,
            });
        }
        (!socket.is_writable || bytes.is_empty()).then_some(Written::Bytes { taken: 0, held: 0 })
    }
}

/// What a send of `length` bytes means for its connection.
fn conclude(
    ring: &mut NetRing,
    table: &mut Table,
    id: ConnectionId,
    length: usize,
    sent: Result<usize, Errno>,
) -> Written {
    let Some(socket) = table.find_mut(id) else { return Written::Broken };
    let taken = match sent {
        Ok(count) => count,
        Err(Errno::AGAIN | Errno::INTR) => 0,
        Err(_) => return Written::Broken,
    };
    socket.doubts = socket.doubts.max(WRITTEN);
    socket.is_writable = taken == length;
    match await_room(ring, socket, id, true) {
        Ok(()) => Written::Bytes { taken, held: 0 },
        Err(_) => Written::Broken,
    }
}

/// Asks for a report when a socket takes bytes again that took them until now.
pub(super) fn await_room(
    ring: &mut NetRing,
    socket: &Socket,
    id: ConnectionId,
    was_writable: bool,
) -> io::Result<()> {
    if was_writable && !socket.is_writable {
        ring.poll(socket.descriptor.as_fd(), POLL_OUT, tag(WRITABLE, id))?;
    }
    Ok(())
}
