//! A shard's turn: take what is there, decide, hand on, write each connection once, wait.

use super::bell::Bell;
use super::clock::Clock;
use super::indexer::{IndexDone, IndexJob, Indexer};
use super::lifecycle::{Lifecycle, Phase};
use super::operate::Monitor;
use super::reader::{QUERIES_MAX, Reader};
use super::sockets::{Accepted, Input, Readiness, Sockets};
use super::wait::{Awaited, Breath, Woken};
use super::writer::{CommitError, Writer};
use crate::connection::Surface;
use crate::log::{Batch, Durability, FoundPage, Position, QueryFault, StoredFile};
use crate::mesh::MeshPort;
use crate::shard::{Ended, LookupId, Shard, Storage};
use crate::types::{ConnectionId, ShardId};
use glommio::timer::Timer;
use rustix::fd::OwnedFd;
use rustix::net::{self, RecvFlags, Shutdown};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Connections accepted a turn: a storm does not starve those already in.
const ACCEPTS_PER_TURN: usize = 64;
/// Sockets read a turn, and bytes read from one of them.
const READS_PER_TURN: usize = 512;
const READ_BYTES_MAX: usize = 16 * 1024;
/// A closed connection's peer gets so many seconds to read the last words.
const LINGER_SECONDS: u8 = 3;
const LINGERING_MAX: usize = 4096;
/// A start after a crash reads the indexes of so many segments at most.
const SEGMENTS_PER_SNAPSHOT: u64 = 16;
/// Ticks that a drain waits for readers who do not take their last words.
const CLOSING_TICKS_MAX: u8 = 2;

/// A commit under way. It owns the writer, so that there is never a second one.
type Commit = Pin<Box<dyn Future<Output = Committed>>>;

/// What a commit ends with.
struct Committed {
    writer: Writer,
    batch: Option<Batch>,
    /// What is on disk, when a sync was part of it that the log does not know of.
    synced: Option<Position>,
    result: Result<(), CommitError>,
}

/// A shard with everything it turns on.
pub struct Turning<S: Surface> {
    pub shard: Shard<S>,
    pub sockets: Sockets,
    pub port: MeshPort,
    pub bell: Arc<Bell>,
    pub lifecycle: Arc<Lifecycle>,
    pub clock: Clock,
    pub durability: Durability,
    /// The writer, while no commit is under way.
    pub writer: Option<Writer>,
    pub shard_count: u16,
    /// What the operator sees and asks.
    pub monitor: Monitor,
    awaited: Awaited<Commit>,
    reader: Rc<Reader>,
    indexes: Indexes,
    /// A batch whose segment could not be had: it is tried again at the next tick.
    stalled: Option<Batch>,
    /// A failed commit is tried again at the next tick, not at once.
    has_failed: bool,
    is_sync_due: bool,
    /// Sockets that may be read, each once.
    readable: VecDeque<ConnectionId>,
    has_waiting_connections: bool,
    lingering: Vec<(OwnedFd, u8)>,
    buffer: Box<[u8; READ_BYTES_MAX]>,
    ready: Vec<Readiness>,
    ids: Vec<ConnectionId>,
    ended: Vec<Ended>,
    breath: Breath,
    phase: Phase,
    closing_ticks: u8,
}

/// What a shard starts to turn with.
pub struct Parts<S: Surface> {
    pub shard: Shard<S>,
    pub sockets: Sockets,
    pub port: MeshPort,
    pub bell: Arc<Bell>,
    pub lifecycle: Arc<Lifecycle>,
    pub clock: Clock,
    pub durability: Durability,
    pub writer: Writer,
    pub shard_count: u16,
    pub reader: Reader,
    pub indexer: Indexer,
    pub monitor: Monitor,
}

/// The thread that writes this shard's indexes, and what it has done.
struct Indexes {
    indexer: Indexer,
    reply: flume::Sender<IndexDone>,
    done: flume::Receiver<IndexDone>,
}

impl<S: Surface> Turning<S> {
    pub fn new(parts: Parts<S>) -> Turning<S> {
        // One answer a job, and a shard has few: its segments fill slowly, its lookups are bounded.
        let (reply, done) = flume::unbounded();
        let indexes = Indexes { indexer: parts.indexer, reply, done };
        Turning {
            shard: parts.shard,
            sockets: parts.sockets,
            port: parts.port,
            bell: parts.bell,
            lifecycle: parts.lifecycle,
            clock: parts.clock,
            durability: parts.durability,
            writer: Some(parts.writer),
            shard_count: parts.shard_count,
            monitor: parts.monitor,
            awaited: Awaited { commit: None, sync_timer: None, queries: Vec::new() },
            reader: Rc::new(parts.reader),
            indexes,
            stalled: None,
            has_failed: false,
            is_sync_due: false,
            readable: VecDeque::new(),
            has_waiting_connections: false,
            lingering: Vec::new(),
            buffer: Box::new([0; READ_BYTES_MAX]),
            ready: Vec::new(),
            ids: Vec::new(),
            ended: Vec::new(),
            breath: Breath::new(),
            phase: Phase::Running,
            closing_ticks: 0,
        }
    }

    /// Turns until the server is drained.
    ///
    /// # Errors
    /// When the log or the readiness set fails: the process must end.
    pub async fn run(mut self) -> Result<(), TurnError> {
        loop {
            self.look_after_storage();
            self.shard.begin_turn(self.clock.now());
            self.take_input()?;
            self.take_mesh();
            self.take_tick();
            self.enter_phase();
            self.flush_mesh();
            self.start_commit();
            self.start_queries();
            self.flush_sockets();
            if self.is_finished() {
                return self.finish().await;
            }
            self.rest().await?;
        }
    }

    /// Accepts and reads what is ready.
    fn take_input(&mut self) -> Result<(), TurnError> {
        self.sockets.take_ready(&mut self.ready).map_err(TurnError::Sockets)?;
        for readiness in self.ready.drain(..) {
            match readiness {
                Readiness::Accept => self.has_waiting_connections = true,
                Readiness::Read(id) => self.readable.push_back(id),
                Readiness::Write(id) => self.shard.writable(id),
            }
        }
        if self.has_waiting_connections {
            self.accept();
        }
        self.shard.take_resumed(&mut self.ids);
        for id in self.ids.drain(..) {
            if self.sockets.is_readable(id) {
                self.readable.push_back(id);
            }
        }
        for _ in 0..self.readable.len().min(READS_PER_TURN) {
            if !self.shard.accepts_input() {
                break;
            }
            if let Some(id) = self.readable.pop_front() {
                self.read(id);
            }
        }
        Ok(())
    }

    fn accept(&mut self) {
        for _ in 0..ACCEPTS_PER_TURN {
            match self.sockets.accept() {
                Accepted::Connection(descriptor, address) => {
                    let id = self.shard.accepted(address);
                    if self.sockets.add(id, descriptor).is_err() {
                        // The set has no room (fs.epoll.max_user_watches): as if the peer had gone.
                        self.shard.lost(id);
                    }
                }
                Accepted::Nothing => {
                    self.has_waiting_connections = false;
                    return;
                }
                Accepted::NoDescriptor => {
                    tracing::warn!(
                        shard = self.shard.id().0,
                        connections = self.shard.connection_count(),
                        "no descriptor left for a new connection: raise LimitNOFILE or ulimit -n"
                    );
                    let words = self.shard.server_full();
                    self.sockets.turn_away(words);
                    self.sockets.pause_listening();
                    self.has_waiting_connections = false;
                    return;
                }
            }
        }
    }

    fn read(&mut self, id: ConnectionId) {
        if !self.shard.wants_input(id) {
            return;
        }
        match self.sockets.read(id, &mut self.buffer[..]) {
            Input::Bytes { count, is_more } => {
                self.shard.received(id, &self.buffer[..count]);
                if is_more {
                    self.readable.push_back(id);
                }
            }
            Input::Nothing => {}
            Input::End => self.shard.input_ended(id),
            Input::Broken => self.shard.lost(id),
        }
    }

    /// Takes what other shards sent, as long as the log can hold what follows from it.
    fn take_mesh(&mut self) {
        let status = self.lifecycle.shard(self.shard.id().index());
        for from in (0..self.shard_count).map(ShardId) {
            while self.shard.accepts_input() {
                let Some(mut batch) = self.port.receive(from) else { break };
                status.is_idle.store(false, Ordering::Release);
                let entries = batch.len() as u64;
                self.shard.mesh_received(&mut batch);
                status.entries_received.fetch_add(entries, Ordering::AcqRel);
            }
        }
    }

    /// Once a second: what is due, what lingers, and whether listening can go on.
    fn take_tick(&mut self) {
        let status = self.lifecycle.shard(self.shard.id().index());
        status.turns.fetch_add(1, Ordering::AcqRel);
        self.monitor.answer(&mut self.shard, &mut self.sockets, self.phase == Phase::Running);
        if !status.has_ticked.swap(false, Ordering::AcqRel) {
            return;
        }
        self.shard.tick();
        self.monitor.tick(&mut self.shard, &self.port, status, self.lingering.len());
        self.has_failed = false;
        // Not longer than this are files kept open that retention has removed.
        self.reader.close_files();
        if let Some(writer) = &mut self.writer {
            writer.retry_next();
        }
        if self.phase == Phase::Closing {
            self.closing_ticks += 1;
        }
        let buffer = &mut self.buffer[..];
        self.lingering.retain_mut(|(descriptor, seconds_left)| {
            *seconds_left = seconds_left.saturating_sub(1);
            *seconds_left > 0 && !is_read_out(descriptor, buffer)
        });
        if self.phase == Phase::Running
            && let Err(error) = self.sockets.listen()
        {
            tracing::warn!(shard = self.shard.id().0, %error, "cannot listen again yet");
        }
    }

    fn enter_phase(&mut self) {
        let phase = self.lifecycle.phase();
        if phase >= Phase::Draining && self.phase == Phase::Running {
            self.sockets.close_listener();
            self.has_waiting_connections = false;
            self.readable.clear();
            self.shard.begin_drain();
            self.phase = Phase::Draining;
        }
        if phase == Phase::Closing && self.phase == Phase::Draining {
            self.shard.finish_drain();
            self.phase = Phase::Closing;
        }
    }

    fn flush_mesh(&mut self) {
        let delivered = self.shard.flush_mesh(&mut self.port);
        let status = self.lifecycle.shard(self.shard.id().index());
        status.entries_sent.fetch_add(delivered.entries as u64, Ordering::AcqRel);
        self.port.ring();
    }

    /// Hands the open batch to the disk, unless a commit is under way: then it goes on filling.
    fn start_commit(&mut self) {
        if self.awaited.commit.is_some() || self.has_failed {
            return;
        }
        let batch = self.stalled.take().or_else(|| self.shard.log.take_batch());
        if batch.is_none() && !self.is_sync_due {
            return;
        }
        let Some(mut writer) = self.writer.take() else { return };
        if let Some(batch) = &batch {
            self.monitor.commit_begins(batch.bytes.len(), self.shard.counters.messages);
        }
        let is_sync_due = std::mem::take(&mut self.is_sync_due);
        // Only what was written before this batch: the batch may go to another segment.
        let written = self.shard.log.written();
        self.awaited.commit = Some(Box::pin(async move {
            let mut result = Ok(());
            if is_sync_due {
                result = writer.sync().await;
            }
            if result.is_ok()
                && let Some(batch) = &batch
            {
                result = writer.commit(batch).await;
            }
            Committed { writer, batch, synced: is_sync_due.then_some(written), result }
        }));
    }

    fn finish_commit(&mut self, committed: Committed) {
        let Committed { writer, batch, synced, result } = committed;
        self.monitor.commit_ended(result.is_ok());
        if let Durability::Interval(interval) = self.durability
            && writer.has_unsynced()
            && self.awaited.sync_timer.is_none()
        {
            self.awaited.sync_timer = Some(Timer::new(interval));
        }
        self.writer = Some(writer);
        if let Err(error) = result {
            return self.commit_failed(batch, &error);
        }
        if let Some(position) = synced {
            self.shard.log.synced(position);
        }
        if let Some(batch) = batch {
            if matches!(self.shard.storage(), Storage::Failing(_)) {
                tracing::info!(shard = self.shard.id().0, "the log can be written again");
                self.shard.set_storage(Storage::Preparing);
            }
            self.shard.committed(batch);
        }
    }

    /// Hands finished segments to the index thread, takes what it has done, and begins queries.
    fn start_queries(&mut self) {
        while let Ok(done) = self.indexes.done.try_recv() {
            match done {
                IndexDone::Written => self.shard.archive().index_written(),
                IndexDone::Snapshot => {}
                IndexDone::Rebuilt { directory, segment, lookup, is_there } => {
                    self.reader.forget(directory, StoredFile::Index(segment));
                    if is_there {
                        self.shard.archive().ask_again(lookup);
                    } else {
                        self.shard.query_done(lookup, Err(QueryFault::IndexMissing { directory, segment }));
                    }
                }
            }
        }
        for index in self.shard.archive().take_indexes() {
            let is_snapshot_due = index.segment().0.is_multiple_of(SEGMENTS_PER_SNAPSHOT);
            self.order(IndexJob::Write(index));
            if is_snapshot_due {
                self.order(IndexJob::Snapshot);
            }
        }
        while self.awaited.queries.len() < QUERIES_MAX
            && let Some((id, query)) = self.shard.next_query()
        {
            self.awaited.queries.push(self.reader.carry_out(id, query));
        }
    }

    fn order(&self, job: IndexJob) {
        let (reply, bell) = (self.indexes.reply.clone(), Arc::clone(&self.bell));
        self.indexes.indexer.order(self.shard.id(), job, reply, bell);
    }

    fn finish_query(&mut self, lookup: LookupId, found: Result<FoundPage, QueryFault>) {
        if let Err(
            QueryFault::IndexMissing { directory, segment }
            | QueryFault::IndexDamaged { directory, segment, .. },
        ) = found
            && self.shard.archive().may_mend(lookup, directory, segment)
        {
            self.order(IndexJob::Rebuild { directory, segment, lookup });
        } else {
            self.shard.query_done(lookup, found);
        }
    }

    /// The batch is kept, and tried again at the next tick: its authors wait, nobody is told of
    /// what is not on disk, and nothing new is accepted until the disk takes it.
    fn commit_failed(&mut self, batch: Option<Batch>, error: &CommitError) {
        let shard = self.shard.id().0;
        let Some(batch) = batch else {
            // What it should have made sure of was shown before, as `interval` promises no more.
            // No batch waits that could find out when the disk works again: the next one will.
            tracing::error!(shard, %error, "messages shown since the last sync may be lost in a power cut");
            return self.shard.log.sync_failed();
        };
        self.has_failed = true;
        if !matches!(self.shard.storage(), Storage::Failing(_)) {
            tracing::error!(shard, %error, "the log cannot be written: messages are refused until it can");
        }
        self.shard.set_storage(Storage::Failing(error.reason()));
        match error {
            CommitError::Prepare(_) => self.stalled = Some(batch),
            CommitError::File { .. } => self.shard.log.failed(batch),
        }
    }

    /// Whether there will be a segment after the open one. While a commit is under way the writer
    /// is out; what it left behind has room.
    fn look_after_storage(&mut self) {
        if let Some(writer) = &mut self.writer
            && !matches!(self.shard.storage(), Storage::Failing(_))
        {
            self.shard.set_storage(writer.next_storage());
        }
    }

    /// Writes each connection that has something to send, once, and lets go of those that ended.
    fn flush_sockets(&mut self) {
        self.shard.take_dirty(&mut self.ids);
        for id in self.ids.drain(..) {
            let Some(outbox) = self.shard.outbox(id) else { continue };
            match self.sockets.write(id, outbox) {
                Some(count) => self.shard.sent(id, count),
                None => self.shard.lost(id),
            }
        }
        self.shard.take_ended(&mut self.ended);
        for ended in self.ended.drain(..) {
            let Some(descriptor) = self.sockets.remove(ended.connection) else { continue };
            if ended.is_orderly && self.lingering.len() < LINGERING_MAX {
                // Unread input at the time of close would make the kernel reset the connection and
                // throw the last words away (RFC 1122, section 4.2.2.13): it is read out first.
                let _ = net::shutdown(&descriptor, Shutdown::Write);
                self.lingering.push((descriptor, LINGER_SECONDS));
            }
        }
    }

    /// Waits for something to happen, or breathes when there is more to do.
    async fn rest(&mut self) -> Result<(), TurnError> {
        let is_busy = (!self.readable.is_empty() || self.port.has_mail()) && self.shard.accepts_input()
            || self.has_waiting_connections
            || self.shard.has_work()
            || (self.awaited.commit.is_none() && !self.has_failed && !self.shard.log.is_idle());
        self.report_idleness(is_busy);
        let Turning { breath, sockets, bell, awaited, .. } = self;
        let Woken { committed, is_sync_due, found } = if is_busy {
            breath.between_turns(awaited).await
        } else {
            breath.until_woken(sockets, bell, awaited).await.map_err(TurnError::Sockets)?
        };
        self.is_sync_due |= is_sync_due;
        for (id, found) in found {
            self.finish_query(id, found);
        }
        if let Some(committed) = committed {
            self.finish_commit(committed);
        }
        Ok(())
    }

    fn report_idleness(&self, is_busy: bool) {
        if self.phase == Phase::Draining {
            let is_idle = !is_busy
                && self.awaited.commit.is_none()
                && self.awaited.queries.is_empty()
                && !self.shard.has_outbound()
                && self.shard.log.is_idle();
            self.lifecycle.shard(self.shard.id().index()).is_idle.store(is_idle, Ordering::Release);
        }
    }

    fn is_finished(&self) -> bool {
        let has_said_all = self.shard.connection_count() == 0 || self.closing_ticks > CLOSING_TICKS_MAX;
        self.phase == Phase::Closing && has_said_all && self.awaited.commit.is_none()
    }

    async fn finish(mut self) -> Result<(), TurnError> {
        let Some(mut writer) = self.writer.take() else { return Ok(()) };
        writer.sync().await.map_err(TurnError::Commit)?;
        if let Some(sealed) = self.shard.log.finish() {
            writer.seal(&sealed).await.map_err(TurnError::Commit)?;
            self.shard.archive().leave(&sealed, sealed.number.next());
        }
        let indexes = self.shard.archive().take_indexes();
        let mut awaited = indexes.len();
        indexes.into_iter().for_each(|index| self.order(IndexJob::Write(index)));
        // Behind the indexes on the same thread: a snapshot never tells of one that is not there.
        awaited += 1;
        self.order(IndexJob::Snapshot);
        while awaited > 0 && self.indexes.done.recv_async().await.is_ok() {
            awaited -= 1;
        }
        Ok(())
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

/// Why a shard cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    /// Messages cannot be stored.
    #[error("the log cannot be written: {0}")]
    Commit(CommitError),
    /// Sockets cannot be waited for.
    #[error("the readiness set failed: {0}")]
    Sockets(std::io::Error),
}
