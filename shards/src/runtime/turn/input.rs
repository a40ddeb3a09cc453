//! The first half of a turn: connections, bytes and mesh batches that are there are taken in.

use super::{TurnError, Turning};
use crate::connection::Surface;
use crate::runtime::sockets::{Accepted, Arrival, Input, Readiness};
use crate::runtime::tls::RECORD_BYTES_MAX;
use crate::types::{ConnectionId, ShardId};
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Connections accepted a turn, and newcomers read: each takes some 30 µs in all, so that a turn stays
/// short for those already in, however many want to come in.
const NEWCOMERS_PER_TURN: usize = 16;
/// Sockets read a turn.
const READS_PER_TURN: usize = 512;
/// Reading ends after so long: what a crowd of newcomers asks for does not hold up what others said.
const READING_TIME_MAX: Duration = Duration::from_millis(1);
/// So many are read before the clock is looked at: what one read may ask for takes up to some 0.2 ms.
const READS_PER_LOOK: usize = 4;

/// A greeting waits so long for the peer to speak first, as clients of HTTP do, which take no answer that does not
/// begin as one. What a client sends at once follows the end of the handshake directly; nobody sees the wait.
const GREETING_WAIT: Duration = Duration::from_millis(5);

/// Memory for so many silent ones is kept when a crowd was greeted.
const SILENT_KEPT: usize = 64;

/// What is to be taken in, and where it is read into.
pub struct Inlet {
    /// Sockets that may be read, each once.
    readable: VecDeque<ConnectionId>,
    /// The same of those who are coming in.
    newcomers: VecDeque<ConnectionId>,
    /// Those who were silent when they came, each with the time when it is greeted whatever comes.
    silent: VecDeque<(Instant, ConnectionId)>,
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
            newcomers: VecDeque::new(),
            silent: VecDeque::new(),
            has_waiting_connections: false,
            has_warned_of_descriptors: false,
            buffer: Box::new([0; RECORD_BYTES_MAX]),
            ready: Vec::new(),
            resumed: Vec::new(),
        }
    }

    /// Nobody is read any more.
    pub fn clear(&mut self) {
        self.has_waiting_connections = false;
        self.readable.clear();
        self.newcomers.clear();
    }

    fn has_readable(&self) -> bool {
        !self.readable.is_empty() || !self.newcomers.is_empty()
    }
}

impl<S: Surface> Turning<S> {
    /// Whether more could be taken in at once.
    pub(super) fn has_input(&self) -> bool {
        let has_readable = self.inlet.has_readable() && self.stage.takes_input();
        has_readable && self.shard.accepts_input()
            || self.port.has_mail() && self.shard.accepts_mesh()
            || self.inlet.has_waiting_connections
    }

    /// Accepts and reads what is ready.
    pub(super) fn take_input(&mut self) -> Result<(), TurnError> {
        self.sockets.take_ready(&mut self.inlet.ready).map_err(TurnError::Sockets)?;
        let mut ready = std::mem::take(&mut self.inlet.ready);
        for readiness in ready.drain(..) {
            match readiness {
                Readiness::Accept => self.inlet.has_waiting_connections = self.stage.takes_input(),
                Readiness::Read(id) => self.may_be_read(id),
                Readiness::Write(id) => self.shard.writable(id),
            }
        }
        self.inlet.ready = ready;
        if self.inlet.has_waiting_connections {
            self.accept();
        }
        self.shard.take_resumed(&mut self.inlet.resumed);
        let mut resumed = std::mem::take(&mut self.inlet.resumed);
        for id in resumed.drain(..) {
            if self.sockets.is_readable(id) {
                self.may_be_read(id);
            }
        }
        self.inlet.resumed = resumed;
        if self.stage.takes_input() {
            self.read_some();
        }
        // Now, as some of them may just have been read.
        self.greet_silent();
        Ok(())
    }

    fn greet_silent(&mut self) {
        let silent = &mut self.inlet.silent;
        if silent.is_empty() {
            return;
        }
        let now = Instant::now();
        while let Some((_, id)) = silent.pop_front_if(|(greeted_at, _)| *greeted_at <= now) {
            self.shard.greet(id);
        }
        if silent.is_empty() {
            silent.shrink_to(SILENT_KEPT);
        }
    }

    /// When the next of those who are silent is to be greeted. Whoever has spoken meanwhile is nobody to wake up for.
    pub(super) fn next_greeting(&mut self) -> Option<Instant> {
        let Turning { inlet, shard, .. } = self;
        while inlet.silent.pop_front_if(|(_, id)| !shard.has_unsent(*id)).is_some() {}
        inlet.silent.front().map(|(greeted_at, _)| *greeted_at)
    }

    fn may_be_read(&mut self, id: ConnectionId) {
        let is_coming_in = self.shard.is_coming_in(id);
        let sockets = if is_coming_in { &mut self.inlet.newcomers } else { &mut self.inlet.readable };
        sockets.push_back(id);
    }

    fn read_some(&mut self) {
        for _ in 0..self.inlet.newcomers.len().min(NEWCOMERS_PER_TURN) {
            if !self.shard.accepts_input() {
                return;
            }
            if let Some(id) = self.inlet.newcomers.pop_front() {
                self.read(id);
            }
        }
        let began = Instant::now();
        for count in 1..=self.inlet.readable.len().min(READS_PER_TURN) {
            if !self.shard.accepts_input() {
                return;
            }
            if let Some(id) = self.inlet.readable.pop_front() {
                self.read(id);
            }
            if count % READS_PER_LOOK == 0 && began.elapsed() > READING_TIME_MAX {
                return;
            }
        }
    }

    fn accept(&mut self) {
        for _ in 0..NEWCOMERS_PER_TURN {
            match self.sockets.accept() {
                Accepted::Connection(arrival) => self.take_arrival(arrival),
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

    /// A peer that has spoken already, or does so soon, is heard before its greeting is sent: a script is served at
    /// once, and HTTP finds its answer at the beginning.
    fn take_arrival(&mut self, arrival: Arrival) {
        let count =
            if self.shard.accepts_input() { arrival.take_first(&mut self.inlet.buffer[..]) } else { 0 };
        let id = self.shard.accepted(arrival.address);
        let has_tls = arrival.has_tls();
        if self.sockets.add(id, arrival).is_err() {
            // The ring has failed, which the next turn meets: as if the peer had gone.
            self.shard.lost(id);
        } else if count > 0 && self.shard.wants_input(id) {
            self.shard.received(id, &self.inlet.buffer[..count]);
        } else if !has_tls {
            self.await_first_words(id);
        }
    }

    fn await_first_words(&mut self, id: ConnectionId) {
        self.inlet.silent.push_back((Instant::now() + GREETING_WAIT, id));
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
                // A part of a handshake is nothing to answer.
                if count > 0 {
                    self.shard.received(id, &self.inlet.buffer[..count]);
                }
                if is_more {
                    self.may_be_read(id);
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
            self.await_first_words(id);
        }
    }

    /// Takes what other shards sent, as long as the log can hold what follows from it.
    pub(super) fn take_mesh(&mut self) {
        let status = self.stage.status();
        for from in (0..self.port.shard_count()).map(ShardId) {
            while self.shard.accepts_mesh() {
                let Some(mut batch) = self.port.receive(from) else { break };
                status.is_idle.store(false, Ordering::Release);
                let entries = batch.len() as u64;
                self.shard.mesh_received(&mut batch);
                status.entries_received.fetch_add(entries, Ordering::AcqRel);
            }
        }
    }
}
