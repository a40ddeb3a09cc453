//! The link between the core and the edge: what they send to each other, and both ends as state machines.
//!
//! The core is the process with the shards; the edge is the one with HTTP and the databases. Requests
//! go from the edge to the core, events from the core to the edge, over one byte stream. **Invariant:**
//! nothing here waits, reads a clock or touches a socket: bytes and times are handed in, bytes come out.
//!
//! - **Sessions.** The edge numbers its sessions. The core end knows what each holds (name, rooms, its
//!   place among the connections of its address) and gives it all back when the link is lost: the edge
//!   then begins anew.
//! - **Bounds.** Each direction has a window of bytes that the other end has not taken yet, by
//!   [credit](bounds). An edge that does not take events in time is disconnected: no shard waits for it,
//!   and no event is left out silently. A core that does not take requests makes the edge's queue full:
//!   the edge refuses with [`AskError::Busy`].
//! - **Versions.** Every envelope names the version of its body. An end speaks its own version and the
//!   one before; the first envelopes of both agree on one ([`Versions`]).
//! - **Faults.** Everything that is received is validated. A peer's fault ends the link, never the process.

pub mod bounds;

mod versions;

mod format;

mod words;

mod body;
mod convert;

mod stream;

mod core_end;
mod edge_end;

pub use core_end::{CoreEnd, CoreSettings, LinkCounters, RequestBatches, comes_from_link};
pub use edge_end::{AskError, EdgeEnd, Limits};
pub use format::WireFault;
pub use versions::{VERSIONS, Versions};
pub use words::{EdgeEvent, EdgeRequest, GoingDown, LinkEnd, RequestFault, SessionEnd, SessionNumber};

#[cfg(test)]
mod tests;
