//! The executor that the load runs on. Only this module names glommio, and only here anything waits.
//!
//! **Invariant:** one task a measurement, on the calling thread, which is pinned to the load's
//! processor for as long. There is no task, no timer and no buffer a connection.

mod readiness;

pub(crate) use readiness::{Readiness, Ready};

use crate::error::BenchError;
use glommio::{LocalExecutorBuilder, Placement};
use std::future::Future;
use std::io;

/// Submissions the ring holds. The load waits for one descriptor and one timer.
const RING_DEPTH: usize = 64;
/// Bytes registered for direct I/O, which the load does not use; locked three times over.
const IO_MEMORY_BYTES: usize = 65_536;

/// Runs one measurement to its end on an executor of its own, pinned to `processor` when one is given.
///
/// # Errors
/// [`BenchError::System`] when the kernel gives no ring, and what the measurement fails with.
pub(crate) fn run<T>(
    processor: Option<usize>,
    work: impl Future<Output = Result<T, BenchError>>,
) -> Result<T, BenchError> {
    let placement = processor.map_or(Placement::Unbound, Placement::Fixed);
    let executor = LocalExecutorBuilder::new(placement)
        .name("madang-bench")
        .ring_depth(RING_DEPTH)
        .io_memory(IO_MEMORY_BYTES)
        .make()
        .map_err(|refused| BenchError::System {
            action: "start the load's io_uring executor; check that io_uring is allowed and the \
                     locked-memory limit (ulimit -l)"
                .to_owned(),
            source: io::Error::other(refused.to_string()),
        })?;
    executor.run(work)
}
