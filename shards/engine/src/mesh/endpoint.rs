//! An end of the mesh for threads that are no shards: requests go in, events come out.
//!
//! Its owner is like a shard without a home: it has sessions of its own, which homes know by [`ENDPOINT`]. It is as
//! trusted as a shard, and only less prompt: so a shard that finds it full drops what it has for it, and the owner
//! ends all its sessions and begins anew.

use super::channel::{PendingRing, Receiver, Sender, WakeShard, channel};
use madang_model::{MeshEntry, ShardId};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// The number by which shards know the endpoint: above those of all shards, and not the one that means none.
pub const ENDPOINT: ShardId = ShardId(0x8000);

/// Entries of one shard that the endpoint has not taken yet, and one batch besides: more is dropped. A thread
/// that is not run for a tenth of a second misses nothing.
pub const WAITING_ENTRIES_MAX: usize = 32_768;

/// Batches of the endpoint that one shard has not taken yet, and that it takes in one turn if its time lasts: then the
/// endpoint waits.
pub const BATCHES_MAX: usize = 16;

/// Entries of such a batch. With [`BATCHES_MAX`] as many as there are reads in a turn.
pub const BATCH_ENTRIES_MAX: usize = 32;

/// What shards have for the endpoint.
#[derive(Debug)]
pub enum Received {
    /// The next batch of a shard.
    Batch(Vec<MeshEntry>),
    /// Entries were dropped, of those that come next or of those that came: no session can be relied on.
    Overrun,
}

/// The state that both sides of one shard share.
#[derive(Debug, Default)]
struct Passage {
    /// Entries that were sent and not received.
    waiting_entries: AtomicUsize,
    /// Entries that were dropped since the beginning.
    dropped_entries: AtomicU64,
}

/// The shard's side.
pub struct PortToEndpoint {
    channel: flume::Sender<Vec<MeshEntry>>,
    pub receiver: Receiver,
    passage: Arc<Passage>,
    is_overrun: Arc<AtomicBool>,
    /// For [`PendingRing::ring`] when all is sent.
    pub pending_ring: PendingRing,
}

impl PortToEndpoint {
    /// Hands a batch over.
    ///
    /// # Errors
    /// The batch, which is to be dropped: the endpoint is full, or its thread has ended.
    pub fn try_send(&mut self, batch: Vec<MeshEntry>) -> Result<(), Vec<MeshEntry>> {
        let entries = batch.len();
        let batch = if self.passage.waiting_entries.load(Ordering::Acquire) < WAITING_ENTRIES_MAX {
            self.passage.waiting_entries.fetch_add(entries, Ordering::AcqRel);
            match self.channel.send(batch) {
                Ok(()) => {
                    self.pending_ring.note();
                    return Ok(());
                }
                Err(flume::SendError(batch)) => batch,
            }
        } else {
            batch
        };
        self.passage.dropped_entries.fetch_add(entries as u64, Ordering::AcqRel);
        // Set before anything else is sent: its receiver then knows that something is missing before it.
        self.is_overrun.store(true, Ordering::Release);
        self.pending_ring.note();
        Err(batch)
    }
}

/// The end of the mesh for threads that are no shards.
pub struct MeshEndpoint {
    senders: Vec<Sender>,
    receivers: Vec<(flume::Receiver<Vec<MeshEntry>>, Arc<Passage>)>,
    is_overrun: Arc<AtomicBool>,
    /// The shard whose turn it is.
    next: usize,
    /// What came behind an overrun that was reported first.
    held: Option<Vec<MeshEntry>>,
}

impl MeshEndpoint {
    /// An endpoint, and the side of each shard; `bells[n]` wakes shard n, `bell` the endpoint's owner.
    pub(super) fn new(bells: &[WakeShard], bell: &WakeShard) -> (MeshEndpoint, Vec<PortToEndpoint>) {
        let is_overrun = Arc::new(AtomicBool::new(false));
        let (mut senders, mut receivers, mut sides) = (Vec::new(), Vec::new(), Vec::new());
        for shard_bell in bells {
            let (sender, receiver) = channel(BATCHES_MAX, bell, shard_bell);
            // Bounded by the entries in it.
            let (to_endpoint, from_shard) = flume::unbounded();
            let passage = Arc::new(Passage::default());
            senders.push(sender);
            receivers.push((from_shard, Arc::clone(&passage)));
            sides.push(PortToEndpoint {
                channel: to_endpoint,
                receiver,
                passage,
                is_overrun: Arc::clone(&is_overrun),
                pending_ring: PendingRing::new(bell),
            });
        }
        (MeshEndpoint { senders, receivers, is_overrun, next: 0, held: None }, sides)
    }

    /// How many shards there are.
    pub fn shard_count(&self) -> u16 {
        u16::try_from(self.senders.len()).expect("shards are counted in 16 bits")
    }

    /// Sends a batch to a shard, or returns it when the shard has not taken the earlier ones: then the bell rings
    /// when it has. [`MeshEndpoint::ring`] wakes the shards.
    ///
    /// # Errors
    /// The batch.
    ///
    /// # Panics
    /// When the batch has more than [`BATCH_ENTRIES_MAX`].
    pub fn try_send(&mut self, to: ShardId, batch: Vec<MeshEntry>) -> Result<(), Vec<MeshEntry>> {
        assert!(batch.len() <= BATCH_ENTRIES_MAX, "a shard takes a bounded number of entries in a turn");
        self.senders[to.index()].try_send(batch)
    }

    /// Wakes every shard that was sent something since the last call, once.
    pub fn ring(&mut self) {
        self.senders.iter_mut().for_each(|sender| sender.pending_ring.ring());
    }

    /// What shards have next; all get their turn.
    pub fn receive(&mut self) -> Option<Received> {
        let batch = self.held.take().or_else(|| self.next_batch());
        // Checked after that: what was sent after entries were dropped comes after the overrun.
        if self.is_overrun.swap(false, Ordering::AcqRel) {
            self.held = batch;
            return Some(Received::Overrun);
        }
        batch.map(Received::Batch)
    }

    fn next_batch(&mut self) -> Option<Vec<MeshEntry>> {
        let count = self.receivers.len();
        for _ in 0..count {
            let (channel, passage) = &self.receivers[self.next];
            self.next = (self.next + 1) % count;
            if let Ok(batch) = channel.try_recv() {
                passage.waiting_entries.fetch_sub(batch.len(), Ordering::AcqRel);
                return Some(batch);
            }
        }
        None
    }

    /// Entries that wait to be received, of all shards.
    pub fn waiting_entries(&self) -> usize {
        self.receivers.iter().map(|(_, passage)| passage.waiting_entries.load(Ordering::Acquire)).sum()
    }

    /// Entries that were dropped since the beginning, of all shards.
    pub fn dropped_entries(&self) -> u64 {
        self.receivers.iter().map(|(_, passage)| passage.dropped_entries.load(Ordering::Acquire)).sum()
    }
}
