//! Signals that were sent to this process and not handled yet.

use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::getpid;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

/// The signals that a server handles.
pub const SIGNALS: [Signal; 3] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP];

/// The signals that a server handles, as a set.
pub fn handled() -> SigSet {
    SIGNALS.into_iter().collect()
}

/// The line with which a program reports in a rehearsal that it handles signals which were blocked before its start.
pub const WAITS: &str = "takes signals that wait";

/// Signals that a thread received while it did not block them.
static CAUGHT: [LazyLock<Arc<AtomicBool>>; SIGNALS.len()] =
    [const { LazyLock::new(Arc::default) }; SIGNALS.len()];

/// Calls `start`, which starts a program, with no signals blocked in this thread: the program inherits that. A
/// signal that arrives meanwhile is handled like any other.
pub fn unblocked<T>(start: impl FnOnce() -> T) -> T {
    let signals = handled();
    let is_blocked =
        SigSet::thread_get_mask().is_ok_and(|mask| SIGNALS.iter().any(|one| mask.contains(*one)));
    if !is_blocked {
        return start();
    }
    // It fails only for invalid signals.
    let _ = signals.thread_unblock();
    let started = start();
    let _ = signals.thread_block();
    for (signal, caught) in SIGNALS.into_iter().zip(&CAUGHT) {
        if caught.swap(false, Ordering::SeqCst) {
            // To this process, where it stays pending for the signal thread.
            let _ = kill(getpid(), signal);
        }
    }
    started
}

/// Installs handlers for signals that a thread receives while it does not block them: [`unblocked`].
///
/// # Errors
/// What the system says.
pub fn catch_unblocked() -> io::Result<()> {
    for (signal, caught) in SIGNALS.into_iter().zip(&CAUGHT) {
        signal_hook::flag::register(signal as i32, Arc::clone(caught))?;
    }
    Ok(())
}

/// A descriptor from which blocked signals are read.
///
/// # Errors
/// What the system says.
pub fn open() -> nix::Result<SignalFd> {
    SignalFd::with_flags(&handled(), SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}

/// The next pending signal.
pub fn next(pending: &mut SignalFd) -> Option<Signal> {
    let signal = pending.read_signal().ok().flatten()?;
    Signal::try_from(i32::try_from(signal.ssi_signo).ok()?).ok()
}

/// Takes all pending signals, because this process will not handle them any more.
pub fn take_all() -> Vec<Signal> {
    open().map_or_else(|_| Vec::new(), |mut pending| std::iter::from_fn(|| next(&mut pending)).collect())
}
