//! `madang log import`: what other systems and exports hold becomes a log that a server continues.

use crate::harness::long_talk::talk;
use crate::harness::{Server, madang};
use crate::samples::{copy_of, sample};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// In 2023.
const TIME_US: i64 = 1_700_000_000_000_000;
const SMALL_SEGMENTS: [&str; 2] = ["--segment-bytes", "1048576"];

struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Place {
        Place { directory: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory") }
    }

    /// Where a server of this directory has its data.
    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn write(&self, name: &str, lines: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, lines).expect("space");
        path
    }
}

fn import(data: &Path, file: &Path, more: &[&str]) -> Command {
    let mut program = madang();
    program.args(["log", "import"]).arg(file).args(more).arg("--data").arg(data);
    program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    program
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// Imports, and expects this beginning of its last line.
#[track_caller]
fn imported(data: &Path, file: &Path, more: &[&str], expected: &str) {
    let output = import(data, file, more).output().expect("madang");
    assert!(output.status.success(), "{}", words(&output));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.lines().last().is_some_and(|last| last.starts_with(expected)), "{expected:?}: {said}");
}

#[track_caller]
fn refused(output: &Output, code: i32, parts: &[&str]) {
    let words = words(output);
    assert_eq!(output.status.code(), Some(code), "{words}");
    for part in parts {
        assert!(words.contains(part), "expected {part:?} in: {words}");
    }
}

fn tool(data: &Path, arguments: &[&str]) -> String {
    let output = madang().arg("log").args(arguments).arg("--data").arg(data).output().expect("madang");
    assert!(output.status.success(), "{arguments:?}: {}", words(&output));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn export_of(data: &Path) -> String {
    tool(data, &["export", "--all", "--format", "jsonl"])
}

/// The messages of each room, in their order.
fn rooms_of(lines: &str) -> BTreeMap<String, Vec<Value>> {
    let mut rooms: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in lines.lines() {
        let message: Value = serde_json::from_str(line).expect("JSON");
        rooms.entry(message["room"].as_str().expect("a room").to_owned()).or_default().push(message);
    }
    rooms
}

fn line(room: &str, time_us: i64, author: &str, text: &str, id: &str) -> String {
    json!({"room": room, "time": time_us, "author": author, "text": text, "id": id}).to_string() + "\n"
}

/// Messages of these rooms in turn, a second apart, of about so many bytes.
fn history(rooms: &[&str], count: usize, text_bytes: usize) -> String {
    let of = |number: usize| {
        let text = format!("{number} {}", "x".repeat(text_bytes));
        let time_us = TIME_US + number as i64 * 1_000_000;
        line(rooms[number % rooms.len()], time_us, "alice", &text, &format!("id-{number}"))
    };
    (0..count).map(of).collect()
}

fn everything_below(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(path) = waiting.pop() {
        match path.is_dir() {
            true => waiting.extend(fs::read_dir(&path).expect("a directory").flatten().map(|e| e.path())),
            false => found.push((path.clone(), fs::read(&path).expect("a file"))),
        }
    }
    found.sort();
    found
}

#[test]
fn what_one_server_exports_is_the_same_in_the_log_it_is_imported_into() {
    let mut server = Server::start(2, &[]);
    let mut alice = server.login_to("alice", "r1");
    let mut bob = server.login_to("길동", "마당");
    talk(&mut alice, 1, 120);
    for text in ["안녕하세요", "say \"hi\" \\ ㅋㅋ", "/send d-1 초안입니다", "/msg alice 귓속말"]
    {
        bob.send(text);
    }
    bob.settle("길동");
    assert!(server.terminate().0.success());
    let exported = export_of(&server.data());
    let place = Place::new();
    let file = place.write("export.jsonl", &exported);
    imported(&place.data(), &file, &["--shards", "3"], "imported 124 messages of 3 rooms; skipped 0 known");
    let (before, after) = (rooms_of(&exported), rooms_of(&export_of(&place.data())));
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    for (room, before) in &before {
        let after = &after[room];
        assert_eq!(before.len(), after.len(), "{room}");
        for (number, (before, after)) in (1..).zip(before.iter().zip(after)) {
            assert_eq!(after["seq"], number);
            for same in ["time", "author", "text"] {
                assert_eq!(before[same], after[same], "{room} #{number}");
            }
            assert!(before["draft"].is_null() || before["draft"] == after["draft"], "{room} #{number}");
        }
    }
    assert!(tool(&place.data(), &["verify"]).contains(", 0 faults"));
    // What has no id is known by what an import of it would give it.
    imported(&server.data(), &file, &[], "imported 0 messages of 0 rooms; skipped 124 known, 0 invalid");
    imported(&place.data(), &file, &[], "imported 0 messages of 0 rooms; skipped 124 known, 0 invalid");
    let again = place.write("again.jsonl", &export_of(&place.data()));
    imported(&place.data(), &again, &[], "imported 0 messages of 0 rooms; skipped 124 known, 0 invalid");
}

#[test]
fn a_server_pages_through_what_was_imported_and_continues_it_whatever_the_number_of_shards() {
    let place = Place::new();
    let file = place.write("history.jsonl", &history(&["general", "마당", "r3"], 3_000, 900));
    imported(
        &place.data(),
        &file,
        &["--shards", "3", "--segment-bytes", "1048576"],
        "imported 3000 messages of 3 rooms",
    );
    assert!(tool(&place.data(), &["verify"]).contains("3000 messages, 0 faults"));
    let Place { directory } = place;
    let mut server = Server::start_on(directory, 3, &[]);
    for shards in [3, 2, 1] {
        assert!(server.terminate().0.success());
        server.start_again_with(shards);
        let mut carol = server.login_to("carol", "마당");
        let page = carol.ask("/history 5 before 500");
        assert!(page.iter().any(|line| line.contains("alice: 1495 ")), "{page:?}");
        carol.send(&format!("said with {shards}"));
        carol.expect(&format!("carol: said with {shards}"));
    }
    let said = server.export("마당");
    assert_eq!(said.len(), 1_003);
    assert!(said.iter().zip(1..).all(|(one, seq)| one.seq == seq));
    server.verify();
}

#[test]
fn messages_are_stored_in_the_order_of_their_times_and_numbers_continue() {
    let place = Place::new();
    let at = |second: i64| TIME_US + second * 1_000_000;
    let lines = [
        line("r1", at(5), "bob", "third", "3"),
        line("r1", at(1), "bob", "first", "1"),
        line("R1", at(5), "bob", "fourth", "4"),
        line("r1", at(3), "bob", "second", "2"),
    ];
    imported(&place.data(), &place.write("a", &lines.concat()), &[], "imported 4 messages of 1 room;");
    let more = [line("r1", at(5), "bob", "fifth", "5"), line("r1", at(5), "bob", "third", "3")];
    imported(
        &place.data(),
        &place.write("b", &more.concat()),
        &[],
        "imported 1 message of 1 room; skipped 1 known",
    );
    let rooms = rooms_of(&export_of(&place.data()));
    let said: Vec<_> = rooms["r1"].iter().map(|one| (one["seq"].as_u64(), one["text"].as_str())).collect();
    let expected = ["first", "second", "third", "fourth", "fifth"];
    assert!(said.into_iter().eq((1..).map(Some).zip(expected.into_iter().map(Some))), "{rooms:?}");
}

#[test]
fn a_room_with_newer_messages_is_refused_and_nothing_is_written() {
    let mut server = Server::start(2, &[]);
    let mut alice = server.login_to("alice", "r1");
    alice.send("newer than all that is imported");
    alice.settle("alice");
    let running = import(&server.data(), Path::new("/dev/null"), &[]).output().expect("madang");
    refused(&running, 3, &["is in use by process", "stop the server first: `madang drain --data"]);
    let place = Place::new();
    let lines = [line("other", TIME_US, "bob", "one", "1"), line("r1", TIME_US, "bob", "two", "2")];
    let file = place.write("old.jsonl", &lines.concat());
    let parts = [
        "old.jsonl line 2: room 'r1' already has a message of 20",
        "and this one is of 2023-11-14T22:13:20.000000Z",
        "pass --times now-or-later",
        "Nothing was written",
    ];
    let beside = import(&server.data(), &file, &["--dry-run"]).output().expect("madang");
    refused(&beside, 2, &parts);
    assert!(server.terminate().0.success());
    imported(&server.data(), Path::new("/dev/null"), &[], "imported 0 messages of 0 rooms");
    let before = everything_below(&server.data());
    refused(&import(&server.data(), &file, &[]).output().expect("madang"), 2, &parts);
    let after = everything_below(&server.data());
    let names = |found: &[(PathBuf, Vec<u8>)]| found.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
    assert_eq!(names(&before), names(&after));
    let is_log = |path: &Path| !path.ends_with("madang.lock");
    assert!(before.iter().zip(&after).all(|(a, b)| !is_log(&a.0) || a.1 == b.1));
    imported(&server.data(), &file, &["--times", "now-or-later"], "imported 2 messages of 2 rooms");
    let said = rooms_of(&export_of(&server.data()));
    assert_eq!(said["r1"][0]["time"], said["r1"][1]["time"]);
    assert_eq!(said["other"][0]["time"], "2023-11-14T22:13:20.000000Z");
    imported(
        &server.data(),
        &file,
        &["--times", "now-or-later"],
        "imported 0 messages of 0 rooms; skipped 2 known",
    );
    server.start_again();
    server.verify();
}

#[test]
fn a_bad_line_ends_the_import_before_anything_is_written_or_is_skipped_and_counted() {
    let place = Place::new();
    let good = history(&["r1"], 40, 10);
    for (bad, part) in [
        ("not JSON", "it is not the JSON of a message"),
        ("[]", "an object begins with {"),
        (r#"{"room":"r1","time":1,"author":"bob"}"#, "multiply seconds by 1000000"),
        (r#"{"room":"r1","time":"today","author":"bob","text":"x"}"#, "is none of RFC 3339"),
        (r#"{"room":"r1","time":9000000000000000,"author":"bob","text":"x"}"#, "is later than now"),
        (r#"{"room":"r1","time":1700000000000000,"author":"bob"}"#, r#"it has no "text""#),
        (
            r#"{"room":"r 1","time":1700000000000000,"author":"bob","text":"x"}"#,
            r#"room "r 1": a name is made of"#,
        ),
        (r#"{"room":"a&b","time":1700000000000000,"author":"bob","text":"x"}"#, "the whispers of two users"),
        (
            r#"{"room":"r1","time":1700000000000000,"author":"b b","text":"x"}"#,
            r#"author "b b": a name is made of"#,
        ),
        (r#"{"room":"r1","time":1700000000000000,"author":"bob","text":"\n"}"#, "nothing that can be seen"),
        (
            &format!(
                r#"{{"room":"r1","time":1700000000000000,"author":"bob","text":"{}"}}"#,
                "x".repeat(65_537)
            ),
            "its text has 65537 bytes",
        ),
        (&"x".repeat(3_000_000), "it has more than 1048576 bytes"),
    ] {
        let file = place.write("bad.jsonl", &format!("{good}{bad}\n{bad}\n{good}"));
        let output = import(&place.data(), &file, &[]).output().expect("madang");
        refused(&output, 2, &["bad.jsonl line 41: ", part, "Nothing was written"]);
        assert!(!place.data().exists(), "{part}");
        let dry = import(&place.data(), &file, &["--dry-run", "--skip-invalid"]).output().expect("madang");
        refused(
            &dry,
            0,
            &[
                "skipped: ",
                "line 42: ",
                part,
                "would import 40 messages of 1 room; skipped 40 known, 2 invalid",
            ],
        );
        assert!(!place.data().exists(), "{part}");
    }
    let many = place.write("many.jsonl", &(good + &"bad\n".repeat(30)));
    let output = import(&place.data(), &many, &["--skip-invalid"]).output().expect("madang");
    refused(&output, 0, &["imported 40 messages of 1 room; skipped 0 known, 30 invalid"]);
    assert_eq!(words(&output).matches("skipped: ").count(), 10, "only the first are shown");
}

#[test]
fn a_file_that_is_not_utf_8_is_refused_with_the_command_that_converts_it() {
    let place = Place::new();
    let file = place.write("history.jsonl", &line("r1", TIME_US, "alice", "first", "1"));
    let korean = line("r1", TIME_US, "alice", "TEXT", "2");
    let column = 1 + korean.find("TEXT").expect("it is there");
    let (before, behind) = korean.split_once("TEXT").expect("it is there");
    let cp949 = [before.as_bytes(), b"\xb9\xdd\xb0\xa1", behind.as_bytes()].concat();
    let all = [fs::read(&file).expect("it was written"), cp949].concat();
    fs::write(&file, &all).expect("space");
    let name = file.display();
    let told = format!(
        "{name} line 2: it is not UTF-8 (byte 0xB9 at column {column}); convert it first: iconv -f CP949 -t UTF-8 {name}"
    );
    let output = import(&place.data(), &file, &[]).output().expect("madang");
    refused(&output, 2, &[&told, "Nothing was written"]);
    let utf16: Vec<u8> = ["\u{feff}", &korean].concat().encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(&file, utf16).expect("space");
    let told = format!("byte 0xFF at column 1); convert it first: iconv -f UTF-16 -t UTF-8 {name}");
    let output = import(&place.data(), &file, &[]).output().expect("madang");
    refused(&output, 2, &[&told, "Nothing was written"]);
    assert!(!words(&output).contains("jq"), "{}", words(&output));
    assert!(!place.data().join("shard-00").exists());
    let mut program = import(&place.data(), Path::new("-"), &[]);
    let output = program.stdin(fs::File::open(&file).expect("it was written")).output().expect("madang");
    refused(&output, 2, &["standard input line 1: it is not UTF-8", "iconv -f UTF-16 -t UTF-8"]);
}

#[test]
fn a_wrong_command_line_or_place_is_refused_with_what_to_do() {
    let place = Place::new();
    let file = place.write("history.jsonl", &history(&["r1"], 2, 10));
    let run = |data: &Path, file: &Path, more: &[&str]| import(data, file, more).output().expect("madang");
    refused(&run(&place.data(), Path::new("missing.jsonl"), &[]), 2, &["cannot read 'missing.jsonl'"]);
    refused(&run(&place.data(), place.directory.path(), &[]), 2, &["it is a directory"]);
    refused(&run(&place.data(), Path::new("-"), &["-"]), 2, &["name it once"]);
    refused(
        &run(&place.data().join("far"), &file, &[]),
        2,
        &["cannot create data directory", "is its disk mounted?"],
    );
    for wrong in
        [&["--shards", "0"][..], &["--shards", "1025"], &["--times", "never"], &["--segment-bytes", "5"]]
    {
        refused(&run(&place.data(), &file, wrong), 2, &[wrong[1]]);
    }
    assert!(!place.data().exists());
    let twice = place.write("late.jsonl", &{
        let far = "x".repeat(60_000);
        let lines = (0..1_300).map(|n| line("r1", TIME_US + n, "bob", &far, &n.to_string()));
        lines.collect::<String>() + &line("r1", TIME_US - 1, "bob", "too late", "late")
    });
    let late = run(&place.data(), &twice, &[]);
    refused(&late, 2, &["line 1301: this message of room 'r1'", "Sort the lines by their times", "sort"]);
    imported(&place.data(), &twice, &["--times", "now-or-later"], "imported 1301 messages of 1 room");
}

#[test]
fn standard_input_is_stored_up_to_what_waits_before_a_bad_line_and_continued_when_it_is_repeated() {
    let place = Place::new();
    let feed = |lines: &[&str]| {
        let mut program = import(&place.data(), Path::new("-"), &["--shards", "2"]);
        let mut child = program.stdin(Stdio::piped()).spawn().expect("madang");
        let mut input = child.stdin.take().expect("it is piped");
        // It may end before it has read all.
        let _ = lines.iter().try_for_each(|line| writeln!(input, "{line}"));
        drop(input);
        child.wait_with_output().expect("it ends")
    };
    let good = history(&["r1", "r2"], 1_300, 60_000);
    let good: Vec<&str> = good.lines().collect();
    let few = feed(&[good[0], "bad", good[1]]);
    refused(&few, 2, &["standard input line 2: ", "0 messages were stored before it", "repeat the import"]);
    let stopped = feed(&[&good[..], &["bad"]].concat());
    refused(&stopped, 2, &["standard input line 1301: ", " messages were stored before it"]);
    let stored = export_of(&place.data()).lines().count();
    assert!((500..800).contains(&stored), "{stored}: half of 64 MiB waits");
    let rest = format!("imported {} messages of 2 rooms; skipped {stored} known", 1_300 - stored);
    refused(&feed(&good), 0, &[&rest]);
    assert!(tool(&place.data(), &["verify"]).contains("1300 messages, 0 faults"));
    let said = rooms_of(&export_of(&place.data()));
    assert!(said.values().all(|said| said.is_sorted_by_key(|one| one["time"].as_str().map(str::to_owned))));
    assert_eq!((said["r1"].len(), said["r2"].len()), (650, 650));
}

#[test]
fn a_log_of_format_2_is_continued_and_its_messages_are_known() {
    let directory = copy_of("log-2");
    let data = directory.path().join("data");
    let kept = sample("log-2").join("export.jsonl");
    imported(&data, &kept, &[], "imported 0 messages of 0 rooms; skipped 9 known, 0 invalid");
    let place = Place::new();
    let now_us = 1_000
        * i64::try_from(
            fs::metadata(directory.path()).and_then(|found| found.modified()).map_or(0, |at| {
                at.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_millis())
            }),
        )
        .expect("a time");
    let lines = [line("마당", now_us, "carol", "format 3", "1"), line("new", TIME_US, "carol", "new", "1")];
    imported(&data, &place.write("more", &lines.concat()), &[], "imported 2 messages of 2 rooms");
    let said = rooms_of(&export_of(&data));
    assert_eq!((said["마당"].len(), said["마당"][3]["seq"].as_u64()), (4, Some(4)));
    let mut server = Server::start_on(directory, 3, &[]);
    let mut bob = server.login_to("bob", "마당");
    bob.send("and on");
    bob.settle("bob");
    assert_eq!(server.export("마당").len(), 5);
    server.kill_nine();
    server.start_again();
    server.verify();
}

#[test]
fn a_damaged_log_is_named_and_nothing_is_added_to_it() {
    let place = Place::new();
    let file = place.write("history.jsonl", &history(&["r1"], 100, 100));
    imported(&place.data(), &file, &["--shards", "1"], "imported 100 messages of 1 room");
    let segment = place.data().join("shard-00/00000000000000000001.seg");
    let mut bytes = fs::read(&segment).expect("a segment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segment, bytes).expect("space");
    let output = import(&place.data(), &file, &[]).output().expect("madang");
    refused(
        &output,
        1,
        &["bytes are damaged", "nothing was written: the log has faults", "madang log repair"],
    );
    assert_eq!(segments(&place.data()), 1);
    let repaired = tool(&place.data(), &["repair", "--yes"]);
    assert!(repaired.contains("record as lost"), "{repaired}");
    // What was lost is new again, and its time is older than that of what is left.
    refused(
        &import(&place.data(), &file, &[]).output().expect("madang"),
        2,
        &["already has a message of 2023"],
    );
    imported(
        &place.data(),
        &file,
        &["--times", "now-or-later"],
        "imported 1 message of 1 room; skipped 99 known",
    );
    assert!(tool(&place.data(), &["verify"]).contains("100 messages, 0 faults"));
}

/// The segments that have their names.
fn segments(data: &Path) -> usize {
    let of_shard = |shard| fs::read_dir(data.join(shard)).into_iter().flatten().flatten();
    let files = ["shard-00", "shard-01"].into_iter().flat_map(of_shard);
    files.filter(|file| file.path().extension().is_some_and(|is| is == "seg")).count()
}

#[test]
fn an_import_that_is_killed_at_any_moment_leaves_a_sound_log_and_is_completed_by_the_next() {
    const ROUNDS: usize = 12;
    let place = Place::new();
    let file = place.write("history.jsonl", &history(&["general", "마당", "r3", "r4", "r5"], 1_500, 3_000));
    let more: Vec<&str> = ["--shards", "2"].into_iter().chain(SMALL_SEGMENTS).collect();
    let started_at = Instant::now();
    imported(&place.data(), &file, &more, "imported 1500 messages of 5 rooms");
    let whole = started_at.elapsed();
    let expected = rooms_of(&export_of(&place.data()));
    let mut left_by_the_killed = HashSet::new();
    let mut chance = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..ROUNDS {
        let place = Place::new();
        let data = place.data();
        // Twice: also what a killed import left is continued by one that is killed. In every other round it is killed
        // soon after it has finished a segment.
        for _ in 0..2 {
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            let before = segments(&data);
            let mut child = import(&data, &file, &more).spawn().expect("madang");
            let until = Instant::now() + whole.mul_f64((chance % 1_000) as f64 / 1_000.0);
            if round % 2 == 0 {
                while segments(&data) == before && child.try_wait().expect("it is ours").is_none() {
                    std::thread::yield_now();
                }
                std::thread::sleep(Duration::from_micros(chance % 20_000));
            } else {
                std::thread::sleep(until.saturating_duration_since(Instant::now()));
            }
            let _ = child.kill();
            child.wait().expect("it ends");
            if data.join("shard-00").exists() || data.join("shard-01").exists() {
                assert!(tool(&data, &["verify"]).contains(", 0 faults"), "round {round}");
                left_by_the_killed.insert(export_of(&data).lines().count());
            }
        }
        let output = import(&data, &file, &more).output().expect("madang");
        assert!(output.status.success(), "round {round}: {}", words(&output));
        assert!(tool(&data, &["verify"]).contains("1500 messages, 0 faults"), "round {round}");
        assert_eq!(rooms_of(&export_of(&data)), expected, "round {round}");
        if round == 0 {
            let Place { directory } = place;
            let mut server = Server::start_on(directory, 2, &[]);
            let mut bob = server.login_to("bob", "r3");
            bob.send("and on");
            bob.settle("bob");
            assert_eq!(server.export("r3").len(), 301);
            assert!(server.terminate().0.success());
            server.verify();
        }
    }
    println!("the killed left {left_by_the_killed:?} messages");
    assert!(
        left_by_the_killed.iter().any(|left| (1..1_500).contains(left)),
        "some were killed in the middle"
    );
}
