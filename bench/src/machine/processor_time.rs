//! Processor time of a process, from the kernel's own accounting.

use crate::error::BenchError;
use rustix::time::{ClockId, clock_gettime};
use std::collections::HashMap;
use std::fs;

/// Processor time a process had used at one moment.
#[derive(Debug)]
pub(crate) struct ProcessTime {
    /// From `/proc/PID/stat`: all threads, those that ended too, rounded down to clock ticks.
    ticks_ns: u64,
    /// One tick, in nanoseconds.
    tick_ns: u64,
    /// From `/proc/PID/task/*/schedstat`: exact, but only the threads that still run.
    threads_ns: HashMap<u32, u64>,
}

impl ProcessTime {
    /// Reads what a process has used until now.
    ///
    /// # Errors
    /// [`BenchError::System`] when there is no such process or it may not be looked at.
    pub(crate) fn read(pid: u32) -> Result<ProcessTime, BenchError> {
        let path = format!("/proc/{pid}/stat");
        let stat = fs::read_to_string(&path)
            .map_err(BenchError::system(format!("read {path}; pass the server's process id with --pid")))?;
        let tick_ns = 1_000_000_000 / rustix::param::clock_ticks_per_second().max(1);
        let mut threads_ns = HashMap::new();
        let task_path = format!("/proc/{pid}/task");
        let tasks = fs::read_dir(&task_path).map_err(BenchError::system(format!("read {task_path}")))?;
        for entry in tasks.flatten() {
            // A thread may end between the listing and the reading: then the ticks know of it.
            let thread = entry.file_name().to_str().and_then(|name| name.parse().ok());
            let spent = fs::read_to_string(entry.path().join("schedstat")).ok();
            let spent_ns = spent.and_then(|text| text.split_whitespace().next()?.parse().ok());
            if let Some((thread, spent_ns)) = thread.zip(spent_ns) {
                threads_ns.insert(thread, spent_ns);
            }
        }
        Ok(ProcessTime { ticks_ns: ticks_of_stat(&stat).unwrap_or(0) * tick_ns, tick_ns, threads_ns })
    }

    /// Nanoseconds used between `earlier` and this moment: the exact sum over threads, unless the
    /// ticks show that threads have ended and taken their share of it along.
    pub(crate) fn since_ns(&self, earlier: &ProcessTime) -> u64 {
        let used_since = |(thread, now_ns): (&u32, &u64)| {
            now_ns.saturating_sub(earlier.threads_ns.get(thread).copied().unwrap_or(0))
        };
        let threads_ns: u64 = self.threads_ns.iter().map(used_since).sum();
        let ticks_ns = self.ticks_ns.saturating_sub(earlier.ticks_ns);
        // Two rounded numbers (user, system), each at most a tick off at either end.
        if ticks_ns > threads_ns + 2 * self.tick_ns { ticks_ns } else { threads_ns }
    }
}

/// Fields 14 and 15 of proc_pid_stat(5), which stand behind a name that may hold spaces and brackets.
fn ticks_of_stat(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// Nanoseconds of processor time the calling thread has used.
pub(crate) fn own_time_ns() -> u64 {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(spent.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(spent.tv_nsec).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(ticks: u64, threads: &[(u32, u64)]) -> ProcessTime {
        const TICK_NS: u64 = 10_000_000;
        ProcessTime {
            ticks_ns: ticks * TICK_NS,
            tick_ns: TICK_NS,
            threads_ns: threads.iter().copied().collect(),
        }
    }

    #[test]
    fn a_name_with_brackets_does_not_move_the_fields() {
        let stat = "7 (a) b) R 1 7 7 0 -1 4194304 90 0 0 0 120 34 0 0 20 0 1 0 5 0 0";
        assert_eq!(ticks_of_stat(stat), Some(154));
    }

    #[test]
    fn new_threads_count_in_full_and_old_ones_from_where_they_were() {
        let before = spent(0, &[(1, 5_000_000)]);
        let after = spent(1, &[(1, 9_000_000), (2, 3_000_000)]);
        assert_eq!(after.since_ns(&before), 7_000_000);
    }

    #[test]
    fn a_thread_that_ended_is_counted_by_the_ticks() {
        let before = spent(0, &[(1, 0), (2, 0)]);
        let after = spent(50, &[(1, 100_000_000)]);
        assert_eq!(after.since_ns(&before), 500_000_000);
    }

    #[test]
    fn work_shows_in_our_own_accounting() {
        let pid = std::process::id();
        let before = ProcessTime::read(pid).expect("our own times");
        let own_before_ns = own_time_ns();
        while own_time_ns() - own_before_ns < 30_000_000 {}
        let after = ProcessTime::read(pid).expect("our own times");
        assert!(after.since_ns(&before) >= 25_000_000);
    }
}
