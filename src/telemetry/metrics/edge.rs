//! The metrics of the edge.

use super::family::{Labelled, ProcessMetric, counter, gauge, write};
use crate::server::{EdgeEnd, EdgeStatus};
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use std::fmt;

/// Those without labels.
pub fn metrics(edge: &EdgeStatus) -> [ProcessMetric; 8] {
    let figures = &edge.figures;
    [
        gauge(
            "madang_edge_serving",
            "Whether an edge has the listeners of HTTP.",
            f64::from(edge.is_serving),
        ),
        counter("madang_edge_starts", "Edges that this server started.", edge.starts as f64),
        gauge("madang_edge_connections", "Connections of the edge.", figures.connections as f64),
        counter(
            "madang_edge_connections_accepted",
            "Connections that the edge has accepted since it started.",
            figures.accepted as f64,
        ),
        counter(
            "madang_edge_accept_errors",
            "How often the system refused a connection to the edge.",
            figures.accept_errors as f64,
        ),
        counter(
            "madang_edge_full",
            "How often the edge had as many connections as it may have, and accepted none.",
            figures.waits_when_full as f64,
        ),
        counter("madang_edge_requests", "Requests of HTTP clients.", figures.requests as f64),
        counter(
            "madang_edge_requests_given_up",
            "Requests of HTTP clients that did not wait for the whole answer.",
            figures.given_up as f64,
        ),
    ]
}

/// Writes how edges have ended, and what the one that serves has refused.
pub fn encode_reasons(edge: &EdgeStatus, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let ends = EdgeEnd::ALL.into_iter().zip(edge.ends);
    let ends = ends.map(|(how, count)| -> Labelled<_> { ([("how", how.name())], count as f64) });
    write(encoder, "madang_edge_ends", "Edges of this server that ended.", MetricType::Counter, ends)?;
    let refused = madang_edge::Refused::ALL.into_iter().map(|why| {
        let count = edge.figures.refused.get(why.name()).copied().unwrap_or_default();
        ([("reason", why.name())], count as f64)
    });
    let help = "Connections that the edge closed and requests that it refused, for a bound or a fault of the client.";
    write(encoder, "madang_edge_refused", help, MetricType::Counter, refused)
}
