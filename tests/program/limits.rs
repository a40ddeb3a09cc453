//! What its environment lets a server do: the size of files, a terminal that is closed.

use crate::harness;
use crate::harness::{PATIENCE, Server, ours, tested_program};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use std::process::Child;
use std::time::{Duration, Instant};

#[test]
fn a_limit_of_the_size_of_files_below_a_segment_is_refused_with_the_remedy() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let mut program = ours("sh");
    // In blocks of 512 or of 1,024 bytes.
    program.args([
        "-c",
        "ulimit -f 2000 && exec \"$0\" \"$@\"",
        tested_program(),
        "serve",
        "--listen",
        "127.0.0.1:0",
    ]);
    let output = program.arg("--data").arg(directory.path().join("data")).output().expect("run madang");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    for part in ["the file size limit is ", "65536", "LimitFSIZE=", "ulimit -f", "log.segment_bytes"] {
        assert!(words.contains(part), "{part} in {words}");
    }
    assert!(!directory.path().join("data").exists(), "nothing was made");
}

/// As a limit that was set on a running process, or files that are larger than a segment.
#[test]
fn a_server_that_meets_the_limit_of_the_size_of_files_refuses_as_on_a_full_disk_and_goes_on_after_it() {
    let mut server = Server::start(1, &[]);
    let (mut alice, mut bob) = harness::alice_and_bob(&server);
    alice.send("before");
    alice.expect("alice: before");
    let pid = Pid::from_raw(i32::try_from(server.pid()).expect("a number")).expect("a process");
    let limit = |bytes| Rlimit { current: bytes, maximum: None };
    let _ = server.usage_with_segments();
    // Below what the segment holds already.
    prlimit(Some(pid), Resource::Fsize, limit(Some(64))).expect("set a limit");
    let asked_at = Instant::now();
    alice.send("on its way");
    for text in ["first", "second", "third"] {
        // Nothing but what is on its way already is without an answer.
        while alice.ask(&format!("/msg bob {text}")).is_empty() {
            assert!(asked_at.elapsed() < PATIENCE, "{text} is neither said nor refused");
        }
        alice.send(text);
        alice.expect_error(&["not sent", "the disk is full"]);
    }
    assert!(server.is_running(), "{}", server.words());
    // A shard puts its state up once a second.
    while server.ask(&["status"]).status.code() != Some(1) {
        assert!(asked_at.elapsed() < 2 * PATIENCE, "its status says nothing; {}", server.words());
        std::thread::sleep(Duration::from_millis(20));
    }
    prlimit(Some(pid), Resource::Fsize, limit(None)).expect("set a limit");
    while server.ask(&["status"]).status.code() != Some(0) {
        assert!(asked_at.elapsed() < 4 * PATIENCE, "{}", server.words());
        std::thread::sleep(Duration::from_millis(20));
    }
    alice.send("after");
    alice.expect("alice: after");
    let heard = bob.expect("alice: after");
    let said: Vec<_> = heard.iter().filter(|line| line.starts_with("alice: ")).collect();
    assert_eq!(said, ["alice: before", "alice: on its way"], "and nothing that was refused");
    server.verify();
}

/// A server in a terminal of its own, which is closed when the program ends that made it (`script`, of util-linux).
/// The shell runs `first` before it.
fn in_terminal(first: &str) -> Server {
    let mut program = ours("sh");
    // The tests may have been started with SIGHUP ignored.
    let script = format!(
        "exec env --default-signal=HUP script --quiet --return --command \"{first} exec $*\" /dev/null"
    );
    program.args(["-c", &script, "sh", tested_program()]);
    Server::start_by(program, 1, &[])
}

#[track_caller]
fn hang_up_by_hand(server: &Server) {
    let pid = server.status()["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
    let pid = pid.and_then(Pid::from_raw).expect("its process");
    kill_process(pid, Signal::HUP).expect("send a signal");
    server.expect_words(&["reloaded"]);
}

/// Waits until nobody serves there.
#[track_caller]
fn expect_end(server: &Server) {
    let asked_at = Instant::now();
    while server.ask(&["status"]).status.code() != Some(3) {
        assert!(asked_at.elapsed() < PATIENCE, "it serves on");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn closing_the_terminal_ends_a_server_that_was_started_in_it_and_a_hang_up_by_hand_reloads() {
    let mut server = in_terminal("");
    let mut alice = server.login("alice");
    hang_up_by_hand(&server);
    alice.send("still here");
    alice.expect("alice: still here");
    server.kill_nine();
    assert_eq!(alice.expect_closed(), ["* server is going down"]);
    expect_end(&server);
    server.verify();
}

#[test]
fn a_server_that_is_to_outlive_its_terminal_does() {
    // As nohup(1) does.
    let mut server = in_terminal("trap '' HUP;");
    let mut alice = server.login("alice");
    hang_up_by_hand(&server);
    server.kill_nine();
    alice.send("still here");
    alice.expect("alice: still here");
    // Nor a moment later.
    std::thread::sleep(Duration::from_secs(1));
    alice.send("and still");
    alice.expect("alice: and still");
    assert!(server.ask(&["drain"]).status.success());
}

/// A process that is ended with its test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The processes whose parent this is.
fn children(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// Whether it is a server. Of a zombie there are no words.
fn serves(pid: u32) -> bool {
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    words.split(|byte| *byte == 0).any(|word| word == b"serve")
}

#[test]
fn a_measurement_that_is_killed_leaves_no_server_behind() {
    let mut bench = harness::madang();
    bench.args(["bench", "echo", "--seconds", "60"]).stdout(std::process::Stdio::null());
    let mut bench = Ended(bench.stderr(std::process::Stdio::null()).spawn().expect("run madang bench"));
    let asked_at = Instant::now();
    let server = loop {
        if let Some(server) = children(bench.0.id()).into_iter().find(|child| serves(*child)) {
            break server;
        }
        assert!(bench.0.try_wait().expect("wait").is_none(), "it has ended");
        // It looks at the machine first.
        assert!(asked_at.elapsed() < 6 * PATIENCE, "it starts no server");
        std::thread::sleep(Duration::from_millis(5));
    };
    bench.0.kill().expect("kill");
    bench.0.wait().expect("wait");
    let killed_at = Instant::now();
    while serves(server) {
        assert!(killed_at.elapsed() < PATIENCE, "the server runs on");
        std::thread::sleep(Duration::from_millis(5));
    }
}
