//! The one table of a shard's metrics: names, what they say, and where they come from.
//!
//! A counter's name gets `_total` where it is written.

use madang_engine::runtime::Sample;

/// A number of each shard.
pub struct Metric {
    /// Its name, without `_total`.
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
    /// Its value.
    pub value: fn(&Sample) -> u64,
}

const fn metric(name: &'static str, help: &'static str, value: fn(&Sample) -> u64) -> Metric {
    Metric { name, help, value }
}

/// What only rises.
pub static COUNTERS: &[Metric] = &[
    metric("madang_connections_accepted", "Connections accepted.", |s| s.accepted),
    metric("madang_messages", "Messages accepted by rooms whose home is the shard.", |s| s.messages),
    metric("madang_deliveries", "Copies of messages put into outboxes.", |s| s.deliveries),
    metric("madang_sent_bytes", "Bytes sent to connections.", |s| s.sent_bytes),
    metric("madang_tls_handshakes", "TLS handshakes done.", |s| s.tls_handshakes),
    metric("madang_tls_faults", "Connections that ended by a fault of TLS.", |s| s.tls_faults),
    metric("madang_slow_readers", "Connections cut off because they did not read.", |s| s.slow_readers),
    metric(
        "madang_outbox_budget_cuts",
        "Slow readers cut off because all outboxes together were full.",
        |s| s.outbox_budget_cuts,
    ),
    metric("madang_turns", "Turns taken by the shard's loop.", |s| s.turns),
    metric("madang_mesh_entries_sent", "Requests and events sent to other shards.", |s| s.mesh_sent),
    metric("madang_mesh_entries_received", "Requests and events received from other shards.", |s| {
        s.mesh_received
    }),
    metric(
        "madang_commits",
        "Batches written to the log, and synced where the durability asks for it.",
        |s| s.commits,
    ),
    metric("madang_commit_failures", "Writes and syncs of the log that failed (I/O errors).", |s| {
        s.commit_failures
    }),
    metric("madang_commit_bytes", "Bytes written to the log.", |s| s.commit_bytes),
];

/// What rises and falls.
pub static GAUGES: &[Metric] = &[
    metric("madang_connections", "Connections there are.", |s| s.connections),
    metric("madang_sessions", "Connections that have said their name.", |s| s.sessions),
    metric("madang_lingering_connections", "Closed connections whose peers read their last words.", |s| {
        s.lingering
    }),
    metric("madang_rooms", "Rooms in memory whose home is the shard.", |s| s.rooms),
    metric("madang_users", "Names held whose home is the shard, those in their grace time too.", |s| s.users),
    metric("madang_tls_connections", "Connections with TLS.", |s| s.tls_connections),
    metric("madang_outbox_bytes", "Bytes that wait for connections.", |s| s.outbox_bytes),
    metric("madang_outbox_largest_bytes", "Bytes that wait for the connection with the most.", |s| {
        s.outbox_bytes_largest
    }),
    metric("madang_slow_connections", "Connections whose kernel buffer is full.", |s| s.slow_connections),
    metric("madang_parked_connections", "Connections not read because another shard is backed up.", |s| {
        s.parked_connections
    }),
    metric("madang_deferred_requests", "Requests that wait for room in the log.", |s| s.deferred_requests),
    metric(
        "madang_lookups",
        "Lookups of stored messages and searches for rooms that wait or are under way.",
        |s| s.lookups,
    ),
    metric(
        "madang_room_looks_bytes",
        "Bytes that hold what stored rooms look like, so that none is made that could be taken for one.",
        |s| s.looks_bytes,
    ),
    metric(
        "madang_waiting_rooms",
        "Rooms to be made that wait until what stored rooms look like is read.",
        |s| s.waiting_rooms,
    ),
    metric("madang_index_jobs", "Indexes of finished segments that are not on disk yet.", |s| s.index_jobs),
    metric("madang_mesh_batches", "Batches in the channels towards the shard.", |s| s.mesh_batches),
    metric(
        "madang_mesh_overflow_entries",
        "Entries that wait because other shards' channels are full.",
        |s| s.mesh_overflow_entries,
    ),
    metric(
        "madang_log_unsynced_bytes",
        "Bytes in the log, written or about to be, that are not synced.",
        |s| s.unsynced_bytes,
    ),
];
