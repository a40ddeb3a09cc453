//! What happens while a backup is made: kills, expiry, upgrades.

use super::{
    ROOM, await_said, back_up, backup, log, names, new_directory, newest, number_of, restore, segments,
    talk_until, words,
};
use crate::harness::long_talk::talk;
use crate::harness::{Dice, Server, ours, seed, tested_program};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::sleep;
use std::time::Duration;

#[test]
fn a_backup_that_is_killed_leaves_nothing_that_counts_and_the_next_one_works() {
    let server = Server::start(2, &[]);
    let place = new_directory();
    let to = place.path().join("backups");
    let mut alice = server.login_to("alice", ROOM);
    talk(&mut alice, 1, 1_000);
    let mut dice = Dice(seed());
    let mut whole = 0;
    for round in 0..12 {
        let mut killed = backup(&server.data(), &to, &["--full"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("run madang");
        sleep(Duration::from_millis(dice.roll(250)));
        killed.kill().expect("kill");
        killed.wait().expect("wait");
        for name in to.is_dir().then(|| names(&to)).into_iter().flatten() {
            assert!(!name.contains("faulty"), "{name}");
            if !name.ends_with(".unfinished") {
                whole += 1;
                assert!(log(&to.join(name), &["verify"]).ends_with(" 1 room, 1000 messages, 0 faults\n"));
            }
        }
        if round % 4 == 3 {
            back_up(&server.data(), &to, &[], 0);
            assert!(names(&to).iter().all(|name| !name.ends_with(".unfinished")), "{:?}", names(&to));
            let directory = new_directory();
            restore(&to, &directory.path().join("data"), &[], 0);
        }
    }
    println!("{whole} looks at whole backups");
}

#[test]
fn messages_that_expire_during_backups_make_none_faulty() {
    let server = Server::start(1, &["log.retain_bytes=2000000"]);
    let place = new_directory();
    let to = place.path().join("backups");
    let (is_over, said) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| talk_until(&server, &is_over, &said));
        for round in 1..=8 {
            await_said(&said, round * 300);
            back_up(&server.data(), &to, &[], 0);
        }
        is_over.store(true, Ordering::SeqCst);
    });
    assert!(segments(&newest(&to))[0].file_name() > segments(&to.join(&names(&to)[0]))[0].file_name());
    let directory = new_directory();
    restore(&to, &directory.path().join("data"), &[], 0);
    let server = Server::start_on(directory, 1, &["log.retain_bytes=2000000"]);
    let last = server.export(ROOM).last().expect("messages").seq;
    let mut bob = server.login_to("bob", ROOM);
    bob.send("here");
    bob.expect_next("bob: here");
    assert_eq!(server.export(ROOM).last().expect("messages").seq, last + 1);
    server.verify();
}

/// Begins a backup, and stops its process while it copies; `None` when it was too fast.
fn stopped_within(data: &Path, to: &Path) -> Option<Child> {
    let mut child = backup(data, to, &["--full"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("run madang");
    let is_copying = || {
        let unfinished =
            to.is_dir().then(|| names(to)).into_iter().flatten().find(|name| name.contains(".un"));
        unfinished.is_some_and(|name| to.join(name).join("shard-00").is_dir())
    };
    while !is_copying() {
        if child.try_wait().expect("wait").is_some() {
            return None;
        }
    }
    kill_process(Pid::from_child(&child), Signal::STOP).expect("send a signal");
    let is_within = names(to).iter().any(|name| name.contains(".un"));
    if !is_within {
        child.kill().expect("kill");
        child.wait().expect("wait");
    }
    is_within.then_some(child)
}

#[test]
fn a_backup_that_takes_longer_than_messages_are_kept_has_what_was_there_when_it_began() {
    let server = Server::start(1, &["log.retain_bytes=3000000"]);
    let mut alice = server.login_to("alice", ROOM);
    talk(&mut alice, 1, 1_500);
    let place = new_directory();
    let to = place.path().join("backups");
    let mut said = 1_500;
    let mut caught = 0;
    for _ in 0..40 {
        let Some(child) = stopped_within(&server.data(), &to) else { continue };
        // All that it copies expires, and the snapshot covers what came later.
        let newest_then = server.files(0, "seg").pop().expect("a segment");
        let before = said;
        while newest_then.exists() {
            talk(&mut alice, said + 1, said + 300);
            said += 300;
            assert!(said < 40_000, "it expires");
        }
        kill_process(Pid::from_child(&child), Signal::CONT).expect("send a signal");
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", words(&output));
        let exported = log(&newest(&to), &["export", "--room", ROOM, "--format", "jsonl"]);
        let last = format!("\"seq\":{before},");
        assert!(exported.lines().last().is_some_and(|line| line.contains(&last)), "{before}");
        assert!(exported.lines().count() > 300, "{}", exported.lines().count());
        caught += 1;
        if caught == 2 {
            let directory = new_directory();
            restore(&to, &directory.path().join("data"), &[], 0);
            let server = Server::start_on(directory, 1, &[]);
            let mut bob = server.login_to("bob", ROOM);
            bob.send("here");
            bob.expect_next("bob: here");
            assert_eq!(server.export(ROOM).last().expect("messages").seq, before + 1);
            return;
        }
    }
    panic!("no backup was stopped while it copied");
}

#[test]
fn a_backup_during_upgrades_to_other_numbers_of_shards_lacks_nothing() {
    let mut server = Server::start(2, &[]);
    server.keep_address();
    let place = new_directory();
    let (data, to) = (server.data(), place.path().join("backups"));
    let mut alice = server.login_to("alice", ROOM);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let backing_up = scope.spawn(|| {
            let mut made = 0;
            while !is_over.load(Ordering::SeqCst) {
                back_up(&data, &to, &["--full"], 0);
                fs::remove_dir_all(newest(&to)).expect("remove");
                made += 1;
            }
            made
        });
        let mut last = 0;
        for shards in [3, 1, 5, 2] {
            talk(&mut alice, last + 1, last + 50);
            server.take_over(shards);
            talk(&mut alice, last + 51, last + 100);
            last += 100;
        }
        is_over.store(true, Ordering::SeqCst);
        assert!(backing_up.join().expect("it backs up") > 3);
    });
}

#[test]
fn a_backup_with_few_open_files_holds_fewer_segments_and_has_all() {
    let server = Server::start(1, &[]);
    let mut alice = server.login_to("alice", ROOM);
    talk(&mut alice, 1, 2_200);
    assert!(server.files(0, "seg").len() > 6);
    let place = new_directory();
    let to = place.path().join("backups");
    let limited = |limit: u64| {
        let mut program = ours("sh");
        program.args(["-c", &format!("ulimit -n {limit} && exec \"$0\" backup --data \"$1\" \"$2\"")]);
        program.arg(tested_program()).arg(server.data()).arg(&to).output().expect("run it")
    };
    for limit in [20, 70] {
        let output = limited(limit);
        assert!(output.status.success(), "{}", words(&output));
        assert_eq!(number_of(&words(&output), " messages in "), 2_200);
    }
}
