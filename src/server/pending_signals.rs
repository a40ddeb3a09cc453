//! Signals that were sent to this process, and that nobody has acted on yet.

use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::getpid;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

/// Those that a server acts on.
pub const SIGNALS: [Signal; 3] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP];

/// Those that a server acts on, as a set.
pub fn handled() -> SigSet {
    SIGNALS.into_iter().collect()
}

/// What a program says in a rehearsal that takes signals which were blocked before it began.
pub const WAITS: &str = "takes signals that wait";

/// Signals that came to a thread while it did not block them.
static CAUGHT: [LazyLock<Arc<AtomicBool>>; SIGNALS.len()] =
    [const { LazyLock::new(Arc::default) }; SIGNALS.len()];

/// Does something, which starts a program, with nothing blocked in this thread: the program inherits that. A signal that
/// comes meanwhile is taken as any other.
pub fn unblocked<T>(start: impl FnOnce() -> T) -> T {
    let signals = handled();
    let is_blocked =
        SigSet::thread_get_mask().is_ok_and(|mask| SIGNALS.iter().any(|one| mask.contains(*one)));
    if !is_blocked {
        return start();
    }
    // It fails for what is no signal.
    let _ = signals.thread_unblock();
    let started = start();
    let _ = signals.thread_block();
    for (signal, caught) in SIGNALS.into_iter().zip(&CAUGHT) {
        if caught.swap(false, Ordering::SeqCst) {
            // To this process, where it waits for the thread that takes them.
            let _ = kill(getpid(), signal);
        }
    }
    started
}

/// Has those that come to a thread while it does not block them be taken as any other: [`unblocked`].
///
/// # Errors
/// What the system says.
pub fn catch_unblocked() -> io::Result<()> {
    for (signal, caught) in SIGNALS.into_iter().zip(&CAUGHT) {
        signal_hook::flag::register(signal as i32, Arc::clone(caught))?;
    }
    Ok(())
}

/// Where they are read, once they are blocked.
///
/// # Errors
/// What the system says.
pub fn open() -> nix::Result<SignalFd> {
    SignalFd::with_flags(&handled(), SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}

/// The next one that waits.
pub fn next(pending: &mut SignalFd) -> Option<Signal> {
    let signal = pending.read_signal().ok().flatten()?;
    Signal::try_from(i32::try_from(signal.ssi_signo).ok()?).ok()
}

/// Takes all that wait, as this process will not act on them any more.
pub fn take_all() -> Vec<Signal> {
    open().map_or_else(|_| Vec::new(), |mut pending| std::iter::from_fn(|| next(&mut pending)).collect())
}
