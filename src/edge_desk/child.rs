//! An edge that this server has started.

use crate::server::launch::command_of;
use crate::server::{EdgeEnd, Launch, pending_signals, subprocess};
use madang_config::Sources;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, pidfd_open, pidfd_send_signal, waitid,
};
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// The command that runs an edge.
pub const COMMAND: &str = "edge";
/// Its option with the process that started it: it ends with that.
pub const PARENT_OPTION: &str = "--parent";
/// Variables of systemd's for the server alone.
const FOR_THE_SERVER: [&str; 2] = ["NOTIFY_SOCKET", "WATCHDOG_USEC"];

/// After an edge that has run for so long the next one is started at once.
const GOOD_RUN: Duration = Duration::from_secs(10);
/// The first wait before an edge is started again that ended sooner; each next one is twice as long.
const RESTART_MIN: Duration = Duration::from_millis(50);
/// The longest, if it served: clients wait at most a second for the next one.
const RESTART_AFTER_SERVING_MAX: Duration = Duration::from_millis(500);
/// The longest, if it failed before it served: then the next one will, too.
const RESTART_MAX: Duration = Duration::from_secs(10);

/// How an edge is started: the program of this server with its configuration.
#[derive(Clone, Debug)]
pub struct EdgeLaunch {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl EdgeLaunch {
    /// For this data directory, with what the server was given.
    pub fn new(launch: &Launch, data: &Path, sources: &Sources) -> EdgeLaunch {
        let mut arguments: Vec<OsString> = vec![COMMAND.into(), "--data".into(), data.into()];
        if let Some(file) = &sources.file {
            arguments.extend(["--config".into(), file.into()]);
        }
        let flags = sources.flags.iter().map(|flag| format!("{}={}", flag.key, flag.value));
        for setting in flags.chain(sources.overrides.iter().cloned()) {
            arguments.extend(["--set".into(), setting.into()]);
        }
        EdgeLaunch { program: launch.program().to_owned(), arguments }
    }

    /// Starts one. It ends when the thread that calls this ends.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(&self) -> io::Result<RunningEdge> {
        let mut command = command_of(&self.program);
        command.args(&self.arguments).arg(PARENT_OPTION).arg(std::process::id().to_string());
        FOR_THE_SERVER.iter().for_each(|name| {
            command.env_remove(name);
        });
        // A signal to the group of the server, as by Ctrl-C, is for the server, which ends its edge.
        command.stdin(Stdio::null()).process_group(0);
        let starting = subprocess::starting();
        let mut child = pending_signals::unblocked(|| command.spawn())?;
        drop(starting);
        let process = match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
            Ok(process) => process,
            Err(error) => {
                // Nobody would look after it.
                let _ = child.kill();
                let _ = child.wait();
                return Err(error.into());
            }
        };
        Ok(RunningEdge { pid: child.id(), process, started: Instant::now() })
    }
}

/// A process that was started.
#[derive(Debug)]
pub struct RunningEdge {
    pub pid: u32,
    /// What is polled: it is readable when the process has ended.
    pub process: OwnedFd,
    started: Instant,
}

impl RunningEdge {
    /// Sends it a signal, if it has not ended.
    pub fn signal(&self, signal: Signal) {
        let _ = pidfd_send_signal(&self.process, signal);
    }

    /// How it has ended, in words and in kind, if it has.
    pub fn ended(&self) -> Option<(String, EdgeEnd)> {
        let status = wait_for(&self.process)?;
        let exit_status = status.as_ref().and_then(WaitIdStatus::exit_status);
        let signal = status.as_ref().and_then(WaitIdStatus::terminating_signal);
        Some(match (exit_status, signal) {
            (Some(0), _) => ("exit status 0".to_owned(), EdgeEnd::Success),
            (Some(code), _) => (format!("exit status {code}"), EdgeEnd::Failure),
            (None, Some(signal)) => (format!("signal {signal}"), EdgeEnd::Signal),
            (None, None) => ("an unknown status".to_owned(), EdgeEnd::Failure),
        })
    }

    /// Whether it has run long enough.
    pub fn has_run_well(&self) -> bool {
        self.started.elapsed() >= GOOD_RUN
    }
}

/// Whether a child has ended, and its status. The status is unknown if somebody else has waited for it, or the kernel
/// keeps none because SIGCHLD was ignored when this program was started (`ECHILD`, waitid(2)).
pub fn wait_for(process: &OwnedFd) -> Option<Option<WaitIdStatus>> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    match waitid(WaitId::PidFd(process.as_fd()), options) {
        Ok(Some(status)) => Some(Some(status)),
        Err(Errno::CHILD) => Some(None),
        Ok(None) | Err(_) => None,
    }
}

/// How long to wait after the given number of edges that ended soon, one after another, of which the last has served
/// or not.
pub fn restart_wait(failures: u32, has_served: bool) -> Duration {
    let wait_max = if has_served { RESTART_AFTER_SERVING_MAX } else { RESTART_MAX };
    match failures {
        0 => Duration::ZERO,
        _ => RESTART_MIN.saturating_mul(1 << (failures - 1).min(16)).min(wait_max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn an_edge_that_ends_again_and_again_is_started_ever_later_and_within_a_second_if_it_served() {
        let waits = |has_served| {
            let wait = |count| restart_wait(count, has_served).as_millis() as u64;
            [0, 1, 2, 3, 4, 5, 9, 1_000].map(wait)
        };
        assert_eq!(waits(false), [0, 50, 100, 200, 400, 800, 10_000, 10_000]);
        assert_eq!(waits(true), [0, 50, 100, 200, 400, 500, 500, 500]);
    }

    #[test]
    fn a_child_whose_status_nobody_can_have_has_ended() {
        let process = pidfd_open(rustix::process::getpid(), PidfdFlags::empty()).expect("a descriptor");
        let no_child = RunningEdge { pid: std::process::id(), process, started: Instant::now() };
        assert_eq!(no_child.ended(), Some(("an unknown status".to_owned(), EdgeEnd::Failure)));
    }

    #[test]
    #[expect(clippy::zombie_processes, reason = "it is waited for by its descriptor")]
    fn how_a_process_ended_is_said() {
        for (script, words, kind) in [
            ("exit 0", "exit status 0", EdgeEnd::Success),
            ("exit 3", "exit status 3", EdgeEnd::Failure),
            ("kill -9 $$", "signal 9", EdgeEnd::Signal),
        ] {
            let child = Command::new("sh").args(["-c", script]).spawn().expect("a shell");
            let process = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).expect("a descriptor");
            let edge = RunningEdge { pid: child.id(), process, started: Instant::now() };
            let ended = loop {
                if let Some(ended) = edge.ended() {
                    break ended;
                }
                std::thread::sleep(Duration::from_millis(1));
            };
            assert_eq!(ended, (words.to_owned(), kind));
        }
    }
}
