//! `madang log erase`: what was said is in no file any more, and everything else is as it was.

mod beside;
mod deletions;
mod kills;
mod restores;
mod without_server;

use crate::harness::{Server, files_with, madang};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

#[track_caller]
fn is_nowhere(directory: &Path, words: &str) {
    let found = files_with(directory, words);
    assert!(found.is_empty(), "{words:?} is in {found:?}");
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

fn erase(data: &Path, arguments: &[&str]) -> Output {
    madang().args(["log", "erase"]).args(arguments).arg("--data").arg(data).output().expect("madang")
}

#[track_caller]
fn erased(data: &Path, arguments: &[&str], expected: &str) {
    let output = erase(data, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", words(&output));
    assert!(words(&output).contains(expected), "{expected:?}: {}", words(&output));
}

#[track_caller]
fn refused(output: &Output, code: i32, parts: &[&str]) {
    let words = words(output);
    assert_eq!(output.status.code(), Some(code), "{words}");
    parts.iter().for_each(|part| assert!(words.contains(part), "expected {part:?} in: {words}"));
}

/// Every message of the log by room and number, as an export has it.
fn messages(data: &Path) -> BTreeMap<(String, u64), Value> {
    let mut program = madang();
    program.args(["log", "export", "--all", "--format", "jsonl", "--data"]).arg(data);
    let output = program.output().expect("madang");
    assert!(output.status.success(), "{}", words(&output));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let place = |line: &Value| {
        let room = line["room"].as_str().expect("a room").to_owned();
        (room, line["seq"].as_u64().expect("a number"))
    };
    lines.map(|line| (place(&line), line)).collect()
}

/// What is erased has only its place left; all else is the same.
#[track_caller]
fn only_these_are_erased(
    before: &BTreeMap<(String, u64), Value>,
    after: &BTreeMap<(String, u64), Value>,
    is_erased: impl Fn(&Value) -> bool,
) {
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    for (place, was) in before {
        let is = &after[place];
        if is_erased(was) {
            let kept = serde_json::json!({
                "room": was["room"], "seq": was["seq"], "time": was["time"], "erased": true,
            });
            assert_eq!(*is, kept, "{place:?}");
        } else {
            assert_eq!(is, was, "{place:?}");
        }
    }
}

/// Nothing is wrong with the log.
#[track_caller]
fn is_sound(data: &Path) {
    let output = madang().args(["log", "verify", "--data"]).arg(data).output().expect("madang");
    assert!(output.status.success(), "{}", words(&output));
}

/// A server on which alice, bob and mallory have said so much that several segments are finished. The last 60 of each
/// room are secrets of mallory's.
fn talked() -> Server {
    let server = Server::start(2, &[]);
    for (name, room) in [("alice", "점심"), ("mallory", "점심"), ("bob", "r2"), ("mallory", "r2")] {
        let mut client = server.login_to(name, room);
        // No secret is told in two rooms.
        let numbers = match (name, room) {
            ("mallory", "r2") => 100..160,
            ("mallory", _) => 0..60,
            _ => 0..3_000,
        };
        for chunk in numbers.collect::<Vec<u64>>().chunks(200) {
            let lines: String = chunk.iter().map(|number| format!("{}\n", text(name, *number))).collect();
            client.send_bytes(lines.as_bytes());
            chunk.iter().for_each(|number| {
                client.expect(&format!("{name}: {}", text(name, *number)));
            });
        }
    }
    server
}

fn text(name: &str, number: u64) -> String {
    match name {
        "mallory" => format!("secret비밀 {number} {}", "m".repeat(20)),
        _ => format!("{number} {}", "말".repeat(80)),
    }
}

/// Part of every secret.
const SECRET: &str = "secret비밀";
