//! Running a program for its output while systemd stops this process.
//!
//! systemd sends the signal to every process in the control group until it finds no new one, so a program that this
//! process has just started may get the SIGTERM that was meant for this process. Then it is run again.

use super::pending_signals;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const LOOK: Duration = Duration::from_millis(1);
/// Outputs are a few lines. A longer one blocks in the pipe, and times out.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Whoever starts a program while other threads run.
static STARTING: Mutex<()> = Mutex::new(());

/// As long as this lives, no other thread that starts programs of its own accord starts one. A program that is about
/// to replace this one (execve) leaves descriptors open for it, which no child may inherit.
pub fn starting() -> MutexGuard<'static, ()> {
    STARTING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The process that was started last.
static LAST: Mutex<Option<OwnedFd>> = Mutex::new(None);

/// Records a process that must not outlive this one: [`kill_started`].
pub fn note_started(pid: u32) {
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let process = process.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    *LAST.lock().unwrap_or_else(PoisonError::into_inner) = process;
}

/// Kills a process that was started for an upgrade and has not taken over: to be called when the server ends.
pub fn kill_started() {
    let last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(process) = last.as_ref() {
        // Usually it has ended already.
        let _ = pidfd_send_signal(process, Signal::KILL);
    }
}

/// Runs the program, and returns its exit status and its standard output. It shares standard error with this process.
///
/// # Errors
/// If it cannot be run, or does not end in time.
pub fn run(program: &mut Command, time_max: Duration) -> io::Result<(ExitStatus, String)> {
    program.stdin(Stdio::null()).stdout(Stdio::piped());
    let started = Instant::now();
    loop {
        let mut child = pending_signals::unblocked(|| program.spawn())?;
        note_started(child.id());
        let status = loop {
            match child.try_wait()? {
                Some(status) => break status,
                None if started.elapsed() < time_max => std::thread::sleep(LOOK),
                None => {
                    child.kill()?;
                    child.wait()?;
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "it did not end in time"));
                }
            }
        };
        if status.signal() == Some(signal_hook::consts::SIGTERM) && started.elapsed() < time_max {
            continue;
        }
        let answer = child.stdout.take().map_or(Ok(Vec::new()), |output| read_what_is_there(&output))?;
        return Ok((status, String::from_utf8_lossy(&answer).into_owned()));
    }
}

/// Reads what is in the pipe without waiting for its end: the program has ended, but another process that inherited
/// the pipe may keep it open.
fn read_what_is_there(output: &impl AsFd) -> io::Result<Vec<u8>> {
    fcntl_setfl(output, fcntl_getfl(output)? | OFlags::NONBLOCK)?;
    let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
    while answer.len() < ANSWER_BYTES_MAX {
        match rustix::io::read(output, &mut chunk) {
            Ok(0) | Err(Errno::AGAIN) => break,
            Ok(count) => answer.extend_from_slice(&chunk[..count]),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(answer)
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
    fn a_process_that_keeps_the_pipe_open_is_not_waited_for() {
        let begun = Instant::now();
        let (status, text) =
            run(&mut shell("sleep 30 & echo answer"), Duration::from_secs(10)).expect("it ends");
        assert!(status.success() && text == "answer\n" && begun.elapsed() < Duration::from_secs(9), "{text}");
    }

    #[test]
    fn what_hangs_is_ended() {
        let error = run(&mut shell("exec sleep 100"), Duration::from_millis(50)).expect_err("it hangs");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(run(&mut Command::new("/nowhere"), Duration::ZERO).is_err());
    }
}
