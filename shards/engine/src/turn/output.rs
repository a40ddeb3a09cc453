//! The second half of a turn: batches for other shards, and one write for each connection that has
//! something to send.

use super::Turn;
use super::shell::{Mesh, Server, Shell, Sockets, Written};
use crate::shard::Ended;
use madang_model::ConnectionId;
use madang_model::connection::Surface;

/// What goes out.
#[derive(Default)]
pub struct Outlet {
    dirty: Vec<ConnectionId>,
    /// What was written to each connection.
    written: Vec<(ConnectionId, Written)>,
    ended: Vec<Ended>,
}

impl<S: Surface> Turn<S> {
    pub(super) fn flush_mesh<W: Shell>(&mut self, shell: &mut W) {
        let delivered = self.shard.flush_mesh(shell.mesh());
        shell.server().sent(delivered.entries as u64);
        shell.mesh().ring();
    }

    /// Writes each connection that has something to send, once, and closes those that ended.
    pub(super) fn flush_sockets<W: Shell>(&mut self, shell: &mut W) {
        self.shard.take_dirty(&mut self.outlet.dirty);
        self.write_dirty(shell.sockets());
    }

    /// The same, except for deferred connections.
    pub(super) fn flush_hurried<W: Shell>(&mut self, shell: &mut W) {
        self.shard.take_hurried(&mut self.outlet.dirty);
        self.write_dirty(shell.sockets());
    }

    fn write_dirty<N: Sockets>(&mut self, sockets: &mut N) {
        let Outlet { dirty, written, ended } = &mut self.outlet;
        sockets.write_each(dirty, |id| self.shard.outbox(id), written);
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
            sockets.close(ended.connection, ended.is_orderly);
        }
    }
}
