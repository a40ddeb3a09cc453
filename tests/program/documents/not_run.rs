//! Command lines that are not run here, why, and what of them is checked all the same.

use super::page::{self, Command, ROOT};
use crate::harness::tested_program;
use std::path::Path;

/// The beginning of each line that is not run, or the whole of it where a `$` ends it, and why.
const NOT_RUN: [(&str, &str); 11] = [
    ("cargo build --release --locked && cp target/release/madang /usr/bin/madang$", "it builds"),
    ("cargo run --release --locked -- serve$", "it builds; the session is played with the same program"),
    ("tests/run$", "it is what runs this"),
    ("madang bench$", "it takes a minute"),
    ("madang bench --rounds 5 --json ", "it takes minutes"),
    ("madang bench --rounds 5 --baseline ", "it takes minutes"),
    ("madang bench --compare ", "other servers are not here, and it takes minutes"),
    ("bench/peers/start ", "other servers are not here"),
    ("madang bench --rounds 5 --seconds 1 --compare ", "other servers are not here"),
    (
        "docker exec ",
        "there is no Docker; tests/program/supervisors.rs upgrades the first process of a container",
    ),
    ("cargo run -p madang-fuzz-entries --example write_seeds$", "it writes into the repository"),
];

/// A line without the comment behind it.
pub fn without_comment(line: &str) -> &str {
    line.split(" #").next().unwrap_or(line).trim_end()
}

fn is_of(entry: &str, line: &str) -> bool {
    match entry.strip_suffix('$') {
        Some(whole) => without_comment(line) == whole,
        None => line.starts_with(entry),
    }
}

/// Why a line is not run; `None` when it is.
pub fn reason(command: &Command) -> Option<&'static str> {
    NOT_RUN.iter().find(|(entry, _)| is_of(entry, &command.line)).map(|(_, why)| *why)
}

pub fn check() {
    let pages = page::all();
    let of_page =
        |page: &page::Page| page.commands().into_iter().flatten().chain(page.spans()).collect::<Vec<_>>();
    let lines: Vec<Command> = pages.iter().flat_map(of_page).collect();
    for (entry, _) in NOT_RUN {
        let found: Vec<&Command> = lines.iter().filter(|command| is_of(entry, &command.line)).collect();
        assert!(!found.is_empty(), "no document has a line {entry:?} any more: take it out of this table");
        for command in found {
            check_names(command);
        }
    }
}

/// The programs, files, recipes, packages and options that a line names are there.
pub fn check_names(command: &Command) {
    let line = without_comment(&command.line).replace("\\\n", " ").replace(" &&", "").replace(" &", "");
    let mut words = line.split_whitespace().peekable();
    let mut folder = Path::new(ROOT).to_owned();
    while let Some(word) = words.next() {
        match word {
            "cd" => folder.push(words.peek().expect("a folder")),
            "-p" => {
                let package = words.peek().expect("a package");
                let found = page::packages().into_iter().find(|(name, _)| name == package);
                let Some((_, place)) = found else { panic!("{}: no package {package}", command.at) };
                folder = place;
            }
            "--example" => expect_file(command, &folder, "examples", words.peek().expect("an example")),
            "--test" => expect_file(command, &folder, "tests", words.peek().expect("a test")),
            "just" => {
                let recipe = *words.peek().expect("a recipe");
                let justfile = std::fs::read_to_string(folder.join("justfile")).expect("the justfile");
                let begins = |line: &str| line.split([' ', ':']).next() == Some(recipe);
                assert!(justfile.lines().any(begins), "{}: no recipe {recipe}", command.at);
            }
            _ if word.starts_with("bench/") || word.starts_with("tests/") => {
                assert!(folder.join(word).exists(), "{}: no {word}", command.at);
            }
            _ => {}
        }
    }
    if let Some((_, arguments)) = format!(" {line}").split_once(" madang ") {
        expect_help(command, arguments);
    }
    if let Some((_, arguments)) = line.split_once("cargo run --release --locked -- ") {
        expect_help(command, arguments);
    }
}

fn expect_file(command: &Command, folder: &Path, kind: &str, name: &str) {
    // The package may be named behind it.
    let mut folders = page::packages().into_iter().map(|(_, place)| place).chain([folder.to_owned()]);
    let is_in = |place: std::path::PathBuf| {
        let place = place.join(kind);
        place.join(name).join("main.rs").exists() || place.join(format!("{name}.rs")).exists()
    };
    assert!(folders.any(is_in), "{}: no {kind} {name}", command.at);
}

/// The program knows the command and its options.
pub fn expect_help(command: &Command, arguments: &str) {
    let output = std::process::Command::new("sh")
        .args(["-c", &format!("exec \"$0\" {arguments} --help"), tested_program()])
        .output()
        .expect("run a shell");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}: madang {arguments} --help: {words}", command.at);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("Usage: madang "), "{}: {shown}", command.at);
}
