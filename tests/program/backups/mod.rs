//! `madang backup` beside a server or without one, and `madang restore`: what was acknowledged is there, whatever happens
//! meanwhile, and what was interrupted counts as nothing.

mod archives;
mod meanwhile;
mod places;
mod restores;

use crate::harness::long_talk::{talk, text};
use crate::harness::{PATIENCE, Server, madang};
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
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
