//! What a shard shows to the operator's threads, and what they ask of it.
//!
//! **Invariant:** a shard never waits for its observers. It counts in plain numbers of its own, stores them once a
//! second into a board that others read without locks, and looks for an inquiry by one load per turn.

mod board;
mod histogram;
mod inquiry;
mod monitor;
mod remote;
mod space;

pub use board::{Sample, StorageState};
pub use histogram::{BATCH_BYTES, BATCH_MESSAGES, COMMIT_SECONDS, Histogram};
pub use inquiry::Mailbox;
pub use monitor::Monitor;
pub(super) use remote::Wire;
pub use remote::{Housekeeping, Remote, ShardHealth, ShardReport};
pub use space::Space;
