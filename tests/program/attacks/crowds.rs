//! Connections that say nothing, or nearly nothing.

use crate::harness::{Client, Lobby, Server, raise_open_files};
use std::thread::sleep;
use std::time::{Duration, Instant};

const SILENT: usize = 10_000;
/// What this process needs beside the crowd: other tests run in it, too.
const FILES_LEFT: usize = 3_000;
/// What a silent connection may take of the server's own memory, in bytes. A build that was made
/// for tests has the same structures as one that is shipped.
const SILENT_BYTES_MAX: u64 = 1_500;
const DRIP: Duration = Duration::from_secs(1);

#[test]
fn a_name_that_comes_a_byte_a_second_does_not_come_in_time() {
    let server = Server::start(2, &["limits.login_seconds=2"]);
    let mut alice = server.login("alice");
    let mut slow: Vec<Client> = (0..50).map(|_| Client::connect(server.address)).collect();
    let started = Instant::now();
    // Half of them are over by then; what is written to those is lost.
    for _ in 0..4 {
        slow.iter().for_each(|client| drop(std::io::Write::write_all(&mut client.writer(), b"a")));
        sleep(DRIP);
    }
    for client in &mut slow {
        let words = client.expect_closed();
        assert!(words.last().is_some_and(|line| line.contains("no name within 2 s")), "{words:?}");
    }
    assert!(started.elapsed() < Duration::from_secs(12), "{:?}", started.elapsed());
    alice.send("still here");
    alice.expect_next("alice: still here");
}

#[test]
fn a_line_that_comes_a_byte_a_second_costs_a_line_and_nobody_elses_time() {
    let mut lobby = Lobby::open();
    let mut mallory = lobby.mallory();
    for byte in b"slow\n" {
        mallory.send_bytes(&[*byte]);
        lobby.saw(if *byte == b'\n' { &["mallory: slow"] } else { &[] });
        sleep(DRIP);
    }
    mallory.expect("mallory: slow");
}

#[test]
fn ten_thousand_who_say_nothing_take_little_and_are_let_go_in_time() {
    let files = raise_open_files();
    let count = SILENT.min(files.saturating_sub(FILES_LEFT));
    let server = Server::start(2, &["limits.login_seconds=10"]);
    let (mut alice, mut bob) = crate::harness::alice_and_bob(&server);
    let before = server.usage_with_segments();
    let started = Instant::now();
    let crowd: Vec<Client> = (0..count).map(|_| Client::connect(server.address)).collect();
    // The last comers are greeted, so that all before them are in.
    let mut last = Client::connect(server.address);
    last.expect("name: ");
    let connected = || {
        let status = server.status();
        let shards = status["shards"].as_array().expect("a list");
        shards.iter().map(|shard| shard["connections"].as_u64().expect("a number") as usize).sum::<usize>()
    };
    // Alice, Bob and the last one, too.
    while connected() < count + 3 {
        assert!(started.elapsed() < Duration::from_secs(9), "{} of {count} are in", connected());
        sleep(Duration::from_millis(10));
    }
    let during = server.usage();
    let each = during.memory_bytes.saturating_sub(before.memory_bytes) / count as u64;
    println!("{count} silent connections in {:?}: {each} bytes each", started.elapsed());
    assert!(each <= SILENT_BYTES_MAX, "{each} bytes each: {before:?}, then {during:?}");
    alice.send("anyone?");
    bob.expect_next("alice: anyone?");

    for mut client in crowd.into_iter().step_by(100) {
        let deadline = Duration::from_secs(40);
        let mut words = Vec::new();
        while let Some(line) = client.next_line(deadline) {
            words.push(line);
        }
        assert!(words.last().is_some_and(|line| line.contains("no name within 10 s")), "{words:?}");
    }
    server.expect_open_files_at_most(before.open_files + 2);
    bob.send("nobody");
    alice.expect("bob: nobody");
}
