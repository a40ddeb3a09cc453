//! Which processors this process may use.

use std::thread::available_parallelism;

/// What the affinity mask and the control group leave us.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Processors {
    /// Numbers of the processors in the affinity mask; at least one.
    pub list: Vec<usize>,
    /// How many of them the control group's quota is worth; at least 1.
    pub usable: u16,
}

/// Reads the affinity mask (which `taskset` and cpusets set) and the quota.
pub fn available() -> Processors {
    let usable = available_parallelism().map_or(1, |count| u16::try_from(count.get()).unwrap_or(u16::MAX));
    let mut list: Vec<usize> = match rustix::thread::sched_getaffinity(None) {
        Ok(set) => (0..rustix::thread::CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect(),
        // More than 1,024 processors do not fit the mask we read with.
        Err(_) => (0..usize::from(usable)).collect(),
    };
    if list.is_empty() {
        list.push(0);
    }
    Processors { list, usable }
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
