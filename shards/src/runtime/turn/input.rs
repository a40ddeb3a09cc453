//! The first half of a turn: connections, bytes and mesh batches that are there are taken in.

use super::{TurnError, Turning};
use crate::connection::Surface;
use crate::runtime::sockets::{Accepted, Input, Readiness};
use crate::runtime::tls::RECORD_BYTES_MAX;
use crate::types::{ConnectionId, ShardId};
use std::collections::VecDeque;
use std::sync::atomic::Ordering;

/// Connections accepted a turn: a storm does not starve those already in.
const ACCEPTS_PER_TURN: usize = 64;
/// Sockets read a turn.
const READS_PER_TURN: usize = 512;

/// What is to be taken in, and where it is read into.
pub struct Inlet {
    /// Sockets that may be read, each once.
    pub readable: VecDeque<ConnectionId>,
    pub has_waiting_connections: bool,
    pub has_warned_of_descriptors: bool,
    pub buffer: Box<[u8; RECORD_BYTES_MAX]>,
    ready: Vec<Readiness>,
    resumed: Vec<ConnectionId>,
}

impl Inlet {
    pub fn new() -> Inlet {
        Inlet {
            readable: VecDeque::new(),
            has_waiting_connections: false,
            has_warned_of_descriptors: false,
            buffer: Box::new([0; RECORD_BYTES_MAX]),
            ready: Vec::new(),
            resumed: Vec::new(),
        }
    }
}

impl<S: Surface> Turning<S> {
    /// Whether more could be taken in at once.
    pub(super) fn has_input(&self) -> bool {
        let has_readable = !self.inlet.readable.is_empty() && self.stage.takes_input();
        (has_readable || self.port.has_mail()) && self.shard.accepts_input()
            || self.inlet.has_waiting_connections
    }

    /// Accepts and reads what is ready.
    pub(super) fn take_input(&mut self) -> Result<(), TurnError> {
        self.sockets.take_ready(&mut self.inlet.ready).map_err(TurnError::Sockets)?;
        for readiness in self.inlet.ready.drain(..) {
            match readiness {
                Readiness::Accept => self.inlet.has_waiting_connections = self.stage.takes_input(),
                Readiness::Read(id) => self.inlet.readable.push_back(id),
                Readiness::Write(id) => self.shard.writable(id),
            }
        }
        if self.inlet.has_waiting_connections {
            self.accept();
        }
        self.shard.take_resumed(&mut self.inlet.resumed);
        for id in self.inlet.resumed.drain(..) {
            if self.sockets.is_readable(id) {
                self.inlet.readable.push_back(id);
            }
        }
        let is_reading = self.stage.takes_input();
        for _ in 0..if is_reading { self.inlet.readable.len().min(READS_PER_TURN) } else { 0 } {
            if !self.shard.accepts_input() {
                break;
            }
            if let Some(id) = self.inlet.readable.pop_front() {
                self.read(id);
            }
        }
        Ok(())
    }

    fn accept(&mut self) {
        for _ in 0..ACCEPTS_PER_TURN {
            match self.sockets.accept() {
                Accepted::Connection(arrival) => {
                    let id = self.shard.accepted(arrival.address);
                    if self.sockets.add(id, arrival).is_err() {
                        // The ring has failed, which the next turn meets: as if the peer had gone.
                        self.shard.lost(id);
                    }
                }
                Accepted::Nothing => {
                    self.inlet.has_waiting_connections = false;
                    return;
                }
                Accepted::TooMany(arrival) => {
                    self.warn_of_descriptors();
                    arrival.refuse(self.shard.server_full());
                }
                Accepted::NoDescriptor => {
                    self.warn_of_descriptors();
                    let words = self.shard.server_full();
                    self.sockets.turn_away(words);
                    self.sockets.pause_listening();
                    self.inlet.has_waiting_connections = false;
                    return;
                }
            }
        }
    }

    /// Once a tick, as a crowd would fill the operator's disk with it.
    fn warn_of_descriptors(&mut self) {
        if !std::mem::replace(&mut self.inlet.has_warned_of_descriptors, true) {
            tracing::warn!(
                shard = self.shard.id().0,
                connections = self.shard.connection_count(),
                "no descriptor left for a new connection: raise LimitNOFILE or ulimit -n"
            );
        }
    }

    fn read(&mut self, id: ConnectionId) {
        if !self.shard.wants_input(id) {
            return;
        }
        match self.sockets.read(id, &mut self.inlet.buffer[..]) {
            Input::Bytes { count, is_more } => {
                self.shard.received(id, &self.inlet.buffer[..count]);
                if is_more {
                    self.inlet.readable.push_back(id);
                }
            }
            Input::Nothing => {}
            Input::End => self.shard.input_ended(id),
            Input::Broken => {
                if let Some(fault) = self.sockets.take_tls_fault() {
                    let shard = self.shard.id().0;
                    tracing::debug!(shard, connection = %id, %fault, "TLS has failed");
                }
                self.shard.lost(id);
            }
        }
        if self.sockets.take_opened() {
            self.shard.writable(id);
        }
    }

    /// Takes what other shards sent, as long as the log can hold what follows from it.
    pub(super) fn take_mesh(&mut self) {
        let status = self.stage.status();
        for from in (0..self.port.shard_count()).map(ShardId) {
            while self.shard.accepts_input() {
                let Some(mut batch) = self.port.receive(from) else { break };
                status.is_idle.store(false, Ordering::Release);
                let entries = batch.len() as u64;
                self.shard.mesh_received(&mut batch);
                status.entries_received.fetch_add(entries, Ordering::AcqRel);
            }
        }
    }
}
