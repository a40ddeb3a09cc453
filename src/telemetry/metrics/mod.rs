//! Metrics for Prometheus, and whether the server is healthy and ready.

mod disk;
mod edge;
mod endpoint;
mod family;
mod http;
mod link;
mod table;
mod text;

pub use endpoint::{MetricsError, NAME, bind, serve};
