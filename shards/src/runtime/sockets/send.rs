//! What a turn has to send, in one call.

use super::ring::{NetRing, POLL_OUT};
use super::table::Table;
use super::{Sockets, WRITABLE, tag};
use crate::types::ConnectionId;
use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::net::{self, SendFlags};

/// What became of a write: the bytes that the kernel took; `None` when the connection is broken.
pub type Written = (ConnectionId, Option<usize>);

impl Sockets {
    /// Writes to each connection what the kernel takes of its outbox. `written` gets every one that
    /// has an outbox.
    pub fn write_each<'a>(
        &mut self,
        ids: &[ConnectionId],
        outbox: impl Fn(ConnectionId) -> Option<&'a [u8]>,
        written: &mut Vec<Written>,
    ) {
        let Sockets { ring, table, sent, .. } = self;
        written.clear();
        written.extend(ids.iter().filter_map(|id| {
            let bytes = outbox(*id)?;
            Some((*id, table.find(*id).map(|socket| if socket.is_writable { bytes.len() } else { 0 })))
        }));
        let is_tried = |count: Option<usize>| count.is_some_and(|count| count > 0);
        let mut tries = written.iter().filter(|(_, count)| is_tried(*count)).filter_map(|(id, _)| {
            let socket = table.find(*id)?;
            Some((socket.descriptor.as_fd(), outbox(*id)?))
        });
        match (tries.next(), tries.next()) {
            // Alone, it is cheaper without the ring.
            (Some((socket, bytes)), None) => {
                sent.clear();
                sent.push(net::send(socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT));
            }
            (first, second) => ring.send_each(first.into_iter().chain(second).chain(tries), sent),
        }
        let tried = written.iter_mut().filter(|(_, count)| is_tried(*count));
        for ((id, count), sent) in tried.zip(sent.drain(..)) {
            *count = conclude(ring, table, *id, count.unwrap_or(0), sent);
        }
    }
}

/// What a send of `length` bytes means for its connection.
fn conclude(
    ring: &mut NetRing,
    table: &mut Table,
    id: ConnectionId,
    length: usize,
    sent: Result<usize, Errno>,
) -> Option<usize> {
    let socket = table.find_mut(id)?;
    let count = match sent {
        Ok(count) => count,
        Err(Errno::AGAIN | Errno::INTR) => 0,
        Err(_) => return None,
    };
    if count < length {
        socket.is_writable = false;
        ring.poll(socket.descriptor.as_fd(), POLL_OUT, tag(WRITABLE, id)).ok()?;
    }
    Some(count)
}
