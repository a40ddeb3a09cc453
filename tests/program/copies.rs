//! A copy of the data directory that is taken while a server writes it: its files are of different times, and
//! it starts all the same, at worst without the newest messages; their numbers are not given again.

use crate::harness::long_talk::talk;
use crate::harness::{PATIENCE, Refused, Server, copy, madang, needs_birth_times, refused_start_with};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn new_directory() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory")
}

/// Runs `madang log repair` on a copy.
#[track_caller]
fn repair(data: &Path, arguments: &[&str], code: i32) -> String {
    let mut program = madang();
    let output =
        program.args(["log", "repair", "--data"]).arg(data).args(arguments).output().expect("madang");
    let words = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {words}");
    words
}

/// Whether a start on a copy would have to give numbers again.
fn is_asked_for(data: &Path) -> bool {
    let mut program = madang();
    let planned = program.args(["log", "repair", "--data"]).arg(data).output().expect("madang");
    String::from_utf8_lossy(&planned.stdout).contains("will be reused")
}

/// Starts on a copy, and checks that a room continues after what is there.
#[track_caller]
fn check_starts(directory: TempDir, room: &str, settings: &[&str]) -> (Server, Vec<u64>) {
    let server = Server::start_on(directory, 1, settings);
    let before: Vec<u64> = server.export(room).iter().map(|said| said.seq).collect();
    assert!(before.is_sorted_by(|a, b| a < b), "{before:?}");
    let mut bob = server.login_to("bob", room);
    bob.send("here I go on");
    bob.expect_next("bob: here I go on");
    let after: Vec<u64> = server.export(room).iter().map(|said| said.seq).collect();
    assert!(after.len() == before.len() + 1 && after.is_sorted_by(|a, b| a < b), "{after:?}");
    server.verify();
    (server, after)
}

#[test]
fn a_copy_of_a_busy_directory_starts() {
    check_copies(&[]);
}

/// While it is copied segments vanish.
#[test]
fn a_copy_of_a_busy_directory_that_lets_messages_expire_starts() {
    check_copies(&["log.retain_bytes=3000000"]);
}

fn check_copies(settings: &[&str]) {
    needs_birth_times();
    let server = Server::start(1, settings);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let talking = scope.spawn(|| {
            let mut alice = server.login_to("alice", "r1");
            let mut said = 0;
            while !is_over.load(Ordering::Relaxed) && said < 30_000 {
                talk(&mut alice, said + 1, said + 200);
                said += 200;
            }
        });
        // From when there are several segments on.
        let asked_at = Instant::now();
        let shard = server.data().join("shard-00");
        while !shard.is_dir() || server.files(0, "idx").len() < 2 {
            assert!(asked_at.elapsed() < PATIENCE, "it talks");
            std::thread::sleep(Duration::from_millis(5));
        }
        for _ in 0..4 {
            let directory = new_directory();
            copy(&server.data(), directory.path());
            // It took longer than anything is kept.
            let data = directory.path().join("data");
            if is_asked_for(&data) {
                repair(&data, &["--yes", "--forget-expired-rooms"], 0);
            }
            check_starts(directory, "r1", settings);
        }
        is_over.store(true, Ordering::Relaxed);
        talking.join().expect("it talks");
    });
}

/// The files of a running server's directory as a copy has them that took the open segment first: it is not
/// sealed, and later ones are there.
fn torn_picture(server: &mut Server) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let mut alice = server.login_to("alice", "r1");
    talk(&mut alice, 1, 450);
    let mut bob = server.login_to("bob", "late");
    let open = server.files(0, "seg").into_iter().nth(1).expect("the open segment");
    let then = fs::read(&open).expect("a segment");
    bob.send("behind what was copied");
    bob.expect_next("bob: behind what was copied");
    talk(&mut alice, 451, 900);
    let index = open.with_extension("idx");
    let asked_at = Instant::now();
    while !index.exists() {
        assert!(asked_at.elapsed() < PATIENCE, "a sealed segment gets an index");
        sleep(Duration::from_millis(5));
    }
    server.kill_nine();
    vec![(index, None), (open, Some(then))]
}

#[test]
fn a_segment_that_was_copied_before_it_was_sealed_costs_its_end_in_the_copy_and_stops_the_original() {
    needs_birth_times();
    let mut server = Server::start(1, &[]);
    let picture = torn_picture(&mut server);
    for (path, bytes) in &picture {
        match bytes {
            Some(bytes) => fs::write(path, bytes).expect("write"),
            None => fs::remove_file(path).expect("an index"),
        }
    }
    // Where it was written this is damage.
    let Refused { code, words } = server.refused_start_again();
    assert_eq!(code, Some(2), "{words}");
    assert!(words.contains("it ends without a seal"), "{words}");
    // The refused start has named itself in the lock file; the copy is another file all the same.
    let directory = new_directory();
    copy(&server.data(), directory.path());
    // Where the file system does not record when a file was made, nobody knows whether this is a copy.
    let data = directory.path().join("data");
    let lock = data.join("madang.lock");
    let named = fs::read_to_string(&lock).expect("a lock file");
    let (unborn, _) = named.rsplit_once(" born ").expect("when it was made");
    fs::write(&lock, format!("{unborn}\n")).expect("written");
    let refused = refused_start_with(&data, "127.0.0.1:0", &[]);
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{words}");
    assert!(words.contains("it ends without a seal"), "{words}");
    fs::write(&lock, named).expect("written");
    let (copied, numbers) = check_starts(directory, "r1", &[]);
    assert_eq!(numbers.last(), Some(&901), "numbers go on behind what is there");
    assert!(numbers.len() < 901 && numbers.starts_with(&[1, 2, 3]), "the end of one segment is missing");
    copied.expect_words(&[
        "messages are not in this copy; their numbers are not reused",
        "was copied while a server",
    ]);
}

/// A copy that took the snapshot early, and took longer than anything is kept: a room whose last messages came
/// and expired in between would begin anew. With a front that was copied early, too, there is a gap instead.
#[test]
fn a_copy_whose_rooms_would_begin_anew_starts_only_once_somebody_says_that_they_may() {
    needs_birth_times();
    let settings = ["log.retain_bytes=2000000"];
    let mut server = Server::start(1, &settings);
    let mut said = 0;
    let mut talk_until = |server: &Server, is_over: &dyn Fn() -> bool| {
        let mut alice = server.login_to("alice", "r1");
        while !is_over() {
            talk(&mut alice, said + 1, said + 100);
            said += 100;
            assert!(said < 20_000, "the oldest segments expire");
        }
    };
    let first = server.data().join("shard-00/00000000000000000001.seg");
    talk_until(&server, &|| server.data().join("shard-00/rooms.snapshot.copy").exists() && !first.exists());
    assert!(server.terminate().0.success());
    let early = |name: &str| server.data().join("shard-00").join(name);
    let names = ["rooms.snapshot", "rooms.snapshot.copy"].map(str::to_owned);
    let front = server.files(0, "seg").swap_remove(0);
    let front_name = front.file_name().expect("a name").to_string_lossy().into_owned();
    let read = |name: &String| (name.clone(), fs::read(early(name)).expect("a file"));
    let snapshots = names.each_ref().map(read);
    let front_bytes = read(&front_name);
    server.start_again();
    let mut bob = server.login_to("bob", "mid");
    for number in 1..=3 {
        bob.send(&format!("said {number}"));
        bob.expect_next(&format!("bob: said {number}"));
    }
    drop(bob);
    let heard = server.files(0, "seg");
    talk_until(&server, &|| heard.iter().all(|segment| !segment.exists()));
    assert!(server.terminate().0.success());

    for has_front in [false, true] {
        let directory = new_directory();
        copy(&server.data(), directory.path());
        let data = directory.path().join("data");
        let taken_early = snapshots.iter().chain(has_front.then_some(&front_bytes));
        for (name, bytes) in taken_early {
            fs::write(data.join("shard-00").join(name), bytes).expect("written");
        }
        let refused = refused_start_with(&data, "127.0.0.1:0", &settings);
        let words = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{words}");
        for part in ["is not repaired automatically", "numbers will be reused", "madang log repair"] {
            assert!(words.contains(part), "{part}: {words}");
        }
        assert!(repair(&data, &[], 1).contains("nothing was changed"));
        repair(&data, &["--yes", "--forget-expired-rooms"], 0);
        check_starts(directory, "r1", &settings);
    }
}
