//! How this process was started, so that the new one can be started in the same way: with the same program,
//! arguments and environment.

use super::in_place;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The flag of a process that takes over.
pub const TAKEOVER: &str = "--takeover";
/// The flag of a trial, which only shows that it can take over.
pub const TRIAL: &str = "--trial";
/// Flags for one process only.
const ONCE: [&str; 2] = [TAKEOVER, TRIAL];
/// Environment variables for one process only.
pub const FOR_ONE_PROCESS: [&str; 5] =
    ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID", in_place::VARIABLE];

/// How this process was started.
#[derive(Debug)]
pub struct Launch {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Launch {
    /// To be called early: the program may be replaced by a newer one later.
    pub fn of_this_process() -> Option<Launch> {
        let mut arguments = std::env::args_os();
        let program = named(&arguments.next()?).or_else(|| std::env::current_exe().ok())?;
        Some(Launch {
            program,
            arguments: arguments.filter(|argument| !ONCE.iter().any(|once| argument == once)).collect(),
        })
    }

    /// The path of the program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Its arguments.
    pub fn arguments(&self) -> &[OsString] {
        &self.arguments
    }

    /// The program on disk with the arguments of this process.
    pub fn command(&self) -> Command {
        let mut command = command_of(&self.program);
        command.args(&self.arguments);
        command
    }
}

/// A command that inherits the environment, except variables for this process only.
pub fn command_of(program: &Path) -> Command {
    let mut command = Command::new(program);
    for name in FOR_ONE_PROCESS {
        command.env_remove(name);
    }
    command
}

/// The path with which this program was started, without resolving symbolic links: they may lead to another version
/// later. `None` if the name is not its path.
fn named(first_argument: &OsStr) -> Option<PathBuf> {
    let path = Path::new(first_argument);
    if path.components().count() > 1 {
        return std::path::absolute(path).ok().filter(|path| path.is_file());
    }
    // As the shell finds it, if it is still this program.
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
