//! How shards talk: one bounded flume channel from each shard to each other, carrying batches.
//!
//! **Invariant:** a shard never waits to send. What does not fit in a channel waits in the
//! sender's overflow for that peer, in order, and the connections that caused it are not read
//! until it is empty. So no cycle of full channels can stop two shards.
//!
//! Threads that are no shards can have one [`MeshEndpoint`]. **Invariant:** a shard keeps nothing for it, and never
//! waits for it: what it does not take in time is dropped, and it is notified.

mod channel;
mod channels;
mod endpoint;
mod outbound;

pub use channel::WakeShard;
pub use channels::{MeshPort, connect, connect_endpoint};
pub use endpoint::{BATCH_ENTRIES_MAX, BATCHES_MAX, ENDPOINT, MeshEndpoint, Received, WAITING_ENTRIES_MAX};
pub use outbound::{Delivered, Outbound, Transport};

#[cfg(test)]
mod tests;
