//! Which processors this process may use.

use rustix::io::Errno;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::thread::available_parallelism;

/// The processors that the affinity mask and the control group allow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Processors {
    /// Numbers of the processors in the affinity mask, to pin shards to; empty if pinning is forbidden.
    pub list: Vec<usize>,
    /// The number of processors that the quota of the control group allows; at least 1.
    pub usable: u16,
}

/// Reads the affinity mask (which `taskset` and cpusets set) and the quota, and tries to pin.
pub fn available() -> Processors {
    let usable = available_parallelism().map_or(1, |count| u16::try_from(count.get()).unwrap_or(u16::MAX));
    let mut list: Vec<usize> = match sched_getaffinity(None) {
        Ok(set) => (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect(),
        // More than 1,024 processors do not fit in this mask.
        Err(_) => (0..usize::from(usable)).collect(),
    };
    if list.is_empty() {
        list.push(0);
    }
    if let Err(error) = try_to_pin(list[0]) {
        tracing::warn!(
            "shards cannot be pinned to processors ({error}): they run on any processor, slower under load. A \
             seccomp filter forbids sched_setaffinity; allow it (Docker: --security-opt seccomp=PROFILE.json; \
             systemd: SystemCallFilter=@system-service sched_setaffinity)"
        );
        list.clear();
    }
    Processors { list, usable }
}

/// On a temporary thread: all threads would inherit the mask of this one.
fn try_to_pin(processor: usize) -> Result<(), Errno> {
    let work = move || {
        let mut set = CpuSet::new();
        if processor < CpuSet::MAX_CPU {
            set.set(processor);
        }
        match sched_setaffinity(None, &set) {
            // Not from a filter: the processor has just gone offline, or is not in the mask.
            Err(Errno::INVAL) => Ok(()),
            answer => answer,
        }
    };
    std::thread::Builder::new().spawn(work).map_or(Ok(()), |tried| tried.join().unwrap_or(Ok(())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_usable_than_there_are() {
        let processors = available();
        assert!(processors.usable >= 1);
        assert!(usize::from(processors.usable) <= processors.list.len());
    }
}
