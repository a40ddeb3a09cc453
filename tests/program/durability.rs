//! What was acknowledged is there after the worst end a process can have.

use crate::harness::{Client, Dice, PATIENCE, Said, Server, seed};
use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::net::SocketAddr;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

const ROOMS: [&str; 3] = ["r1", "r2", "마당"];
const WRITERS: usize = 8;
const ROUNDS: usize = 5;
/// Messages a writer has on their way: enough that every batch holds many.
const IN_FLIGHT: usize = 16;
/// The longest time between everyone's first message and the kill, in milliseconds.
const KILL_AFTER_MS_MAX: u64 = 400;

/// What one writer read in its room, in order, until its connection broke.
struct Heard {
    room: &'static str,
    name: String,
    lines: Vec<String>,
}

/// Talks as fast as its own lines come back, until the server is gone.
fn talk(
    address: SocketAddr,
    round: usize,
    writer: usize,
    all_are_in: &Barrier,
    has_heard: &Sender<()>,
) -> Heard {
    let (room, name) = (ROOMS[writer % ROOMS.len()], format!("writer{writer}"));
    let mut client = Client::login_to(address, &name, room);
    all_are_in.wait();
    let own = format!("{name}: ");
    let mut next = 0;
    let mut mouth = client.writer();
    let mut say = |count: usize| {
        let lines: String =
            (next..next + count).map(|number| format!("round {round} number {number}\n")).collect();
        next += count;
        // The server may be gone: then the reading ends, too.
        let _ = mouth.write_all(lines.as_bytes());
    };
    say(IN_FLIGHT);
    let mut lines = Vec::new();
    while let Some(line) = client.next_line(PATIENCE) {
        if line.starts_with(&own) {
            say(1);
        }
        if line.contains(": round ") {
            lines.push(line);
            if lines.len() == 1 {
                has_heard.send(()).expect("somebody waits for it");
            }
        }
    }
    Heard { room, name, lines }
}

/// One life of the server: everyone talks, and at a random moment it is killed.
fn live_and_die(server: &mut Server, round: usize, dice: &mut Dice) -> Vec<Heard> {
    let all_are_in = Arc::new(Barrier::new(WRITERS + 1));
    let (has_heard, heard) = mpsc::channel();
    let address = server.address;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let all_are_in = Arc::clone(&all_are_in);
            let has_heard = has_heard.clone();
            thread::spawn(move || talk(address, round, writer, &all_are_in, &has_heard))
        })
        .collect();
    all_are_in.wait();
    for _ in 0..WRITERS {
        heard.recv_timeout(PATIENCE).expect("everyone hears something");
    }
    thread::sleep(Duration::from_millis(1 + dice.roll(KILL_AFTER_MS_MAX)));
    server.kill_nine();
    writers.into_iter().map(|writer| writer.join().expect("a writer")).collect()
}

/// Everything anybody read in the room is in its log, in the order it was read in, each once.
fn check_heard(heard: &Heard, stored: &[Said]) {
    let Some(first) = heard.lines.first() else { return };
    let lines: Vec<String> = stored.iter().map(Said::line).collect();
    let start = lines.iter().position(|line| line == first);
    let start = start.unwrap_or_else(|| panic!("{} read {first:?}, and it is not stored", heard.name));
    for (place, read) in heard.lines.iter().enumerate() {
        let Heard { room, name, .. } = heard;
        assert_eq!(
            lines.get(start + place),
            Some(read),
            "stored in {room} (left), and read by {name} (right)"
        );
    }
}

fn check_numbers(room: &str, stored: &[Said]) {
    for (place, said) in stored.iter().enumerate() {
        assert_eq!(said.seq, place as u64 + 1, "{room} has a gap or a repeat at {said:?}");
    }
    let distinct: HashSet<String> = stored.iter().map(Said::line).collect();
    assert_eq!(distinct.len(), stored.len(), "{room} holds a message twice");
}

#[test]
fn acked_messages_survive_kill_nine() {
    what_was_heard_survives_kill_nine(ROUNDS, &[]);
}

/// These promise less only of a power cut: a message is written before anyone sees it, and what
/// is written outlives the process.
#[test]
fn messages_seen_before_their_sync_survive_the_end_of_the_process() {
    for durability in ["interval:50ms", "none"] {
        what_was_heard_survives_kill_nine(1, &[&format!("log.durability={durability}")]);
    }
}

fn what_was_heard_survives_kill_nine(rounds: usize, settings: &[&str]) {
    let seed = seed();
    let mut dice = Dice(seed);
    let mut server = Server::start(2, settings);
    let mut heard = Vec::new();
    for round in 0..rounds {
        heard.extend(live_and_die(&mut server, round, &mut dice));
        server.start_again();

        let logs: HashMap<&str, Vec<Said>> = ROOMS.iter().map(|room| (*room, server.export(room))).collect();
        heard.iter().for_each(|heard| check_heard(heard, &logs[heard.room]));
        for (room, stored) in &logs {
            check_numbers(room, stored);
            let name = format!("reader-of-{room}");
            let mut reader = server.login(&name);
            reader.enter(room, &name);
            reader.expect_all(stored[stored.len().saturating_sub(15)..].iter().map(Said::line));
        }
    }
    let read: usize = heard.iter().map(|heard| heard.lines.len()).sum();
    println!("{read} messages were read in {rounds} rounds");
    assert!(read >= rounds * WRITERS, "only {read} messages were acknowledged: this run shows nothing");
    assert!(server.terminate().0.success());
    server.verify();
}
