//! What the kernel says about processes, processors and memory.

mod affinity;
mod facts;
mod memory;
mod processor_time;

pub(crate) use affinity::Placement;
pub use facts::{DataPlace, MachineFacts, SyncTime};
pub(crate) use memory::{KernelMemory, ProcessMemory};
pub(crate) use processor_time::{ProcessTime, own_time_ns};

use crate::error::BenchError;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises this process's soft limit of open files to the hard one.
///
/// # Errors
/// [`BenchError::System`] names how many files are needed when the hard limit is below it.
pub(crate) fn allow_open_files(needed: u64) -> Result<(), BenchError> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|soft| soft < needed) {
        let action =
            format!("open {needed} files; raise the hard limit (ulimit -Hn) or use fewer connections");
        if maximum.is_some_and(|hard| hard < needed) {
            let source = std::io::Error::from(rustix::io::Errno::MFILE);
            return Err(BenchError::System { action, source });
        }
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
            .map_err(BenchError::system(action))?;
    }
    Ok(())
}
