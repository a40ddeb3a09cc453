//! The first half of a turn: connections, bytes and mesh batches that are there are taken in.

use super::shell::{Accepted, Input, Mesh, Readiness, Server, Shell, Sockets};
use super::{Turn, TurnError};
use crate::mesh::{BATCHES_MAX, ENDPOINT};
use madang_model::connection::Surface;
use madang_model::{ConnectionId, Moment, ShardId};
use std::collections::VecDeque;
use std::time::Duration;

/// Connections accepted per turn, and as many new ones read: each takes some 30 µs in all, so that a turn stays short
/// for connected clients during a connection storm.
const NEWCOMERS_PER_TURN: usize = 16;
/// Sockets read per turn.
const READS_PER_TURN: usize = 512;
/// This many writes take about as long as a commit, some 200 µs. Fewer are done while one is under way.
const WRITES_FIRST: usize = 50;
/// Reading ends after this time: requests of a connection storm do not hold up connected clients.
pub const READING_TIME_MAX: Duration = Duration::from_millis(1);
/// How many are read before the clock is checked: what one read may ask for takes up to some 0.2 ms.
pub const READS_PER_LOOK: usize = 4;

/// How much of what waits is taken in one turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    /// New connections accepted, and as many read.
    pub newcomers: usize,
    /// Other connections read.
    pub reads: usize,
    /// With this many connections to be written, that is done before the next commit.
    pub writes_first: usize,
    /// How long a greeting waits for the peer to speak first.
    pub greeting_wait: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            newcomers: NEWCOMERS_PER_TURN,
            reads: READS_PER_TURN,
            writes_first: WRITES_FIRST,
            greeting_wait: GREETING_WAIT,
        }
    }
}

/// How long a greeting waits for the peer to speak first, as HTTP clients do, which accept no answer that does not
/// begin as one. What a client sends at once follows the end of the handshake directly; users do not notice the wait.
const GREETING_WAIT: Duration = Duration::from_millis(5);

/// Memory for this many silent connections is kept after a connection storm.
const SILENT_KEPT: usize = 64;

/// What is to be taken in, and where it is read into.
pub struct Inlet {
    /// Sockets that may be read, each once.
    readable: VecDeque<ConnectionId>,
    /// The same of new connections.
    newcomers: VecDeque<ConnectionId>,
    /// New connections that have sent nothing, each with the time when it is greeted in any case.
    silent: VecDeque<(Moment, ConnectionId)>,
    has_waiting_connections: bool,
    has_warned_of_descriptors: bool,
    pub buffer: Box<[u8]>,
    ready: Vec<Readiness>,
    resumed: Vec<ConnectionId>,
}

impl Inlet {
    pub fn new(read_bytes_max: usize) -> Inlet {
        Inlet {
            readable: VecDeque::new(),
            newcomers: VecDeque::new(),
            silent: VecDeque::new(),
            has_waiting_connections: false,
            has_warned_of_descriptors: false,
            buffer: vec![0; read_bytes_max].into(),
            ready: Vec::new(),
            resumed: Vec::new(),
        }
    }

    /// No connection is read any more.
    pub fn clear(&mut self) {
        self.stop_accepting();
        self.readable.clear();
        self.newcomers.clear();
    }

    /// No connection is accepted before it is reported again that one waits.
    pub fn stop_accepting(&mut self) {
        self.has_waiting_connections = false;
    }

    /// A second has passed.
    pub fn tick(&mut self) {
        self.has_warned_of_descriptors = false;
    }

    fn has_readable(&self) -> bool {
        !self.readable.is_empty() || !self.newcomers.is_empty()
    }
}

impl<S: Surface> Turn<S> {
    /// Whether more could be taken in at once.
    pub(super) fn has_input<W: Shell>(&self, shell: &mut W) -> bool {
        let has_readable = self.inlet.has_readable() && self.stage.takes_input();
        has_readable && self.shard.accepts_input()
            || shell.mesh().has_mail() && self.shard.accepts_mesh()
            || self.inlet.has_waiting_connections
    }

    /// Accepts and reads what is ready.
    pub(super) fn take_input<W: Shell>(&mut self, shell: &mut W) -> Result<(), TurnError> {
        let mut ready = std::mem::take(&mut self.inlet.ready);
        shell.sockets().take_ready(&mut ready).map_err(TurnError::Sockets)?;
        for readiness in ready.drain(..) {
            match readiness {
                Readiness::Accept => self.inlet.has_waiting_connections = self.stage.takes_input(),
                Readiness::Read(id) => self.may_be_read(id),
                Readiness::Write(id) => self.shard.writable(id),
            }
        }
        self.inlet.ready = ready;
        if self.inlet.has_waiting_connections {
            self.accept(shell);
        }
        let mut resumed = std::mem::take(&mut self.inlet.resumed);
        self.shard.take_resumed(&mut resumed);
        for id in resumed.drain(..) {
            if shell.sockets().is_readable(id) {
                self.may_be_read(id);
            }
        }
        self.inlet.resumed = resumed;
        if self.stage.takes_input() {
            self.read_some(shell);
        }
        // Now, as some of them may just have been read.
        if !self.inlet.silent.is_empty() {
            self.greet_silent(shell.now().monotonic);
        }
        Ok(())
    }

    fn greet_silent(&mut self, now: Moment) {
        let silent = &mut self.inlet.silent;
        while let Some((_, id)) = silent.pop_front_if(|(greeted_at, _)| *greeted_at <= now) {
            self.shard.greet(id);
        }
        if silent.is_empty() {
            silent.shrink_to(SILENT_KEPT);
        }
    }

    /// When the next silent connection is to be greeted. Those that have spoken meanwhile need no greeting any more.
    pub fn next_greeting(&mut self) -> Option<Moment> {
        let Turn { inlet, shard, .. } = self;
        while inlet.silent.pop_front_if(|(_, id)| !shard.has_unsent(*id)).is_some() {}
        inlet.silent.front().map(|(greeted_at, _)| *greeted_at)
    }

    fn may_be_read(&mut self, id: ConnectionId) {
        let is_new = self.shard.is_new(id);
        let sockets = if is_new { &mut self.inlet.newcomers } else { &mut self.inlet.readable };
        sockets.push_back(id);
    }

    fn read_some<W: Shell>(&mut self, shell: &mut W) {
        for _ in 0..self.inlet.newcomers.len().min(self.pace.newcomers) {
            if !self.shard.accepts_input() {
                return;
            }
            if let Some(id) = self.inlet.newcomers.pop_front() {
                self.read(id, shell);
            }
        }
        shell.begin_reading();
        for count in 1..=self.inlet.readable.len().min(self.pace.reads) {
            if !self.shard.accepts_input() {
                return;
            }
            if let Some(id) = self.inlet.readable.pop_front() {
                self.read(id, shell);
            }
            if shell.is_reading_over(count) {
                return;
            }
        }
    }

    fn accept<W: Shell>(&mut self, shell: &mut W) {
        let now = shell.now().monotonic;
        for _ in 0..self.pace.newcomers {
            match shell.sockets().accept() {
                Accepted::Connection(arrival) => self.take_arrival(arrival, now, shell.sockets()),
                Accepted::NotYet => {}
                Accepted::Nothing => {
                    self.inlet.stop_accepting();
                    return;
                }
                Accepted::TooMany(arrival) => {
                    self.warn_of_descriptors();
                    let sockets = shell.sockets();
                    let words = self.shard.server_full(sockets.entrance(&arrival).kind);
                    sockets.refuse(arrival, words);
                }
                Accepted::NoDescriptor => {
                    self.warn_of_descriptors();
                    shell.sockets().turn_away(&|kind| self.shard.server_full(kind));
                    shell.sockets().pause_listening();
                    self.inlet.stop_accepting();
                    return;
                }
            }
        }
    }

    /// Input of a peer that has sent some already, or does so soon, is read before its greeting is sent: a script is
    /// served at once, and HTTP finds its answer at the beginning.
    fn take_arrival<N: Sockets>(&mut self, arrival: N::Arrival, now: Moment, sockets: &mut N) {
        let buffer = &mut self.inlet.buffer[..];
        let count = if self.shard.accepts_input() { sockets.take_first(&arrival, buffer) } else { 0 };
        let id = self.shard.accepted(&sockets.entrance(&arrival), sockets.address(&arrival));
        let is_open = sockets.is_open(&arrival);
        if sockets.add(id, arrival).is_err() {
            // The ring has failed, which the next turn meets: as if the peer had gone.
            self.shard.lost(id);
        } else if count > 0 {
            self.shard.came_with(id, &self.inlet.buffer[..count]);
        } else if is_open {
            self.expect_first_words(id, now);
        }
    }

    fn expect_first_words(&mut self, id: ConnectionId, now: Moment) {
        self.inlet.silent.push_back((now.after(self.pace.greeting_wait), id));
    }

    /// Once a tick, as a connection storm would fill the operator's disk with it.
    fn warn_of_descriptors(&mut self) {
        if !std::mem::replace(&mut self.inlet.has_warned_of_descriptors, true) {
            tracing::warn!(
                shard = self.shard.id().0,
                connections = self.shard.connection_count(),
                "no descriptor left for a new connection: raise LimitNOFILE or ulimit -n"
            );
        }
    }

    fn read<W: Shell>(&mut self, id: ConnectionId, shell: &mut W) {
        if !self.shard.wants_input(id) {
            return;
        }
        match shell.sockets().read(id, &mut self.inlet.buffer[..]) {
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
            Input::Broken => self.shard.lost(id),
        }
        if shell.sockets().take_opened() {
            self.expect_first_words(id, shell.now().monotonic);
        }
    }

    /// Takes what other shards and the endpoint sent, as long as the log can hold what follows from it.
    pub(super) fn take_mesh<W: Shell>(&mut self, shell: &mut W) {
        for from in (0..shell.mesh().shard_count()).map(ShardId) {
            while self.take_batch(from, shell) {}
        }
        if shell.mesh().has_endpoint() {
            // The endpoint's owner may send as fast as they are taken.
            shell.begin_reading();
            let mut taken = 0;
            while taken < BATCHES_MAX && self.take_batch(ENDPOINT, shell) {
                taken += 1;
                if shell.is_reading_over(taken * READS_PER_LOOK) {
                    break;
                }
            }
        }
    }

    /// Takes one batch, if there is one and the log can hold what follows from it.
    fn take_batch<W: Shell>(&mut self, from: ShardId, shell: &mut W) -> bool {
        if !self.shard.accepts_mesh() {
            return false;
        }
        let Some(mut batch) = shell.mesh().receive(from) else { return false };
        shell.server().set_idle(false);
        let entries = batch.len() as u64;
        self.shard.mesh_received(&mut batch);
        shell.server().received(entries);
        true
    }
}
