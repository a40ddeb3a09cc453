//! Whether the locked-memory limit is enough for the rings.
//!
//! Three facts, measured on 6.18 with the executor's settings below. The executor refuses to start
//! under 512 KiB, also as root. Without `CAP_IPC_LOCK` the kernel charges the rings and their
//! buffers to the user, over all its processes: with 512 entries, 348 KiB a shard and a little, and
//! for the ring of its sockets 56 KiB more (computed). The memory of an ended process is freed up to 50 ms later,
//! so an immediate restart may find the limit still in use.

use madang_engine::runtime;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::CapabilitySet;
use std::time::Duration;

/// What glommio 0.9.0 requires before it starts, in bytes.
const EXECUTOR_LIMIT_BYTES_MIN: u64 = 512 * 1024;
/// Rings that an executor opens: the main one, one for latency, one to poll.
const RINGS: u64 = 3;
/// Twice the delay after which the kernel frees the memory of an ended process.
const GIVEN_BACK: Duration = Duration::from_millis(100);
const PAGE_BYTES: u64 = 4096;

/// The memory that this process may lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LockedMemory {
    /// The limit, in bytes; `u64::MAX` is none.
    limit_bytes: u64,
    /// Whether the kernel charges rings to it.
    is_charged: bool,
}

/// Too little memory may be locked.
#[derive(PartialEq, Eq, thiserror::Error, Debug)]
#[error(
    "the locked-memory limit is {limit_kib} KiB, and {needed_kib} are needed (shards: {shards}); {remedy}"
)]
pub struct LockedMemoryError {
    shards: u16,
    needed_kib: u64,
    limit_kib: u64,
    remedy: String,
}

/// Raises the soft limit to the hard one.
pub fn raise() -> LockedMemory {
    let before = getrlimit(Resource::Memlock);
    let raised = setrlimit(Resource::Memlock, Rlimit { current: before.maximum, maximum: before.maximum });
    let limit = if raised.is_ok() { before.maximum } else { before.current };
    LockedMemory {
        limit_bytes: limit.unwrap_or(u64::MAX),
        is_charged: !is_privileged() && charges_rings(&kernel_release()),
    }
}

impl LockedMemory {
    /// The maximum number of shards; `u16::MAX` if there is no limit.
    pub fn shards_max(self) -> u16 {
        if !self.is_charged {
            return u16::MAX;
        }
        u16::try_from(self.limit_bytes / shard_bytes()).unwrap_or(u16::MAX)
    }

    /// Whether this number of shards can start.
    ///
    /// # Errors
    /// Names the limit, the memory needed, and the remedy.
    pub fn permit(self, shards: u16) -> Result<(), LockedMemoryError> {
        if self.limit_bytes >= self.needed_bytes(shards) {
            return Ok(());
        }
        Err(LockedMemoryError {
            shards,
            needed_kib: self.needed_bytes(shards).div_ceil(1024),
            limit_kib: self.limit_bytes / 1024,
            remedy: self.remedy(shards),
        })
    }

    /// Waits until the memory of the old program and its trial is freed, if it does not fit together with what
    /// these shards need.
    pub fn await_given_back(self, shards: u16) {
        if self.is_charged && self.limit_bytes < 3 * self.needed_bytes(shards) {
            std::thread::sleep(GIVEN_BACK);
        }
    }

    /// How to allow this number of shards. Twice the needed memory lets a restart overlap with the end of the old
    /// process.
    pub fn remedy(self, shards: u16) -> String {
        let wanted_mib = (2 * self.needed_bytes(shards)).div_ceil(1024 * 1024);
        let fewer = match self.shards_max() {
            most if (1..shards).contains(&most) => format!(", or pass --shards {most}"),
            _ => String::new(),
        };
        format!(
            "raise it (systemd: LimitMEMLOCK={wanted_mib}M; shell: `ulimit -l {}`, its hard \
             limit in /etc/security/limits.conf; Docker: --ulimit memlock={}){fewer}",
            wanted_mib * 1024,
            wanted_mib * 1024 * 1024,
        )
    }

    fn needed_bytes(self, shards: u16) -> u64 {
        let charged = if self.is_charged { u64::from(shards) * shard_bytes() } else { 0 };
        charged.max(EXECUTOR_LIMIT_BYTES_MIN)
    }
}

/// The memory that the kernel charges for one shard, in bytes.
const fn shard_bytes() -> u64 {
    let (depth, buffers) = (runtime::RING_DEPTH as u64, runtime::IO_MEMORY_BYTES as u64);
    let executor = RINGS * (ring_bytes(depth, 2 * depth) + buffers);
    let sockets = ring_bytes(runtime::NET_SUBMISSIONS as u64, runtime::NET_COMPLETIONS as u64)
        + buffer_ring_bytes(runtime::NET_BUFFERS as u64);
    // The executor's own probe ring, which may not be freed yet.
    executor + 8 * PAGE_BYTES + sockets
}

/// Bytes of one ring (io_uring/io_uring.c: a submission entry is 64 bytes and its index 4; a completion
/// is 16).
const fn ring_bytes(submissions: u64, completions: u64) -> u64 {
    let entries = (submissions * 64).next_multiple_of(PAGE_BYTES);
    let header_and_indices = 128 + submissions * 4;
    entries + (header_and_indices + completions * 16).next_multiple_of(PAGE_BYTES)
}

/// Bytes of the buffer ring, 16 for each buffer; the buffers themselves are not locked.
const fn buffer_ring_bytes(buffers: u64) -> u64 {
    (buffers * 16).next_multiple_of(PAGE_BYTES)
}

/// Whether the limit does not apply: the capability counts in the initial user namespace only.
fn is_privileged() -> bool {
    let has_capability =
        rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK));
    let uid_map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    has_capability && uid_map.split_whitespace().eq(["0", "0", "4294967295"])
}

fn kernel_release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// Ring memory is charged to the limit up to 5.11 and again since 6.14; in between, only registered buffers are,
/// which the executor does not use. An unknown kernel is assumed to charge.
fn charges_rings(release: &str) -> bool {
    let mut numbers = release.split(|character: char| !character.is_ascii_digit()).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => !((5, 12)..(6, 14)).contains(&(major, minor)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four shards started within 1,744 KiB, and eighteen within 7,848.
    #[test]
    fn a_shard_is_charged_what_was_measured() {
        assert_eq!(shard_bytes() / 1024, 436);
    }

    #[test]
    fn the_usual_limit_of_8_mib_carries_18_shards_of_an_ordinary_user() {
        let memory = LockedMemory { limit_bytes: 8 << 20, is_charged: true };
        assert_eq!(memory.shards_max(), 18);
        assert_eq!(memory.permit(18), Ok(()));
        let error = memory.permit(19).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(
            error.starts_with("the locked-memory limit is 8192 KiB, and 8284 are needed (shards: 19); "),
            "{error}"
        );
        assert!(error.contains("LimitMEMLOCK=17M"), "{error}");
        assert!(error.ends_with(", or pass --shards 18"), "{error}");
    }

    #[test]
    fn the_executor_wants_512_kib_even_of_root() {
        let root = |limit_bytes| LockedMemory { limit_bytes, is_charged: false };
        assert!(root(512 * 1024 - 1).permit(1).is_err());
        assert_eq!(root(512 * 1024).permit(1024), Ok(()));
    }

    #[test]
    fn kernels_differ_in_what_they_charge() {
        for (release, charges) in [
            ("5.11.0-49-generic", true),
            ("5.12.0", false),
            ("5.15.0-1-amd64", false),
            ("6.13.12", false),
            ("6.14.0-rc1", true),
            ("6.18.44-fc-v669", true),
            ("7.0", true),
            ("odd", true),
        ] {
            assert_eq!(charges_rings(release), charges, "{release}");
        }
    }
}
