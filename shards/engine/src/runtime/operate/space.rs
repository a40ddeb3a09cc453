//! What is left of the disk of the log.

use std::path::Path;

/// Below this percentage of free space the operator is warned.
const LOW_PERCENT: u64 = 10;

/// The space of a file system.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Space {
    /// Bytes that may still be written.
    pub free_bytes: u64,
    /// Bytes it has.
    pub total_bytes: u64,
}

impl Space {
    /// The space of the file system of a directory; `None` where it cannot be determined.
    pub fn of(directory: &Path) -> Option<Space> {
        let system = rustix::fs::statvfs(directory).ok()?;
        let free_bytes = system.f_bavail.saturating_mul(system.f_frsize);
        Some(Space { free_bytes, total_bytes: system.f_blocks.saturating_mul(system.f_frsize) })
    }

    /// Whether less than a tenth is free.
    pub fn is_low(&self) -> bool {
        u128::from(self.free_bytes) * 100 < u128::from(self.total_bytes) * u128::from(LOW_PERCENT)
    }

    /// A description for an operator.
    pub fn words(&self) -> String {
        const MIB: u64 = 1 << 20;
        format!(
            "the disk of the log has {} MiB free of {} MiB, less than {LOW_PERCENT} %: free space, or bound the log with \
             log.retain_days or log.retain_bytes",
            self.free_bytes / MIB,
            self.total_bytes / MIB
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_low_below_a_tenth_and_one_without_a_size_never_is() {
        let is_low = |free_bytes, total_bytes| Space { free_bytes, total_bytes }.is_low();
        assert_eq!(
            [is_low(99, 1000), is_low(100, 1000), is_low(0, 0), is_low(0, u64::MAX)],
            [true, false, false, true]
        );
    }
}
