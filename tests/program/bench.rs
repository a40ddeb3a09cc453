//! `madang bench` as people run it: figures and files, exit codes, Ctrl-C, an earlier run.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use crate::harness::tested_program;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a short measurement may take before a test gives up; machines are shared.
const PATIENCE: Duration = Duration::from_secs(60);

fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(tested_program());
    command.arg("bench").args(arguments).current_dir(directory);
    // The servers' directories lie in the test's own, so that it sees what is left of them.
    command.env("TMPDIR", directory).env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

pub fn bench(directory: &Path, arguments: &[&str]) -> Output {
    let child = command(directory, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_child(&child);
    let waiter = std::thread::spawn(move || child.wait_with_output());
    let started = Instant::now();
    while !waiter.is_finished() {
        if started.elapsed() > PATIENCE {
            let _ = kill_process(pid, Signal::KILL);
            panic!("{arguments:?} did not end");
        }
        sleep(Duration::from_millis(20));
    }
    waiter.join().unwrap().unwrap()
}

pub fn words(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub fn read_json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn figures_are_shown_and_every_file_is_written() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let arguments =
        ["fanout", "--rooms", "2", "--members", "3", "--rate", "200", "--seconds", "0.3", "--rounds", "2"];
    let files = ["--json", "결과.json", "--hgrm", "percentiles", "--html", "page.html"];
    let output = bench(directory.path(), &[&arguments[..], &files[..]].concat());
    let (shown, said) = (words(&output.stdout), words(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{shown}{said}");
    for expected in [
        "LATENCY",
        "fan-out 2 × 3, 200 messages/s",
        "min–max of 2",
        "lost 0 · repeated 0",
        "synced to disk before",
    ] {
        assert!(shown.contains(expected), "{expected} in\n{shown}");
    }
    assert!(!shown.contains('\u{1b}') && shown.lines().all(|line| line.chars().count() <= 100), "{shown}");
    assert!(said.contains("fanout, round 2 of 2"), "{said}");

    let results = read_json(&directory.path().join("결과.json"));
    assert_eq!(results["schema_version"], 1);
    assert_eq!(results["workloads"][0]["parameters"]["rate"], "200");
    let rounds = results["workloads"][0]["servers"][0]["rounds"].as_array().unwrap();
    assert_eq!(rounds.len(), 2);
    assert!(rounds[0]["latencies"][0]["percentiles_us"]["p50"].as_f64().unwrap() > 0.0);
    assert!(results["machine"]["kernel"].as_str().unwrap().starts_with("Linux"));

    let percentiles = directory.path().join("percentiles/1-fanout-delivery-madang.hgrm");
    let text = fs::read_to_string(percentiles).unwrap();
    assert!(text.starts_with("       Value     Percentile TotalCount 1/(1-Percentile)\n\n"), "{text}");
    assert!(
        text.lines()
            .skip(2)
            .filter(|line| !line.starts_with('#'))
            .all(|line| line.split_whitespace().count() >= 3)
    );
    let page = fs::read_to_string(directory.path().join("page.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    assert_eq!(results_in(&page), results);
    assert_eq!(left_behind(directory.path()), Vec::<String>::new());
}

/// The results that a page is drawn from.
fn results_in(page: &str) -> Value {
    let (_, rest) = page.split_once("id=\"results\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

/// What a run has left in its temporary directory, besides what it was asked for.
fn left_behind(directory: &Path) -> Vec<String> {
    let asked_for = ["결과.json", "percentiles", "page.html", "old.json", "new.json"];
    let entries = fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| !asked_for.contains(&name.as_str())).collect()
}

#[test]
fn a_run_beside_itself_has_not_moved_and_other_work_is_refused_at_once() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let arguments = ["echo", "--seconds", "0.2", "--durability", "none"];
    let first = bench(directory.path(), &[&arguments[..], &["--json", "old.json"]].concat());
    assert_eq!(first.status.code(), Some(0), "{}", words(&first.stderr));
    let second = bench(directory.path(), &[&arguments[..], &["--baseline", "old.json"]].concat());
    let shown = words(&second.stdout);
    assert_eq!(second.status.code(), Some(0), "{shown}");
    assert!(shown.contains("Nothing can be concluded about any figure"), "{shown}");

    let began = Instant::now();
    let other = bench(directory.path(), &["echo", "--seconds", "5", "--baseline", "old.json"]);
    let said = words(&other.stderr);
    assert_eq!(other.status.code(), Some(2), "{said}");
    assert!(said.contains("echo: --seconds is 5 now and was 0.2 then"), "{said}");
    assert!(said.contains("--durability is commit now and was none then"), "{said}");
    assert!(began.elapsed() < Duration::from_secs(5), "it measured first");
    fs::write(directory.path().join("old.json"), "{\"schema_version\": 99}").unwrap();
    let refused = bench(directory.path(), &["echo", "--baseline", "old.json"]);
    assert!(words(&refused.stderr).contains("in version 99 of their schema"));
}

#[test]
fn what_cannot_be_done_ends_with_2_before_anything_is_measured() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for (arguments, expected) in [
        (&["echo", "--json", "missing/file"][..], "cannot write 'missing/file': No such file or directory"),
        (&["echo", "--html", "."], "cannot write '.'"),
        (&["echo", "--baseline", "none.json"], "cannot read 'none.json'"),
        (&["echo", "--size", "1"], "--size 1 cannot be measured"),
        (&["idle", "--seconds", "1"], "--seconds 1 has no effect on idle"),
        (&["echo", "--compare", "127.0.0.1:6379"], "no protocol is named; allowed is irc://HOST:PORT"),
        (&["history", "--compare", "redis://127.0.0.1:6379"], "history cannot be measured over redis"),
        (&["upgrade", "--connections", "15"], "--connections 15 cannot be measured: a multiple of --members"),
        (&["--target", "127.0.0.1:1", "upgrade"], "starts servers on a log of its own"),
        (&["echo", "--rounds", "0"], "--rounds"),
        (&["--target", "127.0.0.1:1", "echo"], "127.0.0.1:1"),
    ] {
        let output = bench(directory.path(), arguments);
        let said = words(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert!(!words(&output.stdout).contains("LATENCY"), "{arguments:?}");
    }
}

#[test]
fn upgrades_are_timed_and_everyone_goes_along() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let arguments =
        ["upgrade", "--connections", "20", "--members", "5", "--upgrades", "2", "--messages", "5000"];
    let output =
        bench(directory.path(), &[&arguments[..], &["--rate", "200", "--json", "new.json"]].concat());
    let (shown, said) = (words(&output.stdout), words(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{shown}{said}");
    assert!(shown.contains("longest wait per connection"), "{shown}");
    assert!(shown.contains("lost 0 · repeated 0"), "{shown}");
    let results = read_json(&directory.path().join("new.json"));
    let round = &results["workloads"][0]["servers"][0]["rounds"][0];
    let metric = |key: &str| {
        let metrics = round["metrics"].as_array().unwrap();
        metrics.iter().find(|metric| metric["key"] == key).unwrap()["value"].as_f64().unwrap()
    };
    assert_eq!((metric("upgrades"), metric("carried"), metric("not_carried")), (2.0, 20.0, 0.0));
    let pauses = &round["latencies"][0];
    assert_eq!((&pauses["key"], &pauses["count"]), (&"pause".into(), &40.into()));
    assert_eq!(left_behind(directory.path()), Vec::<String>::new());
}

#[test]
fn ctrl_c_stops_with_what_there_is_and_leaves_nothing_running() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let arguments = ["echo", "--seconds", "50", "--json", "new.json"];
    let mut child =
        command(directory.path(), &arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let server = wait_for_server(&mut child);
    wait_for_messages(&mut child, server);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let (shown, said) = (words(&output.stdout), words(&output.stderr));
    assert_eq!(output.status.code(), Some(130), "{shown}{said}");
    assert!(said.contains("stopping with what was measured until now"), "{said}");
    assert!(shown.contains("stopped early"), "{shown}{said}");
    assert_eq!(read_json(&directory.path().join("new.json"))["is_cut_short"], true);
    assert!(!Path::new(&format!("/proc/{server}")).exists(), "the server still runs");
    assert_eq!(left_behind(directory.path()), Vec::<String>::new());
}

/// Waits until the server has written so much that some messages were among it: each is one write.
fn wait_for_messages(child: &mut Child, server: u32) {
    const WRITES: u64 = 500;
    let written = || {
        let counts = fs::read_to_string(format!("/proc/{server}/io")).ok()?;
        counts.lines().find_map(|line| line.strip_prefix("syscw: ")?.parse::<u64>().ok())
    };
    let started = Instant::now();
    while written().is_none_or(|writes| writes < WRITES) {
        assert!(started.elapsed() < PATIENCE, "nothing was said");
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        sleep(Duration::from_millis(5));
    }
}

/// Waits until the measurement itself is under way, and returns the process of the server.
fn wait_for_server(child: &mut Child) -> u32 {
    let pid = child.id();
    let children = || {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
        let lists = tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        lists
            .flat_map(|list| {
                list.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<u32>>()
            })
            .next()
    };
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if let Some(server) = children() {
            return server;
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        sleep(Duration::from_millis(20));
    }
    panic!("no server was started");
}
