//! From running to drained or handed over, agreed on by all shards.
//!
//! A handover has two steps back and forth. *Paused*: no connection is accepted or read, and what was read is
//! processed to its end. *Snapshotted*, once all shards are idle: logs are sealed, and the shards give everything
//! they have away, until they get it back or the process ends.
//!
//! A drain has three steps. *Draining*: no connection is accepted or read any more, all clients are notified, and
//! what was read is processed to its end through mesh and log. *Closing*, once all shards are idle and every batch
//! sent was received: outboxes are emptied, logs sealed. *Ended*.

use super::bell::Bell;
use super::endpoint_status::EndpointStatus;
use super::handover::{HandOver, Held, Part};
use crate::turn::Phase;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

/// Why the server ends.
#[derive(Debug)]
pub enum Stop {
    /// The operator asked for it, by the signal of this name.
    Signal(&'static str),
    /// The operator asked for it, over the control socket.
    Asked,
    /// A new process is to take over everything.
    HandOver(HandOver),
}

/// Both ends of a channel.
pub type Channel<T> = (flume::Sender<T>, flume::Receiver<T>);

/// What the supervisor and the shards report to each other.
#[derive(Debug)]
pub struct Lifecycle {
    phase: AtomicU8,
    shards: Vec<ShardStatus>,
    /// The status of the endpoint of the mesh.
    pub endpoint: EndpointStatus,
    /// What snapshotted shards give away, or why one cannot.
    pub parts: Channel<Result<Part, String>>,
    /// What each shard gets back.
    returns: Vec<Channel<Held>>,
}

/// What one shard reports of itself.
#[derive(Debug, Default)]
pub struct ShardStatus {
    /// Turns taken: the watchdog's heartbeat.
    pub turns: AtomicU64,
    /// Whether nothing is left to do, while draining.
    pub is_idle: AtomicBool,
    /// Seconds since the supervisor saw it turn last.
    pub stuck_seconds: AtomicU64,
    /// Mesh entries sent.
    pub entries_sent: AtomicU64,
    /// Mesh entries received.
    pub entries_received: AtomicU64,
    /// The supervisor's second has passed and the shard has not looked yet.
    pub has_ticked: AtomicBool,
}

impl Lifecycle {
    /// A shard that has not turned for this long is stuck. It is rung every second.
    pub const STUCK_SECONDS: u64 = 5;

    /// For this many shards, and the endpoint that the bell wakes, if there is one.
    pub fn new(shard_count: u16, endpoint_bell: Option<Arc<Bell>>) -> Lifecycle {
        Lifecycle {
            endpoint: EndpointStatus::new(endpoint_bell),
            phase: AtomicU8::new(Phase::Running as u8),
            shards: (0..shard_count).map(|_| ShardStatus::default()).collect(),
            parts: flume::bounded(usize::from(shard_count)),
            returns: (0..shard_count).map(|_| flume::bounded(1)).collect(),
        }
    }

    /// The channel that returns what a shard has given away.
    pub fn returned_to(&self, index: usize) -> &Channel<Held> {
        &self.returns[index]
    }

    /// How many shards there are.
    pub fn shard_count(&self) -> usize {
        self.shards.len()
    }

    /// Resets idleness: each shard reports it anew in the phase that is about to begin.
    pub fn forget_idleness(&self) {
        self.shards.iter().for_each(|shard| shard.is_idle.store(false, Ordering::Release));
    }

    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Running,
            1 => Phase::Paused,
            2 => Phase::Snapshotted,
            3 => Phase::Draining,
            _ => Phase::Closing,
        }
    }

    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
    }

    pub fn shard(&self, index: usize) -> &ShardStatus {
        &self.shards[index]
    }

    /// Whether all shards and the endpoint are idle and no batch is between them. Valid only when it holds twice with
    /// equal sums: a shard may have looked idle before it received something.
    pub fn quiet_sum(&self) -> Option<u64> {
        let Lifecycle { shards, endpoint, .. } = self;
        let is_idle = endpoint.is_idle.load(Ordering::SeqCst)
            && shards.iter().all(|shard| shard.is_idle.load(Ordering::Acquire));
        let received: u64 = shards.iter().map(|s| s.entries_received.load(Ordering::Acquire)).sum();
        let received = received + endpoint.entries_received.load(Ordering::Acquire);
        let sent: u64 = shards.iter().map(|s| s.entries_sent.load(Ordering::Acquire)).sum();
        let sent = sent + endpoint.entries_sent.load(Ordering::Acquire);
        (is_idle && sent == received).then_some(sent)
    }
}
