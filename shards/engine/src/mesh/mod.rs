//! How shards talk: one bounded flume channel from each shard to each other, carrying batches.
//!
//! **Invariant:** a shard never waits to send. What does not fit in a channel waits in the
//! sender's overflow for that peer, in order, and the connections that caused it are not read
//! until it is empty. So no cycle of full channels can stop two shards.

mod channels;
mod outbound;

pub use channels::{Bell, MeshPort, connect};
pub use outbound::{Delivered, Outbound, Transport};

#[cfg(test)]
mod tests;
