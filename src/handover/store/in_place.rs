//! The program changes and the process stays: what a server has waits for it behind `execve`.
//!
//! For a process that somebody waits for who must not see it end: the first one of a container, which would end
//! with it, a supervisor, a loop in a shell. There is no way back from the next program: so before that a process
//! of it shows that it can resume everything (a *trial*, which takes over, says that it is ready, and is
//! killed).

use super::fill::{fill, memory};
use super::queue::{BUFFER_BYTES, Queue};
use crate::handover::pack::say_last_words;
use crate::server::launch::{FOR_ONE_PROCESS, Launch};
use crate::server::{IN_PLACE_VARIABLE, ServerState, pending_signals, value_for_next};
use crate::systemd::notify;
use crate::systemd::store::QUEUES_MAX;
use crate::telemetry;
use madang_engine::runtime::Frozen;
use nix::unistd::execve;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::{FdFlags, fcntl_setfd};
use std::convert::Infallible;
use std::ffi::{CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;

/// Whether the process has to stay when the program changes: without systemd, which is told of another one, and
/// where the process is the first of its namespace, which ends with it.
pub fn keeps_process() -> bool {
    !notify::is_heard() || is_first()
}

/// Whether a namespace of processes ends with this one.
pub fn is_first() -> bool {
    std::process::id() == 1
}

/// Becomes the next program, with everything. Returns only when that has failed: then this one has everything yet.
///
/// # Errors
/// What stood against it.
pub fn become_next(frozen: &mut Frozen, state: &ServerState) -> io::Result<Infallible> {
    let launch =
        state.launch().ok_or_else(|| io::Error::other("it is not known how this server was started"))?;
    let lock = state.lock().ok_or_else(|| io::Error::other("the lock cannot be handed over"))?;
    let count =
        frozen.parts.iter().map(|part| part.image.connections.len() + part.held.lingering.len()).sum();
    let queues = Queue::enough_for(count, BUFFER_BYTES, QUEUES_MAX)?;
    let (senders, receivers): (Vec<OwnedFd>, Vec<OwnedFd>) = queues.into_iter().map(Queue::split).unzip();
    let file = memory()?;
    let bytes = fill(&file, senders, frozen, state, true)?;
    let left: Vec<BorrowedFd<'_>> =
        [lock, file.as_fd()].into_iter().chain(receivers.iter().map(AsFd::as_fd)).collect();
    let next = Next::new(launch, &left)?;
    let ended = say_last_words(frozen);
    state.stop_operator_listeners();
    let connections: usize = frozen.parts.iter().map(|part| part.image.connections.len()).sum();
    let paused_ms = frozen.since.elapsed().as_millis() as u64;
    tracing::info!(connections, ended, bytes, paused_ms, "this process continues as the new program");
    telemetry::flush();
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
    // Nothing else may have them.
    set_flags(&left, FdFlags::CLOEXEC)?;
    Err(error)
}

fn set_flags(descriptors: &[BorrowedFd<'_>], flags: FdFlags) -> io::Result<()> {
    descriptors.iter().try_for_each(|descriptor| Ok(fcntl_setfd(descriptor, flags)?))
}

/// The next program, as the system wants to have it.
struct Next {
    program: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
}

impl Next {
    fn new(launch: &Launch, left: &[BorrowedFd<'_>]) -> io::Result<Next> {
        let program = text(launch.program().as_os_str().as_bytes())?;
        let arguments = launch.arguments().iter().map(|argument| text(argument.as_bytes()));
        let arguments = std::iter::once(Ok(program.clone())).chain(arguments).collect::<io::Result<_>>()?;
        let numbers = left.iter().map(AsRawFd::as_raw_fd);
        let ours = format!("{IN_PLACE_VARIABLE}={}", value_for_next(numbers));
        let is_others = |name: &OsStr| !FOR_ONE_PROCESS.iter().any(|theirs| name == *theirs);
        let others = std::env::vars_os().filter(|(name, _)| is_others(name));
        let others = others.map(|(name, value)| text(&[name.as_bytes(), b"=", value.as_bytes()].concat()));
        let environment = others.chain([text(ours.as_bytes())]).collect::<io::Result<_>>()?;
        Ok(Next { program, arguments, environment })
    }
}

fn text(bytes: &[u8]) -> io::Result<CString> {
    Ok(CString::new(bytes)?)
}
