//! Where a shard's numbers are read by other threads.

use super::histogram::{BATCH_BYTES, BATCH_MESSAGES, COMMIT_SECONDS, Histogram};
use crate::runtime::sockets::ProxyRefusal;
use crate::shard::{CloseKind, RefusalKind, Storage};
use madang_model::connection::ProtocolReason;
use std::sync::atomic::{AtomicU64, Ordering};

/// A value that one thread stores and others load, part by part: a reader may see one part newer
/// than another, and each part whole.
trait Shared {
    /// Where it is stored.
    type Cells: std::fmt::Debug;
    fn cells() -> Self::Cells;
    fn store(&self, cells: &Self::Cells);
    fn load(cells: &Self::Cells) -> Self;
}

impl Shared for u64 {
    type Cells = AtomicU64;

    fn cells() -> AtomicU64 {
        AtomicU64::new(0)
    }

    fn store(&self, cells: &AtomicU64) {
        cells.store(*self, Ordering::Relaxed);
    }

    fn load(cells: &AtomicU64) -> u64 {
        cells.load(Ordering::Relaxed)
    }
}

impl<const N: usize> Shared for [u64; N] {
    type Cells = [AtomicU64; N];

    fn cells() -> [AtomicU64; N] {
        std::array::from_fn(|_| AtomicU64::new(0))
    }

    fn store(&self, cells: &[AtomicU64; N]) {
        self.iter().zip(cells).for_each(|(value, cell)| value.store(cell));
    }

    fn load(cells: &[AtomicU64; N]) -> [u64; N] {
        std::array::from_fn(|index| u64::load(&cells[index]))
    }
}

impl<const N: usize> Shared for Histogram<N> {
    type Cells = ([AtomicU64; N], [AtomicU64; 2]);

    fn cells() -> Self::Cells {
        (<[u64; N]>::cells(), <[u64; 2]>::cells())
    }

    fn store(&self, (buckets, totals): &Self::Cells) {
        self.buckets.store(buckets);
        [self.count, self.sum_millionths].store(totals);
    }

    fn load((buckets, totals): &Self::Cells) -> Self {
        let [count, sum_millionths] = <[u64; 2]>::load(totals);
        Histogram { buckets: <[u64; N]>::load(buckets), count, sum_millionths }
    }
}

/// Declares the sample of a shard and the cells it is stored in.
macro_rules! board {
    ($($(#[$meta:meta])* $field:ident: $type:ty,)+) => {
        /// The numbers of a shard, as they were at its last tick.
        #[derive(Clone, Copy, Debug, Default)]
        pub struct Sample { $($(#[$meta])* pub $field: $type,)+ }

        /// The cells of one shard. Padded, so that no other shard's stores share a cache line.
        #[derive(Debug)]
        #[repr(align(128))]
        pub struct Board { $($field: <$type as Shared>::Cells,)+ }

        impl Default for Board {
            fn default() -> Board {
                Board { $($field: <$type as Shared>::cells(),)+ }
            }
        }

        impl Board {
            /// Stores a sample. Only the shard itself does.
            pub fn store(&self, sample: &Sample) {
                $(sample.$field.store(&self.$field);)+
            }

            /// The stored sample.
            pub fn load(&self) -> Sample {
                Sample { $($field: <$type as Shared>::load(&self.$field),)+ }
            }
        }
    };
}

board! {
    /// Samples so far; 0 before the first.
    samples: u64,
    /// Turns taken.
    turns: u64,
    /// Connections accepted.
    accepted: u64,
    /// Connections there are.
    connections: u64,
    /// Connections that have a name.
    sessions: u64,
    /// Connections whose last words are being read.
    lingering: u64,
    /// Rooms whose home is the shard and which are in memory.
    rooms: u64,
    /// Names whose home is the shard.
    users: u64,
    /// Messages accepted by rooms whose home is the shard.
    messages: u64,
    /// Copies of messages put into outboxes.
    deliveries: u64,
    /// Messages accepted a second, over the last tick, in thousandths.
    messages_per_second_milli: u64,
    /// Deliveries a second, over the last tick, in thousandths.
    deliveries_per_second_milli: u64,
    /// Bytes sent to connections.
    sent_bytes: u64,
    /// Connections with TLS, including those in the handshake.
    tls_connections: u64,
    /// TLS handshakes done.
    tls_handshakes: u64,
    /// Connections that ended by a fault of TLS, most of them before the handshake was done.
    tls_faults: u64,
    /// Connections of proxies that wait for their PROXY header.
    proxy_waiting: u64,
    /// Connections of proxies that were closed without a header, by [`ProxyRefusal`].
    proxy_refused: [u64; ProxyRefusal::COUNT],
    /// Bytes in outboxes.
    outbox_bytes: u64,
    /// The largest outbox that the kernel does not take, in bytes.
    outbox_bytes_largest: u64,
    /// Connections with an outbox that the kernel does not take.
    slow_connections: u64,
    /// Connections cut off because they did not read.
    slow_readers: u64,
    /// How many of them because all outboxes together were full.
    outbox_budget_cuts: u64,
    /// Drafts that rooms forgot before their time.
    drafts_forgotten_early: u64,
    /// Connections not read because another shard is backed up.
    parked_connections: u64,
    /// Requests that wait for room in the log.
    deferred_requests: u64,
    /// Lookups of stored messages that wait or are under way.
    lookups: u64,
    /// Bytes of the looks of stored rooms.
    looks_bytes: u64,
    /// Rooms that are to be made and wait until the looks of stored ones are read.
    waiting_rooms: u64,
    /// Messages that were deleted, since their deletions were committed.
    deletions: u64,
    /// Changes of the facts of rooms.
    facts_changes: u64,
    /// Rooms whose facts were stored once more, as a segment is to expire.
    facts_renewed: u64,
    /// Rooms whose read positions are to be stored, or their facts once more.
    facts_waiting: u64,
    /// Indexes of finished segments that are not on disk yet.
    index_jobs: u64,
    /// Batches in the channels towards the shard.
    mesh_batches: u64,
    /// Entries that wait because other shards' channels are full.
    mesh_overflow_entries: u64,
    /// Entries sent to other shards.
    mesh_sent: u64,
    /// Entries received from other shards.
    mesh_received: u64,
    /// Refusals to connections, by kind.
    refused: [u64; RefusalKind::COUNT],
    /// Connections that ended, by kind.
    closed: [u64; CloseKind::COUNT],
    /// Connections that ended for a reason of their protocol, by its place.
    closed_by_protocol: [u64; ProtocolReason::COUNT_MAX],
    /// Batches committed.
    commits: u64,
    /// Commits and syncs that failed.
    commit_failures: u64,
    /// Bytes committed.
    commit_bytes: u64,
    /// From a batch handed to the writer to its commit, in seconds.
    commit_seconds: Histogram<{ COMMIT_SECONDS.len() }>,
    /// Bytes per batch.
    batch_bytes: Histogram<{ BATCH_BYTES.len() }>,
    /// Messages per batch.
    batch_messages: Histogram<{ BATCH_MESSAGES.len() }>,
    /// Bytes in the log that are not synced.
    unsynced_bytes: u64,
    /// Whether messages can be stored: a [`StorageState`] by its number.
    storage: u64,
}

/// Whether a shard can store messages, as others see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StorageState {
    /// It can.
    Ready = 0,
    /// It can; the next segment is being made.
    Preparing = 1,
    /// Until the open segment is full.
    LastSegment = 2,
    /// It cannot.
    Failing = 3,
}

impl StorageState {
    /// All of them, each at its number.
    pub const ALL: [StorageState; 4] =
        [StorageState::Ready, StorageState::Preparing, StorageState::LastSegment, StorageState::Failing];

    /// Their names, each at its number.
    pub const NAMES: &'static [&'static str] = &["ready", "preparing", "last_segment", "failing"];

    /// The state, and its reason as it may be shown to a person.
    pub fn of(storage: Storage) -> (StorageState, &'static str) {
        match storage {
            Storage::Ready => (StorageState::Ready, ""),
            Storage::Preparing | Storage::Beginning => (StorageState::Preparing, ""),
            Storage::LastSegment(reason) => (StorageState::LastSegment, reason),
            Storage::NoSegment(reason) | Storage::Failing(reason) => (StorageState::Failing, reason),
        }
    }

    /// A word for it.
    pub fn name(self) -> &'static str {
        StorageState::NAMES[self as usize]
    }
}

impl Sample {
    /// Whether messages can be stored.
    pub fn storage(&self) -> StorageState {
        let place = usize::try_from(self.storage).unwrap_or(usize::MAX);
        StorageState::ALL.get(place).copied().unwrap_or(StorageState::Ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_what_is_loaded() {
        let board = Board::default();
        let mut sample = Sample { messages: 7, storage: StorageState::Failing as u64, ..Sample::default() };
        sample.refused[3] = 9;
        sample.commit_seconds.record(0.003, &COMMIT_SECONDS);
        board.store(&sample);
        let loaded = board.load();
        assert_eq!(
            (loaded.messages, loaded.refused, loaded.storage()),
            (7, sample.refused, StorageState::Failing)
        );
        assert_eq!(loaded.commit_seconds, sample.commit_seconds);
        assert_eq!(std::mem::align_of::<Board>(), 128);
    }
}
