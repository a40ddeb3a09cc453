//! The edge process below its router: connections of HTTP with their bounds and time limits, and the link to the core.
//!
//! [`EdgeServer`] is the whole: it listens where it is told to ([`EdgeServer::listen`]), serves HTTP/1.1 and HTTP/2
//! (`connection`), and has the end of the link that handlers ask through ([`Core`]). What is served it is given as a
//! router (`router.rs`).
//!
//! **Invariant:** every bound has a name in [`bounds`] or is in [`EdgeLimits`], a counter in `counters.rs`, and a decided
//! behaviour when it is reached.

pub mod bounds;

mod counters;

mod limits;

mod link;

mod problem;

mod router;

mod connection;

mod server;

pub use connection::Peer;
pub use counters::{Figures, Refused};
pub use limits::EdgeLimits;
pub use link::{Answer, Core, CoreError, CoreSession, LinkState, ListeningEnd, SessionEvents};
pub use problem::EdgeProblem;
pub use router::nothing;
pub use server::{EdgeListener, EdgeServer, EdgeSettings};

#[cfg(test)]
mod tests;
