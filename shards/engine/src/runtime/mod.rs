//! The shell around the shards: executors, sockets, files, clocks, threads. Only this module
//! names glommio, and only here anything waits.
//!
//! **Invariants:** one task per shard turns for the life of the process (a task that is dropped while it waits leaks
//! in glommio 0.9); no task and no buffer belongs to a connection; a panic anywhere ends the process.

mod bell;
mod clock;
mod endpoint;
mod endpoint_status;
mod handover;
mod indexer;
mod keep_alive;
mod lifecycle;
mod listener;
mod log_thread;
mod machine;
mod memory;
mod operate;
mod preparer;
mod reader;
mod sockets;
mod start;
mod supervisor;
mod tls;
mod turning;
mod wait;
mod writer;

pub use endpoint::{Endpoint, EndpointStage};
pub use endpoint_status::Closing;
pub use handover::{Adopting, Adoption, HandOver, Held, Part, Snapshotted};
pub use lifecycle::Stop;
pub use listener::{AdoptError, BindError, Listeners};
pub use operate::{
    BATCH_BYTES, BATCH_MESSAGES, COMMIT_SECONDS, Histogram, Housekeeping, Remote, Sample, ShardHealth,
    ShardReport, Space, StorageState,
};
pub use preparer::step_back;
pub use sockets::{BUFFERS as NET_BUFFERS, NET_COMPLETIONS, NET_SUBMISSIONS, ProxyRefusal};
pub use start::{IO_MEMORY_BYTES, RING_DEPTH, Running, StartError, StartOptions, start};
pub use supervisor::{Notice, Notices};
pub use tls::{TlsAcceptor, TlsError, TlsIdentity, Validity};

#[cfg(test)]
mod tests;
