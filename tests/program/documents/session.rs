//! The session that the README shows, played by people who type what it says and compare what they see.

use super::page::{Page, without_numbers};
use super::world::{ADDRESS, World};
use crate::harness::Client;
use std::collections::VecDeque;
use unicode_width::UnicodeWidthStr;

/// How the line begins by which somebody comes.
const COMES: &str = "$ nc 127.0.0.1 8080";
/// The mark of what is typed.
const TYPES: &str = "< ";

/// What happens at one terminal, in order, each with the row where it stands.
type Column = VecDeque<(usize, String)>;

/// Where the columns of a block begin, from its first line.
fn starts(first: &str) -> Vec<usize> {
    let places =
        first.match_indices(COMES).map(|(at, _)| first[..at].rfind(' ').map_or(0, |space| space + 1));
    places.collect()
}

/// The part of a line that is shown between two columns of the terminal.
fn between(line: &str, from: usize, to: Option<usize>) -> String {
    let mut at = 0;
    let mut cell = String::new();
    for letter in line.chars() {
        if at >= from && to.is_none_or(|to| at < to) {
            cell.push(letter);
        }
        at += letter.to_string().width();
    }
    cell.trim_end().to_owned()
}

fn columns(lines: &[&str]) -> Vec<Column> {
    let starts = starts(lines[0]);
    let mut columns = vec![Column::new(); starts.len()];
    for (row, line) in lines.iter().enumerate() {
        for (number, column) in columns.iter_mut().enumerate() {
            let cell = between(line, starts[number], starts.get(number + 1).copied());
            match cell.strip_prefix("  ") {
                // A line that is too long for its column continues, indented.
                Some(rest) => {
                    column.back_mut().expect("a line that goes on").1 += &format!(" {}", rest.trim())
                }
                None if cell.is_empty() => {}
                None => column.push_back((row, cell)),
            }
        }
    }
    columns
}

/// Someone at a terminal.
struct Person {
    client: Option<Client>,
    column: Column,
}

impl Person {
    /// Does what stands next, and reads what is shown because of it.
    fn step(&mut self) {
        let Some((_, cell)) = self.column.pop_front() else {
            return;
        };
        if cell.ends_with(COMES) {
            self.client = Some(Client::connect(ADDRESS));
            return;
        }
        let client = self.client.as_mut().expect("someone who has come");
        let Some((shown, typed)) = cell.split_once(TYPES) else {
            let found = client.read_line();
            assert_eq!(without_numbers(&found), without_numbers(&cell), "the session shows {cell}");
            return;
        };
        if !shown.is_empty() {
            client.expect_next(shown);
        }
        client.send(typed);
        if typed == "/quit" && self.column.iter().all(|(_, cell)| !cell.contains(TYPES)) {
            let rest: Vec<String> = self.column.drain(..).map(|(_, cell)| cell).collect();
            assert_eq!(client.expect_closed(), rest, "what is shown after the last /quit");
            self.client = None;
        } else if self.column.front().is_some_and(|(_, next)| !next.contains(TYPES)) {
            self.step();
        }
    }
}

/// Plays a block row by row; returns who is still there.
fn play_block(lines: &[&str]) -> Vec<Person> {
    let columns = columns(lines).into_iter();
    let mut people: Vec<Person> = columns.map(|column| Person { client: None, column }).collect();
    assert!(!people.is_empty(), "nobody comes");
    for row in 0..lines.len() {
        for person in &mut people {
            while person.column.front().is_some_and(|(at, _)| *at <= row) {
                person.step();
            }
        }
    }
    people
}

pub fn play(world: &mut World) {
    let page = Page::read("README.md");
    let blocks: Vec<Vec<&str>> =
        page.blocks().iter().map(|(_, lines)| lines.iter().map(|(_, line)| *line).collect()).collect();
    let says = blocks.iter().find(|lines| lines[0].starts_with("madang: ")).expect("what the server says");
    for block in blocks.iter().filter(|lines| lines[0].contains(COMES)) {
        let mut server = world.serve("target/release/madang serve");
        assert!(world.words("server").contains(says[0]), "{}", world.words("server"));
        assert!(world.file("madang-data").exists());
        let people = play_block(block);
        // As the text between the blocks says.
        server.kill().expect("kill");
        server.wait().expect("wait");
        for mut client in people.into_iter().filter_map(|person| person.client) {
            assert_eq!(client.expect_closed(), [""; 0], "the session leaves out what is shown at its end");
        }
    }
}
