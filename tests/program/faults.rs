//! Each fault that a disk can have while the log is used or before it is opened: what people see, what is reported to
//! the operator, and that nothing acknowledged is lost. The table is in docs/durability.md.

use crate::harness::long_talk::{talk, text};
use crate::harness::{Client, PATIENCE, Refused, Server, forbid, forbid_writes, ours, tested_program};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use syscalls::Sysno;

const ROOM: &str = "r1";

#[track_caller]
fn check_stored(server: &Server, last: u64) {
    let stored = server.export(ROOM);
    let expected = (1..=last).map(|number| (number, text(number)));
    assert!(stored.into_iter().map(|said| (said.seq, said.text)).eq(expected), "messages 1 to {last}");
}

/// The numbers that `/history` shows, and its other lines.
fn page(client: &mut Client, asked: &str) -> (Vec<u64>, Vec<String>) {
    let (mut numbers, mut others) = (Vec::new(), Vec::new());
    for line in client.ask(asked) {
        let number = line.strip_prefix('#').and_then(|rest| rest.split(' ').next()?.parse().ok());
        match number {
            Some(number) => numbers.push(number),
            None => others.push(line),
        }
    }
    (numbers, others)
}

/// Changes one bit of the text of a message, wherever the log has it.
fn damage(server: &Server, number: u64) -> PathBuf {
    let words = format!("number {number} ");
    for path in server.files(0, "seg") {
        let mut bytes = fs::read(&path).expect("a segment");
        if let Some(at) = bytes.windows(words.len()).position(|found| found == words.as_bytes()) {
            bytes[at] ^= 1;
            write_over(&path, &bytes);
            return path;
        }
    }
    panic!("message {number} is not in the log");
}

/// Changes a file where it is, while others have it open.
fn write_over(path: &Path, bytes: &[u8]) {
    use std::os::unix::fs::FileExt;
    let file = fs::OpenOptions::new().write(true).open(path).expect("open for writing");
    file.write_all_at(bytes, 0).expect("write");
}

fn everything(server: &Server) -> BTreeMap<PathBuf, Vec<u8>> {
    let read = |path: PathBuf| (path.clone(), fs::read(path).expect("a file"));
    ["seg", "idx"].iter().flat_map(|extension| server.files(0, extension)).map(read).collect()
}

/// The start is refused for good with these words, and changes nothing.
#[track_caller]
fn expect_refused(server: &Server, words: &[&str]) {
    let before = everything(server);
    let Refused { code, words: said } = server.refused_start_again();
    assert_eq!(code, Some(2), "{said}");
    for part in words.iter().chain(&["the log is damaged and was left as it is", "madang log repair"]) {
        assert!(said.contains(part), "expected {part:?} in: {said}");
    }
    assert!(before == everything(server), "a refused start changes nothing");
    let verified = server.log_tool(&["verify"]);
    assert_eq!(verified.status.code(), Some(1), "{verified:?}");
}

#[test]
fn a_damaged_byte_in_an_open_segment_stops_the_start_and_costs_only_its_message() {
    let mut server = Server::start(1, &[]);
    let mut alice = server.login_to("alice", ROOM);
    (1..=10).for_each(|number| talk(&mut alice, number, number));
    server.kill_nine();
    let segment = damage(&server, 3);
    let segment = segment.display().to_string();
    expect_refused(&server, &[&segment, "bytes are damaged", "message #3 of room 'r1' is missing"]);
    assert!(server.log_tool(&["repair", "--yes"]).status.success());
    server.start_again();
    let numbers: Vec<u64> = server.export(ROOM).iter().map(|said| said.seq).collect();
    assert_eq!(numbers, [1, 2, 4, 5, 6, 7, 8, 9, 10]);
}

#[test]
fn a_damaged_byte_in_a_sealed_segment_is_told_when_it_is_asked_for_until_the_file_is_restored() {
    let mut server = Server::start(1, &[]);
    let mut alice = server.login_to("alice", ROOM);
    talk(&mut alice, 1, 700);
    assert!(server.terminate().0.success());
    let sound = everything(&server);
    let segment = damage(&server, 77);
    let verified = server.log_tool(&["verify"]);
    let words = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert_eq!(verified.status.code(), Some(1), "{words}");
    let shown = segment.display().to_string();
    for part in [&shown, "bytes are damaged", "message #77 of room 'r1' is missing"] {
        assert!(words.contains(part), "expected {part:?} in: {words}");
    }

    server.start_again();
    let mut alice = server.login_to("alice", ROOM);
    alice.ask("/who");
    let (numbers, others) = page(&mut alice, "/history 10 before 80");
    let told = "! messages #70 to #79 cannot be read: the disk reports errors; ask the operator";
    assert_eq!((numbers, others), (vec![], vec![told.to_owned()]));
    server.expect_words(&["stored messages cannot be shown", "message #77 is damaged: segment 1 of shard 0"]);
    talk(&mut alice, 701, 710);
    write_over(&segment, &sound[&segment]);
    assert_eq!(page(&mut alice, "/history 3 before 79").0, [76, 77, 78]);
    check_stored(&server, 710);
}

#[test]
fn a_damaged_byte_under_a_running_server_is_told_to_who_asks_for_it_and_to_the_operator() {
    let server = Server::start(1, &[]);
    let mut alice = server.login_to("alice", ROOM);
    let mut said = 200;
    talk(&mut alice, 1, said);
    damage(&server, 50);
    // First in the open segment, then the same place in a sealed one.
    for more in [500, 0] {
        let (numbers, others) = page(&mut alice, "/history 20 before 60");
        let told = "! messages #40 to #59 cannot be read: the disk reports errors; ask the operator";
        assert_eq!((numbers, others), (vec![], vec![told.to_owned()]));
        assert_eq!(page(&mut alice, "/history 5 before 40").0, [35, 36, 37, 38, 39]);
        assert_eq!(page(&mut alice, "/history 3 after 60").0, [61, 62, 63]);
        talk(&mut alice, said + 1, said + more);
        said += more;
    }
    assert!(server.files(0, "idx").len() >= 2, "the damaged segment is sealed");
    server.expect_words(&["stored messages cannot be shown", "message #50 is damaged: segment 1 of shard 0"]);
}

#[test]
fn a_damaged_index_is_made_again_and_the_operator_is_told() {
    let mut server = Server::start(1, &[]);
    let mut alice = server.login_to("alice", ROOM);
    talk(&mut alice, 1, 700);
    server.kill_nine();
    let flip = |path: &Path| {
        let mut bytes = fs::read(path).expect("an index");
        bytes.iter_mut().for_each(|byte| *byte ^= 1);
        write_over(path, &bytes);
    };
    let index = server.files(0, "idx").swap_remove(0);
    let sound = fs::read(&index).expect("an index");
    flip(&index);
    // A start asks the indexes only for what the snapshot does not cover.
    let _ = fs::remove_file(index.with_file_name("rooms.snapshot"));
    server.start_again();
    server.expect_words(&[
        "a segment has no index; it is rebuilt",
        &index.with_extension("seg").display().to_string(),
    ]);
    flip(&index);
    let mut alice = server.login_to("alice", ROOM);
    assert_eq!(page(&mut alice, "/history 3 before 10").0, [7, 8, 9]);
    server.expect_words(&["an index was missing or damaged, and was rebuilt"]);
    assert_eq!(fs::read(&index).expect("an index"), sound);
    check_stored(&server, 700);
}

#[test]
fn a_missing_segment_in_the_middle_stops_the_start_until_it_is_put_back() {
    let mut server = Server::start(1, &[]);
    let mut alice = server.login_to("alice", ROOM);
    talk(&mut alice, 1, 1_000);
    let segments = server.files(0, "seg");
    assert!(segments.len() >= 3, "{segments:?}");
    let aside = server.data().join("aside");
    fs::rename(&segments[1], &aside).expect("take it away");
    let told = "! messages #495 to #499 cannot be read: the disk reports errors; ask the operator";
    assert_eq!(page(&mut alice, "/history 5 before 500"), (vec![], vec![told.to_owned()]));
    let missing = segments[1].display().to_string();
    server.expect_words(&[&missing, "it is missing, though the segment before it is there; restore it"]);
    assert_eq!(page(&mut alice, "/history 3 before 50").0, [47, 48, 49]);
    talk(&mut alice, 1_001, 1_010);
    assert!(server.terminate().0.success());
    expect_refused(&server, &["segment 2 is missing; restore the file"]);
    fs::rename(&aside, &segments[1]).expect("put it back");
    server.start_again();
    check_stored(&server, 1_010);
}

#[test]
fn a_future_format_version_stops_the_start_and_is_never_taken_for_damage() {
    let mut server = Server::start(1, &[]);
    let mut alice = server.login_to("alice", ROOM);
    talk(&mut alice, 1, 500);
    assert!(server.terminate().0.success());
    let segment = server.files(0, "seg").swap_remove(0);
    let sound = fs::read(&segment).expect("a segment");
    let mut newer = sound.clone();
    newer[8..12].copy_from_slice(&99_u32.to_le_bytes());
    let checksum = crc32c(&newer[..60]);
    newer[60..64].copy_from_slice(&checksum.to_le_bytes());
    write_over(&segment, &newer);
    let shown = segment.display().to_string();
    expect_refused(&server, &[&shown, "it has format version 99, this madang knows 3; start a newer madang"]);
    let repaired = server.log_tool(&["repair", "--yes"]);
    assert!(!repaired.status.success(), "{repaired:?}");
    assert_eq!(fs::read(&segment).expect("a segment"), newer);
    write_over(&segment, &sound);
    server.start_again();
    check_stored(&server, 500);
}

/// Bit by bit: Castagnoli's polynomial, reflected.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// A directory in which nothing can be made, renamed or removed, as on a disk mounted read-only.
struct ReadOnly(PathBuf);

impl ReadOnly {
    /// `None` where this user or this file system cannot.
    fn make(directory: PathBuf) -> Option<ReadOnly> {
        is_changed("+i", &directory).then_some(ReadOnly(directory))
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        is_changed("-i", &self.0);
    }
}

fn is_changed(how: &str, directory: &Path) -> bool {
    let status = Command::new("chattr").arg(how).arg(directory).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

#[test]
fn a_directory_made_read_only_refuses_messages_serves_readers_and_recovers_by_itself() {
    let mut server = Server::start(1, &[]);
    let mut alice = server.login_to("alice", ROOM);
    talk(&mut alice, 1, 50);
    let Some(read_only) = ReadOnly::make(server.data().join("shard-00")) else {
        eprintln!("not tried: this user may not make a directory immutable here");
        return;
    };
    let mut stored = 50;
    loop {
        alice.send(&text(stored + 1));
        let answer = alice.read_line();
        if answer.starts_with("! ") {
            assert!(answer.contains("could not be stored: the disk cannot be written"), "{answer}");
            break;
        }
        stored += 1;
        assert!(stored < 2_000, "what was made ready before is full in the end");
    }
    server.expect_words(&[
        "no next segment: messages are refused",
        "cannot prepare segment",
        "not permitted",
    ]);
    assert_eq!(page(&mut alice, "/history 3").0, [stored - 2, stored - 1, stored]);
    let _bob = server.login_to("bob", ROOM);
    alice.expect_next("bob has joined r1");

    drop(read_only);
    let returned_at = Instant::now();
    loop {
        alice.send(&text(stored + 1));
        let answer = alice.read_line();
        if answer.starts_with("alice: ") {
            break;
        }
        assert!(answer.contains("could not be stored") && returned_at.elapsed() < PATIENCE, "{answer}");
        alice.ask("/who");
    }
    talk(&mut alice, stored + 2, stored + 500);
    assert_eq!(page(&mut alice, "/history 3 before 10").0, [7, 8, 9]);
    server.kill_nine();
    check_stored(&server, stored + 500);
    server.verify();
}

#[test]
fn a_directory_that_is_read_only_at_the_start_is_named_and_nothing_is_lost() {
    let mut server = Server::start(1, &[]);
    let mut alice = server.login_to("alice", ROOM);
    talk(&mut alice, 1, 10);
    server.kill_nine();
    for (directory, code, words) in [
        (server.data(), 2, "cannot write to data directory"),
        (server.data().join("shard-00"), 1, "run as the user that owns it"),
    ] {
        let Some(_read_only) = ReadOnly::make(directory.clone()) else {
            eprintln!("not tried: this user may not make a directory immutable here");
            return;
        };
        let refused = server.refused_start_again();
        assert_eq!(refused.code, Some(code), "{}", refused.words);
        let named = directory.display().to_string();
        for part in [words, "Operation not permitted", &named] {
            assert!(refused.words.contains(part), "expected {part:?} in: {}", refused.words);
        }
    }
    server.start_again();
    check_stored(&server, 10);
}

/// A room in which one message is on its way for ever, and what is said of all others.
#[track_caller]
fn expect_refusals(server: &Server, is_first_on_its_way: bool, reason: &str) {
    // What is on its way holds up who enters its room: nobody else does.
    let mut alice = server.login_to("alice", ROOM);
    if is_first_on_its_way {
        alice.send("on its way");
        server.expect_words(&["the log cannot be written: messages are refused until it can"]);
    } else {
        server.expect_words(&["no segment: messages are refused until there is one"]);
    }
    for _ in 0..3 {
        alice.send("hello");
        alice.expect_error(&["not sent, because it could not be stored", reason]);
    }
    let mut bob = server.login("bob");
    assert!(bob.ask("/whois alice").concat().contains("alice"), "who asks is answered");
}

/// A batch that fails goes to a fresh segment, once a second: those that it leaves give their space back.
#[track_caller]
fn expect_failures_to_take_no_space(server: &Server) {
    const FAILURES: usize = 4;
    let asked_at = Instant::now();
    while server.files(0, "seg").len() < FAILURES {
        assert!(asked_at.elapsed() < 2 * PATIENCE, "it is not tried again: {:?}", server.files(0, "seg"));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let held = |path: &PathBuf| fs::metadata(path).map_or(0, |metadata| metadata.blocks() * 512);
    let held_bytes: Vec<u64> = server.files(0, "seg").iter().map(held).collect();
    // Of the last a write may be under way, and the one after it is made ready.
    let left_bytes: u64 = held_bytes.iter().rev().skip(2).sum();
    assert!(left_bytes < 64 << 10, "segments that hold nothing keep {held_bytes:?}");
}

/// The errors are the kernel's own, in the calls that meet them in life: the batch of the log's thread, its sync, and
/// the segment that is made ready.
#[test]
fn a_quota_and_an_error_of_the_disk_are_told_by_their_kind_whichever_call_meets_them() {
    use rustix::io::Errno;
    const QUOTA: (Errno, &str, &str) = (Errno::DQUOT, "the disk is full", "Disk quota exceeded");
    const DISK: (Errno, &str, &str) = (Errno::IO, "the disk reports errors", "Input/output error");
    const MANY_BYTES: u64 = 64 << 10;
    for (errno, reason, told) in [QUOTA, DISK] {
        let mut batch = ours(tested_program());
        // All but the head of a segment and its zeros.
        forbid_writes(&mut batch, 65..MANY_BYTES, errno);
        let mut server = Server::start_by(batch, 1, &[]);
        expect_refusals(&server, true, reason);
        server.expect_words(&["cannot write to segment", told]);
        expect_failures_to_take_no_space(&server);
        server.kill_nine();
        let stored = server.log_tool(&["export", "--all"]);
        assert!(stored.stdout.is_empty(), "what nobody was shown is not there: {stored:?}");
        server.verify();

        let mut segment = ours(tested_program());
        forbid_writes(&mut segment, MANY_BYTES..u64::MAX, errno);
        let server = Server::start_by(segment, 1, &[]);
        expect_refusals(&server, false, reason);
        server.expect_words(&["cannot prepare segment", told]);
    }
    let mut sync = ours(tested_program());
    forbid(&mut sync, Sysno::fdatasync, DISK.0);
    let server = Server::start_by(sync, 1, &[]);
    expect_refusals(&server, false, DISK.1);
    server.expect_words(&["cannot prepare segment", DISK.2]);
}
