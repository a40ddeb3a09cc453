//! The old process starts the new one: as its child it is where systemd looks for it, with the same
//! user, limits and sandbox.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What systemd sets for one process only: its child is another.
const NOT_INHERITED: [&str; 4] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"];
const TAKEOVER: &str = "--takeover";

/// How this process was started, so that the next one is started alike.
#[derive(Debug)]
pub struct Launch {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Launch {
    /// To be asked early: the program may be replaced by a newer one, which is what the path then names.
    pub fn of_this_process() -> Option<Launch> {
        let program = std::env::current_exe().ok()?;
        Some(Launch { program, arguments: std::env::args_os().skip(1).collect() })
    }

    /// What is started.
    pub fn program(&self) -> &Path {
        &self.program
    }
}

/// Starts a process that takes over from this one.
///
/// # Errors
/// What the system says.
pub fn spawn_successor(launch: &Launch) -> io::Result<Child> {
    let mut program = command(launch);
    if !launch.arguments.iter().any(|argument| argument == TAKEOVER) {
        program.arg(TAKEOVER);
    }
    program.stdin(Stdio::null()).spawn()
}

/// The program as it was started, where this process is.
pub(super) fn command(launch: &Launch) -> Command {
    let mut program = Command::new(&launch.program);
    program.args(&launch.arguments);
    for name in NOT_INHERITED {
        program.env_remove(name);
    }
    program
}
