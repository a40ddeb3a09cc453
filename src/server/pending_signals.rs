//! Signals that were sent to this process, and that nobody has acted on yet.

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Those that a server acts on.
const SIGNALS: [Signal; 3] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP];

/// Those that a server acts on, as a set.
pub fn handled() -> SigSet {
    SIGNALS.into_iter().collect()
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
