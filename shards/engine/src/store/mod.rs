//! What a shard has on disk, written a step at a time over the seams of files: the batches of the log, the
//! segments that they go to, and what is kept beside them.
//!
//! **Invariant:** nothing here waits for anything but the disk, and nothing here has a thread: the runtime
//! carries the steps out on threads of its own, the simulator one by one with crashes between them.

mod error;
mod index_work;
mod outage;
mod prepare;
mod renewal;
mod writer;

pub use error::{CommitError, PrepareError};
pub use index_work::{
    Chore, ChoreNotes, IndexDone, IndexJob, LooksReader, REBUILDS_MAX, do_chore, remove_expired, write_index,
};
pub use outage::Outage;
pub use prepare::{Order, Prepared, fill, finish, prepare};
pub use renewal::Renewing;
pub use writer::{Done, Progress, SegmentWriter, Work, WriterOptions};
#[cfg(test)]
pub use writer::{Faults, SegmentOperation};
