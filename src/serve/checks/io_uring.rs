//! Whether the kernel allows io_uring. The executor's own probe reports every refusal as an old kernel, so we probe
//! first and interpret the error.

use io_uring::{IoUring, Probe, opcode};
use rustix::io::Errno;
use std::io;
use std::time::{Duration, Instant};

/// Set by the administrator: 0 allows io_uring for everyone, 1 for one group, 2 for nobody.
const DISABLED_FILE: &str = "/proc/sys/kernel/io_uring_disabled";
/// The kernel frees the locked memory of a process a little after its end (measured on 6.18: under 50 ms), so a
/// quick restart waits.
const RELEASE_TIME_MAX: Duration = Duration::from_secs(1);
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// Operations that the executor and the sockets use; the newest exist since kernel 5.6.
const OPERATIONS: &[(u8, &str)] = &[
    (opcode::Write::CODE, "write"),
    (opcode::Read::CODE, "read"),
    (opcode::Fsync::CODE, "fsync"),
    (opcode::PollAdd::CODE, "poll"),
    (opcode::AsyncCancel::CODE, "cancel"),
    (opcode::Timeout::CODE, "timeout"),
    (opcode::OpenAt::CODE, "openat"),
    (opcode::Close::CODE, "close"),
    (opcode::Statx::CODE, "statx"),
    (opcode::Fallocate::CODE, "fallocate"),
    (opcode::Recv::CODE, "recv"),
    (opcode::Send::CODE, "send"),
];

/// Why io_uring cannot be used.
#[derive(thiserror::Error, Debug)]
pub enum IoUringError {
    /// The kernel has no such system call.
    #[error(
        "io_uring does not exist here: the kernel is older than 6.1 or built without it, or a sandbox \
         (gVisor, some seccomp profiles) hides it; run on Linux 6.1 or newer, see `uname -r`"
    )]
    Missing,
    /// `io_uring_disabled` is 1 and we are not in the group.
    #[error(
        "io_uring is allowed to one group only (kernel.io_uring_disabled = 1); run as a member of the group \
         whose number `sysctl kernel.io_uring_group` shows, or `sysctl -w kernel.io_uring_disabled=0`"
    )]
    OneGroupOnly,
    /// `io_uring_disabled` is 2.
    #[error(
        "io_uring is switched off on this machine (kernel.io_uring_disabled = 2); switch it on with \
         `sysctl -w kernel.io_uring_disabled=0`, and keep it so in /etc/sysctl.d"
    )]
    SwitchedOff,
    /// Refused, and not by the sysctl: a seccomp filter or a security module.
    #[error(
        "{0} is forbidden to this process, most likely by the seccomp profile of its container or unit; allow \
         io_uring_setup, io_uring_enter and io_uring_register (Docker: --security-opt \
         seccomp=PROFILE.json; systemd: SystemCallFilter=@system-service)"
    )]
    Forbidden(&'static str),
    /// No memory for the smallest ring.
    #[error(
        "the kernel has no memory for an io_uring: this user's locked-memory limit is used up, also by other \
         processes of the user; raise it (systemd: LimitMEMLOCK=256M; shell: `ulimit -l`)"
    )]
    NoLockedMemory,
    /// A ring, but not one with deferred work.
    #[error(
        "the kernel's io_uring is too old: rings whose work is deferred (IORING_SETUP_DEFER_TASKRUN) came \
         with Linux 6.1; see `uname -r`"
    )]
    TooOld,
    /// A ring, but without an operation that we need.
    #[error("the kernel's io_uring cannot {0}; run on Linux 6.1 or newer, see `uname -r`")]
    OperationMissing(&'static str),
    /// Something else.
    #[error("cannot set up an io_uring: {0}; see `dmesg` and `uname -r`")]
    Other(io::Error),
}

/// Creates a small ring and checks its operations.
///
/// # Errors
/// [`IoUringError`] says why the server could not run.
pub fn probe() -> Result<(), IoUringError> {
    let disabled = std::fs::read_to_string(DISABLED_FILE).unwrap_or_default();
    let refused = |call| {
        let disabled = disabled.trim();
        move |error| refusal(call, error, disabled)
    };
    let ring = small_ring().map_err(refused("io_uring_setup"))?;
    let mut known = Probe::new();
    ring.submitter().register_probe(&mut known).map_err(refused("io_uring_register"))?;
    // There is nothing to submit: this only checks whether the call is allowed.
    ring.submitter().submit().map_err(refused("io_uring_enter"))?;
    match OPERATIONS.iter().find(|(code, _)| !known.is_supported(*code)) {
        Some((_, name)) => Err(IoUringError::OperationMissing(name)),
        None => Ok(()),
    }
}

fn small_ring() -> io::Result<IoUring> {
    let give_up_at = Instant::now() + RELEASE_TIME_MAX;
    loop {
        match IoUring::builder().setup_single_issuer().setup_defer_taskrun().build(2) {
            Err(error) if error.raw_os_error() == Some(Errno::NOMEM.raw_os_error()) => {
                if Instant::now() >= give_up_at {
                    return Err(error);
                }
                std::thread::sleep(RETRY_PAUSE);
            }
            answer => return answer,
        }
    }
}

/// Interprets the error of a system call; `disabled` is the content of [`DISABLED_FILE`], or empty.
fn refusal(call: &'static str, error: io::Error, disabled: &str) -> IoUringError {
    let is_setup = call == "io_uring_setup";
    match (Errno::from_io_error(&error), disabled) {
        // If there is the sysctl, or a ring, the kernel knows the call.
        (Some(Errno::NOSYS), "") if is_setup => IoUringError::Missing,
        (Some(Errno::PERM), "1") if is_setup => IoUringError::OneGroupOnly,
        (Some(Errno::PERM), "2") if is_setup => IoUringError::SwitchedOff,
        (Some(Errno::NOSYS | Errno::PERM | Errno::ACCESS), _) => IoUringError::Forbidden(call),
        (Some(Errno::NOMEM), _) => IoUringError::NoLockedMemory,
        (Some(Errno::INVAL), _) => IoUringError::TooOld,
        _ => IoUringError::Other(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_rings() {
        probe().unwrap();
    }

    #[test]
    fn each_refusal_is_distinguished() {
        let of = |errno: Errno, disabled| refusal("io_uring_setup", errno.into(), disabled);
        assert!(matches!(of(Errno::NOSYS, ""), IoUringError::Missing));
        assert!(matches!(of(Errno::NOSYS, "0"), IoUringError::Forbidden("io_uring_setup")));
        assert!(matches!(of(Errno::PERM, "1"), IoUringError::OneGroupOnly));
        assert!(matches!(of(Errno::PERM, "2"), IoUringError::SwitchedOff));
        assert!(matches!(of(Errno::PERM, "0"), IoUringError::Forbidden("io_uring_setup")));
        assert!(matches!(of(Errno::PERM, ""), IoUringError::Forbidden("io_uring_setup")));
        let later = |errno: Errno| refusal("io_uring_enter", errno.into(), "");
        assert!(matches!(later(Errno::NOSYS), IoUringError::Forbidden("io_uring_enter")));
        assert!(matches!(later(Errno::PERM), IoUringError::Forbidden("io_uring_enter")));
        assert!(matches!(of(Errno::NOMEM, "0"), IoUringError::NoLockedMemory));
        assert!(matches!(of(Errno::INVAL, "0"), IoUringError::TooOld));
        assert!(matches!(of(Errno::MFILE, "0"), IoUringError::Other(_)));
    }
}
