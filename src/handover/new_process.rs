//! The new process, as the old one sees it.

use super::frame::Kind;
use super::pack::pack;
use super::stream::{self, Receiver};
use super::{OPEN_TIME_MAX, SILENCE_MAX};
use crate::operator::is_disconnect;
use crate::server::ServerState;
use madang_engine::runtime::{Adopting, Snapshotted};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::net::sockopt;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, geteuid, pidfd_open, pidfd_send_signal, waitid,
};
use std::fmt;
use std::io;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// How long a killed process may take to end; longer means that the machine is broken.
const DEATH_TIME_MAX: Duration = Duration::from_secs(20);
/// How long a new process that has given up may take to log the reason and end.
const EXIT_TIME_MAX: Duration = Duration::from_millis(500);

/// Why a handover failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// A sentence without its end.
    pub reason: String,
    /// Whether it says why. If not, the new process may have said so before it ended.
    pub is_explained: bool,
}

impl From<String> for Refusal {
    fn from(reason: String) -> Refusal {
        Refusal { reason, is_explained: true }
    }
}

/// The new process, at the other end of the control socket.
pub struct NewProcess<'a> {
    stream: &'a UnixStream,
    pidfd: OwnedFd,
    /// Its process id.
    pub pid: i32,
}

/// Why the new process is not ready.
pub enum Failure {
    /// It says so.
    Said(String),
    /// It is not heard of.
    Broken(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Broken(error)
    }
}

impl NewProcess<'_> {
    /// Finds it, and checks that it may take over.
    ///
    /// # Errors
    /// Why it may not.
    pub fn identify(stream: &UnixStream) -> Result<NewProcess<'_>, String> {
        let elsewhere = "the new process cannot be watched: both must be in one process namespace";
        let peer = sockopt::socket_peercred(stream).map_err(|_| elsewhere.to_owned())?;
        if peer.uid != geteuid() {
            return Err(
                "only a process of the same user can take over: run it as the user that runs the server"
                    .into(),
            );
        }
        let pidfd = pidfd_open(peer.pid, PidfdFlags::empty()).map_err(|error| {
            format!("the new process cannot be watched: {error}; both must be in one process namespace")
        })?;
        if !is_of_this_service(peer.pid) {
            return Err(
                "the running server is a service of systemd, and the new process is not part of it: use \
                        `madang upgrade`"
                    .to_owned(),
            );
        }
        Ok(NewProcess { stream, pidfd, pid: Pid::as_raw(Some(peer.pid)) })
    }

    /// Sends it everything, and waits until it is ready.
    ///
    /// # Errors
    /// It is not; it is still to be killed.
    pub fn hand_over(&self, snapshotted: &Snapshotted, state: &ServerState) -> Result<(), Failure> {
        let connections = snapshotted.parts.iter().map(|part| part.image.connections.len()).sum();
        let deadline = Instant::now() + OPEN_TIME_MAX + Adopting::time_max(connections);
        self.stream.set_write_timeout(Some(SILENCE_MAX))?;
        stream::send_magic(self.stream)?;
        let mut stream = self.stream;
        let packed = pack(snapshotted, state, true, &mut stream);
        // One that gives up says why, and may do so while it is sent the rest.
        let is_over = packed.as_ref().is_err_and(is_disconnect);
        if !is_over {
            packed?;
        }
        let answer = Receiver::new(self.stream).next_before(deadline)?;
        match answer.kind {
            Kind::Ready if !is_over => Ok(()),
            Kind::Refused => Err(Failure::Said(String::from_utf8_lossy(&answer.payload).into_owned())),
            _ => Err(Failure::Broken(io::ErrorKind::InvalidData.into())),
        }
    }

    /// Why nothing was handed over to it, in words. It is still to be killed.
    pub fn refusal(&self, failure: Failure) -> Refusal {
        let error = match failure {
            Failure::Said(words) => {
                // It is logging the reason.
                self.ends_within(EXIT_TIME_MAX);
                return format!("the new process cannot take over: {words}").into();
            }
            Failure::Broken(error) => error,
        };
        if is_disconnect(&error) {
            self.ends_within(EXIT_TIME_MAX);
            let how = self.end().map(|how| format!(" ({how})")).unwrap_or_default();
            let reason = format!("the new process ended{how} before it was ready");
            return Refusal { reason, is_explained: false };
        }
        let reason = match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                "the new process was not ready in time, and was killed".to_owned()
            }
            _ => format!("the new process was killed: {error}"),
        };
        Refusal { reason, is_explained: false }
    }

    /// How it has ended, if it has and this process is its parent.
    fn end(&self) -> Option<ProcessEnd> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::PidFd(self.pidfd.as_fd()), options).ok().flatten()?;
        match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Some(ProcessEnd::Code(code)),
            (None, signal) => signal.map(ProcessEnd::Signal),
        }
    }

    /// Kills the new process. Only after its end may this one resume.
    pub fn kill(&self) {
        // It may have ended already.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        assert!(
            self.ends_within(DEATH_TIME_MAX),
            "process {} cannot be killed: neither process may continue with two owners of one log",
            self.pid
        );
    }

    /// Forwards signals that this process has received and not handled.
    pub fn pass_on(&self, signals: &[nix::sys::signal::Signal]) {
        for signal in signals {
            if let Some(signal) = Signal::from_named_raw(*signal as i32) {
                // It is the server now, or there is none.
                let _ = pidfd_send_signal(&self.pidfd, signal);
            }
        }
    }

    /// A trial is a child of this process, which continues: nobody else would wait for it.
    pub fn reap(&self) {
        // It may be reaped already.
        let _ = waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED);
    }

    fn ends_within(&self, time_max: Duration) -> bool {
        let deadline = Instant::now() + time_max;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut waited = [PollFd::new(&self.pidfd, PollFlags::IN)];
            let timeout = Timespec::try_from(left).ok();
            match poll(&mut waited, timeout.as_ref()) {
                Ok(1..) => return true,
                Ok(0) if left.is_zero() => return false,
                _ => {}
            }
        }
    }
}

/// How a process has ended.
enum ProcessEnd {
    Code(i32),
    Signal(i32),
}

impl fmt::Display for ProcessEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProcessEnd::Code(code) => write!(f, "exit status {code}"),
            ProcessEnd::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// systemd does not accept a process of another control group as the main process of a service.
fn is_of_this_service(pid: Pid) -> bool {
    let group = |process: &str| std::fs::read(format!("/proc/{process}/cgroup")).ok();
    let is_same = || group("self") == group(&Pid::as_raw(Some(pid)).to_string());
    std::env::var_os("NOTIFY_SOCKET").is_none() || is_same()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// What is said of a process that runs this and is heard of no more.
    fn said_of(script: &str, error: io::ErrorKind) -> Refusal {
        let (ours, _theirs) = UnixStream::pair().expect("a pair");
        let mut child = Command::new("sh").args(["-c", script]).spawn().expect("a shell");
        let pid = Pid::from_child(&child);
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).expect("a descriptor");
        let new_process = NewProcess { stream: &ours, pidfd, pid: Pid::as_raw(Some(pid)) };
        let refusal = new_process.refusal(Failure::Broken(error.into()));
        new_process.kill();
        child.wait().expect("it is still to be waited for");
        refusal
    }

    #[test]
    fn how_a_new_process_ended_is_said() {
        for error in [io::ErrorKind::UnexpectedEof, io::ErrorKind::BrokenPipe] {
            assert_eq!(
                said_of("kill -9 $$", error).reason,
                "the new process ended (signal 9) before it was ready"
            );
            assert_eq!(
                said_of("exit 3", error).reason,
                "the new process ended (exit status 3) before it was ready"
            );
        }
        let late = said_of("exec sleep 100", io::ErrorKind::TimedOut);
        assert_eq!(late.reason, "the new process was not ready in time, and was killed");
        assert!(!late.is_explained);
    }
}
