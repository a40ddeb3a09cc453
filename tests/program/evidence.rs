//! What indexes and snapshots prove: a segment that was cut or taken away is damage, and is reported; the numbers of
//! what it held are never given again. Repairs, too, change all or nothing.

use crate::harness::long_talk::talk;
use crate::harness::{Client, Refused, Server, SmallDisk, madang};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const ROOM: &str = "r1";
const SEAL_BYTES: usize = 80;
const HEADER_BYTES: usize = 64;

/// A log of two finished segments and more; a room of which all is in the newest.
fn stopped() -> Server {
    let mut server = Server::start(1, &[]);
    let mut alice = server.login_to("alice", ROOM);
    talk(&mut alice, 1, 399);
    let mut bob = server.login_to("bob", "late");
    bob.send("only here");
    bob.expect_next("bob: only here");
    talk(&mut alice, 400, 400);
    assert!(server.terminate().0.success());
    assert!(server.files(0, "seg").len() >= 2, "the newest segment is one of several");
    server
}

type Contents = BTreeMap<PathBuf, Vec<u8>>;

fn contents(directory: &Path) -> Contents {
    let mut found = Contents::new();
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else if path.is_file() && !path.ends_with("madang.lock") {
            let bytes = fs::read(&path).expect("a file");
            found.insert(path, bytes);
        }
    }
    found
}

/// Puts a stopped server's directory back as it was.
fn restore(server: &Server, sound: &Contents) {
    for path in contents(&server.data()).into_keys() {
        fs::remove_file(path).expect("remove");
    }
    for entry in fs::read_dir(server.data()).expect("a directory").flatten() {
        if entry.file_name().to_string_lossy().starts_with("set-aside") {
            fs::remove_dir_all(entry.path()).expect("remove");
        }
    }
    sound.iter().for_each(|(path, bytes)| fs::write(path, bytes).expect("write"));
}

#[track_caller]
fn tool(server: &Server, arguments: &[&str], code: i32) -> String {
    let output = server.log_tool(arguments);
    let words = [output.stdout, output.stderr].concat();
    let words = String::from_utf8_lossy(&words).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {words}");
    words
}

#[track_caller]
fn expect_words(words: &str, parts: &[&str]) {
    for part in parts {
        assert!(words.contains(part), "expected {part:?} in: {words}");
    }
}

/// The number that the next message of a room gets.
fn next_number(server: &Server, room: &str) -> u64 {
    // The last one was carol, too, and her name is given back at this moment.
    let mut carol = Client::login_when_free(server.address, "carol");
    carol.enter(room, "carol");
    carol.ask("/who general");
    carol.send("what number am I");
    carol.expect_next("carol: what number am I");
    server.export(room).last().expect("it was just said").seq
}

#[test]
fn a_segment_that_was_cut_or_taken_away_is_told_and_its_numbers_are_never_given_again() {
    let mut server = stopped();
    let sound = contents(&server.data());
    let newest = server.files(0, "seg").pop().expect("a segment");
    let number = newest.file_stem().expect("a name").to_string_lossy().trim_start_matches('0').to_owned();
    let bytes = sound[&newest].clone();
    let told = "its index proves that it was whole up to byte";
    let missing = format!("segment {number} is missing");
    let cuts: [(&str, Option<usize>, &str); 5] = [
        ("half of it", Some(bytes.len() / 2), told),
        ("its last message", Some(bytes.len() - SEAL_BYTES - 16), told),
        ("all but its header", Some(HEADER_BYTES), told),
        ("everything", Some(0), told),
        ("the file", None, &missing),
    ];
    for (what, length, words) in cuts {
        restore(&server, &sound);
        match length {
            Some(length) => fs::write(&newest, &bytes[..length]).expect("write"),
            None => fs::remove_file(&newest).expect("remove"),
        }
        let before = contents(&server.data());
        let Refused { code, words: said } = server.refused_start_again();
        assert_eq!(code, Some(2), "{what}: {said}");
        expect_words(&said, &[words, &newest.display().to_string(), "madang log repair", "restore the file"]);
        let verified = tool(&server, &["verify"], 1);
        let next_step = format!("see what `madang log repair --data {}` would do", server.data().display());
        expect_words(&verified, &[words, "#400 of room 'r1'", &next_step]);
        if length.is_none_or(|length| length <= bytes.len() / 2) {
            expect_words(&verified, &["message #1 of room 'late' is missing"]);
        }
        expect_words(&tool(&server, &["repair"], 1), &["nothing was changed"]);
        assert!(before == contents(&server.data()), "{what}: neither start nor tool changes anything");

        let repaired = tool(&server, &["repair", "--yes"], 0);
        assert!(!repaired.contains("given again"), "{what}: {repaired}");
        tool(&server, &["verify"], 0);
        server.start_again();
        assert_eq!(next_number(&server, ROOM), 401, "{what}");
        assert_eq!(next_number(&server, "late"), 2, "{what}");
        assert!(server.terminate().0.success());
        // Also when only the snapshot proves it.
        server.start_again();
        assert_eq!(next_number(&server, ROOM), 402, "{what}");
        assert!(server.terminate().0.success());
    }
}

#[test]
fn a_segment_without_its_seal_lost_nothing_and_is_sealed_again() {
    let mut server = stopped();
    let sound = contents(&server.data());
    let segments = server.files(0, "seg");
    for segment in [segments.first(), segments.last()].into_iter().flatten() {
        for (left, repairs) in [(0, false), (0, true), (SEAL_BYTES / 2, false), (SEAL_BYTES / 2, true)] {
            restore(&server, &sound);
            let bytes = &sound[segment];
            fs::write(segment, &bytes[..bytes.len() - SEAL_BYTES + left]).expect("write");
            expect_words(&tool(&server, &["verify"], 0), &["only its seal is missing", " 0 faults"]);
            if repairs {
                tool(&server, &["repair", "--yes"], 0);
            }
            server.start_again();
            assert!(server.terminate().0.success());
            assert_eq!(fs::read(segment).expect("a segment").len(), bytes.len(), "it is sealed");
            let numbers: Vec<u64> = server.export(ROOM).iter().map(|said| said.seq).collect();
            assert!(numbers.into_iter().eq(1..=400), "nothing is lost");
            tool(&server, &["verify"], 0);
        }
    }
}

#[test]
fn numbers_of_a_room_whose_messages_have_all_expired_go_on_after_a_repair() {
    let (mut server, said) = expired();
    let damaged = server.files(0, "seg").swap_remove(0);
    let mut bytes = fs::read(&damaged).expect("a segment");
    bytes[HEADER_BYTES + 200] ^= 1;
    fs::write(&damaged, bytes).expect("write");
    tool(&server, &["repair", "--yes"], 0);
    server.start_again();
    assert_eq!(next_number(&server, "old"), 6);
    assert_eq!(next_number(&server, ROOM), said + 1);
}

/// A stopped server on a log of which the front has expired, with all that room `old` ever said; and the number
/// of the newest message in the other.
fn expired() -> (Server, u64) {
    let mut server = Server::start(1, &["log.retain_bytes=2000000"]);
    let mut bob = server.login_to("bob", "old");
    for number in 1..=5 {
        bob.send(&format!("said {number}"));
        bob.expect_next(&format!("bob: said {number}"));
    }
    drop(bob);
    let first = server.files(0, "seg").swap_remove(0);
    let mut alice = server.login_to("alice", ROOM);
    let mut said = 0;
    while first.exists() {
        talk(&mut alice, said + 1, said + 100);
        said += 100;
        assert!(said < 10_000, "the oldest segment expires");
    }
    assert!(server.terminate().0.success());
    (server, said)
}

/// The ways in which a file can be lost.
const HARMS: [fn(&Path); 4] = [
    |path| fs::remove_file(path).expect("remove"),
    |path| fs::write(path, "").expect("write"),
    |path| {
        let bytes = fs::read(path).expect("a file");
        fs::write(path, &bytes[..bytes.len() - 1]).expect("write");
    },
    // A room, and nothing that a start would look at.
    |path| {
        let mut bytes = fs::read(path).expect("a file");
        bytes[100] ^= 1;
        fs::write(path, bytes).expect("write");
    },
];

#[test]
fn a_snapshot_that_is_lost_costs_no_number_as_its_copy_tells_them() {
    let (mut server, said) = expired();
    let segment = server.files(0, "seg").swap_remove(0);
    let files = ["rooms.snapshot", "rooms.snapshot.copy"].map(|name| segment.with_file_name(name));
    let sound = contents(&server.data());
    // Nor does its copy alone.
    for (file, harm) in files.iter().flat_map(|file| HARMS.map(|harm| (file, harm))) {
        restore(&server, &sound);
        harm(file);
        let words = tool(&server, &["verify"], 0);
        expect_words(
            &words,
            &[&format!("note: {} at byte", file.display()), "nothing is lost, and it is rebuilt"],
        );
        server.start_again();
        assert_eq!(next_number(&server, "old"), 6);
        assert_eq!(next_number(&server, ROOM), said + 1);
        assert!(server.terminate().0.success());
    }
}

#[test]
fn where_numbers_of_expired_rooms_are_lost_nothing_starts_until_somebody_says_that_they_may_be_given_again() {
    let (mut server, said) = expired();
    let segments = server.files(0, "seg");
    let snapshot = segments[0].with_file_name("rooms.snapshot");
    let copy = segments[0].with_file_name("rooms.snapshot.copy");
    let sound = contents(&server.data());
    for (way, harm) in HARMS.into_iter().enumerate() {
        restore(&server, &sound);
        harm(&snapshot);
        harm(&copy);
        // With the segment damaged, too, a start that would look no further refuses all the same.
        if way % 2 == 1 && way < HARMS.len() - 1 {
            let mut bytes = sound[&segments[0]].clone();
            bytes[HEADER_BYTES + 200] ^= 1;
            fs::write(&segments[0], bytes).expect("write");
        }
        let told = "nothing else holds the numbers of rooms whose messages have all expired";
        expect_words(&tool(&server, &["verify"], 1), &[told, &snapshot.display().to_string()]);
        let before = contents(&server.data());
        for arguments in [&["repair"][..], &["repair", "--yes"]] {
            let words = tool(&server, arguments, 1);
            expect_words(&words, &["nothing was changed", "start again at #1", "numbers will be reused"]);
            assert!(before == contents(&server.data()), "it is as it was");
        }
        if way == HARMS.len() - 1 {
            // A start looks at its ends only; the room that cannot be read does not begin again.
            server.start_again();
            let mut carol = Client::connect(server.address);
            carol.expect("name: ");
            carol.send("carol");
            carol.expect_error(&["the disk reports errors"]);
            assert!(server.terminate().0.success());
        } else {
            let Refused { code, words } = server.refused_start_again();
            assert_eq!(code, Some(2), "{words}");
            expect_words(&words, &[told, "restore the file from a copy", "madang log repair"]);
        }
        let words = tool(&server, &["repair", "--yes", "--forget-expired-rooms"], 0);
        expect_words(&words, &["start again at #1"]);
        tool(&server, &["verify"], 0);
        server.start_again();
        assert_eq!(next_number(&server, ROOM), said + 1, "what is there is known");
        assert!(server.terminate().0.success());
    }
}

#[test]
fn an_oldest_segment_that_was_taken_away_without_its_index_is_told() {
    let mut server = stopped();
    let oldest = server.files(0, "seg").swap_remove(0);
    let aside = server.data().join("aside");
    fs::rename(&oldest, &aside).expect("put aside");
    let Refused { code, words } = server.refused_start_again();
    assert_eq!(code, Some(2), "{words}");
    expect_words(&words, &["before it, segment 1 is missing", "restore the file"]);
    expect_words(&tool(&server, &["verify"], 1), &["messages #1 to #"]);
    fs::rename(&aside, &oldest).expect("put back");
    tool(&server, &["verify"], 0);
    fs::remove_file(&oldest).expect("remove");
    let words = tool(&server, &["repair", "--yes"], 0);
    assert!(!words.contains("reused"), "its index shows what was in it: {words}");
    tool(&server, &["verify"], 0);
    server.start_again();
    assert_eq!(next_number(&server, ROOM), 401);
}

#[test]
fn numbers_of_lost_messages_stay_taken_when_the_record_of_their_loss_has_expired() {
    let mut server = Server::start(1, &["log.retain_bytes=2000000"]);
    let mut bob = server.login_to("bob", "late");
    bob.send("only here");
    bob.expect_next("bob: only here");
    assert!(server.terminate().0.success());
    fs::remove_file(server.files(0, "seg").pop().expect("a segment")).expect("remove");
    tool(&server, &["repair", "--yes"], 0);
    let records: Vec<PathBuf> = server.files(0, "seg");
    server.start_again();
    let mut alice = server.login_to("alice", ROOM);
    let mut said = 0;
    while records.iter().any(|record| record.exists()) {
        talk(&mut alice, said + 1, said + 100);
        said += 100;
        assert!(said < 10_000, "what repairs have written expires");
    }
    assert!(server.terminate().0.success());
    server.start_again();
    assert_eq!(next_number(&server, "late"), 2);
}

#[test]
fn a_repair_on_a_full_disk_changes_nothing() {
    let server = stopped();
    let holder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let Some(disk) = SmallDisk::mount(holder.path().join("small"), "5m") else {
        eprintln!("not tried: this user may not mount");
        return;
    };
    let shard = disk.path().join("shard-00");
    fs::create_dir(&shard).expect("room");
    for (path, mut bytes) in contents(&server.data()) {
        let name = path.file_name().expect("a name");
        if name == "00000000000000000001.seg" {
            bytes[HEADER_BYTES + 200] ^= 1;
        }
        fs::write(shard.join(name), bytes).expect("room");
    }
    let filler = disk.path().join("filler");
    let repair = |code: i32| {
        let mut program = madang();
        program.args(["log", "repair", "--yes", "--data"]).arg(disk.path());
        let output = program.output().expect("run madang");
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{words}");
        words
    };
    let before = contents(&shard);
    // It needs a copy of the damaged segment and a new one, more than 900,000 bytes each.
    for left_bytes in [50_000, 500_000, 1_100_000, 1_600_000] {
        let _ = fs::remove_file(&filler);
        let free = rustix::fs::statvfs(disk.path()).expect("a file system");
        let free_bytes = (free.f_bavail * free.f_frsize) as usize;
        fs::write(&filler, vec![1; free_bytes - left_bytes]).expect("room");
        expect_words(&repair(2), &["nothing was changed"]);
        assert!(before == contents(&shard), "with {left_bytes} bytes left");
        let entries = fs::read_dir(disk.path()).expect("a directory").flatten();
        let aside = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("set-aside"));
        assert_eq!(aside.count(), 0, "what was begun is given back");
    }
    fs::remove_file(&filler).expect("remove");
    repair(0);
}
