//! Checking whether the program on disk would resume, before anything is given away.

use crate::handover::VERSION;
use crate::server::{Launch, pending_signals, subprocess};
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

/// How long the program may take to check its configuration and the machine, while systemd stops this process.
pub const REHEARSAL_TIME_MAX: Duration = Duration::from_secs(4);

/// Runs the program on disk to check whether it would start with the current configuration, and resume what this
/// process leaves. It logs the reason against it itself.
///
/// Returns whether it handles signals that were blocked before its start.
///
/// # Errors
/// Why it would not.
pub fn rehearse(launch: Option<&Launch>, time_max: Duration) -> Result<bool, String> {
    let launch = launch.ok_or("it is not known how this server was started")?;
    let program = launch.program().display();
    let mut rehearsal = launch.command();
    rehearsal.args(["--rehearse", &VERSION.to_string()]);
    match subprocess::run(&mut rehearsal, time_max) {
        Ok((status, words)) if status.success() => {
            Ok(words.lines().any(|line| line == pending_signals::WAITS))
        }
        Ok((status, words)) => {
            if let Some(signal) = status.signal() {
                return Err(format!(
                    "'{program}' was killed by signal {signal} while it checked whether it would start"
                ));
            }
            let words: Vec<&str> = words.lines().filter(|line| *line != pending_signals::WAITS).collect();
            let words = if words.is_empty() { status.to_string() } else { words.join("; ") };
            Err(format!("'{program}' would not start, or not resume the connections: {words}"))
        }
        Err(error) => Err(format!("'{program}' did not report whether it would start: {error}")),
    }
}
