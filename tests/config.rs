//! The configuration: mistakes are named exactly, later layers win, the printed file is true.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Runs `madang config …` in a directory, with these variables.
fn config(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_madang"));
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("MADANG_") {
            command.env_remove(variable);
        }
    }
    let variables = variables.iter().copied();
    command.arg("config").args(arguments).current_dir(directory).envs(variables).output().unwrap()
}

/// What `config check` says of a file `madang.toml` of this text.
fn check(text: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("madang.toml"), text).unwrap();
    let arguments = [&["check", "--config", "madang.toml"], arguments].concat();
    config(directory.path(), &arguments, variables)
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The line of a key in what `config check` printed, with single spaces.
fn line(output: &Output, key: &str) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let line = text(&output.stdout).lines().find(|line| line.starts_with(&format!("{key} ="))).unwrap();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_default_file_checks_and_its_values_are_those_that_hold_without_it() {
    let directory = tempfile::tempdir().unwrap();
    let default = config(directory.path(), &["default"], &[]);
    assert_eq!(default.status.code(), Some(0));
    let checked = check(text(&default.stdout), &[], &[]);
    let without = check("", &[], &[]);
    let values = |output: &Output| {
        let lines = text(&output.stdout).lines();
        lines.map(|line| line.rsplit_once("  # ").unwrap().0.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(line(&checked, "listen.line"), "listen.line = \"127.0.0.1:8080\" # madang.toml:8");
    assert_eq!(line(&without, "listen.line"), "listen.line = \"127.0.0.1:8080\" # default");
    assert_eq!(values(&checked), values(&without));
}

#[test]
fn each_mistake_of_a_file_is_named_with_its_line_its_value_and_what_is_allowed() {
    for (file, expected) in [
        (
            "[listen]\n\n[limits]\nburst = -1\n",
            "madang.toml:4: limits.burst = -1: too small; allowed is 1 to 1000000\n",
        ),
        (
            "limits.burst = \"many\"",
            "madang.toml:1: limits.burst = \"many\": not a whole number; allowed is 1 to 1000000\n",
        ),
        (
            "[log]\nsegment_bytes = 0xFFFF_FFFF_FFFF_FFFF_FFFF",
            "madang.toml:2: log.segment_bytes = 0xFFFF_FFFF_FFFF_FFFF_FFFF: too large; allowed is 1048576 to \
             1073741824\n",
        ),
        (
            "[log]\ndurability = \"interval:0ms\"",
            "madang.toml:2: log.durability = \"interval:0ms\": not a durability; allowed is \"commit\", \
             \"interval:Nms\" (N from 1 to 10000) or \"none\"\n",
        ),
        (
            "[rooms]\nlobby = \"a b\"",
            "madang.toml:2: rooms.lobby = \"a b\": a name is made of letters and digits of any script and - _ . \
             (U+0020 is not one); allowed is 1 to 64 letters and digits of any script and . - _\n",
        ),
        (
            "telemetry.level = \"loud\"",
            "madang.toml:1: telemetry.level = \"loud\": unknown word; allowed is \"error\", \"warn\", \"info\", \
             \"debug\", \"trace\"\n",
        ),
        (
            "[rooms]\n\nmember_max = 3",
            "madang.toml:3: unknown key rooms.member_max; did you mean rooms.members_max? (known here: \
             rooms.lobby, rooms.members_max, rooms.announce_members_max, rooms.history_on_join)\n",
        ),
        (
            "listen = 3",
            "madang.toml:1: unknown key listen; did you mean listen.line? (known here: listen.line, listen.line_tls)\n",
        ),
        (
            "[limit]\nburst = 3",
            "madang.toml:2: unknown key limit.burst; did you mean limits.burst? (known here: ",
        ),
        ("[limits]\nburst = 3\nburst = 4", "madang.toml:3: not TOML: duplicate key"),
        ("[limits\nburst = 3", "madang.toml:1: not TOML: "),
    ] {
        let output = check(file, &[], &[]);
        let errors = text(&output.stderr);
        let is_whole = expected.ends_with('\n');
        assert!(
            if is_whole { errors == expected } else { errors.starts_with(expected) },
            "{errors}\nnot\n{expected}"
        );
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(text(&output.stdout), "");
    }
}

#[test]
fn every_mistake_is_told_at_once() {
    let file = "limits.burst = 0\nrooms.members_max = 1\n";
    let output = check(file, &["--set", "nothing"], &[("MADANG_LOG_DURABILITY", "no")]);
    let errors = text(&output.stderr);
    for origin in ["madang.toml:1: ", "madang.toml:2: ", "--set nothing: ", "MADANG_LOG_DURABILITY: "] {
        assert!(errors.contains(origin), "{origin} in:\n{errors}");
    }
    assert_eq!(errors.lines().count(), 4);
}

#[test]
fn hostile_values_are_shown_without_their_escapes_and_shortened() {
    let output = check(&format!("rooms.lobby = '{}\u{9b}'", "x".repeat(200)), &[], &[]);
    assert!(text(&output.stderr).chars().count() < 400);
    let output = check("rooms.lobby = 'a\u{9b}2J'", &[], &[]);
    assert!(!text(&output.stderr).contains('\u{9b}'));
}

#[test]
fn the_environment_wins_over_the_file_and_an_override_over_both() {
    let file = "[limits]\nburst = 2\n";
    let variable = [("MADANG_LIMITS_BURST", "3")];
    let burst = |arguments: &[&str], variables: &[(&str, &str)]| {
        line(&check(file, arguments, variables), "limits.burst")
    };
    assert_eq!(burst(&[], &[]), "limits.burst = 2 # madang.toml:2");
    assert_eq!(burst(&[], &variable), "limits.burst = 3 # MADANG_LIMITS_BURST");
    assert_eq!(burst(&["--set", "limits.burst=4"], &variable), "limits.burst = 4 # --set");
}

#[test]
fn a_variable_that_sets_nothing_is_a_warning() {
    let output = check("", &[], &[("MADANG_LISTEN_LIEN", "127.0.0.1:1"), ("MADANG_DATA", "x")]);
    assert_eq!(output.status.code(), Some(0));
    let errors = text(&output.stderr);
    assert!(
        errors.starts_with("warning: environment variable MADANG_LISTEN_LIEN sets nothing; "),
        "{errors}"
    );
    assert!(!errors.contains("MADANG_DATA"), "{errors}");
}

#[test]
fn a_file_that_was_asked_for_and_is_not_there_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let output = config(directory.path(), &["check", "--config", "none.toml"], &[]);
    assert_eq!(
        text(&output.stderr),
        "cannot read configuration 'none.toml': No such file or directory (os error 2); create it with \
         `madang config default`, or pass another --config\n"
    );
    assert_eq!(output.status.code(), Some(2));
}
