//! Memory of a process and of the kernel's network side.

use crate::error::BenchError;
use std::fs;

/// Resident memory of one process, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProcessMemory {
    /// All resident pages (`VmRSS`), files' pages among them.
    pub(crate) resident_bytes: u64,
    /// Pages that are nobody's file (`RssAnon`): heap and stacks.
    pub(crate) anonymous_bytes: u64,
}

impl ProcessMemory {
    /// Reads what a process holds now.
    ///
    /// # Errors
    /// [`BenchError::System`] when there is no such process or it may not be looked at.
    pub(crate) fn read(pid: u32) -> Result<ProcessMemory, BenchError> {
        let path = format!("/proc/{pid}/status");
        let status = fs::read_to_string(&path)
            .map_err(BenchError::system(format!("read {path}; pass the server's process id with --pid")))?;
        Ok(ProcessMemory {
            resident_bytes: kibibytes_of(&status, "VmRSS:").unwrap_or(0) * 1024,
            anonymous_bytes: kibibytes_of(&status, "RssAnon:").unwrap_or(0) * 1024,
        })
    }
}

/// Kernel memory of the whole machine that grows with sockets, in bytes. Both ends of a loopback
/// connection are in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KernelMemory {
    /// Objects such as sockets, files and readiness entries (`Slab`).
    pub(crate) slab_bytes: u64,
    /// Bytes queued in TCP sockets (`mem` of sockstat).
    pub(crate) queued_bytes: u64,
}

impl KernelMemory {
    /// Reads what the kernel holds now; `None` where it does not say.
    pub(crate) fn read() -> Option<KernelMemory> {
        let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
        let sockstat = fs::read_to_string("/proc/net/sockstat").ok()?;
        let page_bytes = rustix::param::page_size() as u64;
        Some(KernelMemory {
            slab_bytes: kibibytes_of(&meminfo, "Slab:")? * 1024,
            queued_bytes: queued_pages_of(&sockstat)? * page_bytes,
        })
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

fn queued_pages_of(sockstat: &str) -> Option<u64> {
    let line = sockstat.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let mut words = line.split_whitespace().skip_while(|word| *word != "mem");
    words.nth(1)?.parse().ok()
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

    #[test]
    fn queued_pages_stand_behind_their_word() {
        let sockstat = "sockets: used 12\nTCP: inuse 1 orphan 0 tw 0 alloc 1 mem 96\nUDP: inuse 0 mem 7\n";
        assert_eq!(queued_pages_of(sockstat), Some(96));
    }
}
