//! From the old process to the new one: what snapshotted shards give away, and what new shards begin with.
//!
//! **Invariant:** at every moment one process owns the log and the connections. The old one does until it ends; it
//! takes everything back only when the new one is dead. How the two agree on that is the caller's business; here
//! shards are snapshotted, resumed and started.

use super::endpoint_status::Closing;
use super::listener::Listener;
use super::preparer::Preparer;
use super::sockets::HeldSockets;
use super::supervisor::Supervisor;
use crate::shard::{ConnectionImage, Portion, ShardImage, share_out};
use crate::turn::Phase;
use madang_model::connection::EntranceKind;
use madang_model::{Carried, ConnectionId, SessionId};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long what was read may take to be stored and sent.
const PAUSE_TIME_MAX: Duration = Duration::from_secs(2);
/// How long logs may take to be sealed.
const SNAPSHOT_TIME_MAX: Duration = Duration::from_secs(3);
/// How long it may take to place connections, names and members, however few they are …
const ADOPT_TIME_MAX: Duration = Duration::from_secs(4);
/// … and for each connection besides: one takes 6 µs, and up to 29 µs for a room of its own, where both
/// processes share a processor.
const ADOPT_TIME_PER_CONNECTION: Duration = Duration::from_micros(50);
/// How long the owner of the endpoint may take to end its sessions, while all connections are served.
const ENDPOINT_TIME_MAX: Duration = Duration::from_secs(1);
/// How often progress is checked.
const LOOK: Duration = Duration::from_millis(1);
const TICK: Duration = Duration::from_secs(1);

/// The order to take a snapshot: everything, or why not, is sent to `snapshotted`, and returns by `given_back`.
#[derive(Debug)]
pub struct HandOver {
    /// Receives everything.
    pub snapshotted: flume::Sender<Result<Snapshotted, String>>,
    /// Returns everything. The shards stay snapshotted until then.
    pub given_back: flume::Receiver<Snapshotted>,
}

/// What all shards have.
#[derive(Debug)]
pub struct Snapshotted {
    /// Of each shard, in the order of their numbers.
    pub parts: Vec<Part>,
    /// When they were paused.
    pub since: Instant,
}

/// What one shard has.
#[derive(Debug)]
pub struct Part {
    /// Its state.
    pub image: ShardImage,
    /// Its descriptors.
    pub held: Held,
}

/// The descriptors of a shard.
#[derive(Debug)]
pub struct Held {
    pub(super) sockets: HeldSockets,
    pub(super) listeners: Vec<Listener>,
    /// Connections that are closed but still read out, each with the seconds it has left.
    pub lingering: Vec<(OwnedFd, u8)>,
}

impl Held {
    /// Its listeners, each with the kind of its entrance.
    pub fn listeners(&self) -> impl Iterator<Item = (EntranceKind, BorrowedFd<'_>)> {
        self.listeners.iter().map(|listener| (listener.entrance.kind, listener.socket.as_fd()))
    }

    /// The descriptor of a connection.
    pub fn connection(&self, id: ConnectionId) -> Option<BorrowedFd<'_>> {
        self.sockets.descriptor(id)
    }

    /// Ends a connection that no process resumes, with these words, as far as its peer takes them at once. For the
    /// owner that will not take it back.
    pub fn end(&mut self, id: ConnectionId, words: &[u8]) {
        self.sockets.end(id, words);
    }
}

/// What the old process has given.
#[derive(Debug)]
pub struct Adoption {
    /// How many shards it had.
    pub shards_before: u16,
    /// Its connections, each as it was named there.
    pub connections: Vec<(SessionId, ConnectionImage, OwnedFd)>,
    /// The state of its homes.
    pub carried: Vec<Carried>,
    /// Connections that are closed but still read out, each with the seconds it has left.
    pub lingering: Vec<(OwnedFd, u8)>,
    /// How long a name and a membership outlive a lost connection.
    pub grace: Duration,
}

/// What one shard begins with.
#[derive(Debug)]
pub struct Given {
    pub portion: Portion<OwnedFd>,
    pub lingering: Vec<(OwnedFd, u8)>,
}

impl Adoption {
    pub(super) fn share_out(self, shard_count: u16) -> VecDeque<Given> {
        let Adoption { shards_before, connections, carried, lingering, grace } = self;
        let portions = share_out(connections, carried, (shards_before, shard_count), grace);
        let given = |portion| Given { portion, lingering: Vec::new() };
        let mut given: VecDeque<Given> = portions.into_iter().map(given).collect();
        if let Some(first) = given.front_mut() {
            first.lingering = lingering;
        }
        given
    }
}

/// Shards that have been given everything, and are paused.
#[derive(Debug)]
pub struct Adopting {
    /// How long it may take.
    time_max: Duration,
    adopted: flume::Receiver<bool>,
    go: flume::Sender<()>,
    /// Holds segments back until then.
    preparer: Preparer,
}

impl Adopting {
    /// How long it may take with this many connections.
    pub fn time_max(connections: usize) -> Duration {
        let each = u32::try_from(connections).unwrap_or(u32::MAX);
        ADOPT_TIME_MAX.saturating_add(ADOPT_TIME_PER_CONNECTION.saturating_mul(each))
    }

    /// Waits until every name and every member is where it belongs. False when that takes too long.
    pub fn is_done(&self) -> bool {
        self.adopted.recv_timeout(self.time_max + TICK).unwrap_or(false)
    }

    /// From now on connections are read and accepted.
    pub fn go(self) {
        self.preparer.release();
        // The supervisor lives as long as the process.
        let _ = self.go.send(());
    }
}

/// The supervisor's end of [`Adopting`].
#[derive(Debug)]
pub struct Beginning {
    time_max: Duration,
    adopted: flume::Sender<bool>,
    go: flume::Receiver<()>,
}

impl Beginning {
    /// For this many connections.
    pub fn new(connections: usize, preparer: Preparer) -> (Beginning, Adopting) {
        let time_max = Adopting::time_max(connections);
        let (adopted, is_adopted) = flume::bounded(1);
        let (go, gone) = flume::bounded(1);
        (Beginning { time_max, adopted, go: gone }, Adopting { time_max, adopted: is_adopted, go, preparer })
    }
}

impl Supervisor {
    /// The shards have been given what the old process had: reports when all of it is in place, and resumes them when
    /// that process has released it.
    pub(super) fn begin(&mut self, beginning: &Beginning) {
        let is_adopted = self.await_quiet(beginning.time_max, LOOK);
        let _ = beginning.adopted.send(is_adopted);
        let mut turns_seen = vec![0; self.bells.len()];
        while let Err(flume::RecvTimeoutError::Timeout) = beginning.go.recv_timeout(TICK) {
            self.tick();
            self.watch(&mut turns_seen);
        }
        self.resume();
    }

    /// Takes a snapshot of the shards, gives everything away, and resumes when it comes back.
    pub(super) fn hand_over(&mut self, order: &HandOver) {
        self.close_endpoint();
        let since = Instant::now();
        self.lifecycle.forget_idleness();
        self.lifecycle.enter(Phase::Paused);
        if !self.await_quiet(PAUSE_TIME_MAX, LOOK) {
            let is_endpoint_late = !self.lifecycle.endpoint.is_idle.load(Ordering::SeqCst);
            let what = if is_endpoint_late {
                "sessions of the edge did not end"
            } else {
                "accepted messages were not stored"
            };
            self.resume();
            let reason = format!("{what} within {} s", PAUSE_TIME_MAX.as_secs());
            let _ = order.snapshotted.send(Err(reason));
            return;
        }
        self.lifecycle.enter(Phase::Snapshotted);
        self.ring_all();
        let (parts, errors) = self.collect_parts();
        if let Some(reason) = errors.into_iter().next() {
            self.give_back(parts);
            let _ = order.snapshotted.send(Err(reason));
            return;
        }
        if let Err(flume::SendError(snapshotted)) = order.snapshotted.send(Ok(Snapshotted { parts, since })) {
            return self.give_back(snapshotted.map(|snapshotted| snapshotted.parts).unwrap_or_default());
        }
        let mut turns_seen = vec![0; self.bells.len()];
        loop {
            match order.given_back.recv_timeout(TICK) {
                Ok(snapshotted) => return self.give_back(snapshotted.parts),
                Err(flume::RecvTimeoutError::Timeout) => {
                    self.tick();
                    self.watch(&mut turns_seen);
                }
                Err(flume::RecvTimeoutError::Disconnected) => {
                    panic!("the thread that hands over gives everything back, or ends the process")
                }
            }
        }
    }

    /// Sessions at the endpoint are not carried over: they end before any shard is paused, so that their homes have
    /// their names and rooms back. Late ones are waited for with everything else, while the shards are paused.
    fn close_endpoint(&self) {
        let endpoint = &self.lifecycle.endpoint;
        endpoint.ask(Some(Closing::Upgrade));
        let asked_at = Instant::now();
        while !endpoint.is_idle.load(Ordering::SeqCst) && asked_at.elapsed() < ENDPOINT_TIME_MAX {
            std::thread::sleep(LOOK);
        }
    }

    /// Collects what every shard has, or why it gives nothing.
    fn collect_parts(&self) -> (Vec<Part>, Vec<String>) {
        let (mut parts, mut errors) = (Vec::new(), Vec::new());
        let deadline = Instant::now() + SNAPSHOT_TIME_MAX;
        for _ in 0..self.lifecycle.shard_count() {
            match self.lifecycle.parts.1.recv_deadline(deadline) {
                Ok(Ok(part)) => parts.push(part),
                Ok(Err(error)) => errors.push(error),
                // A disk that takes longer is waited for: nothing continues without its shard.
                Err(_) => match self.lifecycle.parts.1.recv() {
                    Ok(Ok(part)) => {
                        parts.push(part);
                        errors.push(format!("a log was not sealed within {} s", SNAPSHOT_TIME_MAX.as_secs()));
                    }
                    Ok(Err(error)) => errors.push(error),
                    Err(_) => errors.push("a shard has ended".to_owned()),
                },
            }
        }
        parts.sort_unstable_by_key(|part| part.image.shard);
        (parts, errors)
    }

    fn give_back(&mut self, parts: Vec<Part>) {
        // First: a shard that has everything back while the phase is still `Snapshotted` would give it away again.
        self.lifecycle.enter(Phase::Running);
        for Part { image, held } in parts {
            let _ = self.lifecycle.returned_to(image.shard.index()).0.send(held);
        }
        self.resume();
    }

    fn resume(&mut self) {
        self.lifecycle.enter(Phase::Running);
        self.lifecycle.endpoint.ask(None);
        self.ring_all();
    }
}
