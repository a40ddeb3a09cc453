//! One thread of a server that is stopped, as by a debugger, while all others run.

use super::PATIENCE;
use nix::sys::ptrace::{self, Options};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fs;
use std::time::Instant;

/// A thread that is stopped until this is dropped.
pub struct StuckThread(Pid);

impl StuckThread {
    /// Stops the thread of this shard of a child process. It must be released on the thread that calls this.
    #[track_caller]
    pub fn stop(process: u32, shard: u16) -> StuckThread {
        // glommio puts the number of the executor behind it. The thread beside it, for calls that block,
        // has its name from it, and comes later.
        let name = format!("madang-{shard}-");
        let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("threads");
        let found = tasks.flatten().find(|task| {
            fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.starts_with(&name))
        });
        let task = found.unwrap_or_else(|| panic!("process {process} has no thread {name}")).file_name();
        let thread = Pid::from_raw(task.to_str().and_then(|id| id.parse().ok()).expect("a thread"));
        ptrace::seize(thread, Options::empty()).expect("trace a child");
        ptrace::interrupt(thread).expect("interrupt it");
        let asked_at = Instant::now();
        // It may be in the middle of a signal: any stop will do.
        while StuckThread::look(thread) == WaitStatus::StillAlive {
            assert!(asked_at.elapsed() < PATIENCE, "{name} does not stop");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        StuckThread(thread)
    }

    /// Its end, should its process have ended: a process is not over before all its threads were looked after.
    pub fn bury(&self) {
        StuckThread::look(self.0);
    }

    fn look(thread: Pid) -> WaitStatus {
        waitpid(thread, Some(WaitPidFlag::WNOHANG | WaitPidFlag::__WALL)).unwrap_or(WaitStatus::StillAlive)
    }
}

impl Drop for StuckThread {
    fn drop(&mut self) {
        // It may have ended with its process.
        let _ = ptrace::detach(self.0, None);
    }
}
