//! Signals. One thread receives them; all others block them, because glommio's executors must not be interrupted. A
//! blocked signal stays pending when the process executes another program (execve(2)), so that an upgrade loses
//! none; but only if that program supports it ([`pending_signals::WAITS`]): it inherits the blocked signals, and
//! would never receive them otherwise. All other started programs have no signals blocked
//! ([`pending_signals::unblocked`]).

use super::terminate::terminate;
use crate::server::{HeldStops, Readiness, ServerState, Stops, pending_signals};
use madang_engine::runtime::Stop;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::SignalFd;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use signal_hook::consts::SIGXFSZ;
use std::fs::{self, File};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A signal this soon after the first counts as the same: `timeout` and terminals send it to the process and to its
/// group.
const SAME_SIGNAL: Duration = Duration::from_secs(1);

/// How long a shell that sends SIGHUP may take to end, and its terminal with it.
const CLOSE_TIME_MAX: Duration = Duration::from_millis(500);

/// Makes a write beyond the file-size limit (`ulimit -f`) fail, as on a full disk, instead of ending the process
/// (SIGXFSZ). For every command.
pub fn ignore_file_size_signal() {
    // Without the handler everything works until the limit is reached.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
}

/// The thread that receives signals, until there is a handler for them.
#[derive(Debug)]
pub struct Signals {
    ready: flume::Sender<Handler>,
}

/// Acts on signals.
struct Handler {
    stops: Stops,
    reload: flume::Sender<()>,
    state: Arc<ServerState>,
}

impl Signals {
    /// Receives signals from now on. To be called before any other thread starts, because threads inherit the
    /// blocked signals. Until there is a [handler](Signals::act), they have their default effect; but if the
    /// process `has_clients` from the old program, they wait.
    ///
    /// # Errors
    /// If signals cannot be received, or the thread cannot be started.
    pub fn take(has_clients: bool) -> io::Result<Signals> {
        // Before handlers are installed.
        let ignored: Vec<Signal> = pending_signals::SIGNALS.into_iter().filter(is_ignored).collect();
        // nohup(1) ignores SIGHUP: the process outlives its terminal.
        let ends_with_terminal = has_terminal() && !ignored.contains(&Signal::SIGHUP);
        pending_signals::handled().thread_block()?;
        pending_signals::catch_unblocked()?;
        let pending = pending_signals::open()?;
        let (ready, handlers) = flume::bounded(1);
        let circumstances = Circumstances { has_clients, ends_with_terminal, ignored };
        let work = move || listen(pending, &handlers, &circumstances);
        std::thread::Builder::new().name("madang-signals".into()).spawn(work)?;
        Ok(Signals { ready })
    }

    /// Reports the first SIGTERM or SIGINT as a stop. A later one ends the process at once, for an operator who
    /// does not want to wait: acknowledged messages are on disk. While the log is being opened, the first one ends
    /// the process. SIGHUP requests a reload; but if the server was started in a terminal that no longer exists, it
    /// stops the server.
    pub fn act(self, stops: Stops, reload: flume::Sender<()>, state: &Arc<ServerState>) {
        // The thread lives as long as the process.
        let _ = self.ready.send(Handler { stops, reload, state: Arc::clone(state) });
    }
}

/// What was found at the start, and decides the effect of signals.
struct Circumstances {
    /// The process has clients of the old program: signals wait for a handler.
    has_clients: bool,
    /// The server stops when its terminal is closed.
    ends_with_terminal: bool,
    /// The signals that the parent process had ignored.
    ignored: Vec<Signal>,
}

fn listen(mut pending: SignalFd, handlers: &flume::Receiver<Handler>, circumstances: &Circumstances) {
    let &Circumstances { has_clients, ends_with_terminal, ref ignored } = circumstances;
    let mut handler = None;
    let mut stopped = None;
    loop {
        // At worst it is interrupted.
        let _ = poll(&mut [PollFd::new(&pending, PollFlags::IN)], None);
        if handler.is_none() {
            handler = if has_clients { handlers.recv().ok() } else { handlers.try_recv().ok() };
        }
        // During a handover signals wait for the process that owns the server afterwards.
        let mut held = handler.as_ref().map(|handler: &Handler| handler.stops.hold());
        let Some(signal) = pending_signals::next(&mut pending) else { continue };
        match (&handler, &mut held) {
            (Some(handler), Some(held)) => handler.act(signal, held, ends_with_terminal, &mut stopped),
            // The parent process had it ignored; it has an effect only once there is a handler.
            _ if ignored.contains(&signal) => {}
            _ => apply_default_action(signal),
        }
    }
}

impl Handler {
    fn act(
        &self,
        signal: Signal,
        held: &mut HeldStops<'_>,
        ends_with_terminal: bool,
        stopped: &mut Option<Instant>,
    ) {
        let is_hang_up = signal == Signal::SIGHUP && ends_with_terminal && !has_terminal();
        if signal == Signal::SIGHUP && !is_hang_up {
            // A pending reload reads the newest configuration anyway.
            let _ = self.reload.try_send(());
            if ends_with_terminal {
                await_hang_up(&self.stops);
            }
            return;
        }
        if self.state.readiness() == Readiness::Recovering && !self.state.is_adopting() {
            tracing::info!("stopped while the log was being opened; nothing has changed");
            std::process::exit(0);
        }
        match *stopped {
            None => *stopped = Some(Instant::now()),
            Some(first) if first.elapsed() < SAME_SIGNAL => return,
            Some(_) => {
                tracing::warn!("second signal: ending at once");
                std::process::exit(1);
            }
        }
        match signal {
            Signal::SIGINT => held.ask(Stop::Signal("SIGINT")),
            Signal::SIGHUP => held.ask(Stop::Signal("SIGHUP, as the terminal is closed")),
            _ => terminate(&self.state, &self.stops, held),
        }
    }
}

/// Has the effect that the signal would have without this thread.
fn apply_default_action(signal: Signal) {
    let _ = SigSet::from_iter([signal]).thread_unblock();
    let _ = signal_hook::low_level::emulate_default_handler(signal as i32);
    // It does not end the first process of a namespace.
    std::process::exit(128 + signal as i32);
}

/// A shell may send SIGHUP before it ends; its terminal disappears a moment later.
fn await_hang_up(stops: &Stops) {
    let stops = stops.clone();
    let work = move || {
        std::thread::sleep(CLOSE_TIME_MAX);
        if !has_terminal() {
            stops.ask(Stop::Signal("SIGHUP, as the terminal is closed"));
        }
    };
    // Without the thread the server continues without a terminal, as with nohup.
    let _ = std::thread::Builder::new().name("madang-terminal".into()).spawn(work);
}

/// Whether this process has a controlling terminal that still exists.
fn has_terminal() -> bool {
    match File::open("/dev/tty") {
        Ok(_) => true,
        Err(error) => ![Some(Errno::NXIO.raw_os_error()), Some(Errno::NOENT.raw_os_error())]
            .contains(&error.raw_os_error()),
    }
}

/// Whether the parent process had the signal ignored (proc(5), `SigIgn`).
fn is_ignored(signal: &Signal) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (*signal as i32 - 1)) != 0)
}
