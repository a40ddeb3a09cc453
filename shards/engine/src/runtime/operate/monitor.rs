//! A shard's own monitor: it times the commits, and publishes all numbers once a second.

use super::board::{Sample, StorageState};
use super::histogram::{BATCH_BYTES, BATCH_MESSAGES, COMMIT_SECONDS, Histogram};
use super::inquiry::{Inquiry, Mailbox};
use super::remote::ShardReport;
use crate::mesh::MeshPort;
use crate::runtime::lifecycle::ShardStatus;
use crate::runtime::sockets::RingSockets;
use crate::shard::{Shard, Storage};
use crate::turn::Phase;
use madang_model::connection::Surface;
use madang_model::{ConnectionId, Moment};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A commit under way.
#[derive(Clone, Copy, Debug)]
struct Begun {
    at: Instant,
    bytes: u64,
    messages: u64,
}

/// What is remembered between two samples, to compute the rates.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    at: Moment,
    messages: u64,
    deliveries: u64,
}

/// How long a kick waits until what its connections held is given back. Less than an operator waits for the answer.
const KICK_WAIT: Duration = Duration::from_millis(500);

/// Connections that a kick ends, and the caller that waits for it.
#[derive(Debug)]
struct Kick {
    connections: Vec<ConnectionId>,
    asked_at: Instant,
    reply: flume::Sender<u64>,
}

/// The part of a shard that faces the operator.
#[derive(Debug)]
pub struct Monitor {
    mailbox: Mailbox,
    begun: Option<Begun>,
    /// Messages accepted when the last batch was taken.
    messages_taken: u64,
    commits: u64,
    commit_failures: u64,
    commit_bytes: u64,
    commit_seconds: Histogram<{ COMMIT_SECONDS.len() }>,
    batch_bytes: Histogram<{ BATCH_BYTES.len() }>,
    batch_messages: Histogram<{ BATCH_MESSAGES.len() }>,
    samples: u64,
    before: Before,
    rates: (u64, u64),
    storage: StorageState,
    kicks: Vec<Kick>,
    /// Those that wait until a segment is finished.
    finishing: Vec<flume::Sender<u64>>,
    /// Asked while the shard was between two processes: at most what a mailbox holds for each time it is emptied.
    postponed: Vec<Inquiry>,
}

/// Whether it is not yet decided if this process goes on to serve.
fn is_between_processes(phase: Phase) -> bool {
    matches!(phase, Phase::Paused | Phase::Snapshotted)
}

impl Monitor {
    /// A monitor that answers what is asked in `mailbox`.
    pub fn new(mailbox: Mailbox) -> Monitor {
        Monitor {
            mailbox,
            begun: None,
            messages_taken: 0,
            commits: 0,
            commit_failures: 0,
            commit_bytes: 0,
            commit_seconds: Histogram::default(),
            batch_bytes: Histogram::default(),
            batch_messages: Histogram::default(),
            samples: 0,
            before: Before::default(),
            rates: (0, 0),
            storage: StorageState::Ready,
            kicks: Vec::new(),
            finishing: Vec::new(),
            postponed: Vec::new(),
        }
    }

    /// A batch goes to the writer; `messages` is how many the shard has accepted so far.
    pub fn commit_begins(&mut self, bytes: usize, messages: u64) {
        let count = messages - self.messages_taken;
        self.messages_taken = messages;
        self.begun = Some(Begun { at: Instant::now(), bytes: bytes as u64, messages: count });
    }

    /// The writer is done.
    pub fn commit_ended(&mut self, is_done: bool) {
        let begun = self.begun.take();
        if !is_done {
            self.commit_failures += 1;
            // The messages are in the next batch again.
            self.messages_taken -= begun.map_or(0, |begun| begun.messages);
        } else if let Some(Begun { at, bytes, messages }) = begun {
            self.commits += 1;
            self.commit_bytes += bytes;
            self.commit_seconds.record(at.elapsed().as_secs_f64(), &COMMIT_SECONDS);
            self.batch_bytes.record(bytes as f64, &BATCH_BYTES);
            self.batch_messages.record(messages as f64, &BATCH_MESSAGES);
        }
    }

    /// A second has passed: all numbers are published for others to read.
    pub fn tick<S: Surface>(
        &mut self,
        shard: &mut Shard<S>,
        port: &MeshPort,
        sockets: &RingSockets,
        status: &ShardStatus,
        lingering: usize,
    ) {
        let (tls_connections, tls) = sockets.tls_counts();
        let (proxy_waiting, proxy_refused) = sockets.proxy_counts();
        self.note_rates(shard);
        let fill = shard.fill();
        let counters = shard.counters;
        let (storage, reason) = match shard.storage() {
            // Without room in the last segment, messages are refused as when writing fails.
            Storage::LastSegment(reason) if !shard.log.has_room() => (StorageState::Failing, reason),
            storage => StorageState::of(storage),
        };
        if storage != self.storage {
            self.storage = storage;
            self.mailbox.say_why(reason);
        }
        self.samples += 1;
        self.mailbox.board().store(&Sample {
            samples: self.samples,
            turns: status.turns.load(Ordering::Relaxed),
            accepted: counters.accepted,
            connections: fill.connections,
            sessions: counters.sessions,
            lingering: lingering as u64,
            rooms: fill.rooms,
            users: fill.users,
            messages: counters.messages,
            deliveries: counters.deliveries,
            messages_per_second_milli: self.rates.0,
            deliveries_per_second_milli: self.rates.1,
            sent_bytes: counters.sent_bytes,
            tls_connections: tls_connections as u64,
            tls_handshakes: tls.handshakes,
            tls_faults: tls.faults,
            proxy_waiting: proxy_waiting as u64,
            proxy_refused,
            outbox_bytes: fill.outbox_bytes,
            outbox_bytes_largest: fill.outbox_bytes_largest,
            slow_connections: fill.slow_connections,
            slow_readers: counters.slow_readers,
            outbox_budget_cuts: counters.outbox_budget_cuts,
            drafts_forgotten_early: counters.drafts_forgotten_early,
            parked_connections: fill.parked_connections,
            deferred_requests: fill.deferred_requests,
            lookups: fill.lookups,
            looks_bytes: fill.looks_bytes,
            waiting_rooms: fill.waiting_rooms,
            deletions: shard.deletions(),
            facts_changes: counters.facts_changes,
            facts_renewed: counters.facts_renewed,
            facts_waiting: fill.facts_waiting,
            index_jobs: fill.index_jobs,
            mesh_batches: port.waiting_batches() as u64,
            mesh_overflow_entries: counters.mesh_overflow_entries,
            mesh_sent: status.entries_sent.load(Ordering::Relaxed),
            mesh_received: status.entries_received.load(Ordering::Relaxed),
            refused: counters.refused,
            closed: counters.closed,
            closed_by_protocol: counters.closed_by_protocol,
            commits: self.commits,
            commit_failures: self.commit_failures,
            commit_bytes: self.commit_bytes,
            commit_seconds: self.commit_seconds,
            batch_bytes: self.batch_bytes,
            batch_messages: self.batch_messages,
            unsynced_bytes: fill.unsynced_bytes,
            storage: storage as u64,
        });
    }

    fn note_rates<S: Surface>(&mut self, shard: &Shard<S>) {
        let Before { at, messages, deliveries } = self.before;
        let now = shard.moment();
        let elapsed_ms = now.0.saturating_sub(at.0).max(1);
        let milli = |count: u64| count.saturating_mul(1_000_000) / elapsed_ms;
        let counters = &shard.counters;
        self.rates = (milli(counters.messages - messages), milli(counters.deliveries - deliveries));
        self.before = Before { at: now, messages: counters.messages, deliveries: counters.deliveries };
    }

    /// Answers what was asked since the last turn, if anything.
    pub fn answer<S: Surface>(&mut self, shard: &mut Shard<S>, sockets: &mut RingSockets, phase: Phase) {
        if !self.postponed.is_empty() && !is_between_processes(phase) {
            for inquiry in std::mem::take(&mut self.postponed) {
                self.answer_one(inquiry, shard, sockets, phase);
            }
        }
        if self.mailbox.has_mail() {
            while let Some(inquiry) = self.mailbox.take() {
                self.answer_one(inquiry, shard, sockets, phase);
            }
        }
        if !self.kicks.is_empty() {
            self.answer_kicks(shard);
        }
        if !self.finishing.is_empty() && !shard.is_finishing_segment() {
            for reply in self.finishing.drain(..) {
                let _ = reply.try_send(1);
            }
        }
    }

    fn answer_kicks<S: Surface>(&mut self, shard: &Shard<S>) {
        self.kicks.retain(|Kick { connections, asked_at, reply }| {
            let is_done =
                connections.iter().all(|id| shard.has_parted(*id)) || asked_at.elapsed() > KICK_WAIT;
            if is_done {
                let _ = reply.try_send(connections.len() as u64);
            }
            !is_done
        });
    }

    fn answer_one<S: Surface>(
        &mut self,
        inquiry: Inquiry,
        shard: &mut Shard<S>,
        sockets: &mut RingSockets,
        phase: Phase,
    ) {
        // The caller may have stopped waiting.
        match inquiry {
            Inquiry::Report { count, reply } => {
                let (fill, leaders) = (shard.fill(), shard.leaders(count));
                let _ = reply.try_send(ShardReport { shard: shard.id(), fill, leaders });
            }
            Inquiry::Kick { name, reason, reply } => {
                let connections = shard.kick(&name, &reason);
                // The count is known now; a second reply reports that they have ended.
                let _ = reply.try_send(connections.len() as u64);
                self.kicks.push(Kick { connections, asked_at: Instant::now(), reply });
            }
            Inquiry::Broadcast { text, reply } => {
                let _ = reply.try_send(shard.broadcast(&text));
            }
            Inquiry::FinishSegment { reply } if shard.finish_segment() => self.finishing.push(reply),
            Inquiry::FinishSegment { reply } => {
                let _ = reply.try_send(0);
            }
            Inquiry::Hide { erasures, reply } => {
                let _ = reply.try_send(shard.hide(&erasures));
            }
            Inquiry::Reconfigure { settings, reply } => {
                sockets.set_proxies(settings.proxy_from.clone());
                shard.reconfigure(settings);
                let _ = reply.try_send(1);
            }
            // A new process may be asked while it is not yet sure that it serves, an old one while it does not know
            // whether it ends. The asker waits.
            Inquiry::Listen { .. } if is_between_processes(phase) => self.postponed.push(inquiry),
            // A draining shard has stopped listening for good.
            Inquiry::Listen { reply, .. } if phase != Phase::Running => {
                let _ = reply.try_send(0);
            }
            Inquiry::Listen { kind, listeners, reply } => {
                let listened = sockets.listen_at(kind, listeners);
                if let Err(error) = &listened {
                    tracing::error!(shard = shard.id().0, %error, "cannot listen at the new address yet");
                }
                let _ = reply.try_send(u64::from(listened.is_ok()));
            }
        }
    }
}

#[cfg(test)]
mod tests;
