//! `madang log …` beside a running server, on what is no log, and on files that are none.

use crate::harness::long_talk::talk;
use crate::harness::{Server, madang};
use std::fs;
use std::io::Read;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const ROOM: &str = "r1";
const TOOLS: [&[&str]; 5] = [&["verify"], &["stats"], &["dump"], &["export", "--all"], &["repair", "--yes"]];

fn log(arguments: &[&str]) -> Command {
    let mut program = madang();
    program.arg("log").args(arguments).stdin(Stdio::null()).env_remove("MADANG_DATA");
    program
}

#[track_caller]
fn expect_refused(output: &Output, parts: &[&str]) {
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{words}");
    for part in parts {
        assert!(words.contains(part), "expected {part:?} in: {words}");
    }
}

/// An export whose reader takes a little, then nothing while the log grows, then the rest. Returns how many messages
/// it gave: all of them, from the first.
fn export_slowly(server: &Server, go_on: impl FnOnce()) -> u64 {
    let mut export = log(&["export", "--room", ROOM, "--format", "jsonl", "--data"])
        .arg(server.data())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("run madang log export");
    let mut output = export.stdout.take().expect("it is piped");
    let mut exported = vec![0; 100_000];
    output.read_exact(&mut exported).expect("it begins");
    go_on();
    output.read_to_end(&mut exported).expect("it ends");
    let ended = export.wait_with_output().expect("it ends");
    let words = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!((ended.status.code(), words.as_str()), (Some(0), ""));
    let lines = String::from_utf8(exported).expect("UTF-8");
    let number = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).expect("an object a line");
        line["seq"].as_u64().expect("a number")
    };
    let numbers: Vec<u64> = lines.lines().map(number).collect();
    assert!(numbers.iter().copied().eq(1..=numbers.len() as u64), "all, in their order");
    for tool in [&["verify"][..], &["stats"], &["dump"]] {
        let looked = server.log_tool(tool);
        assert!(looked.status.success(), "{tool:?}: {}", String::from_utf8_lossy(&looked.stderr));
    }
    numbers.len() as u64
}

#[test]
fn an_export_beside_a_server_that_seals_its_segment_gives_what_was_there_when_it_began() {
    let server = Server::start(1, &["log.segment_bytes=8388608"]);
    let mut alice = server.login_to("alice", ROOM);
    // More than is on its way to a reader; all of it is in the segment that is appended to.
    talk(&mut alice, 1, 1_200);
    assert!(server.files(0, "idx").is_empty(), "nothing is sealed yet");
    let exported = export_slowly(&server, || talk(&mut alice, 1_201, 2_200));
    assert!(!server.files(0, "idx").is_empty(), "the segment was sealed meanwhile");
    assert!((1_200..2_200).contains(&exported), "{exported}");
}

#[test]
fn an_export_gives_what_expires_while_its_reader_is_slow() {
    let server = Server::start(1, &["log.retain_bytes=8000000"]);
    let mut alice = server.login_to("alice", ROOM);
    talk(&mut alice, 1, 2_000);
    // Far behind what the export has read when its reader stops.
    let unread = server.files(0, "seg").swap_remove(5);
    let exported = export_slowly(&server, || {
        let mut said = 2_000;
        while unread.exists() {
            talk(&mut alice, said + 1, said + 400);
            said += 400;
            assert!(said < 20_000, "it expires");
        }
    });
    assert!(exported >= 2_000, "what was there when it began: {exported}");
}

#[test]
fn what_is_no_log_is_not_taken_for_one_without_faults() {
    let empty = tempfile::tempdir().expect("a directory");
    let server = Server::start(1, &[]);
    talk(&mut server.login_to("alice", ROOM), 1, 1);
    for tool in TOOLS {
        let missing = empty.path().join("missing");
        for (place, why) in [
            (empty.path(), "no log in"),
            (&missing, "no log in"),
            (&server.data().join("shard-00"), "pass the directory above it"),
        ] {
            let output = log(tool).arg("--data").arg(place).output().expect("run madang log");
            expect_refused(&output, &[why, &place.display().to_string()]);
        }
        assert_eq!(fs::read_dir(empty.path()).expect("a directory").count(), 0, "{tool:?} leaves nothing");
    }
}

#[test]
fn the_data_directory_is_found_as_other_commands_find_it() {
    let server = Server::start(1, &[]);
    let mut alice = server.login_to("alice", ROOM);
    talk(&mut alice, 1, 1);
    let named = log(&["verify"]).env("MADANG_DATA", server.data()).output().expect("run madang log");
    assert!(named.status.success(), "{named:?}");
    let above = tempfile::tempdir().expect("a directory");
    std::os::unix::fs::symlink(server.data(), above.path().join("madang-data")).expect("a link");
    let found = log(&["export", "--all"]).current_dir(above.path()).output().expect("run madang log");
    assert!(found.status.success() && found.stdout.starts_with(b"r1 #1 "), "{found:?}");
}

#[test]
fn an_export_of_a_room_that_is_not_there_says_so() {
    let server = Server::start(1, &[]);
    let mut alice = server.login_to("alice", ROOM);
    talk(&mut alice, 1, 1);
    let output = server.log_tool(&["export", "--room", ROOM, "--room", "마당없음"]);
    expect_refused(&output, &["the log has no room '마당없음'"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("number 1 "), "the other is printed");
    let late = server.log_tool(&["export", "--room", ROOM, "--since", "2099-01-01"]);
    assert!(late.status.success(), "{late:?}");
    let far = server.log_tool(&["export", "--room", ROOM, "--since", "2026-11-20T12:00:00+25:00"]);
    expect_refused(&far, &["a day or more from UTC"]);
}

#[test]
fn a_dump_of_what_is_not_there_says_what_the_log_does_not_have() {
    let mut server = Server::start(2, &[]);
    talk(&mut server.login_to("alice", ROOM), 1, 1);
    assert!(server.terminate().0.success());
    let data = server.data().display().to_string();
    let remedy = format!("; see all with `madang log verify --data {data}`");
    for (asked, lack) in [
        (&["--segment", "99"][..], format!("no shard of the log in '{data}' has a segment 99")),
        (&["--shard", "9"], format!("the log in '{data}' has no shard 9")),
        (&["--shard", "9", "--segment", "1"], format!("the log in '{data}' has no shard 9")),
        (&["--shard", "1", "--segment", "99"], format!("shard 1 of the log in '{data}' has no segment 99")),
    ] {
        let output = server.log_tool(&[&["dump"], asked].concat());
        expect_refused(&output, &[&format!("{lack}{remedy}")]);
    }
}

fn make_pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().expect("mkfifo");
    assert!(made.success(), "a pipe");
}

#[test]
fn only_regular_files_are_taken_for_parts_of_a_log() {
    let mut server = Server::start(1, &[]);
    let mut alice = server.login_to("alice", ROOM);
    talk(&mut alice, 1, 400);
    assert!(server.terminate().0.success());
    let segments = server.files(0, "seg");
    let newest = segments.last().expect("a segment").clone();
    let index = newest.with_extension("idx");
    let snapshot = newest.with_file_name("rooms.snapshot");
    type Make = fn(&Path);
    let kinds: [(&str, Make); 5] = [
        ("a pipe", make_pipe),
        ("a directory", |path| fs::create_dir(path).expect("a directory")),
        ("a socket", |path| drop(UnixListener::bind(path).expect("a socket"))),
        ("a symbolic link to nothing", |path| {
            std::os::unix::fs::symlink("nowhere", path).expect("a link");
        }),
        ("a device", |path| std::os::unix::fs::symlink("/dev/zero", path).expect("a link")),
    ];
    for (place, part) in [(&newest, "segment"), (&index, "index"), (&snapshot, "snapshot")] {
        let aside = server.data().join("aside");
        fs::rename(place, &aside).expect("put aside");
        for (kind, make) in kinds {
            make(place);
            let named = place.display().to_string();
            let output = server.log_tool(&["verify"]);
            let told = format!("it is {kind}, not a regular file; move it away");
            let read = format!("cannot read {part} '{named}'");
            expect_refused(&output, &[&read, &told]);
            let refused = server.refused_start_again();
            assert_eq!(refused.code, Some(2), "{kind}: {}", refused.words);
            for words in [&read, &told] {
                assert!(refused.words.contains(words), "{kind}: {}", refused.words);
            }
            fs::remove_file(place).or_else(|_| fs::remove_dir(place)).expect("remove");
        }
        fs::rename(&aside, place).expect("put back");
    }
    server.start_again();
    server.verify();
}
