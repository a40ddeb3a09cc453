//! Upgrades from the release before, and the way back to it, by its own program: `tests/run` builds it and names it.

use crate::harness::long_talk::{talk, text};
use crate::harness::{self, DirectRoom, PATIENCE, Server, madang, ours};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const ROOM: &str = "마당";
/// The version of the log that the release before writes.
const FORMAT_BEFORE: u8 = 2;

/// The program of the release before; `None` in a clone without its history, where `tests/run` says so.
fn previous_program() -> Option<Command> {
    let path = std::env::var_os("MADANG_PREVIOUS_PROGRAM")?;
    assert!(Path::new(&path).is_absolute(), "MADANG_PREVIOUS_PROGRAM={path:?} is no absolute path");
    Some(ours(path.to_str().expect("UTF-8")))
}

/// The versions of the segments that hold something, oldest first.
fn formats(server: &Server) -> Vec<u8> {
    let segments = (0..2).flat_map(|shard| server.files(shard, "seg"));
    let starts = segments.map(|path| fs::read(path).expect("a segment"));
    starts
        .filter(|bytes| bytes.len() > 64 && bytes[64..].iter().any(|byte| *byte != 0))
        .map(|bytes| bytes[8])
        .collect()
}

#[track_caller]
fn expect_texts(server: &Server, last: u64) {
    let said = server.export(ROOM);
    assert!(said.iter().zip(1..).all(|(one, seq)| one.seq == seq && one.text == text(seq)));
    assert_eq!(said.len() as u64, last);
}

#[test]
fn people_and_messages_of_the_release_before_are_carried_over() {
    let Some(previous) = previous_program() else { return };
    let mut server = Server::start_by(previous, 2, &[]);
    let mut alice = server.login_to("alice", ROOM);
    talk(&mut alice, 1, 700);
    let mut bob = server.login_to("bob", "r1");
    bob.send("/send d-1 한 번만");
    bob.expect_next("bob: 한 번만");
    bob.send_bytes("반쯤 쓴 ".as_bytes());
    assert!(formats(&server).iter().all(|format| *format == FORMAT_BEFORE));
    server.take_over(2);
    bob.send("글");
    bob.expect_next("bob: 반쯤 쓴 글");
    // What bob sent to the release of before, a moment ago, is known to this one.
    bob.send("/send d-1 한 번만");
    bob.settle("bob");
    talk(&mut alice, 701, 1_100);
    alice.send("/history before 3");
    for number in 1..=2 {
        let line = alice.read_line();
        assert!(line.starts_with(&format!("#{number} ")) && line.ends_with(&text(number)), "{line}");
    }
    server.verify();
    expect_texts(&server, 1_100);
    let formats = formats(&server);
    assert!(
        formats.contains(&FORMAT_BEFORE) && formats.iter().any(|format| *format > FORMAT_BEFORE),
        "{formats:?}"
    );
    server.kill_nine();
    server.start_again();
    expect_texts(&server, 1_100);
    let mut bob = server.login_to("bob", "r1");
    bob.send("/send d-1 한 번만");
    bob.settle("bob");
    assert_eq!(server.export("r1").len(), 2);
}

#[test]
fn who_whispered_in_the_release_before_continues_in_a_room_that_is_theirs_alone() {
    let Some(previous) = previous_program() else { return };
    let mut server = Server::start_by(previous, 2, &[]);
    let (mut alice, mut bob) = harness::alice_and_bob(&server);
    alice.send("/msg bob before");
    bob.expect_next("alice -> bob : before");
    server.take_over(3);
    alice.send("/msg bob behind");
    bob.expect_next("alice -> bob : behind");
    server.take_over(2);
    bob.send("/msg alice again");
    alice.expect("bob -> alice : again");
    let rooms = server.direct_rooms();
    let texts: Vec<Vec<&str>> = rooms.iter().map(DirectRoom::texts).collect();
    assert_eq!(texts, [vec!["before"], vec!["behind", "again"]], "{rooms:?}");
    assert_eq!(rooms[0].name, "alice&bob", "the tools read what was whispered before");
    assert_eq!(server.export("alice&bob"), rooms[0].said);
    server.verify();
}

#[test]
fn a_new_process_that_fails_before_it_serves_leaves_what_the_release_before_can_continue() {
    let Some(previous) = previous_program() else { return };
    let again = ours(previous.get_program().to_str().expect("UTF-8"));
    let mut server = Server::start_by(previous, 2, &[]);
    let mut alice = server.login_to("alice", ROOM);
    talk(&mut alice, 1, 400);
    let mut last = 400;
    for round in 0..6 {
        let mut next = server.begin_takeover(&[], None);
        let asked_at = Instant::now();
        while server.words().matches("handing over to a new process").count() <= round {
            assert!(asked_at.elapsed() < PATIENCE, "it asks");
            std::thread::yield_now();
        }
        // At another moment each time; later ones may come too late.
        std::thread::sleep(Duration::from_millis(2 * round as u64));
        kill_process(Pid::from_child(&next), Signal::KILL).expect("send a signal");
        let deadline = Instant::now() + PATIENCE;
        while next.try_wait().expect("wait").is_none() {
            assert!(Instant::now() < deadline, "it was killed");
            std::thread::sleep(Duration::from_millis(5));
        }
        let is_back = || server.words().matches("nothing was handed over").count() > round;
        let is_there = || Path::new(&format!("/proc/{}/exe", server.pid())).exists();
        while !is_back() && is_there() {
            assert!(Instant::now() < deadline, "the old process neither serves again nor ends");
            std::thread::sleep(Duration::from_millis(5));
        }
        if !is_back() {
            break;
        }
        talk(&mut alice, last + 1, last + 50);
        last += 50;
    }
    assert!(last > 400, "none failed before it served");
    expect_texts(&server, last);
    if server.is_running() {
        server.kill_nine();
    }
    assert!(formats(&server).iter().all(|format| *format == FORMAT_BEFORE), "{:?}", formats(&server));
    server.start_again_by(again);
    let mut alice = server.login_to("alice", ROOM);
    talk(&mut alice, last + 1, last + 50);
    expect_texts(&server, last + 50);
    server.verify();
}

#[test]
fn the_backup_of_before_an_upgrade_is_the_way_back() {
    let Some(previous) = previous_program() else { return };
    let [again, on_restored] = [(); 2].map(|()| ours(previous.get_program().to_str().expect("UTF-8")));
    let mut server = Server::start_by(previous, 2, &[]);
    let mut alice = server.login_to("alice", ROOM);
    talk(&mut alice, 1, 500);
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let backups = place.path().join("backups");
    // By the new program, beside the old one.
    let run = |arguments: &[&str], data: &Path| {
        let mut program = madang();
        program.args(arguments).arg(&backups).arg("--data").arg(data).stdin(Stdio::null());
        let output = program.output().expect("run madang");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    };
    run(&["backup"], &server.data());
    server.take_over(2);
    talk(&mut alice, 501, 600);
    assert!(server.terminate().0.success());
    // The release before does not know what was written since.
    let mut refused = again;
    let refused = refused.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(server.data()).output();
    let words = String::from_utf8_lossy(&refused.expect("run it").stderr).into_owned();
    assert!(words.contains("format version"), "{words}");
    let restored = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    run(&["restore"], &restored.path().join("data"));
    let before = Server::start_on_by(restored, on_restored, 2, &[]);
    expect_texts(&before, 500);
    let mut alice = before.login_to("alice", ROOM);
    talk(&mut alice, 501, 550);
    expect_texts(&before, 550);
    // And the newer program still shows the rest.
    expect_texts(&server, 600);
}

#[test]
fn a_command_that_the_release_before_does_not_know_is_answered_with_the_remedy() {
    let Some(previous) = previous_program() else { return };
    let server = Server::start_by(previous, 2, &[]);
    let mut alice = server.login_to("alice", ROOM);
    talk(&mut alice, 1, 1);
    let output = server.ask(&["log", "erase", "--room", ROOM, "--seq", "1"]);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && words.contains("is of an older release"), "{output:?}");
    assert!(words.contains("upgrade it first") && !words.contains("variant"), "{words}");
    expect_texts(&server, 1);
}
