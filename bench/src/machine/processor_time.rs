//! Processor time of a process and of our own thread, to the nanosecond.

use crate::error::BenchError;
use rustix::time::{ClockId, clock_gettime};
use std::io;

/// Nanoseconds of processor time that a process has used until now: all its threads, those that
/// ended and the kernel's io_uring workers for it too. (`/proc/PID/stat` counts in ticks of 10 ms,
/// and `schedstat` forgets threads that ended.)
///
/// # Errors
/// [`BenchError::System`] when there is no such process.
#[allow(unsafe_code, reason = "rustix cannot name the clock of another process")]
pub(crate) fn process_time_ns(pid: u32) -> Result<u64, BenchError> {
    let missing = || format!("find process {pid}; pass the server's process id with --pid");
    let known = libc::pid_t::try_from(pid).ok().filter(|pid| *pid > 0);
    let known =
        known.ok_or(io::Error::from_raw_os_error(libc::ESRCH)).map_err(BenchError::system(missing()))?;
    let mut clock: libc::clockid_t = 0;
    let mut spent = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both calls only write to the local they are given, which outlives them.
    let refused = unsafe { libc::clock_getcpuclockid(known, &mut clock) };
    if refused != 0 {
        return Err(BenchError::System { action: missing(), source: io::Error::from_raw_os_error(refused) });
    }
    // SAFETY: as above.
    if unsafe { libc::clock_gettime(clock, &mut spent) } != 0 {
        return Err(BenchError::System { action: missing(), source: io::Error::last_os_error() });
    }
    Ok(nanoseconds(spent.tv_sec, spent.tv_nsec))
}

/// Nanoseconds of processor time the calling thread has used.
pub(crate) fn own_time_ns() -> u64 {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    nanoseconds(spent.tv_sec, spent.tv_nsec)
}

fn nanoseconds(seconds: i64, rest_ns: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0) * 1_000_000_000 + u64::try_from(rest_ns).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn work_of_threads_that_ended_is_counted_in_full() {
        let pid = std::process::id();
        let before_ns = process_time_ns(pid).expect("our own time");
        let worker = thread::spawn(|| {
            let start_ns = own_time_ns();
            while own_time_ns() - start_ns < 30_000_000 {}
        });
        worker.join().expect("a worker that ends");
        let used_ns = process_time_ns(pid).expect("our own time") - before_ns;
        assert!(used_ns >= 30_000_000, "{used_ns}");
    }

    #[test]
    fn a_process_that_is_not_there_is_named_with_the_remedy() {
        // The kernel's limit of process numbers is 2^22.
        for pid in [0, 1 << 23, u32::MAX] {
            let words = process_time_ns(pid).expect_err("no such process").to_string();
            assert!(words.contains(&pid.to_string()) && words.contains("--pid"), "{words}");
        }
    }
}
