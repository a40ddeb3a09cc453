//! Commands that the text names between backquotes.

use super::not_run::{check_names, expect_help};
use super::page::{self, Command, ROOT};
use std::path::Path;

/// The commands of madang, but those that are only words of the text.
const COMMANDS: [&str; 13] = [
    "serve",
    "status",
    "upgrade",
    "drain",
    "kick",
    "broadcast",
    "config",
    "log",
    "backup",
    "restore",
    "bench",
    "completions",
    "man",
];

/// Workloads of the benchmark, which the text names without it.
const WORKLOADS: [&str; 8] =
    ["echo", "fanout", "whisper", "idle", "storm", "history", "mixed", "slow-readers"];

/// What stands for a value in the text, and one.
const VALUES: [(&str, &str); 5] =
    [("HOST:PORT", "127.0.0.1:8080"), ("N", "1"), ("T", "2026-01-01"), ("R", "general"), ("PART", "pages")];

/// Whether this is a whole line that changes the machine, as those of an installation.
pub fn is_whole(span: &Command) -> bool {
    ["cp ", "install ", "systemctl daemon-reload "].iter().any(|start| span.line.starts_with(start))
}

/// The arguments without the signs that say what may be left out or repeated.
fn plain(arguments: &str) -> String {
    let words = arguments.split(' ').map(|word| word.trim_matches(['[', ']', '(', ')', '…']));
    let words = words.map(|word| word.split('|').next().unwrap_or(word)).filter(|word| !word.is_empty());
    let value = |word: &str| VALUES.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
    words.map(|word| value(word).unwrap_or(word).to_owned()).collect::<Vec<_>>().join(" ")
}

pub fn check() {
    let mut checked = 0;
    for span in page::all().iter().flat_map(page::Page::spans) {
        let (first, rest) = span.line.split_once(' ').unwrap_or((&span.line, ""));
        let second = rest.split(' ').next().unwrap_or_default();
        if first == "madang" && COMMANDS.contains(&second) {
            expect_help(&span, &plain(rest));
        } else if WORKLOADS.contains(&first) && rest.starts_with("--") {
            expect_help(&span, &format!("bench {}", plain(&span.line)));
        } else if first == "just" || span.line.contains("cargo ") {
            check_names(&span);
            expect_tests(&span);
        } else if first.starts_with("bench/") {
            check_names(&span);
        } else {
            continue;
        }
        checked += 1;
    }
    assert!(checked > 30, "commands are found: {checked}");
}

/// The tests of the engine that a line of cargo's runs by their name.
fn expect_tests(span: &Command) {
    let Some((_, rest)) = span.line.split_once("cargo test --release -p madang-") else {
        return;
    };
    let mut words = rest.split(' ');
    let folder = Path::new(ROOT).join("shards").join(words.next().unwrap_or_default());
    let filter = words.next().unwrap_or_default();
    let name = filter.rsplit("::").next().unwrap_or(filter);
    let is_in = |text: &str| {
        let mut tests = text.split("fn ").skip(1).filter_map(|rest| rest.split('(').next());
        tests.any(|test| test.contains(name)) || text.contains(&format!("mod {name};"))
    };
    assert!(any_source(&folder, &is_in), "{}: no test {name}", span.at);
}

fn any_source(folder: &Path, is_it: &dyn Fn(&str) -> bool) -> bool {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten();
    entries.map(|entry| entry.path()).any(|path| {
        if path.is_dir() {
            return any_source(&path, is_it);
        }
        std::fs::read_to_string(&path).is_ok_and(|text| is_it(&text))
    })
}
