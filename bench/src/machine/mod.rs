//! What the kernel says about processes, processors and memory.

mod affinity;
mod facts;
mod memory;
mod open_files;
mod processor_time;

pub(crate) use affinity::Placement;
#[cfg(test)]
pub(crate) use facts::DataPlace;
pub(crate) use facts::{MachineFacts, Stalls, SyncTime};
pub(crate) use memory::{KernelMemory, ProcessMemory};
pub(crate) use open_files::allow_open_files;
pub(crate) use processor_time::{own_time_ns, process_time_ns};
