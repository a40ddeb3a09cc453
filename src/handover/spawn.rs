//! The old process starts the new one: so it is in the same control group, with the same user, limits and sandbox.
//!
//! Under systemd the new process must be a child of the service manager, which otherwise would not wait for it when
//! it stops the service: it sends SIGTERM and at once SIGKILL to a main process that is not its child (systemd 252,
//! `service_enter_signal`). systemd checks this only once, when it is notified of the main process.

use super::said::Said;
use crate::server::launch::{Launch, TAKEOVER, TRIAL, command_of};
use crate::server::{pending_signals, subprocess};
use crate::systemd::notify;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::ffi::OsString;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::process::{Child, Stdio};

/// A process that was started to take over.
#[derive(Debug)]
pub struct Started {
    /// Its process id.
    pub pid: u32,
    handle: ProcessHandle,
    /// Of a trial, which ends before this process does.
    said: Option<Said>,
}

#[derive(Debug)]
enum ProcessHandle {
    Child(Child),
    /// A child of the service manager. `None`: it ended before it could be opened.
    Orphan(Option<OwnedFd>),
}

impl Started {
    /// How it ended, if it has.
    ///
    /// # Errors
    /// If its state cannot be read.
    pub fn end(&mut self) -> io::Result<Option<String>> {
        match &mut self.handle {
            ProcessHandle::Child(child) => match child.try_wait() {
                // The thread that hands over has reaped it.
                Err(error) if error.raw_os_error() == Some(Errno::CHILD.raw_os_error()) => {
                    Ok(Some("before it was checked".to_owned()))
                }
                status => Ok(status?.map(|status| status.to_string())),
            },
            ProcessHandle::Orphan(None) => Ok(Some("at once".to_owned())),
            ProcessHandle::Orphan(Some(process)) => {
                let mut waited = [PollFd::new(process, PollFlags::IN)];
                let has_ended = poll(&mut waited, Some(&Timespec::default()))? > 0;
                Ok(has_ended.then(|| format!("process {}", self.pid)))
            }
        }
    }

    /// The last line that it wrote to standard error, if that can be known and it has ended.
    pub fn last_words(&self) -> Option<String> {
        self.said.as_ref().and_then(Said::last)
    }

    /// Kills it.
    ///
    /// # Errors
    /// The error of the system.
    pub fn kill(&mut self) -> io::Result<()> {
        match &mut self.handle {
            ProcessHandle::Child(child) => child.kill(),
            ProcessHandle::Orphan(None) => Ok(()),
            ProcessHandle::Orphan(Some(process)) => match pidfd_send_signal(process, Signal::KILL) {
                Err(Errno::SRCH) => Ok(()),
                done => Ok(done?),
            },
        }
    }
}

/// Starts a process that takes over from this one, or a trial.
///
/// # Errors
/// The error of the system.
pub fn spawn_new_process(launch: &Launch, is_trial: bool) -> io::Result<Started> {
    let started = start(launch, is_trial)?;
    subprocess::note_started(started.pid);
    Ok(started)
}

fn start(launch: &Launch, is_trial: bool) -> io::Result<Started> {
    let mut arguments = launch.arguments().to_vec();
    arguments.push(TAKEOVER.into());
    if is_trial {
        arguments.push(TRIAL.into());
    } else if notify::has_service_manager() {
        match spawn_orphan(launch.program(), &arguments) {
            // Without a shell it is our child: systemd does not wait for it, and logs that.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => {}
            started => return started,
        }
    }
    let mut next = command_of(launch.program());
    next.args(arguments).stdin(Stdio::null());
    if is_trial {
        next.stderr(Stdio::piped());
    }
    let mut child = pending_signals::unblocked(|| next.spawn())?;
    let said = child.stderr.take().map(Said::listen).transpose();
    let said = said.inspect_err(|_| drop(child.kill()))?;
    Ok(Started { pid: child.id(), handle: ProcessHandle::Child(child), said })
}

/// Makes a shell start the program and end, so that the service manager becomes its parent.
fn spawn_orphan(program: &Path, arguments: &[OsString]) -> io::Result<Started> {
    let mut shell = command_of(Path::new("/bin/sh"));
    // The program's output goes to standard error, because the shell prints its process id to standard output.
    shell.args(["-c", r#"exec 3>&1 1>&2; "$@" 3>&- & echo $! >&3"#, "sh"]);
    shell.arg(program).args(arguments);
    shell.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut shell = pending_signals::unblocked(|| shell.spawn())?;
    let mut answer = String::new();
    if let Some(mut output) = shell.stdout.take() {
        output.read_to_string(&mut answer)?;
    }
    shell.wait()?;
    let wrong = || io::Error::other("the shell does not say what it started");
    let number: i32 = answer.trim().parse().map_err(|_| wrong())?;
    let pid = Pid::from_raw(number).ok_or_else(wrong)?;
    let process = match pidfd_open(pid, PidfdFlags::empty()) {
        Err(Errno::SRCH) => None,
        process => Some(process?),
    };
    Ok(Started { pid: number.unsigned_abs(), handle: ProcessHandle::Orphan(process), said: None })
}
