//! Children of this process that the program which ran in it before (execve) has started: nobody else waits for them.
//!
//! An edge among them is of the old program, with which the new server has nothing to do. It ends with the thread that
//! started it, unless it was started so shortly before that it had not asked the kernel for that yet.

use super::child::{COMMAND, PARENT_OPTION, wait_for};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs;
use std::time::{Duration, Instant};

/// How long an edge may take to end: it finishes requests for 2 s.
const END_TIME_MAX: Duration = Duration::from_millis(2_500);
/// How often it is looked at where there is no desk.
const LOOK: Duration = Duration::from_millis(50);

/// What is left.
#[derive(Debug)]
pub struct LeftChildren {
    edges: Vec<OwnedFd>,
    others: Vec<OwnedFd>,
    /// When the edges are killed that have not ended.
    killed_at: Instant,
}

impl LeftChildren {
    /// Finds them, and asks the edges among them to end. To be called before other children are started.
    pub fn end() -> LeftChildren {
        let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        let numbers = children.flat_map(|list| {
            list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>()
        });
        LeftChildren::of(numbers.filter_map(Pid::from_raw))
    }

    fn of(children: impl Iterator<Item = Pid>) -> LeftChildren {
        let (mut edges, mut others) = (Vec::new(), Vec::new());
        for pid in children {
            let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
            // The first process of a container has children that others started.
            if is_edge(pid) {
                let _ = pidfd_send_signal(&process, Signal::TERM);
                edges.push(process);
            } else {
                others.push(process);
            }
        }
        LeftChildren { edges, others, killed_at: Instant::now() + END_TIME_MAX }
    }

    /// Forgets those that have ended, and kills an edge that has not when its time is over.
    pub fn look_after(&mut self, now: Instant) {
        self.edges.retain(|child| wait_for(child).is_none());
        self.others.retain(|child| wait_for(child).is_none());
        if self.killed_at <= now {
            self.edges.iter().for_each(|edge| {
                let _ = pidfd_send_signal(edge, Signal::KILL);
            });
            self.killed_at = now + END_TIME_MAX;
        }
    }
}

/// Whether it is an edge that this process has started.
fn is_edge(pid: Pid) -> bool {
    let words = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
    let words: Vec<&[u8]> = words.split(|byte| *byte == 0).collect();
    let parent = std::process::id().to_string();
    words.contains(&COMMAND.as_bytes())
        && words.windows(2).any(|pair| pair == [PARENT_OPTION.as_bytes(), parent.as_bytes()])
}

/// Ends an edge that is left, where this program has no HTTP and so no desk.
pub fn end_left_edge() {
    let mut left = LeftChildren::end();
    if left.edges.is_empty() {
        return;
    }
    let work = move || {
        while !left.edges.is_empty() {
            left.look_after(Instant::now());
            std::thread::sleep(LOOK);
        }
    };
    if let Err(error) = std::thread::Builder::new().name("madang-edge".into()).spawn(work) {
        tracing::warn!(%error, "cannot start a thread: an edge of the program before is not waited for");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    #[expect(clippy::zombie_processes, reason = "they are waited for by their descriptors")]
    fn an_edge_that_is_left_is_ended_and_another_child_is_not() {
        let parent = std::process::id().to_string();
        let start = |words: &[&str]| {
            let mut shell = Command::new("sh");
            // It ends when nobody can write to it any more.
            shell.args(["-c", "read line"]).args(words).stdin(Stdio::piped()).spawn().expect("a shell")
        };
        let edge = start(&["sh", COMMAND, PARENT_OPTION, &parent]);
        let other = start(&["sh", COMMAND, PARENT_OPTION, "1"]);
        let mut left = LeftChildren::of([&edge, &other].map(Pid::from_child).into_iter());
        assert_eq!((left.edges.len(), left.others.len()), (1, 1));
        let asked_at = Instant::now();
        while !left.edges.is_empty() {
            left.look_after(Instant::now());
            assert!(asked_at.elapsed() < 2 * END_TIME_MAX, "it runs");
            std::thread::sleep(Duration::from_millis(1));
        }
        left.look_after(Instant::now());
        assert_eq!(left.others.len(), 1, "it was not asked to end");
        drop(other.stdin);
        while !left.others.is_empty() {
            left.look_after(Instant::now());
            assert!(asked_at.elapsed() < 4 * END_TIME_MAX, "it runs");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
