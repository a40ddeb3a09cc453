//! A program that is run for its answer while systemd ends this process.
//!
//! systemd signals what it finds in the control group until it finds nothing new, so that also a program that
//! this process has started since may get the SIGTERM that was meant for us. Then it is run again.

use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const LOOK: Duration = Duration::from_millis(1);
/// Answers are a few lines. A longer one waits in the pipe, and is late.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// Runs the program, and returns how it ended and what it wrote to its standard output. What it says on standard
/// error is said where this process says it.
///
/// # Errors
/// When it cannot be run, or does not end in time.
pub fn run(program: &mut Command, time_max: Duration) -> io::Result<(ExitStatus, String)> {
    program.stdin(Stdio::null()).stdout(Stdio::piped());
    let started = Instant::now();
    loop {
        let mut child = program.spawn()?;
        let status = loop {
            match child.try_wait()? {
                Some(status) => break status,
                None if started.elapsed() < time_max => std::thread::sleep(LOOK),
                None => {
                    child.kill()?;
                    child.wait()?;
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "it does not end in time"));
                }
            }
        };
        if status.signal() == Some(signal_hook::consts::SIGTERM) && started.elapsed() < time_max {
            continue;
        }
        let mut text = String::new();
        if let Some(output) = child.stdout.take() {
            output.take(ANSWER_BYTES_MAX).read_to_string(&mut text)?;
        }
        return Ok((status, text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        shell
    }

    #[test]
    fn what_is_ended_by_a_signal_that_was_meant_for_us_is_run_again() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mark = directory.path().join("mark").display().to_string();
        let script = format!("[ -e {mark} ] || {{ : > {mark}; kill -TERM $$; }}; echo answer; exit 3");
        let (status, text) = run(&mut shell(&script), Duration::from_secs(10)).expect("it ends");
        assert_eq!((status.code(), text.as_str()), (Some(3), "answer\n"));
    }

    #[test]
    fn what_hangs_is_ended() {
        let error = run(&mut shell("exec sleep 100"), Duration::from_millis(50)).expect_err("it hangs");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(run(&mut Command::new("/nowhere"), Duration::ZERO).is_err());
    }
}
