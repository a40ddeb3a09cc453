//! Signals, taken by a thread of its own: all others block them, as glommio's executors must not be interrupted by
//! work. A blocked signal waits also where the process becomes another program (execve(2)), so that none is lost to
//! an upgrade; where that program knows of it ([`pending_signals::WAITS`]), as it inherits what is blocked and would be deaf otherwise.
//! All other programs that are started have nothing blocked ([`pending_signals::unblocked`]).

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

/// A signal this soon after the first is the same one: `timeout` and terminals send it to the
/// process and to its group.
const SAME_SIGNAL: Duration = Duration::from_secs(1);

/// How long after a SIGHUP a shell that sends it may take to end, and its terminal with it.
const CLOSE_TIME_MAX: Duration = Duration::from_millis(500);

/// A write past the limit of the size of files (`ulimit -f`) fails, as on a full disk, and does not end the process
/// (SIGXFSZ). For every command.
pub fn survive_large_files() {
    // Without the handler all works as long as the limit is not met.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
}

/// Where signals wait until somebody can act on them.
#[derive(Debug)]
pub struct Signals {
    ready: flume::Sender<Handler>,
}

/// Who acts on signals.
struct Handler {
    stops: Stops,
    reload: flume::Sender<()>,
    state: Arc<ServerState>,
}

impl Signals {
    /// Takes signals from now on. To be called before any other thread starts, as they inherit what is blocked. Until
    /// somebody [acts](Signals::act) on them they end the process as ever; but where it `has_people` from before, they
    /// wait.
    ///
    /// # Errors
    /// When they cannot be taken, or the thread cannot be had.
    pub fn take(has_people: bool) -> io::Result<Signals> {
        // Before handlers take their place.
        let ignored: Vec<Signal> = pending_signals::SIGNALS.into_iter().filter(is_ignored).collect();
        // nohup(1) says so: it outlives its terminal.
        let ends_with_terminal = has_terminal() && !ignored.contains(&Signal::SIGHUP);
        pending_signals::handled().thread_block()?;
        pending_signals::catch_unblocked()?;
        let pending = pending_signals::open()?;
        let (ready, handlers) = flume::bounded(1);
        let work = move || listen(pending, &handlers, has_people, ends_with_terminal, &ignored);
        std::thread::Builder::new().name("madang-signals".into()).spawn(work)?;
        Ok(Signals { ready })
    }

    /// Reports the first SIGTERM or SIGINT as a stop. One that comes later ends the process at once,
    /// for an operator who will not wait: what was acknowledged is on disk. While the log is being
    /// opened there is nobody to tell: the first ends the process. SIGHUP asks for a reload; but where the server was
    /// started in a terminal, and that is gone, it ends the server.
    pub fn act(self, stops: Stops, reload: flume::Sender<()>, state: &Arc<ServerState>) {
        // The thread lives as long as the process.
        let _ = self.ready.send(Handler { stops, reload, state: Arc::clone(state) });
    }
}

fn listen(
    mut pending: SignalFd,
    handlers: &flume::Receiver<Handler>,
    has_people: bool,
    ends_with_terminal: bool,
    ignored: &[Signal],
) {
    let mut handler = None;
    let mut stopped = None;
    loop {
        // It is interrupted at worst.
        let _ = poll(&mut [PollFd::new(&pending, PollFlags::IN)], None);
        if handler.is_none() {
            handler = if has_people { handlers.recv().ok() } else { handlers.try_recv().ok() };
        }
        // While the server is given away signals wait for whoever has it then.
        let mut held = handler.as_ref().map(|handler: &Handler| handler.stops.hold());
        let Some(signal) = pending_signals::next(&mut pending) else { continue };
        match (&handler, &mut held) {
            (Some(handler), Some(held)) => handler.act(signal, held, ends_with_terminal, &mut stopped),
            // It was ignored, as whoever started this process wants, and is taken only from now on.
            _ if ignored.contains(&signal) => {}
            _ => end_as_ever(signal),
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
            // One that waits reads what is there when its turn comes.
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

/// As it would without this thread.
fn end_as_ever(signal: Signal) {
    let _ = SigSet::from_iter([signal]).thread_unblock();
    let _ = signal_hook::low_level::emulate_default_handler(signal as i32);
    // The first process of a namespace is not ended by it.
    std::process::exit(128 + signal as i32);
}

/// A shell may send the signal before it ends, and its terminal is gone a moment later.
fn await_hang_up(stops: &Stops) {
    let stops = stops.clone();
    let work = move || {
        std::thread::sleep(CLOSE_TIME_MAX);
        if !has_terminal() {
            stops.ask(Stop::Signal("SIGHUP, as the terminal is closed"));
        }
    };
    // Without the thread it goes on without a terminal, as with nohup.
    let _ = std::thread::Builder::new().name("madang-terminal".into()).spawn(work);
}

/// Whether this process has a controlling terminal that is there.
fn has_terminal() -> bool {
    match File::open("/dev/tty") {
        Ok(_) => true,
        Err(error) => ![Some(Errno::NXIO.raw_os_error()), Some(Errno::NOENT.raw_os_error())]
            .contains(&error.raw_os_error()),
    }
}

/// Whether whoever started this process had it ignore the signal (proc(5), `SigIgn`).
fn is_ignored(signal: &Signal) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (*signal as i32 - 1)) != 0)
}
