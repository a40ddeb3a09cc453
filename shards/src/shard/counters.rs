//! What happened on a shard, counted.

/// Totals since the start, and gauges of the last turn.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    /// Connections accepted.
    pub accepted: u64,
    /// Messages accepted by rooms whose home is here.
    pub messages: u64,
    /// Copies of messages put into outboxes here.
    pub deliveries: u64,
    /// Connections cut off because they did not read.
    pub slow_readers: u64,
    /// Connections cut off because all outboxes together were full.
    pub outbox_budget_cuts: u64,
    /// Bytes that wait in outboxes.
    pub outbox_bytes: u64,
    /// Requests refused, of any kind.
    pub refusals: u64,
    /// Entries that wait because other shards' channels are full.
    pub mesh_overflow_entries: u64,
}
