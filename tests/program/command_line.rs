//! The binary answers what is typed: help, versions, exit codes, refusals to start.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use crate::harness::tested_program;
use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

/// Runs the binary with none of our environment but what is given.
fn madang(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(tested_program())
        .args(arguments)
        .current_dir(directory)
        .env_remove("MADANG_DATA")
        .env("NO_COLOR", "1")
        .output()
        .unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn without_a_command_help_is_shown_and_it_counts_as_a_mistake() {
    let directory = tempfile::tempdir().unwrap();
    let output = madang(directory.path(), &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(errors(&output).contains("madang serve --listen 0.0.0.0:8080"));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn the_version_is_that_of_the_package() {
    let directory = tempfile::tempdir().unwrap();
    let output = madang(directory.path(), &["--version"]);
    let said = String::from_utf8(output.stdout).unwrap();
    let rest = said.strip_prefix(concat!("madang ", env!("CARGO_PKG_VERSION"))).expect("the version");
    // A release that is built from a checkout names its commit.
    let commit = rest.strip_prefix(" (").and_then(|rest| rest.strip_suffix(")\n"));
    let is_commit = |commit: &str| commit.len() == 12 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(rest == "\n" || commit.is_some_and(is_commit), "{said}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn what_is_a_command_elsewhere_is_answered() {
    let directory = tempfile::tempdir().unwrap();
    let said = |arguments: &[&str]| {
        let output = madang(directory.path(), arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", errors(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(said(&["version"]), said(&["--version"]));
    assert_eq!(said(&["help"]), said(&["--help"]));
    assert_eq!(said(&["help", "serve"]), said(&["serve", "--help"]));
    assert_eq!(said(&["help", "log", "verify"]), said(&["log", "verify", "--help"]));
    for (arguments, hint) in [
        (&["serve", "--port", "9000"][..], "madang serve --listen 127.0.0.1:9000"),
        (&["serve", "-p", "9000"], "madang serve --listen 127.0.0.1:9000"),
        (&["serve", "9000"], "madang serve --listen 127.0.0.1:9000"),
        (&["serve", "help"], "madang COMMAND --help"),
        (&["-v"], "madang --version"),
        (&["start"], "`madang serve`"),
        (&["stop"], "`madang drain`"),
        (&["restart"], "`madang upgrade`"),
        (&["reload"], "`systemctl reload madang`"),
    ] {
        let output = madang(directory.path(), arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(errors(&output).contains(hint), "{arguments:?}: {}", errors(&output));
    }
}

#[test]
fn a_server_that_says_more_begins_with_what_holds() {
    let directory = tempfile::tempdir().unwrap();
    File::create(directory.path().join("file")).unwrap();
    let serve = ["serve", "-v", "--data", "file", "--listen", "127.0.0.1:0", "--set", "limits.burst=7"];
    let output = madang(directory.path(), &serve);
    let words = errors(&output);
    let line = words.lines().find(|line| line.contains("limits.burst = 7")).unwrap();
    assert!(line.contains("DEBUG") && line.contains("# --set"), "{line}");
}

#[test]
fn help_of_serve_tells_flags_examples_and_precedence() {
    let directory = tempfile::tempdir().unwrap();
    let output = madang(directory.path(), &["serve", "--help"]);
    let help = String::from_utf8(output.stdout).unwrap();
    for expected in ["--data <DIR>", "--set <KEY=VALUE>", "MADANG_LISTEN_LINE", "--set overrides flags"] {
        assert!(help.contains(expected), "{expected} in:\n{help}");
    }
}

#[test]
fn a_bad_flag_value_ends_with_2_and_names_flag_value_and_what_is_allowed() {
    let directory = tempfile::tempdir().unwrap();
    for (arguments, expected) in [
        (["--shards", "0"], "--shards: shards.count = 0: out of range; allowed is \"auto\" or 1 to 1024\n"),
        (
            ["--durability", "sometimes"],
            "--durability: log.durability = sometimes: not a durability; allowed is \"commit\", \
             \"interval:Nms\" (N from 1 to 10000) or \"none\"\n",
        ),
        (
            ["--listen", "localhost:8080"],
            "--listen: listen.line = localhost:8080: not an IP address (host names are not looked up); allowed \
             is an IP address and a port, for example \"0.0.0.0:8080\" or \"[::]:8080\"\n",
        ),
    ] {
        let output = madang(directory.path(), &["serve", arguments[0], arguments[1]]);
        assert_eq!(errors(&output), expected);
        assert_eq!(output.status.code(), Some(2));
    }
}

#[test]
fn a_second_start_on_one_data_directory_is_refused_with_who_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut lock = File::create(directory.path().join("madang.lock")).unwrap();
    lock.write_all(b"process 1234 (madang serve), since 2026-11-20T12:00:00Z\n").unwrap();
    lock.lock().unwrap();
    let data = directory.path().to_str().unwrap();
    let output = madang(directory.path(), &["serve", "--data", data, "--listen", "127.0.0.1:0"]);
    let expected = format!(
        "data directory '{data}' is in use by process 1234 (madang serve), since 2026-11-20T12:00:00Z; stop it \
         or pass another --data"
    );
    assert!(errors(&output).contains(&expected), "{}", errors(&output));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_taken_port_is_refused_before_any_data_is_touched() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = madang(directory.path(), &["serve", "--listen", &address]);
    assert!(errors(&output).contains(&format!("cannot listen on {address}: ")), "{}", errors(&output));
    assert!(errors(&output).contains("choose another port with --listen"), "{}", errors(&output));
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn events_can_be_json_and_never_carry_escapes_into_a_pipe() {
    let directory = tempfile::tempdir().unwrap();
    File::create(directory.path().join("file")).unwrap();
    let serve = ["serve", "--data", "file", "--listen", "127.0.0.1:0"];
    let text = madang(directory.path(), &serve);
    assert!(!text.stderr.contains(&0x1b));
    let json = madang(directory.path(), &[&serve[..], &["--set", "telemetry.format=json"]].concat());
    let last = errors(&json).lines().last().unwrap().to_owned();
    let event: serde_json::Value = serde_json::from_str(&last).unwrap();
    assert_eq!(event["level"], "ERROR");
    assert_eq!(event["message"], "data directory 'file' is not a directory; pass another --data");
}
