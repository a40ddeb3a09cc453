//! The operator's end: all shards, from any thread.

use super::board::{Sample, StorageState};
use super::inquiry::{Common, Inquiry};
use crate::runtime::bell::Bell;
use crate::runtime::lifecycle::Lifecycle;
use crate::runtime::listener::Listeners;
use crate::shard::{Fill, Leaders, Settings};
use crate::turn::Phase;
use madang_log::{Erasures, Retention};
use madang_model::connection::EntranceKind;
use madang_model::{ShardId, Text, UserName};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How a shard is at this moment.
#[derive(Clone, Debug)]
pub struct ShardReport {
    /// Which.
    pub shard: ShardId,
    /// How full it is.
    pub fill: Fill,
    /// Its largest rooms and outboxes.
    pub leaders: Leaders,
}

/// Whether a shard does its work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShardHealth {
    /// It does.
    Well,
    /// It has not turned for this many seconds.
    Stuck(u64),
    /// It cannot store messages, and why.
    CannotStore(&'static str),
}

/// What the threads beside the shards have done.
#[derive(Debug, Default)]
pub struct Housekeeping {
    /// Segments that expired and were removed.
    pub segments_removed: AtomicU64,
    /// What they took, in bytes.
    pub bytes_removed: AtomicU64,
    /// Indexes that were missing or damaged and were made again.
    pub indexes_rebuilt: AtomicU64,
    /// Indexes, snapshots and removals that failed.
    pub errors: AtomicU64,
    /// How much of the log is kept. Read at each look.
    pub retention: Mutex<Retention>,
    /// Held by whoever changes finished segments, or makes indexes of them: one at a time.
    pub alone: Mutex<()>,
}

impl Housekeeping {
    /// How much is kept now.
    pub fn retention(&self) -> Retention {
        *self.retention.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One shard, from outside.
#[derive(Clone, Debug)]
pub(in crate::runtime) struct Wire {
    pub common: Arc<Common>,
    pub inquiries: flume::Sender<Inquiry>,
    pub bell: Arc<Bell>,
}

/// All shards, from any thread. Nothing here makes a shard wait.
#[derive(Clone, Debug)]
pub struct Remote {
    pub(in crate::runtime) wires: Arc<[Wire]>,
    pub(in crate::runtime) lifecycle: Arc<Lifecycle>,
    pub(in crate::runtime) housekeeping: Arc<Housekeeping>,
}

impl Remote {
    /// The numbers of each shard, at most a second old.
    pub fn samples(&self) -> Vec<Sample> {
        self.wires.iter().map(|wire| wire.common.board.load()).collect()
    }

    /// Whether each shard does its work.
    pub fn health(&self) -> Vec<ShardHealth> {
        let wires = self.wires.iter().enumerate();
        wires
            .map(|(index, wire)| {
                let stuck = self.lifecycle.shard(index).stuck_seconds.load(Ordering::Relaxed);
                let storage = wire.common.board.load().storage();
                if stuck >= Lifecycle::STUCK_SECONDS {
                    ShardHealth::Stuck(stuck)
                } else if storage == StorageState::Failing {
                    let reason = *wire.common.reason.lock().unwrap_or_else(PoisonError::into_inner);
                    ShardHealth::CannotStore(reason)
                } else {
                    ShardHealth::Well
                }
            })
            .collect()
    }

    /// How many messages were deleted since the start, a second ago, and can be read from the log.
    pub fn deletions(&self) -> u64 {
        self.wires.iter().map(|wire| wire.common.board.load().deletions).sum()
    }

    /// Whether the server is neither about to end nor to hand its log to another process.
    pub fn is_running(&self) -> bool {
        self.lifecycle.phase() == Phase::Running
    }

    /// Whether the server drains.
    pub fn is_draining(&self) -> bool {
        self.lifecycle.phase() >= Phase::Draining
    }

    /// What the threads beside the shards have done.
    pub fn housekeeping(&self) -> &Housekeeping {
        &self.housekeeping
    }

    /// How each shard is; `None` for one that does not answer in time.
    pub fn reports(&self, count: usize, time_max: Duration) -> Vec<Option<ShardReport>> {
        self.ask_all(time_max, |reply| Inquiry::Report { count, reply })
    }

    /// Ends all connections of a user. Returns how many there were, once their name is free, or earlier where its
    /// home does not answer. `None` when a shard does not answer in time.
    pub fn kick(&self, name: &UserName, reason: &str, time_max: Duration) -> Option<u64> {
        let deadline = Instant::now() + time_max;
        let reason: Arc<str> = reason.into();
        let ask = |reply| Inquiry::Kick { name: name.clone(), reason: Arc::clone(&reason), reply };
        let replies = self.send_all(ask);
        let counts: Option<Vec<(u64, flume::Receiver<u64>)>> = replies
            .into_iter()
            .map(|answer| answer.and_then(|it| Some((it.recv_deadline(deadline).ok()?, it))))
            .collect();
        counts.map(|counts| {
            let count = |(count, is_done): (u64, flume::Receiver<u64>)| {
                // The second reply reports that it is done.
                let _ = is_done.recv_deadline(deadline);
                count
            };
            counts.into_iter().map(count).sum()
        })
    }

    /// Sends a notice to every connection that has a name. Returns to how many.
    pub fn broadcast(&self, text: &Text, time_max: Duration) -> u64 {
        let ask = |reply| Inquiry::Broadcast { text: text.clone(), reply };
        self.ask_all(time_max, ask).into_iter().flatten().sum()
    }

    /// Sends other settings to all shards. Returns whether all have applied them.
    pub fn reconfigure(&self, settings: Settings, time_max: Duration) -> bool {
        let settings = Arc::new(settings);
        let ask = |reply| Inquiry::Reconfigure { settings: Arc::clone(&settings), reply };
        self.ask_all(time_max, ask).iter().all(Option::is_some)
    }

    /// Has all segments finished that are open now. Returns whether they are on disk; if not, that is to be tried again.
    pub fn finish_segments(&self, time_max: Duration) -> bool {
        let answers = self.ask_all(time_max, |reply| Inquiry::FinishSegment { reply });
        answers.iter().all(|answer| *answer == Some(1))
    }

    /// Has nobody shown this from now on, and only this hidden: all else that was to be erased is erased. Returns whether
    /// all shards do.
    pub fn hide(&self, erasures: &Arc<Erasures>, time_max: Duration) -> bool {
        let ask = |reply| Inquiry::Hide { erasures: Arc::clone(erasures), reply };
        self.ask_all(time_max, ask).iter().all(Option::is_some)
    }

    /// Sets how much of the log is kept from now on.
    pub fn retain(&self, retention: Retention) {
        *self.housekeeping.retention.lock().unwrap_or_else(PoisonError::into_inner) = retention;
    }

    /// Listens there, and at no other entrance of this kind; existing connections stay. Returns whether all shards
    /// do.
    pub fn listen(&self, kind: EntranceKind, listeners: Listeners, time_max: Duration) -> bool {
        let mut sockets = listeners.sockets.into_iter();
        let ask = |reply| Inquiry::Listen { kind, listeners: sockets.next().unwrap_or_default(), reply };
        self.ask_all(time_max, ask).iter().all(|answer| *answer == Some(1))
    }

    /// Asks every shard at once, and waits for all answers together.
    fn ask_all<T>(&self, time_max: Duration, ask: impl FnMut(flume::Sender<T>) -> Inquiry) -> Vec<Option<T>> {
        let deadline = Instant::now() + time_max;
        let replies = self.send_all(ask);
        replies.into_iter().map(|answer| answer?.recv_deadline(deadline).ok()).collect()
    }

    /// Asks every shard at once. `None` for one that does not turn.
    fn send_all<T>(
        &self,
        mut ask: impl FnMut(flume::Sender<T>) -> Inquiry,
    ) -> Vec<Option<flume::Receiver<T>>> {
        self.wires
            .iter()
            .map(|wire| {
                let (reply, answer) = flume::bounded(2);
                // A shard whose box is full does not turn: no answer will come.
                wire.inquiries.try_send(ask(reply)).ok()?;
                wire.common.has_inquiry.store(true, Ordering::Release);
                wire.bell.ring_loudly();
                Some(answer)
            })
            .collect()
    }
}
