//! Signals, heard on a thread of their own: glommio's executors must not be interrupted by work.

use super::restart;
use super::state::{Readiness, ServerState};
use madang_shards::runtime::Stop;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A signal this soon after the first is the same one: `timeout` and terminals send it to the
/// process and to its group.
const SAME_SIGNAL: Duration = Duration::from_secs(1);

/// Reports the first SIGTERM or SIGINT as a stop. One that comes later ends the process at once,
/// for an operator who will not wait: what was acknowledged is on disk. While the log is being
/// opened there is nobody to tell: the first ends the process. SIGHUP asks for a reload.
///
/// # Errors
/// When handlers or the thread cannot be had.
pub fn listen(
    stop: flume::Sender<Stop>,
    reload: flume::Sender<()>,
    state: &Arc<ServerState>,
) -> io::Result<()> {
    let state = Arc::clone(state);
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    std::thread::Builder::new().name("madang-signals".into()).spawn(move || {
        let mut stopped: Option<Instant> = None;
        for signal in signals.forever() {
            if signal == SIGHUP {
                // One that waits reads what is there when its turn comes.
                let _ = reload.try_send(());
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
            if signal == SIGINT {
                // Full only when a stop was asked for already.
                let _ = stop.try_send(Stop::Signal("SIGINT"));
            } else {
                restart::end(&state, &stop);
            }
        }
    })?;
    Ok(())
}
