//! Whether the program on disk would go on, asked while there is still a way back.

use crate::handover::VERSION;
use crate::server::{Launch, pending_signals, subprocess};
use std::time::Duration;

/// How long the program may take to read its configuration and to look at the machine: while systemd ends this one.
pub const REHEARSAL_TIME_MAX: Duration = Duration::from_secs(4);

/// Has the program on disk look whether it would start, with the configuration as it is now, and resume what this
/// process leaves. It says itself what stands against it, where this process does.
///
/// Returns whether it takes signals that wait.
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
            let words = words.lines().collect::<Vec<_>>().join("; ");
            let words = if words.is_empty() { status.to_string() } else { words };
            Err(format!("'{program}' would not start, or not resume the connections: {words}"))
        }
        Err(error) => Err(format!("'{program}' did not report whether it would start: {error}")),
    }
}
