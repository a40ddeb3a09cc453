//! The old process starts the new one: so it is where systemd looks for it, with the same user, limits and
//! sandbox.
//!
//! Under systemd it is not its child but that of the service manager, which else would not wait for it when it
//! ends the service: it sends SIGTERM to a main process that is not its child, and SIGKILL at once (systemd 252,
//! `service_enter_signal`). Whether it is, systemd looks when it is told of the main process, and never again.

use crate::systemd::notify;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

const TAKEOVER: &str = "--takeover";
/// The new process only shows that it can.
const TRIAL: &str = "--trial";
/// Variables of the environment that speak to one process only.
pub(super) const TOLD_ONE_PROCESS: [&str; 5] =
    ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID", "MADANG_LEFT"];
/// What holds for one process, and not for the next.
const ONCE: [&str; 2] = [TAKEOVER, TRIAL];

/// How this process was started, so that the next one is started alike.
#[derive(Debug)]
pub struct Launch {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Launch {
    /// To be asked early: the program may be replaced by a newer one, which is what the path then names.
    pub fn of_this_process() -> Option<Launch> {
        let mut arguments = std::env::args_os();
        let program = named(&arguments.next()?).or_else(|| std::env::current_exe().ok())?;
        Some(Launch {
            program,
            arguments: arguments.filter(|argument| !ONCE.iter().any(|once| argument == once)).collect(),
        })
    }

    /// What is started.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// With what.
    pub fn arguments(&self) -> &[OsString] {
        &self.arguments
    }
}

/// The path by which this program was started, symbolic links and all: what it names may change. None where it
/// was started by another name than its path.
fn named(first_argument: &OsStr) -> Option<PathBuf> {
    let path = Path::new(first_argument);
    if path.components().count() > 1 {
        return std::path::absolute(path).ok().filter(|path| path.is_file());
    }
    // As the shell found it; where it is that program still.
    let is_this = |path: &PathBuf| {
        let identity = |path: &Path| path.metadata().ok().map(|found| (found.dev(), found.ino()));
        identity(path).is_some_and(|found| Some(found) == identity(Path::new("/proc/self/exe")))
    };
    let directories = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&directories)
        .map(|directory| directory.join(path))
        .find(|path| path.is_file())?;
    std::path::absolute(found).ok().filter(is_this)
}

/// A process that was started to take over.
#[derive(Debug)]
pub struct Started {
    /// Its number.
    pub pid: u32,
    handle: Handle,
}

#[derive(Debug)]
enum Handle {
    Child(Child),
    /// A child of the service manager. None: it has ended before it could be looked at.
    Orphan(Option<OwnedFd>),
}

impl Started {
    /// How it has ended, if it has.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn end(&mut self) -> io::Result<Option<String>> {
        match &mut self.handle {
            Handle::Child(child) => match child.try_wait() {
                // Whoever gave everything to it has waited for its end.
                Err(error) if error.raw_os_error() == Some(Errno::CHILD.raw_os_error()) => {
                    Ok(Some("before it was asked".to_owned()))
                }
                status => Ok(status?.map(|status| status.to_string())),
            },
            Handle::Orphan(None) => Ok(Some("at once".to_owned())),
            Handle::Orphan(Some(process)) => {
                let mut waited = [PollFd::new(process, PollFlags::IN)];
                let has_ended = poll(&mut waited, Some(&Timespec::default()))? > 0;
                Ok(has_ended.then(|| format!("process {}", self.pid)))
            }
        }
    }

    /// Ends it.
    ///
    /// # Errors
    /// What the system says.
    pub fn kill(&mut self) -> io::Result<()> {
        match &mut self.handle {
            Handle::Child(child) => child.kill(),
            Handle::Orphan(None) => Ok(()),
            Handle::Orphan(Some(process)) => match pidfd_send_signal(process, Signal::KILL) {
                Err(Errno::SRCH) => Ok(()),
                done => Ok(done?),
            },
        }
    }
}

/// The process that was started last.
static LAST: Mutex<Option<OwnedFd>> = Mutex::new(None);

/// Ends a process that was started to take over, and has not: to be called where the server ends.
pub fn end_successor() {
    let last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(process) = last.as_ref() {
        // It has ended, as a rule.
        let _ = pidfd_send_signal(process, Signal::KILL);
    }
}

/// Starts a process that takes over from this one, or only shows that it can.
///
/// # Errors
/// What the system says.
pub fn spawn_successor(launch: &Launch, is_trial: bool) -> io::Result<Started> {
    let started = start(launch, is_trial)?;
    let process = i32::try_from(started.pid).ok().and_then(Pid::from_raw);
    let process = process.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    *LAST.lock().unwrap_or_else(PoisonError::into_inner) = process;
    Ok(started)
}

fn start(launch: &Launch, is_trial: bool) -> io::Result<Started> {
    let mut arguments = launch.arguments.clone();
    arguments.push(TAKEOVER.into());
    if is_trial {
        arguments.push(TRIAL.into());
    } else if notify::is_heard() {
        match spawn_orphan(&launch.program, &arguments) {
            // Without a shell it is our child: systemd does not wait for it, and says so.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => {}
            started => return started,
        }
    }
    let child = in_our_place(&launch.program).args(arguments).stdin(Stdio::null()).spawn()?;
    Ok(Started { pid: child.id(), handle: Handle::Child(child) })
}

/// Has a shell start the program and end, so that the service manager becomes its parent.
fn spawn_orphan(program: &Path, arguments: &[OsString]) -> io::Result<Started> {
    let mut shell = in_our_place(Path::new("/bin/sh"));
    // What the program says goes where this process complains, as standard output tells us its number.
    shell.args(["-c", r#"exec 3>&1 1>&2; "$@" 3>&- & echo $! >&3"#, "sh"]);
    shell.arg(program).args(arguments);
    let mut shell = shell.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
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
    Ok(Started { pid: number.unsigned_abs(), handle: Handle::Orphan(process) })
}

/// The program on disk with the arguments of this process.
pub(super) fn command(launch: &Launch) -> Command {
    let mut command = in_our_place(&launch.program);
    command.args(&launch.arguments);
    command
}

/// A program that is not told what one process only is told.
fn in_our_place(program: &Path) -> Command {
    let mut command = Command::new(program);
    for name in TOLD_ONE_PROCESS {
        command.env_remove(name);
    }
    command
}
