//! The link of a server: the core's end at the endpoint of the mesh, as its thread has it.

use super::super::chance::Chance;
use super::super::words::{ONLY_EPOCH, ServedEpoch};
use madang_engine::mesh::{BATCH_ENTRIES_MAX, BATCHES_MAX, ENDPOINT};
use madang_engine::mutation::{Mutation, is_on};
use madang_link::{CoreEnd, CoreSettings, GoingDown, LinkEnd, RequestBatches};
use madang_model::{MeshEntry, Moment};
use std::collections::VecDeque;
use std::sync::Arc;

/// Batches on their way, of each shard or for it.
type Queues = Vec<VecDeque<Vec<MeshEntry>>>;

/// The core's end of the link, and the channels between it and the shards.
pub struct LinkCore {
    /// The real one.
    pub core: CoreEnd,
    /// From each shard.
    events: Queues,
    /// To each shard.
    requests: Queues,
    /// Not sent yet.
    batches: RequestBatches,
    batches_max: usize,
    is_overrun: bool,
    /// Entries sent to shards and received from them.
    entries: (u64, u64),
    /// Whether an edge may connect.
    pub is_open: bool,
}

impl LinkCore {
    /// Of so many shards, each of which may have so many batches for it.
    pub fn new(shard_count: u16, batches_max: usize, epoch: &ServedEpoch) -> LinkCore {
        let epoch = Arc::clone(epoch);
        let epoch = move || match epoch.get() {
            Some(epoch) if !is_on(Mutation::KeepLinkEpoch) => *epoch,
            _ => ONLY_EPOCH,
        };
        let settings = CoreSettings { epoch: Box::new(epoch), ..CoreSettings::new(ENDPOINT, shard_count) };
        let queues = || (0..shard_count).map(|_| VecDeque::new()).collect();
        LinkCore {
            core: CoreEnd::new(settings),
            events: queues(),
            requests: queues(),
            batches: RequestBatches::new(shard_count, BATCH_ENTRIES_MAX),
            batches_max,
            is_overrun: false,
            entries: (0, 0),
            is_open: true,
        }
    }

    /// A shard has something for it, which is dropped when it is full.
    pub fn try_send(&mut self, from: usize, batch: Vec<MeshEntry>) -> Result<(), Vec<MeshEntry>> {
        if self.events[from].len() >= self.batches_max {
            self.is_overrun = true;
            return Err(batch);
        }
        self.events[from].push_back(batch);
        Ok(())
    }

    /// What a shard takes next.
    pub fn receive(&mut self, shard: usize) -> Option<Vec<MeshEntry>> {
        self.requests[shard].pop_front()
    }

    /// Whether it has something for a shard.
    pub fn has_mail_for(&self, shard: usize) -> bool {
        !self.requests[shard].is_empty()
    }

    /// Takes batches of shards, by chance some of them. Whether there were any.
    pub fn take_events(&mut self, chance: &mut Chance, batches_max: usize) -> bool {
        let mut has_done = false;
        for _ in 0..batches_max {
            let from = chance.below(self.events.len());
            let batch = self.events[from].pop_front();
            if std::mem::take(&mut self.is_overrun) {
                self.core.end(LinkEnd::Overrun);
            }
            let Some(batch) = batch else { continue };
            has_done = true;
            self.entries.1 += batch.len() as u64;
            for envelope in batch {
                if let MeshEntry::Event(event) = envelope {
                    self.core.event(event);
                }
            }
        }
        has_done
    }

    /// Sends at most so many requests, as far as shards take them. Whether there were any.
    pub fn send_requests(&mut self, requests_max: usize) -> bool {
        let LinkCore { core, batches, requests, entries, .. } = self;
        batches.send(core, requests_max, |shard, batch| {
            let waiting = &mut requests[shard.index()];
            if waiting.len() >= BATCHES_MAX {
                return Err(batch);
            }
            entries.0 += batch.len() as u64;
            waiting.push_back(batch);
            Ok(())
        })
    }

    /// No edge may connect any more; one that is there is notified.
    pub fn close(&mut self, going_down: GoingDown) {
        self.is_open = false;
        self.core.go_down(going_down);
        self.core.end(LinkEnd::GoingDown(going_down));
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Moment) {
        self.core.tick(now);
    }

    /// Whether it waits for nothing: what sessions gave back was sent, and if it is closed no session is left.
    pub fn is_idle(&self) -> bool {
        let has_sessions = !self.is_open && self.core.session_count() > 0;
        !has_sessions && !self.core.has_requests() && self.batches.is_empty()
    }

    /// Whether nothing is on its way.
    pub fn is_quiet(&self) -> bool {
        self.is_idle() && self.events.iter().chain(&self.requests).all(VecDeque::is_empty)
    }

    /// Entries sent to shards, and received from them.
    pub fn entries(&self) -> (u64, u64) {
        self.entries
    }
}
