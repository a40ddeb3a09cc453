//! Whether the program on disk would go on, asked while there is still a way back.

use crate::handover::spawn::{Launch, command};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// How long the program may take to read its configuration and to look at the machine.
const REHEARSAL_TIME_MAX: Duration = Duration::from_secs(4);
const LOOK: Duration = Duration::from_millis(1);

/// Has the program on disk look whether it would start, with the configuration as it is now, and go on with what
/// this process leaves. It says itself what stands against it, where this process does.
///
/// # Errors
/// Why it would not.
pub fn rehearse(launch: Option<&Launch>) -> Result<(), String> {
    let launch = launch.ok_or("it is not known how this server was started")?;
    let program = launch.program().display();
    let mut rehearsal = command(launch)
        .args(["--rehearse", &super::VERSION.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| format!("'{program}' cannot be started: {error}"))?;
    let started = Instant::now();
    loop {
        match rehearsal.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => {
                return Err(format!(
                    "'{program}' would not start, or not go on with the connections ({status}); see above"
                ));
            }
            Ok(None) if started.elapsed() < REHEARSAL_TIME_MAX => std::thread::sleep(LOOK),
            late => {
                // It may have ended by now.
                let _ = rehearsal.kill();
                let _ = rehearsal.wait();
                return Err(format!("'{program}' does not say in time whether it would start ({late:?})"));
            }
        }
    }
}
