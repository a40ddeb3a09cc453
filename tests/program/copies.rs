//! A copy of the data directory that is taken while a server writes it: its files are of different times, and
//! it starts all the same, at worst without the newest messages; their numbers are not given again.

use crate::harness::{Client, PATIENCE, Refused, Server};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const TEXT_BYTES: usize = 3_000;

fn text(number: u64) -> String {
    format!("number {number} {}", "x".repeat(TEXT_BYTES))
}

fn talk(alice: &mut Client, first: u64, last: u64) {
    for start in (first..=last).step_by(50) {
        let numbers = start..=last.min(start + 49);
        let lines: String = numbers.clone().map(|number| text(number) + "\n").collect();
        alice.send_bytes(lines.as_bytes());
        alice.expect_all(numbers.map(|number| format!("alice: {}", text(number))));
    }
}

fn new_directory() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory")
}

/// Copies as an operator would, into `to`.
fn copy(data: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(data).arg(to).output().expect("cp");
    // A file that has just been renamed is not there any more.
    let words = String::from_utf8_lossy(&copied.stderr);
    assert!(words.lines().all(|line| line.contains("No such file")), "{words}");
}

/// Starts on a copy, and checks that a room goes on behind what is there.
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
    server.kill_nine();
    vec![(open.with_extension("idx"), None), (open, Some(then))]
}

#[test]
fn a_segment_that_was_copied_before_it_was_sealed_costs_its_end_in_the_copy_and_stops_the_original() {
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
    let (copied, numbers) = check_starts(directory, "r1", &[]);
    assert_eq!(numbers.last(), Some(&901), "numbers go on behind what is there");
    assert!(numbers.len() < 901 && numbers.starts_with(&[1, 2, 3]), "the end of one segment is missing");
    copied.expect_words(&[
        "messages are not in this copy; their numbers stay taken",
        "was copied while a server",
    ]);
}
