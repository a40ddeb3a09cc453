//! Memory of a process and of the kernel's network side.

use crate::error::BenchError;
use std::fs;

/// Memory that one process holds in user space, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProcessMemory {
    /// All resident pages (`Rss` of smaps_rollup), files' pages among them.
    pub(crate) resident_bytes: u64,
    /// Pages that are nobody's file (`Anonymous`): heap and stacks.
    pub(crate) anonymous_bytes: u64,
}

impl ProcessMemory {
    /// Reads what a process holds now: `smaps_rollup`, which is exact, or where that may not be
    /// read `status`, whose counts lag behind by up to 64 pages a thread.
    ///
    /// # Errors
    /// [`BenchError::System`] when there is no such process or it may not be looked at.
    pub(crate) fn read(pid: u32) -> Result<ProcessMemory, BenchError> {
        let of = |text: &str, resident: &str, anonymous: &str| {
            Some(ProcessMemory {
                resident_bytes: kibibytes_of(text, resident)? * 1024,
                anonymous_bytes: kibibytes_of(text, anonymous)? * 1024,
            })
        };
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        if let Some(exact) = of(&rollup, "Rss:", "Anonymous:") {
            return Ok(exact);
        }
        let path = format!("/proc/{pid}/status");
        let status = fs::read_to_string(&path)
            .map_err(BenchError::system(format!("read {path}; pass the server's process id with --pid")))?;
        Ok(of(&status, "VmRSS:", "RssAnon:")
            .unwrap_or(ProcessMemory { resident_bytes: 0, anonymous_bytes: 0 }))
    }
}

/// Kernel memory of the whole machine that grows with sockets, in bytes. Both ends of a loopback
/// connection are in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KernelMemory {
    /// Objects such as sockets, files and readiness entries (`Slab`).
    pub(crate) slab_bytes: u64,
}

impl KernelMemory {
    /// Reads what the kernel holds now; `None` where it does not say.
    pub(crate) fn read() -> Option<KernelMemory> {
        let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
        Some(KernelMemory { slab_bytes: kibibytes_of(&meminfo, "Slab:")? * 1024 })
    }
}

/// Memory of the machine, in bytes; 0 where the kernel does not say.
pub(super) fn machine_bytes() -> u64 {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    kibibytes_of(&meminfo, "MemTotal:").unwrap_or(0) * 1024
}

fn kibibytes_of(text: &str, label: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_own_tables_are_read() {
        let ours = ProcessMemory::read(std::process::id()).expect("our own memory");
        assert!(ours.resident_bytes >= ours.anonymous_bytes && ours.anonymous_bytes > 0);
        assert!(KernelMemory::read().is_some_and(|kernel| kernel.slab_bytes > 0));
    }
}
