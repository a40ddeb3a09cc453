//! `madang bench log` runs to its end on a small log, and leaves nothing behind.

use crate::harness::tested_program;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(120);

fn bench(directory: &Path, messages: &str) -> Child {
    Command::new(tested_program())
        .args(["bench", "log", "--messages", messages, "--rooms", "100", "--dir"])
        .arg(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs")
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).expect("a directory").next().is_none()
}

#[test]
fn a_small_log_is_measured_in_every_way_and_nothing_is_left_behind() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let output = bench(directory.path(), "10000").wait_with_output().expect("an end");
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}{errors}");
    for figure in [
        "process start to ready, indexes only",
        "process start to ready, after kill -9, with a snapshot",
        "process start to ready, after a clean stop",
        "export as JSON Lines to a file",
        "verify",
        "page from the middle",
        "messages stored, synced and shown to their author",
        "more than the disk alone, p50",
        "bytes per 64-byte message in segments, at rest, sealed",
    ] {
        assert!(said.contains(figure), "'{figure}' is missing in:\n{said}");
    }
    assert!(is_empty(directory.path()), "its directory is removed");
}

#[test]
fn an_interrupt_stops_it_and_its_files_are_removed() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let mut child = bench(directory.path(), "50000000");
    let began = Instant::now();
    while is_empty(directory.path()) {
        assert!(began.elapsed() < PATIENCE, "it never began");
        sleep(Duration::from_millis(5));
    }
    kill_process(Pid::from_child(&child), Signal::INT).expect("a signal");
    while child.try_wait().expect("a state").is_none() {
        assert!(began.elapsed() < PATIENCE, "it did not stop");
        sleep(Duration::from_millis(5));
    }
    assert!(is_empty(directory.path()), "its directory is removed");
}

#[test]
fn a_log_too_small_to_tell_anything_is_refused() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let output = bench(directory.path(), "7").wait_with_output().expect("an end");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--messages 7 cannot be measured: 10000 to"));
}
