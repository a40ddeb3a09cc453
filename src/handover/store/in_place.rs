//! The program changes and the process stays: what a server has waits for it behind `execve`.
//!
//! For a process that somebody waits for who must not see it end: the first one of a container, which would end
//! with it, a supervisor, a loop in a shell. There is no way back from the next program: so before that a process
//! of it shows that it can go on with everything (a *trial*, which takes over, says that it is ready, and is
//! killed).

use super::fill::{fill, memory};
use super::queue::{BUFFER_BYTES, Queue};
use super::{QUEUES_MAX, Stored};
use crate::handover::pack::say_last_words;
use crate::handover::spawn::{Launch, TOLD_ONE_PROCESS};
use crate::server::ServerState;
use crate::systemd::notify;
use crate::telemetry;
use madang_shards::runtime::Frozen;
use nix::unistd::execve;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use rustix::io::{FdFlags, fcntl_setfd};
use std::convert::Infallible;
use std::ffi::{CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;

/// Names what waits behind `execve`: the process, and the numbers of its descriptors.
const VARIABLE: &str = "MADANG_LEFT";

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
    let lock = state.lock().ok_or_else(|| io::Error::other("the lock cannot be left"))?;
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
    state.leave_doors();
    let connections: usize = frozen.parts.iter().map(|part| part.image.connections.len()).sum();
    let paused_ms = frozen.since.elapsed().as_millis() as u64;
    tracing::info!(connections, ended, bytes, paused_ms, "this process goes on as the next program");
    telemetry::flush();
    set_flags(&left, FdFlags::empty())?;
    let Err(error) = execve(&next.program, &next.arguments, &next.environment);
    state.come_back_to_doors();
    // Nothing else may have them.
    set_flags(&left, FdFlags::CLOEXEC)?;
    Err(error.into())
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
        let numbers: Vec<String> = left.iter().map(|descriptor| descriptor.as_raw_fd().to_string()).collect();
        let ours = format!("{VARIABLE}={}:{}", std::process::id(), numbers.join(","));
        let is_others = |name: &OsStr| !TOLD_ONE_PROCESS.iter().any(|told| name == *told);
        let others = std::env::vars_os().filter(|(name, _)| is_others(name));
        let others = others.map(|(name, value)| text(&[name.as_bytes(), b"=", value.as_bytes()].concat()));
        let environment = others.chain([text(ours.as_bytes())]).collect::<io::Result<_>>()?;
        Ok(Next { program, arguments, environment })
    }
}

fn text(bytes: &[u8]) -> io::Result<CString> {
    Ok(CString::new(bytes)?)
}

/// The numbers of the descriptors that the program before has left to this process, if it has: the lock, the
/// state, queues.
pub fn left_here() -> Option<Vec<RawFd>> {
    let variable = std::env::var(VARIABLE).ok()?;
    let (process, numbers) = variable.split_once(':')?;
    // Children see the variable, too.
    if process.parse() != Ok(std::process::id()) {
        return None;
    }
    numbers.split(',').map(|number| number.parse().ok()).collect()
}

impl Stored {
    /// What the program before has left in this process.
    pub fn in_place(descriptors: Vec<OwnedFd>) -> Stored {
        let mut descriptors = descriptors.into_iter();
        Stored {
            lock: descriptors.next(),
            state: descriptors.next(),
            queues: descriptors.enumerate().collect(),
            is_in_place: true,
            ..Stored::default()
        }
    }
}
