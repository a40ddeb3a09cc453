//! Signals, heard on a thread of their own: glommio's executors must not be interrupted by work.

use super::restart;
use super::state::{Readiness, ServerState};
use madang_shards::runtime::Stop;
use rustix::io::Errno;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
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

/// Reports the first SIGTERM or SIGINT as a stop. One that comes later ends the process at once,
/// for an operator who will not wait: what was acknowledged is on disk. While the log is being
/// opened there is nobody to tell: the first ends the process. SIGHUP asks for a reload; but where the server was
/// started in a terminal, and that is gone, it ends the server.
///
/// # Errors
/// When handlers or the thread cannot be had.
pub fn listen(
    stop: flume::Sender<Stop>,
    reload: flume::Sender<()>,
    state: &Arc<ServerState>,
) -> io::Result<()> {
    let state = Arc::clone(state);
    // nohup(1) says so: it outlives its terminal.
    let ends_with_terminal = has_terminal() && !is_ignored(SIGHUP);
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    std::thread::Builder::new().name("madang-signals".into()).spawn(move || {
        let mut stopped: Option<Instant> = None;
        for signal in signals.forever() {
            let is_hang_up = signal == SIGHUP && ends_with_terminal && !has_terminal();
            if signal == SIGHUP && !is_hang_up {
                // One that waits reads what is there when its turn comes.
                let _ = reload.try_send(());
                if ends_with_terminal {
                    await_hang_up(&stop);
                }
                continue;
            }
            if state.readiness() == Readiness::Recovering && !state.is_adopting() {
                tracing::info!("stopped while the log was being opened; nothing has changed");
                std::process::exit(0);
            }
            match stopped {
                None => stopped = Some(Instant::now()),
                Some(first) if first.elapsed() < SAME_SIGNAL => continue,
                Some(_) => {
                    tracing::warn!("second signal: ending at once");
                    std::process::exit(1);
                }
            }
            // Full only when a stop was asked for already.
            match signal {
                SIGINT => drop(stop.try_send(Stop::Signal("SIGINT"))),
                SIGHUP => drop(stop.try_send(Stop::Signal("SIGHUP, as the terminal is closed"))),
                _ => restart::end(&state, &stop),
            }
        }
    })?;
    Ok(())
}

/// A shell may send the signal before it ends, and its terminal is gone a moment later.
fn await_hang_up(stop: &flume::Sender<Stop>) {
    let stop = stop.clone();
    let work = move || {
        std::thread::sleep(CLOSE_TIME_MAX);
        if !has_terminal() {
            // Full only when a stop was asked for already.
            let _ = stop.try_send(Stop::Signal("SIGHUP, as the terminal is closed"));
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
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
}
