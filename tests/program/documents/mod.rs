//! What the documents say one can type is typed here, as written, and what they point to is there.
//!
//! Each test that runs lines does so in a world of its own (`world`), so that ports, `/usr/bin`, `/etc` and
//! `/var/lib` are free for them; what cannot be run there stands in one table (`not_run`).

#![allow(clippy::zombie_processes, reason = "servers end with the namespace that they run in")]

mod links;
mod not_run;
mod page;
mod people;
mod session;
mod spans;
mod world;

use page::{Command, Page};
use std::time::Instant;
use world::{World, in_a_world};

/// What the documents expect to find and no line of theirs makes: a part of the line, and what makes it.
const FOUND: [(&str, &str); 4] = [
    // Two mistakes, in the lines that the page shows.
    (
        "madang.toml:12",
        "{ yes '' | head -n 10; printf '[limits]\\nburst = -1\\n[rooms]\\n\\nmember_max = 7\\n'; } > madang.toml",
    ),
    ("cp madang-new ", "cp /usr/bin/madang madang-new"),
    (
        "general/*.json",
        r#"mkdir general
        for ts in 1700000000.000100 1700000001.000200; do
            printf '{"type":"message","user":"U1","ts":"%s","text":"hi","user_profile":{"name":"bob"}}\n' $ts
        done | jq -s '. + [{"type":"message","subtype":"channel_join","ts":"1700000002.000300"}]' > general/2023-11-14.json"#,
    ),
    // What is measured says more than a person may, as the line says.
    (
        "with limits.messages_per_second=0",
        "printf '[limits]\\nmessages_per_second = 0\\n' > /etc/madang/madang.toml
         systemctl stop madang && systemctl start madang",
    ),
];

/// Lines that end otherwise than with 0, as the words around them say.
const END_WITH: [(&str, i32); 1] = [("madang.toml:12", 2)];

/// Lines that run until Ctrl-C.
const UNTIL_CTRL_C: [&str; 1] = ["madang status --watch"];

fn value_of<T: Copy>(table: &[(&str, T)], command: &Command) -> Option<T> {
    let is_of =
        |part: &str| command.line.contains(part) || command.output.iter().any(|line| line.contains(part));
    table.iter().find(|(part, _)| is_of(part)).map(|(_, value)| *value)
}

fn run(world: &mut World, command: &Command) {
    if let Some(script) = value_of(&FOUND, command) {
        world.must(script);
    }
    if serves(command) {
        world.serve(&command.line);
        return world.have_people();
    }
    if UNTIL_CTRL_C.iter().any(|line| command.line.starts_with(line)) {
        return world.run_until_ctrl_c(&command.line);
    }
    let ran = match not_run::without_comment(&command.line) {
        // As short as it can be: how much is measured is not what is tried here.
        measures if measures.starts_with("madang bench ") => world.run(&format!("{measures} --seconds 1")),
        _ => world.run(&command.line),
    };
    let code = value_of(&END_WITH, command).unwrap_or(0);
    assert_eq!(ran.code, Some(code), "{}: {}\n{}", command.at, command.line, ran.words);
    page::assert_shown(&command.output, &ran.words, &command.at);
}

fn serves(command: &Command) -> bool {
    command.line.starts_with("madang serve ")
}

/// Runs the lines of a block in their order, with a server unless one of them starts it.
fn run_block(world: &mut World, commands: &[Command]) {
    let commands: Vec<&Command> =
        commands.iter().filter(|command| not_run::reason(command).is_none()).collect();
    if !commands.is_empty() && !commands.iter().any(|command| serves(command)) {
        world.have_a_server();
        world.have_people();
    }
    for command in commands {
        let started_at = Instant::now();
        run(world, command);
        println!("{:5} ms {}: {}", started_at.elapsed().as_millis(), command.at, command.line);
    }
}

fn run_page(world: &mut World, page: &Page) {
    for span in page.spans().iter().filter(|span| spans::is_whole(span)) {
        run(world, span);
    }
    for block in page.commands() {
        run_block(world, &block);
    }
}

#[test]
fn every_command_line_of_the_readme_runs_as_written() {
    in_a_world("every_command_line_of_the_readme_runs_as_written", |world| {
        run_page(world, &Page::read("README.md"));
    });
}

#[test]
fn every_command_line_of_the_documents_runs_as_written() {
    in_a_world("every_command_line_of_the_documents_runs_as_written", |world| {
        for page in page::all().iter().filter(|page| page.path.starts_with("docs/")) {
            run_page(world, page);
        }
    });
}

#[test]
fn the_session_of_the_readme_is_what_two_people_see() {
    in_a_world("the_session_of_the_readme_is_what_two_people_see", session::play);
}

#[test]
fn each_client_that_the_text_names_comes_in() {
    in_a_world("each_client_that_the_text_names_comes_in", people::come);
}

#[test]
fn lines_that_are_not_run_are_there_and_name_what_is_there() {
    not_run::check();
    let lines: Vec<Command> = page::all().iter().flat_map(Page::commands).flatten().collect();
    let parts = FOUND.iter().map(|(part, _)| part).chain(END_WITH.iter().map(|(part, _)| part));
    for part in parts.chain(&UNTIL_CTRL_C) {
        let is_there = lines.iter().any(|command| value_of(&[(part, ())], command).is_some());
        assert!(is_there, "no document has a line with {part:?} any more");
    }
}

#[test]
fn commands_and_flags_that_the_text_names_are_known() {
    spans::check();
}

#[test]
fn every_link_leads_somewhere() {
    links::check();
}
