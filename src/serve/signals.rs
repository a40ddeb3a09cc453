//! Signals, heard on a thread of their own: glommio's executors must not be interrupted by work.

use madang_shards::runtime::Stop;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;

/// Reports the first SIGTERM or SIGINT as a stop. The second ends the process at once, for an
/// operator who will not wait: what was acknowledged is on disk.
///
/// # Errors
/// When handlers or the thread cannot be had.
pub fn listen() -> io::Result<flume::Receiver<Stop>> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let (sender, stops) = flume::bounded(1);
    std::thread::Builder::new().name("madang-signals".into()).spawn(move || {
        let mut has_stopped = false;
        for signal in signals.forever() {
            if has_stopped {
                tracing::warn!("second signal: ending at once");
                std::process::exit(1);
            }
            has_stopped = true;
            let name = if signal == SIGINT { "SIGINT" } else { "SIGTERM" };
            // The supervisor listens as long as the process serves.
            let _ = sender.send(Stop::Signal(name));
        }
    })?;
    Ok(stops)
}
