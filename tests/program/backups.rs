//! `madang backup` beside a server or without one, and `madang restore`: what was acknowledged is there, whatever happens
//! meanwhile, and what was interrupted counts as nothing.

use crate::harness::long_talk::{talk, text};
use crate::harness::{Dice, PATIENCE, Server, SmallDisk, madang, ours, seed, tested_program};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const ROOM: &str = "마당";

fn new_directory() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory")
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

fn backup(data: &Path, to: &Path, more: &[&str]) -> Command {
    let mut program = madang();
    program.arg("backup").arg("--data").arg(data).args(more).arg(to).stdin(Stdio::null());
    program
}

/// Makes a backup, and returns what was said.
#[track_caller]
fn back_up(data: &Path, to: &Path, more: &[&str], code: i32) -> String {
    let output = backup(data, to, more).output().expect("run madang");
    assert_eq!(output.status.code(), Some(code), "{}", words(&output));
    words(&output)
}

#[track_caller]
fn restore(from: &Path, data: &Path, more: &[&str], code: i32) -> String {
    let mut program = madang();
    let output =
        program.arg("restore").arg(from).arg("--data").arg(data).args(more).output().expect("madang");
    assert_eq!(output.status.code(), Some(code), "{}", words(&output));
    words(&output)
}

#[track_caller]
fn log(data: &Path, arguments: &[&str]) -> String {
    let output = madang().arg("log").args(arguments).arg("--data").arg(data).output().expect("run madang");
    assert!(output.status.success(), "{arguments:?}: {}", words(&output));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The names in a directory of backups, in order, without our files.
fn names(place: &Path) -> Vec<String> {
    let entries = fs::read_dir(place).expect("a directory of backups").flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| !name.starts_with("madang."));
    names.sort();
    names
}

fn newest(place: &Path) -> PathBuf {
    place.join(names(place).last().expect("a backup"))
}

/// The number before these words.
#[track_caller]
fn number_of(said: &str, what: &str) -> u64 {
    let before = said.split(what).next().filter(|before| before.len() < said.len()).expect(said);
    before.trim().rsplit(' ').next().expect("a word").parse().expect(said)
}

fn epoch_of(server: &Server) -> String {
    server.status()["epoch"].as_str().expect("the status names it").to_owned()
}

/// Starts a server on a restored directory, in which people continue. Returns it, and what was said in the room before.
#[track_caller]
fn check_starts(directory: TempDir, shards: u16) -> (Server, Vec<String>) {
    let server = Server::start_on(directory, shards, &[]);
    let said = server.export(ROOM);
    assert!(said.iter().zip(1..).all(|(one, seq)| one.seq == seq), "none is missing or moved");
    let mut carol = server.login_to("carol", ROOM);
    carol.send("저는 여기 있어요");
    carol.expect_next("carol: 저는 여기 있어요");
    assert_eq!(server.export(ROOM).len(), said.len() + 1);
    server.verify();
    (server, said.into_iter().map(|said| said.text).collect())
}

/// Talks in the room until it is over; `said` counts what was acknowledged.
fn talk_until(server: &Server, is_over: &AtomicBool, said: &AtomicU64) {
    let mut alice = server.login_to("alice", ROOM);
    let mut last = said.load(Ordering::SeqCst);
    while !is_over.load(Ordering::SeqCst) {
        talk(&mut alice, last + 1, last + 50);
        last += 50;
        said.store(last, Ordering::SeqCst);
        // Not so much that everything takes long.
        sleep(Duration::from_millis(20));
    }
}

fn await_said(said: &AtomicU64, count: u64) {
    let asked_at = Instant::now();
    while said.load(Ordering::SeqCst) < count {
        assert!(asked_at.elapsed() < PATIENCE, "it talks");
        sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_backup_of_a_busy_server_has_all_that_was_acknowledged_and_people_continue_from_it() {
    let server = Server::start(2, &[]);
    let place = new_directory();
    let to = place.path().join("backups");
    let (is_over, said) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut bob = server.login_to("bob", "r1");
    bob.send("beside it");
    bob.expect_next("bob: beside it");
    std::thread::scope(|scope| {
        scope.spawn(|| talk_until(&server, &is_over, &said));
        for round in 1..=3 {
            await_said(&said, round * 400);
            let before = said.load(Ordering::SeqCst);
            let told = back_up(&server.data(), &to, &[], 0);
            assert!(number_of(&told, " messages in ") > before && told.contains(" in 2 rooms, "), "{told}");
            log(&newest(&to), &["verify"]);
            let directory = new_directory();
            let told = restore(&to, &directory.path().join("data"), &[], 0);
            assert!(told.contains("begins a new epoch"), "{told}");
            let (restored, texts) = check_starts(directory, 2);
            assert!(texts.len() as u64 >= before, "{} of {before}", texts.len());
            assert!(texts.iter().zip(1..).all(|(found, number)| *found == text(number)));
            assert_eq!(restored.export("r1").len(), 1);
            assert_ne!(epoch_of(&restored), epoch_of(&server));
        }
        is_over.store(true, Ordering::SeqCst);
    });
    assert_eq!(names(&to).len(), 3);
    for path in [to.clone(), newest(&to), newest(&to).join("shard-00")] {
        assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o700);
    }
}

fn segments(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory.join("shard-00")).expect("a shard").flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
    paths.sort();
    paths
}

fn inode(path: &Path) -> u64 {
    fs::metadata(path).expect("a file").ino()
}

#[test]
fn the_next_backup_copies_only_what_is_new_also_of_a_server_that_hangs() {
    let server = Server::start(1, &[]);
    let place = new_directory();
    let to = place.path().join("backups");
    let mut alice = server.login_to("alice", ROOM);
    talk(&mut alice, 1, 1_500);
    let first = back_up(&server.data(), &to, &[], 0);
    assert_eq!(number_of(&first, " bytes linked"), 0);
    let before = newest(&to);
    talk(&mut alice, 1_501, 1_550);
    server.signal(Signal::STOP);
    let second = back_up(&server.data(), &to, &[], 0);
    server.signal(Signal::CONT);
    assert_eq!(number_of(&second, " messages in "), 1_550);
    let (copied, linked) = (number_of(&second, " bytes copied"), number_of(&second, " bytes linked"));
    assert!(linked > 3_000_000 && copied < 1_300_000, "{second}");
    let (old, new) = (segments(&before), segments(&newest(&to)));
    let same = old.iter().zip(&new).filter(|(old, new)| inode(old) == inode(new)).count();
    assert!(same >= 3 && same < new.len(), "{same} of {}", new.len());
    // Whatever the one before holds.
    let full = back_up(&server.data(), &to, &["--full"], 0);
    assert_eq!(number_of(&full, " bytes linked"), 0);
    assert!(inode(&segments(&newest(&to))[0]) != inode(&old[0]));
    // A segment has the age that it had, by which messages expire.
    let modified = |path: &Path| fs::metadata(path).and_then(|found| found.modified()).expect("a time");
    assert_eq!(modified(&segments(&newest(&to))[0]), modified(&server.files(0, "seg")[0]));
}

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

/// A stopped server's data with a few messages.
fn stopped() -> Server {
    let mut server = Server::start(1, &[]);
    let mut alice = server.login_to("alice", ROOM);
    talk(&mut alice, 1, 400);
    assert!(server.terminate().0.success());
    server
}

/// Changes a byte in the middle of a file.
fn damage(path: &Path) {
    let mut bytes = fs::read(path).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).expect("space");
}

#[test]
fn old_backups_go_the_newest_whole_one_stays_and_what_is_not_ours_is_left_alone() {
    let server = stopped();
    let place = new_directory();
    let to = place.path().join("backups");
    back_up(&server.data(), &to, &[], 0);
    fs::rename(newest(&to), to.join("2020-01-02T00-00-00Z")).expect("rename");
    for name in ["2019-01-01T00-00-00Z", "2019-01-01", "2019-01-01T00-00-00Z.old", "notes"] {
        fs::create_dir(to.join(name)).expect("a directory");
    }
    fs::write(to.join("2019-01-03T00-00-00Z"), "a file").expect("space");
    let all = names(&to);
    back_up(&server.data(), &to, &["--keep-days", "0"], 0);
    assert_eq!(names(&to).len(), all.len() + 1, "0 keeps all");
    fs::remove_dir_all(newest(&to.clone()).with_file_name("notes")).expect("remove");
    fs::remove_dir_all(newest(&to)).expect("remove");
    // A backup with faults takes the place of none.
    let segment = server.files(0, "seg").remove(0);
    let sound = fs::read(&segment).expect("a segment");
    damage(&segment);
    let told = back_up(&server.data(), &to, &["--full", "--set", "backup.keep_days=9"], 1);
    assert!(told.contains("bytes are damaged") && told.contains(".faulty'"), "{told}");
    let left = names(&to);
    assert!(left.contains(&"2020-01-02T00-00-00Z".to_owned()), "{left:?}");
    assert!(!left.contains(&"2019-01-01T00-00-00Z".to_owned()), "{left:?}");
    let faulty = newest(&to);
    assert!(faulty.to_string_lossy().ends_with("Z.faulty"));
    fs::write(&segment, sound).expect("space");
    let told = back_up(&server.data(), &to, &["--keep-days", "9"], 0);
    assert!(told.contains("; 1 old backup removed"), "{told}");
    let left = names(&to);
    assert!(!left.contains(&"2020-01-02T00-00-00Z".to_owned()), "{left:?}");
    for name in ["2019-01-01", "2019-01-01T00-00-00Z.old", "2019-01-03T00-00-00Z"] {
        assert!(left.contains(&name.to_owned()), "{left:?}");
    }
    // It is restored only by name, and when that is said.
    let data = place.path().join("data");
    assert!(restore(&faulty, &data, &[], 1).contains("--accept-faults"));
    assert!(!data.exists());
    restore(&faulty, &data, &["--accept-faults"], 0);
    assert!(data.exists());
}

#[test]
fn what_is_damaged_in_a_backup_is_found_before_it_is_served_and_a_full_one_is_without_it() {
    let server = stopped();
    let place = new_directory();
    let to = place.path().join("backups");
    let data = place.path().join("data");
    back_up(&server.data(), &to, &[], 0);
    damage(&segments(&newest(&to))[0]);
    let told = restore(&to, &data, &[], 1);
    assert!(told.contains("bytes are damaged") && told.contains("was removed"), "{told}");
    assert!(!data.exists() && !place.path().join("data.restoring").exists());
    back_up(&server.data(), &to, &["--full"], 0);
    restore(&to, &data, &[], 0);
}

#[test]
fn a_place_that_cannot_be_used_is_refused_with_the_remedy() {
    let server = stopped();
    let place = new_directory();
    let data = server.data();
    let expect = |to: &Path, parts: &[&str]| {
        let told = back_up(&data, to, &[], 2);
        for part in parts {
            assert!(told.contains(part), "{part}: {told}");
        }
    };
    expect(&data.join("backups"), &["is inside the data directory", "choose a directory elsewhere"]);
    expect(&data, &["is inside the data directory"]);
    std::os::unix::fs::symlink(&data, place.path().join("link")).expect("a link");
    expect(&place.path().join("link/backups"), &["is inside the data directory"]);
    fs::create_dir(place.path().join("others")).expect("a directory");
    fs::write(place.path().join("others/file"), "").expect("space");
    expect(&place.path().join("others"), &["is no directory of backups and is not empty"]);
    expect(&place.path().join("missing/backups"), &["create the directory above it (is its disk mounted?)"]);
    let later = place.path().join("later");
    fs::create_dir(&later).expect("a directory");
    fs::write(later.join("madang.backups"), "madang backups 2\n").expect("space");
    expect(&later, &["later madang", "'madang backups 2'"]);
    let to = place.path().join("backups");
    back_up(&data, &to, &[], 0);
    let lock = File::open(to.join("madang.backups.lock")).expect("a lock file");
    lock.lock().expect("it is free");
    fs::write(to.join("madang.backups.lock"), format!("process {} (madang backup)\n", std::process::id()))
        .expect("space");
    expect(&to, &["are in use by process ", " (madang backup); try again"]);
    assert_eq!(names(&to).len(), 1);
    let told = back_up(&place.path().join("others"), &to, &[], 2);
    assert!(told.contains("no log in"), "{told}");
    drop(lock);
    let index = server.files(0, "idx").remove(0);
    fs::remove_file(&index).expect("remove");
    fs::create_dir(&index).expect("a directory");
    expect(&to, &["cannot read index '", "it is a directory, not a regular file; move it away"]);
    assert_eq!(names(&to).len(), 1, "what was begun is removed");
}

#[test]
fn a_full_disk_is_named_and_gets_its_space_back() {
    let server = stopped();
    let place = new_directory();
    let Some(disk) = SmallDisk::mount(place.path().join("disk"), "1m") else {
        eprintln!("not tried: this user may not mount");
        return;
    };
    let to = disk.path().join("backups");
    let told = back_up(&server.data(), &to, &[], 2);
    for part in ["cannot copy '", ".seg': No space left on device", "free some space on its file system"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(names(&to).is_empty(), "{:?}", names(&to));
    disk.resize("20m");
    back_up(&server.data(), &to, &[], 0);
    // So it is where the backup is restored to.
    let told = restore(&to, &disk.path().join("data"), &[], 0);
    assert!(told.contains(" 400 messages in 1 room, "), "{told}");
    let mount =
        Command::new("mount").args(["-o", "remount,ro"]).arg(disk.path()).status().expect("run mount");
    assert!(mount.success());
    assert!(back_up(&server.data(), &to, &[], 2).contains("mount its file system for writing"));
    // Backups can be restored from what cannot be written.
    restore(&to, &place.path().join("data"), &[], 0);
}

#[test]
fn a_restore_replaces_nothing_and_takes_the_backup_of_the_time_that_is_said() {
    let mut server = stopped();
    let place = new_directory();
    let to = place.path().join("backups");
    back_up(&server.data(), &to, &[], 0);
    fs::rename(newest(&to), to.join("2026-11-01T00-00-00Z")).expect("rename");
    server.start_again();
    let mut alice = server.login_to("alice", ROOM);
    talk(&mut alice, 401, 410);
    back_up(&server.data(), &to, &["--keep-days", "0"], 0);
    assert!(restore(&to, &server.data(), &[], 2).contains("a server runs on"));
    server.kill_nine();
    let told = restore(&to, &server.data(), &[], 2);
    assert!(told.contains("is not empty, and a restore replaces nothing; move it away"), "{told}");
    let data = place.path().join("data");
    for at in ["2026-11-01T00-00-00Z", "2026-11-02", "2026-11-01T09:00:00+09:00"] {
        assert!(restore(&to, &data, &["--at", at], 0).contains(" 400 messages "), "{at}");
        fs::remove_dir_all(&data).expect("remove");
    }
    let told = restore(&to, &data, &["--at", "2026-10-31"], 2);
    assert!(told.contains("has no whole backup that began by 2026-10-31 00:00:00"), "{told}");
    let told = restore(place.path(), &data, &[], 2);
    assert!(told.contains("is no backup, and no directory with a whole one"), "{told}");
    // An empty directory is none that would be replaced, and what an interrupted restore left goes.
    fs::create_dir(&data).expect("a directory");
    fs::create_dir_all(place.path().join("data.restoring/shard-00")).expect("a directory");
    restore(&to, &data, &[], 0);
    let list = madang().args(["restore", "--list"]).arg(&to).output().expect("run madang");
    let told = words(&list);
    let rows: Vec<Vec<&str>> = told.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["time", "messages", "rooms", "bytes", "state"]);
    assert_eq!(rows[1][..3], ["2026-11-01T00-00-00Z", "400", "1"]);
    assert_eq!((rows[2][1], rows[2][4], rows.len()), ("410", "whole", 3));
    let (_, texts) = check_starts(place, 1);
    assert_eq!(texts.len(), 410);
}

#[test]
fn a_log_of_a_killed_server_and_one_of_format_2_are_backed_up_as_they_are() {
    let mut server = Server::start(2, &[]);
    let mut alice = server.login_to("alice", ROOM);
    talk(&mut alice, 1, 30);
    server.kill_nine();
    let place = new_directory();
    let to = place.path().join("backups");
    back_up(&server.data(), &to, &[], 0);
    let directory = new_directory();
    restore(&to, &directory.path().join("data"), &[], 0);
    // With another number of shards, too.
    let (_, texts) = check_starts(directory, 3);
    assert_eq!(texts.len(), 30);

    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples/log-2");
    let to = place.path().join("old");
    let told = back_up(&sample, &to, &[], 0);
    assert!(told.contains(": 9 messages in 4 rooms, "), "{told}");
    let directory = new_directory();
    let data = directory.path().join("data");
    restore(&to, &data, &[], 0);
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    let kept = fs::read_to_string(sample.join("export.jsonl")).expect("the kept export");
    assert_eq!(sorted(&log(&data, &["export", "--all", "--format", "jsonl"])), sorted(&kept));
    assert_eq!(check_starts(directory, 3).1.len(), 3);
}

#[test]
fn a_mistake_in_the_configuration_stops_no_backup_and_removes_none() {
    let server = stopped();
    let place = new_directory();
    let to = place.path().join("backups");
    back_up(&server.data(), &to, &[], 0);
    fs::rename(newest(&to), to.join("2020-01-01T00-00-00Z")).expect("rename");
    let told = back_up(&server.data(), &to, &["--set", "limits.burst=-1"], 2);
    for part in ["limits.burst = -1", "no older backup is removed", " 400 messages "] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(names(&to).len(), 2);
}

#[test]
fn a_backup_of_a_clock_that_was_wrong_is_named_and_stays() {
    let server = stopped();
    let place = new_directory();
    let to = place.path().join("backups");
    back_up(&server.data(), &to, &[], 0);
    let later = to.join("2099-01-01T00-00-00Z");
    fs::rename(newest(&to), &later).expect("rename");
    let told = back_up(&server.data(), &to, &["--keep-days", "1"], 0);
    assert!(told.contains("2099-01-01T00-00-00Z' has a later time than now"), "{told}");
    assert!(number_of(&told, " bytes copied") < number_of(&told, " bytes linked"), "{told}");
    assert_eq!(names(&to).len(), 2);
    // One that was renamed is still one.
    fs::rename(&later, to.join("kept")).expect("rename");
    let told = restore(&to.join("kept"), &place.path().join("data"), &[], 0);
    assert!(told.contains(" 400 messages in 1 room"), "{told}");
}
