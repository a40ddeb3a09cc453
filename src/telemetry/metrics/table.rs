//! The one table of a shard's metrics: names, help texts, and sources.
//!
//! A counter's name gets `_total` when it is written.

use madang_engine::runtime::Sample;

/// A metric of each shard.
pub struct Metric {
    /// Its name, without `_total`.
    pub name: &'static str,
    /// Its help text.
    pub help: &'static str,
    /// Its value.
    pub value: fn(&Sample) -> u64,
}

const fn metric(name: &'static str, help: &'static str, value: fn(&Sample) -> u64) -> Metric {
    Metric { name, help, value }
}

/// Metrics that only rise.
pub static COUNTERS: &[Metric] = &[
    metric("madang_connections_accepted", "Connections accepted.", |s| s.accepted),
    metric("madang_messages", "Messages accepted by rooms whose home is the shard.", |s| s.messages),
    metric("madang_deliveries", "Copies of messages put into outboxes.", |s| s.deliveries),
    metric("madang_sent_bytes", "Bytes sent to connections.", |s| s.sent_bytes),
    metric("madang_tls_handshakes", "Completed TLS handshakes.", |s| s.tls_handshakes),
    metric("madang_tls_faults", "Connections closed because of a TLS error.", |s| s.tls_faults),
    metric("madang_slow_readers", "Connections closed because they did not read.", |s| s.slow_readers),
    metric(
        "madang_outbox_budget_cuts",
        "Slow readers closed because all outboxes together were full.",
        |s| s.outbox_budget_cuts,
    ),
    metric(
        "madang_drafts_forgotten_early",
        "Drafts that rooms forgot within ten minutes, because too many were said there.",
        |s| s.drafts_forgotten_early,
    ),
    metric("madang_deletions", "Messages that were deleted by who had said them.", |s| s.deletions),
    metric("madang_turns", "Turns taken by the shard's loop.", |s| s.turns),
    metric("madang_mesh_entries_sent", "Requests and events sent to other shards.", |s| s.mesh_sent),
    metric("madang_mesh_entries_received", "Requests and events received from other shards.", |s| {
        s.mesh_received
    }),
    metric("madang_commits", "Batches written to the log, and synced if the durability requires it.", |s| {
        s.commits
    }),
    metric("madang_commit_failures", "Writes and syncs of the log that failed (I/O errors).", |s| {
        s.commit_failures
    }),
    metric("madang_commit_bytes", "Bytes written to the log.", |s| s.commit_bytes),
    metric(
        "madang_facts_changes",
        "Changes of rooms' facts accepted by rooms whose home is the shard.",
        |s| s.facts_changes,
    ),
    metric(
        "madang_facts_renewed",
        "Rooms whose facts were stored once more, because a segment with them is to expire.",
        |s| s.facts_renewed,
    ),
];

/// Metrics that rise and fall.
pub static GAUGES: &[Metric] = &[
    metric("madang_connections", "Open connections.", |s| s.connections),
    metric("madang_sessions", "Connections with a name.", |s| s.sessions),
    metric(
        "madang_lingering_connections",
        "Closed connections that wait until the peer has read the last line.",
        |s| s.lingering,
    ),
    metric("madang_rooms", "Rooms in memory whose home is the shard.", |s| s.rooms),
    metric(
        "madang_users",
        "Names in use whose home is the shard, including those in their grace time.",
        |s| s.users,
    ),
    metric("madang_tls_connections", "Connections with TLS.", |s| s.tls_connections),
    metric(
        "madang_proxy_waiting_connections",
        "Connections of proxies whose PROXY header has not arrived.",
        |s| s.proxy_waiting,
    ),
    metric("madang_outbox_bytes", "Bytes waiting to be sent to connections.", |s| s.outbox_bytes),
    metric("madang_outbox_largest_bytes", "Bytes waiting for the connection with the largest outbox.", |s| {
        s.outbox_bytes_largest
    }),
    metric("madang_slow_connections", "Connections whose kernel buffer is full.", |s| s.slow_connections),
    metric("madang_parked_connections", "Connections not read because another shard is overloaded.", |s| {
        s.parked_connections
    }),
    metric("madang_deferred_requests", "Requests that wait for space in the log's batch.", |s| {
        s.deferred_requests
    }),
    metric("madang_lookups", "Lookups of stored messages and searches for rooms, waiting or running.", |s| {
        s.lookups
    }),
    metric(
        "madang_room_looks_bytes",
        "Bytes of the look-alike forms of stored rooms' names, which new names are compared with.",
        |s| s.looks_bytes,
    ),
    metric(
        "madang_waiting_rooms",
        "Rooms to be created that wait until the names of stored rooms are read.",
        |s| s.waiting_rooms,
    ),
    metric(
        "madang_facts_waiting_rooms",
        "Rooms whose read positions wait to be stored, or whose facts wait to be stored once more.",
        |s| s.facts_waiting,
    ),
    metric("madang_index_jobs", "Indexes of finished segments that are not on disk yet.", |s| s.index_jobs),
    metric("madang_mesh_batches", "Batches in the channels to the shard.", |s| s.mesh_batches),
    metric(
        "madang_mesh_overflow_entries",
        "Entries that wait because other shards' channels are full.",
        |s| s.mesh_overflow_entries,
    ),
    metric(
        "madang_log_unsynced_bytes",
        "Bytes of the log, written or being written, that are not synced.",
        |s| s.unsynced_bytes,
    ),
];
