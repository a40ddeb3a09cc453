//! The metrics of the link to the edge.

use super::family::{Labelled, ProcessMetric, counter, gauge, write};
use crate::server::LinkFigures;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use std::fmt;

/// Those without labels.
pub fn metrics(link: &LinkFigures) -> [ProcessMetric; 10] {
    [
        gauge(
            "madang_link_connected",
            "Whether an edge is connected and both speak a version of the link.",
            f64::from(link.is_connected),
        ),
        gauge("madang_link_sessions", "Sessions of the edge.", link.sessions as f64),
        gauge(
            "madang_link_waiting_requests",
            "Requests of the edge that wait until shards take them.",
            link.waiting_requests as f64,
        ),
        gauge(
            "madang_link_waiting_event_bytes",
            "Bytes of events that wait until the edge takes them.",
            link.waiting_event_bytes as f64,
        ),
        gauge(
            "madang_link_waiting_entries",
            "Entries of shards that wait until the thread of the link takes them.",
            link.waiting_entries as f64,
        ),
        counter(
            "madang_link_entries_dropped",
            "Entries dropped by shards because the thread of the link did not take them.",
            link.dropped_entries as f64,
        ),
        counter("madang_link_connections", "Edges that connected.", link.counters.links as f64),
        counter("madang_link_requests", "Requests of the edge.", link.counters.requests as f64),
        counter(
            "madang_link_bad_requests",
            "Requests of the edge that cannot be asked.",
            link.counters.bad_requests as f64,
        ),
        counter("madang_link_events", "Events queued for the edge.", link.counters.events as f64),
    ]
}

/// Writes why links have ended.
pub fn encode_ends(link: &LinkFigures, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let ends = link.counters.ends();
    let ends = ends.map(|(reason, count)| -> Labelled<_> { ([("reason", reason)], count as f64) });
    write(encoder, "madang_link_ended", "Links to an edge that ended.", MetricType::Counter, ends)
}
