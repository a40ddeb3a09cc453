//! The second half of a turn: batches for other shards, and one write for each connection that has
//! something to send.

use super::Turning;
use crate::connection::Surface;
use crate::runtime::sockets::{self, Written};
use crate::shard::Ended;
use crate::types::ConnectionId;
use rustix::fd::OwnedFd;
use rustix::net::{self, RecvFlags, Shutdown, sockopt};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A closed connection's peer gets so many seconds to read the last words.
const LINGER_SECONDS: u8 = 3;
const LINGERING_MAX: usize = 4096;
/// With so many seconds left it has had at least one since everything arrived at its machine.
const ARRIVED_SECONDS: u8 = 1;

/// What goes out, and the connections that are closed but still read out.
#[derive(Default)]
pub struct Outlet {
    dirty: Vec<ConnectionId>,
    /// What was written to those.
    written: Vec<(ConnectionId, Written)>,
    ended: Vec<Ended>,
    /// Each with the seconds it has left.
    lingering: Vec<(OwnedFd, u8)>,
}

impl Outlet {
    /// Connections that are closed but still read out.
    pub fn lingering_count(&self) -> usize {
        self.lingering.len()
    }

    /// Gives away what lingers.
    pub fn give_away(&mut self) -> Vec<(OwnedFd, u8)> {
        std::mem::take(&mut self.lingering)
    }

    /// From now on these linger, too.
    pub fn take_over(&mut self, lingering: Vec<(OwnedFd, u8)>) {
        self.lingering.extend(lingering);
        self.lingering.truncate(LINGERING_MAX);
    }

    /// A second has passed: lets go of those whose time is over, or whose peer has closed its side.
    ///
    /// Some clients read the end of what we say and still wait for what is typed, as OpenBSD's `nc` does: a
    /// connection that is broken ends it, so that the shell is back without another key.
    pub fn tick(&mut self, buffer: &mut [u8]) {
        let is_over = |(descriptor, seconds_left): &mut (OwnedFd, u8)| {
            *seconds_left = seconds_left.saturating_sub(1);
            if is_read_out(descriptor, buffer) {
                return true;
            }
            let has_arrived = *seconds_left <= ARRIVED_SECONDS && sockets::has_arrived(descriptor);
            if has_arrived {
                // Closed with a reset, which takes nothing back that its machine has.
                let _ = sockopt::set_socket_linger(&*descriptor, Some(Duration::ZERO));
            }
            has_arrived || *seconds_left == 0
        };
        for (descriptor, _) in self.lingering.extract_if(.., is_over) {
            sockets::close(descriptor);
        }
    }
}

impl<S: Surface> Turning<S> {
    pub(super) fn flush_mesh(&mut self) {
        let delivered = self.shard.flush_mesh(&mut self.port);
        self.stage.status().entries_sent.fetch_add(delivered.entries as u64, Ordering::AcqRel);
        self.port.ring();
    }

    /// Writes each connection that has something to send, once, and lets go of those that ended.
    pub(super) fn flush_sockets(&mut self) {
        self.shard.take_dirty(&mut self.outlet.dirty);
        self.write_dirty();
    }

    /// The same, but for those who can wait.
    pub(super) fn flush_hurried(&mut self) {
        self.shard.take_hurried(&mut self.outlet.dirty);
        self.write_dirty();
    }

    fn write_dirty(&mut self) {
        let Outlet { dirty, written, ended, lingering } = &mut self.outlet;
        self.sockets.write_each(dirty, |id| self.shard.outbox(id), written);
        dirty.clear();
        for (id, written) in written.drain(..) {
            match written {
                Written::Bytes { taken, held } => self.shard.sent(id, taken, held),
                Written::Opening => self.shard.not_open_yet(id),
                Written::Broken => self.shard.lost(id),
            }
        }
        self.shard.take_ended(ended);
        for ended in ended.drain(..) {
            let Some(descriptor) = self.sockets.remove(ended.connection) else { continue };
            if ended.is_orderly && lingering.len() < LINGERING_MAX {
                // Unread input at the time of close would make the kernel reset the connection and
                // throw the last words away (RFC 1122, section 4.2.2.13): it is read out first.
                let _ = net::shutdown(&descriptor, Shutdown::Write);
                lingering.push((descriptor, LINGER_SECONDS));
            } else {
                sockets::close(descriptor);
            }
        }
    }
}

/// Reads and throws away; whether the peer has closed its side, too.
fn is_read_out(descriptor: &OwnedFd, buffer: &mut [u8]) -> bool {
    for _ in 0..16 {
        match net::recv(descriptor, &mut *buffer, RecvFlags::DONTWAIT) {
            Ok((_, 0)) => return true,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => return false,
            Err(_) => return true,
        }
    }
    false
}
