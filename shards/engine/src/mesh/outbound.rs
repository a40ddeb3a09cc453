//! What a shard has for the others: the batches of this turn, and what did not fit before.

use super::endpoint::ENDPOINT;
use madang_model::{MeshEntry, ShardId};
use std::collections::VecDeque;

/// Carries batches to other shards: flume in life, a seeded scheduler in the simulator.
pub trait Transport {
    /// Hands a batch over, or gives it back when the channel is full.
    ///
    /// # Errors
    /// The batch itself, which then waits in the overflow; what the endpoint does not take is dropped.
    fn try_send(&mut self, to: ShardId, batch: Vec<MeshEntry>) -> Result<(), Vec<MeshEntry>>;
}

#[derive(Debug, Default)]
struct Peer {
    batch: Vec<MeshEntry>,
    overflow: VecDeque<Vec<MeshEntry>>,
    overflow_entries: usize,
}

/// The result of one flush.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Delivered {
    /// Entries handed to the transport.
    pub entries: usize,
    /// Entries that wait in overflows.
    pub waiting: usize,
}

/// What a shard has for the others, a batch and an overflow each.
#[derive(Debug)]
pub struct Outbound {
    peers: Vec<Peer>,
    /// Towards the endpoint. No overflow: a shard keeps nothing that the endpoint does not take.
    endpoint: Vec<MeshEntry>,
}

impl Outbound {
    /// The most entries that may wait for one peer. Reading stops long before; a shard that is
    /// this far behind does not run any more, and the process ends rather than run out of memory.
    pub const OVERFLOW_ENTRIES_MAX: usize = 4_000_000;

    /// Towards `shard_count` shards, this one included (its batch is taken by [`Outbound::take`]).
    pub fn new(shard_count: u16) -> Outbound {
        Outbound { peers: (0..shard_count).map(|_| Peer::default()).collect(), endpoint: Vec::new() }
    }

    /// Adds an entry to the batch of a shard or of the [`ENDPOINT`].
    pub fn push(&mut self, to: ShardId, envelope: MeshEntry) {
        match self.peers.get_mut(to.index()) {
            Some(peer) => peer.batch.push(envelope),
            None => {
                assert_eq!(to, ENDPOINT, "what is no shard is the endpoint");
                self.endpoint.push(envelope);
            }
        }
    }

    /// Takes the batch for a shard without sending it: a shard's entries for itself.
    pub fn take(&mut self, to: ShardId) -> Vec<MeshEntry> {
        std::mem::take(&mut self.peers[to.index()].batch)
    }

    /// Gives an emptied batch back, to be filled again.
    pub fn reuse(&mut self, to: ShardId, batch: Vec<MeshEntry>) {
        debug_assert!(batch.is_empty(), "only an emptied batch is filled again");
        let peer = &mut self.peers[to.index()];
        if peer.batch.capacity() < batch.capacity() && peer.batch.is_empty() {
            peer.batch = batch;
        }
    }

    /// Releases the memory of what was large once.
    pub fn shrink(&mut self) {
        self.endpoint.shrink_to(2 * self.endpoint.len());
        for peer in &mut self.peers {
            peer.batch.shrink_to(2 * peer.batch.len());
            peer.overflow.shrink_to(2 * peer.overflow.len());
        }
    }

    /// Whether no entry for a shard was added since its batch was taken.
    pub fn is_quiet(&self, to: ShardId) -> bool {
        self.peers[to.index()].batch.is_empty()
    }

    /// Whether a batch was added to since the last flush.
    pub fn has_open_batch(&self) -> bool {
        !self.endpoint.is_empty() || self.peers.iter().any(|peer| !peer.batch.is_empty())
    }

    /// Whether anything is still to be handed over.
    pub fn has_any(&self) -> bool {
        self.has_open_batch() || self.peers.iter().any(|peer| !peer.overflow.is_empty())
    }

    /// Whether entries for a shard wait because its channel is full.
    pub fn is_backed_up(&self, to: ShardId) -> bool {
        !self.peers[to.index()].overflow.is_empty()
    }

    /// Hands over everything that fits, the oldest first; the rest waits.
    pub fn flush(&mut self, transport: &mut impl Transport) -> Delivered {
        let mut total = Delivered::default();
        for (index, peer) in self.peers.iter_mut().enumerate() {
            let to = ShardId(u16::try_from(index).expect("shards are counted in 16 bits"));
            if peer.batch.is_empty() && peer.overflow.is_empty() {
                continue;
            }
            #[cfg(any(test, feature = "deliberate-faults"))]
            crate::mutation::drop_entry(&mut peer.overflow);
            while let Some(batch) = peer.overflow.pop_front() {
                let entries = batch.len();
                if let Err(batch) = transport.try_send(to, batch) {
                    peer.overflow.push_front(batch);
                    break;
                }
                peer.overflow_entries -= entries;
                total.entries += entries;
            }
            if !peer.batch.is_empty() {
                let batch = std::mem::take(&mut peer.batch);
                let entries = batch.len();
                let refused =
                    if peer.overflow.is_empty() { transport.try_send(to, batch).err() } else { Some(batch) };
                match refused {
                    None => total.entries += entries,
                    Some(batch) => {
                        peer.overflow.push_back(batch);
                        peer.overflow_entries += entries;
                    }
                }
            }
            assert!(
                peer.overflow_entries <= Self::OVERFLOW_ENTRIES_MAX,
                "shard {to} no longer takes what others send it: {} entries wait",
                peer.overflow_entries
            );
            total.waiting += peer.overflow_entries;
        }
        if !self.endpoint.is_empty() {
            #[cfg(any(test, feature = "deliberate-faults"))]
            crate::mutation::lose_entry(&mut self.endpoint);
            let batch = std::mem::take(&mut self.endpoint);
            let entries = batch.len();
            // What is refused is dropped: the endpoint knows that something is missing.
            total.entries += transport.try_send(ENDPOINT, batch).map_or(0, |()| entries);
        }
        total
    }
}
