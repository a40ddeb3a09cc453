//! The program changes and the process stays: the state of the server is passed through `execve`.
//!
//! For a process whose end would be noticed: the first process of a container, which would end with it, or the
//! child of a supervisor or a shell loop. `execve` cannot be undone: so before it a process of the new program
//! shows that it can resume everything (a *trial*, which takes over, reports that it is ready, and is killed).

use super::fill::{fill, memory_file};
use super::queue::{BUFFER_BYTES, Queue};
use crate::handover::pack::say_last_words;
use crate::server::launch::{FOR_ONE_PROCESS, Launch};
use crate::server::{IN_PLACE_VARIABLE, ServerState, pending_signals, subprocess, value_for_next};
use crate::systemd::notify;
use crate::systemd::store::QUEUES_MAX;
use crate::telemetry;
use madang_engine::runtime::Snapshotted;
use nix::unistd::execve;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::{FdFlags, fcntl_setfd};
use std::convert::Infallible;
use std::ffi::{CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;

/// Whether the process has to stay when the program changes: without systemd, which could be notified of another
/// process, or if the process is the first of its namespace, which would end with it.
pub fn keeps_process() -> bool {
    !notify::has_service_manager() || is_first_process()
}

/// Whether this is the first process of its namespace, which ends with it.
pub fn is_first_process() -> bool {
    std::process::id() == 1
}

/// Executes the new program, with the whole state. Returns only if that failed: then this program still has
/// everything.
///
/// # Errors
/// Why it failed.
pub fn execute_next_program(snapshotted: &mut Snapshotted, state: &ServerState) -> io::Result<Infallible> {
    let launch =
        state.launch().ok_or_else(|| io::Error::other("it is not known how this server was started"))?;
    let lock = state.lock().ok_or_else(|| io::Error::other("the lock cannot be handed over"))?;
    let count =
        snapshotted.parts.iter().map(|part| part.image.connections.len() + part.held.lingering.len()).sum();
    let queues = Queue::enough_for(count, BUFFER_BYTES, QUEUES_MAX)?;
    let (senders, receivers): (Vec<OwnedFd>, Vec<OwnedFd>) = queues.into_iter().map(Queue::split).unzip();
    let file = memory_file()?;
    let bytes = fill(&file, senders, snapshotted, state, true)?;
    let left: Vec<BorrowedFd<'_>> =
        [lock, file.as_fd()].into_iter().chain(receivers.iter().map(AsFd::as_fd)).collect();
    let next = NextProgram::new(launch, &left)?;
    let ended = say_last_words(snapshotted);
    state.stop_operator_listeners();
    let connections: usize = snapshotted.parts.iter().map(|part| part.image.connections.len()).sum();
    let paused_ms = snapshotted.since.elapsed().as_millis() as u64;
    tracing::info!(connections, ended, bytes, paused_ms, "this process continues as the new program");
    telemetry::flush();
    // An edge that is started now would inherit what the new program is left.
    let _starting = subprocess::starting();
    let error = match set_flags(&left, FdFlags::empty()) {
        Ok(()) => {
            let become_it = || execve(&next.program, &next.arguments, &next.environment);
            let Err(error) =
                if state.next_takes_signals() { become_it() } else { pending_signals::unblocked(become_it) };
            error.into()
        }
        Err(error) => error,
    };
    state.resume_operator_listeners();
    // No other program may inherit them.
    set_flags(&left, FdFlags::CLOEXEC)?;
    Err(error)
}

fn set_flags(descriptors: &[BorrowedFd<'_>], flags: FdFlags) -> io::Result<()> {
    descriptors.iter().try_for_each(|descriptor| Ok(fcntl_setfd(descriptor, flags)?))
}

/// The new program in the form that `execve` needs.
struct NextProgram {
    program: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
}

impl NextProgram {
    fn new(launch: &Launch, left: &[BorrowedFd<'_>]) -> io::Result<NextProgram> {
        let program = text(launch.program().as_os_str().as_bytes())?;
        let arguments = launch.arguments().iter().map(|argument| text(argument.as_bytes()));
        let arguments = std::iter::once(Ok(program.clone())).chain(arguments).collect::<io::Result<_>>()?;
        let numbers = left.iter().map(AsRawFd::as_raw_fd);
        let ours = format!("{IN_PLACE_VARIABLE}={}", value_for_next(numbers));
        let is_others = |name: &OsStr| !FOR_ONE_PROCESS.iter().any(|theirs| name == *theirs);
        let others = std::env::vars_os().filter(|(name, _)| is_others(name));
        let others = others.map(|(name, value)| text(&[name.as_bytes(), b"=", value.as_bytes()].concat()));
        let environment = others.chain([text(ours.as_bytes())]).collect::<io::Result<_>>()?;
        Ok(NextProgram { program, arguments, environment })
    }
}

fn text(bytes: &[u8]) -> io::Result<CString> {
    Ok(CString::new(bytes)?)
}
