//! What containers hide and forbid: the server serves without it, or says what to allow.

use crate::harness::{Server, forbid, madang, refused, tested_program};
use rustix::io::Errno;
use std::process::{Command, Stdio};
use syscalls::Sysno;

#[test]
fn a_forbidden_io_uring_call_is_named_with_what_to_allow() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let calls = [
        (Sysno::io_uring_setup, "io_uring_setup"),
        (Sysno::io_uring_register, "io_uring_register"),
        (Sysno::io_uring_enter, "io_uring_enter"),
    ];
    for (call, name) in calls {
        let mut program = madang();
        program.args(["serve", "--shards", "1", "--listen", "127.0.0.1:0", "--data"]);
        program.arg(directory.path().join("data"));
        forbid(&mut program, call, Errno::PERM);
        let output = refused(program);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{words}");
        let expected = format!("{name} is forbidden to this process");
        for part in [&expected, "seccomp", "allow io_uring_setup, io_uring_enter and io_uring_register"] {
            assert!(words.contains(part), "{part} in:\n{words}");
        }
        assert!(!words.contains("kernel is older") && !words.contains("panic"), "{words}");
        // Some profiles say that there is no such call.
        if call != Sysno::io_uring_setup {
            let mut program = madang();
            program.args(["config", "check", "--set", "listen.line=127.0.0.1:0"]);
            forbid(&mut program, call, Errno::NOSYS);
            let output = refused(program);
            let words = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(words.contains("warning: serve would fail here") && words.contains(&expected), "{words}");
        }
    }
}

#[test]
fn shards_that_may_not_be_pinned_serve_and_it_is_told_once() {
    let mut program = madang();
    forbid(&mut program, Sysno::sched_setaffinity, Errno::PERM);
    let mut server = Server::start_by(program, 2, &[]);
    let mut alice = server.login("alice");
    alice.send("hello");
    alice.expect("alice: hello");
    let words = server.words();
    assert_eq!(words.matches("pinned").count(), 1, "{words}");
    assert!(words.contains("sched_setaffinity"), "{words}");
    assert!(server.terminate().0.success());
}

#[test]
fn shards_are_pinned_to_the_processors_there_are() {
    let server = Server::start(2, &[]);
    server.login("alice");
    let allowed = |task: &std::path::Path| {
        let status = std::fs::read_to_string(task.join("status")).expect("what the kernel says of a thread");
        let of = |name: &str| {
            status.lines().find_map(|line| line.strip_prefix(name)).map(|rest| rest.trim().to_owned())
        };
        (of("Name:").expect("its name"), of("Cpus_allowed_list:").expect("its processors"))
    };
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).expect("its threads");
    let threads: Vec<_> = tasks.map(|task| allowed(&task.expect("a thread").path())).collect();
    for shard in ["madang-0-", "madang-1-"] {
        // A thread that the executor has beside has the same name, and is not pinned.
        let is_pinned = |(name, processors): &(String, String)| {
            name.starts_with(shard) && processors.parse::<usize>().is_ok()
        };
        assert!(threads.iter().any(is_pinned), "{shard} in {threads:?}");
    }
}

#[test]
fn a_machine_that_shows_nothing_in_sys_is_served() {
    let hidden = "mount -t tmpfs none /sys && exec \"$@\"";
    let unshare = |rest: &[&str]| {
        let mut program = Command::new("unshare");
        program.args(["--mount", "--map-root-user", "sh", "-c", hidden, "sh"]).args(rest);
        program
    };
    let tried = unshare(&["true"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !tried.is_ok_and(|status| status.success()) {
        eprintln!("not tried: this user may not mount a file system over /sys");
        return;
    }
    let mut server = Server::start_by(unshare(&[tested_program()]), 2, &[]);
    let mut alice = server.login_to("alice", "r1");
    for number in 1..=150 {
        alice.send(&format!("line {number}"));
        alice.expect(&format!("alice: line {number}"));
    }
    // What is not in memory any more is read from the disk.
    alice.send("/history 3 before 11");
    while !alice.read_line().contains("line 10") {}
    let words = server.words();
    assert!(!words.contains("panic") && !words.contains("ERROR"), "{words}");
    assert!(server.terminate().0.success());
}
