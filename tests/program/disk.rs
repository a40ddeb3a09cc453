//! Disks that fill up, and machines that change: a real small file system, another shard count.

use crate::harness;
use crate::harness::{Client, Server, SmallDisk};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Says numbered lines, one after the other, until one is refused. Returns those acknowledged.
fn fill(alice: &mut Client, first: usize, most: usize) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for number in first..first + most {
        let text = format!("{number} {}", "x".repeat(3_000));
        alice.send(&text);
        let answer = alice.read_line();
        if answer.starts_with("! ") {
            assert!(answer.contains("the disk is full"), "{answer}");
            return acknowledged;
        }
        assert_eq!(answer, format!("alice: {text}"));
        acknowledged.push(answer);
    }
    panic!("the disk was not full after {most} messages");
}

#[test]
fn a_full_disk_refuses_messages_serves_readers_and_recovers_by_itself() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let Some(_disk) = SmallDisk::mount(directory.path().join("data"), "7m") else {
        eprintln!("not tried: this user may not mount a file system");
        return;
    };
    let ballast = directory.path().join("data").join("ballast");
    fs::write(&ballast, vec![1; 3 << 20]).expect("a ballast");
    let mut server = Server::start_on(directory, 1, &[]);
    let mut alice = server.login_to("alice", "r1");
    let mut acknowledged = fill(&mut alice, 0, 5_000);
    assert!(acknowledged.len() > 300, "a segment was filled before: {}", acknowledged.len());

    assert!(alice.ask("/history 3").last().expect("history").contains(&acknowledged[acknowledged.len() - 1]));
    let mut bob = server.login_to("bob", "r1");
    alice.expect_next("bob has joined r1");
    bob.send("/msg alice psst");
    bob.expect_error(&["the disk is full"]);
    server.expect_words(&["cannot prepare segment", "No space left on device", "no next segment"]);

    fs::remove_file(&ballast).expect("space returns");
    let returned_at = Instant::now();
    loop {
        alice.send("and on");
        let answer = alice.read_line();
        if answer == "alice: and on" {
            acknowledged.push(answer);
            break;
        }
        assert!(answer.contains("the disk is full"), "{answer}");
        assert!(returned_at.elapsed() < Duration::from_secs(10), "it recovers by itself");
        alice.send("/ping");
        alice.expect_next("pong");
    }
    server.kill_nine();
    let stored: Vec<String> = server.export("r1").iter().map(harness::Said::line).collect();
    assert_eq!(stored, acknowledged);
    server.verify();
}

/// On a full disk clients can stay, connect, read and whisper; a speaker is notified of what was not sent.
fn expect_served_and_refused(server: &Server, alice: &mut Client, name: &str) {
    const NOT_SENT: &str = "! not sent, because it could not be stored: the disk is full; try again later";
    for _ in 0..3 {
        alice.send("hello");
        alice.expect_next(NOT_SENT);
    }
    assert!(alice.ask("/who").concat().contains("alice"));
    assert!(!alice.ask("/history").is_empty());
    let mut bob = server.login(name);
    alice.expect_next(&format!("{name} has joined general"));
    assert!(bob.ask("/who").concat().contains(name));
    bob.send("/msg alice psst");
    bob.expect_next(NOT_SENT);
    bob.enter("r9", name);
    alice.expect_next(&format!("{name} has left the channel(general)"));
    bob.send("hello");
    bob.expect_next(NOT_SENT);
}

/// Says it again until there is space for it, as people do.
fn say_until_stored(alice: &mut Client, text: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        alice.send(text);
        match alice.read_line() {
            answer if answer.ends_with(&format!(": {text}")) => return,
            answer => assert!(answer.contains("the disk is full"), "{answer}"),
        }
        assert!(Instant::now() < deadline, "talk goes on by itself");
        alice.send("/ping");
        alice.expect("pong");
    }
}

#[test]
fn on_a_disk_that_is_full_from_the_start_people_are_let_in_and_refused_until_there_is_space() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let Some(disk) = SmallDisk::mount(directory.path().join("data"), "900k") else {
        eprintln!("not tried: this user may not mount a file system");
        return;
    };
    let mut server = Server::start_on(directory, 1, &[]);
    let mut alice = server.login("alice");
    expect_served_and_refused(&server, &mut alice, "bob");
    server.take_over(1);
    expect_served_and_refused(&server, &mut alice, "carol");
    let (status, _) = server.terminate();
    assert!(status.success(), "it drains, too");
    server.start_again();
    let mut alice = server.login("alice");
    expect_served_and_refused(&server, &mut alice, "dave");

    disk.resize("9m");
    say_until_stored(&mut alice, "at last");
    server.expect_words(&["no segment: messages are refused until there is one", "No space left on device"]);
    server.expect_words(&["the next segment is ready again"]);
    let reported = server.words().matches("No space left on device").count();
    assert_eq!(reported, 1, "a fault that goes on is told once");
    server.kill_nine();
    assert_eq!(
        server.export("general").iter().map(harness::Said::line).collect::<Vec<_>>(),
        ["alice: at last"]
    );
    server.verify();
}

#[test]
fn a_start_on_a_disk_that_has_filled_up_serves_readers_and_goes_on_where_it_stopped() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let Some(disk) = SmallDisk::mount(directory.path().join("data"), "5m") else {
        eprintln!("not tried: this user may not mount a file system");
        return;
    };
    let mut server = Server::start_on(directory, 1, &[]);
    let mut alice = server.login("alice");
    let acknowledged = fill(&mut alice, 0, 5_000);
    // Not a page is left: neither for an index nor for a snapshot.
    let ballast = disk.path().join("ballast");
    let mut file = fs::File::create(&ballast).expect("a ballast");
    while file.write_all(&[1; 4096]).is_ok() {}
    for ends in [Server::kill_nine, |server: &mut Server| assert!(server.terminate().0.success())] {
        ends(&mut server);
        while file.write_all(&[1; 4096]).is_ok() {}
        server.start_again();
        let mut alice = server.login("alice");
        let last = &acknowledged[acknowledged.len() - 1];
        assert!(alice.ask("/history 2").iter().any(|line| line.ends_with(last)));
        expect_served_and_refused(&server, &mut alice, "bob");
    }
    disk.resize("12m");
    let mut carol = server.login("carol");
    carol.ask("/history");
    say_until_stored(&mut carol, "and on");
    server.kill_nine();
    server.verify();
}

#[test]
fn a_disk_that_fills_up_is_told_of_long_before_it_is_full() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let Some(disk) = SmallDisk::mount(directory.path().join("data"), "60m") else {
        eprintln!("not tried: this user may not mount a file system");
        return;
    };
    fs::write(disk.path().join("ballast"), vec![1; 55 << 20]).expect("a ballast");
    let server = Server::start_on(directory, 1, &[]);
    server.expect_words(&["WARN", "free of 60 MiB, less than 10 %"]);
    let page = String::from_utf8(server.ask(&["status"]).stdout).expect("UTF-8");
    assert!(page.contains("! the disk of the log has ") && page.contains("log.retain_bytes"), "{page}");
    let mut alice = server.login("alice");
    alice.send("still room");
    alice.expect_next("alice: still room");
}

/// Gives the space of a segment back to its disk, all but the first page: writing there may fail.
fn punch(path: &Path) {
    let arguments = ["--punch-hole", "--offset", "4096", "--length", "1044480"];
    let punched = Command::new("fallocate").args(arguments).arg(path).status();
    assert!(punched.expect("run fallocate").success());
}

#[test]
fn when_a_write_fails_what_was_accepted_is_shown_once_and_in_order_after_it_works_again() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let Some(_disk) = SmallDisk::mount(directory.path().join("data"), "7m") else {
        eprintln!("not tried: this user may not mount a file system");
        return;
    };
    let ballast = directory.path().join("data").join("ballast");
    let mut server = Server::start_on(directory, 1, &[]);
    let mut alice = server.login_to("alice", "r1");
    alice.send("before");
    alice.expect_next("alice: before");
    let deadline = Instant::now() + harness::PATIENCE;
    while server.files(0, "seg").len() < 2 {
        assert!(Instant::now() < deadline, "the next segment is made ready");
        std::thread::yield_now();
    }
    server.files(0, "seg").iter().for_each(|segment| punch(segment));
    fs::write(&ballast, vec![1; 8 << 20]).expect_err("the disk is full");

    // Each is longer than what is left of a first page.
    let texts: Vec<String> = (0..100).map(|number| format!("{number} {}", "x".repeat(4_000))).collect();
    alice.send_bytes((texts.join("\n") + "\n").as_bytes());
    server
        .expect_words(&["the log cannot be written: messages are refused until it can", "write to segment"]);
    alice.send("too late");
    let bob = server.login_to("bob", "r2");
    drop(bob); // let in, as his room waits for nothing
    fs::remove_file(&ballast).expect("space returns");

    server.expect_words(&["the log can be written again"]);
    alice.send("after");
    let read = alice.expect("alice: after");
    let (refused, shown): (Vec<_>, Vec<_>) = read.into_iter().partition(|line| line.starts_with("! "));
    assert!(!refused.is_empty() && refused.iter().all(|line| line.contains("could not be stored: the disk")));
    assert!(!shown.is_empty() && !shown.contains(&"alice: too late".to_owned()), "{}", shown.len());
    let said = texts.iter().map(|text| format!("alice: {text}")).take(shown.len());
    assert!(shown.iter().cloned().eq(said), "each once, and in order");
    server.kill_nine();
    let stored: Vec<String> = server.export("r1").iter().map(harness::Said::line).collect();
    let acknowledged = [vec!["alice: before".to_owned()], shown, vec!["alice: after".to_owned()]].concat();
    assert_eq!(stored, acknowledged);
    server.verify();
}

#[test]
fn rooms_go_on_unbroken_on_any_number_of_shards() {
    let mut server = Server::start(2, &[]);
    let rooms = ["r1", "r2", "r3", "마당", "general"];
    let quiet_rooms = ["q1", "q2", "q3", "q4", "q5", "q6"];
    for room in quiet_rooms {
        let mut alice = server.login_to(&format!("alice-{room}"), room);
        alice.send("said once");
        alice.expect(&format!("alice-{room}: said once"));
    }
    for (round, shards) in [2, 1, 4, 2, 3].into_iter().enumerate() {
        let (status, _) = server.terminate();
        assert!(status.success());
        server.start_again_with(shards);
        for room in rooms {
            let mut alice = server.login(&format!("alice{shards}"));
            if room != "general" {
                alice.enter(room, &format!("alice{shards}"));
            }
            for number in 0..5 {
                alice.send(&format!("{round} {number}"));
                alice.expect(&format!("alice{shards}: {round} {number}"));
            }
            alice.send("/quit");
            alice.finish_sending();
            alice.expect_closed();
        }
    }
    let (status, _) = server.terminate();
    assert!(status.success());
    server.start_again_with(2);
    for room in quiet_rooms {
        let mut bob = server.login_to(&format!("bob-{room}"), room);
        let lines = bob.ask("/history");
        let said = format!("alice-{room}: said once");
        assert!(lines.len() == 1 && lines[0].starts_with("#1 ") && lines[0].ends_with(&said), "{lines:?}");
        bob.send("and again");
        bob.expect(&format!("bob-{room}: and again"));
    }
    server.kill_nine();
    for room in quiet_rooms {
        let numbers: Vec<u64> = server.export(room).iter().map(|message| message.seq).collect();
        assert_eq!(numbers, [1, 2], "{room}");
    }
    for room in rooms {
        let stored = server.export(room);
        let numbers: Vec<u64> = stored.iter().map(|message| message.seq).collect();
        assert_eq!(numbers, (1..=25).collect::<Vec<_>>(), "{room}");
        let texts: Vec<String> = stored.iter().map(|message| message.text.clone()).collect();
        let expected: Vec<String> =
            (0..5).flat_map(|round| (0..5).map(move |number| format!("{round} {number}"))).collect();
        assert_eq!(texts, expected, "{room}");
    }
    server.verify();
}

#[test]
fn a_directory_that_cannot_be_written_is_an_error_that_names_it() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let data = directory.path().join("data");
    let Some(disk) = SmallDisk::mount(data.clone(), "1m") else {
        eprintln!("not tried: this user may not mount a file system");
        return;
    };
    let made_read_only = Command::new("mount").args(["-o", "remount,ro"]).arg(disk.path()).status();
    assert!(made_read_only.expect("run mount").success());
    let output = harness::refused_start(&data, "127.0.0.1:0");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{words}");
    assert!(words.contains(&shown(&data)) && words.contains("ead-only"), "{words}");
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
