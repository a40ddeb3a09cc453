//! Ctrl-C: everything under way stops with what it has.

use crate::watch::Stop;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::{self, Write};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

/// A signal this soon after the first is the same one: terminals and `timeout` send it twice.
const SAME_SIGNAL: Duration = Duration::from_secs(1);

/// The signal that came; 0 for none.
static CAME: AtomicI32 = AtomicI32::new(0);

/// Asks `stop` when SIGINT, SIGTERM or SIGHUP comes. A second one ends the process at once, and the
/// server that it started with it.
///
/// # Errors
/// When handlers or the thread cannot be had.
pub fn listen(stop: &'static Stop) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    std::thread::Builder::new().name("bench-signals".into()).spawn(move || {
        let mut first: Option<Instant> = None;
        for signal in signals.forever() {
            match first {
                None => first = Some(Instant::now()),
                Some(first) if first.elapsed() < SAME_SIGNAL => continue,
                Some(_) => end_at_once(signal),
            }
            CAME.store(signal, Ordering::Release);
            stop.ask();
            let _ = writeln!(io::stderr(), "\nmadang bench: stopping with what was measured until now");
        }
    })?;
    Ok(())
}

/// The exit code that says which signal ended the run, by the shells' custom; `None` without one.
pub fn exit_code() -> Option<u8> {
    let signal = CAME.load(Ordering::Acquire);
    (signal != 0).then(|| u8::try_from(128 + signal).unwrap_or(u8::MAX))
}

fn end_at_once(signal: i32) -> ! {
    for child in children() {
        // One that has ended needs no ending.
        let _ = kill_process(child, Signal::KILL);
    }
    let _ = writeln!(
        io::stderr(),
        "madang bench: ended at once; a directory may be left in {}",
        std::env::temp_dir().display()
    );
    std::process::exit(128 + signal)
}

/// The servers started by any thread of this process.
fn children() -> Vec<Pid> {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let numbers =
        |list: String| list.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<i32>>();
    lists.flat_map(numbers).filter_map(Pid::from_raw).collect()
}
