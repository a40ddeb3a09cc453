//! More connections than the process may have descriptors.

use crate::harness::{Client, PATIENCE, Server};
use std::thread::sleep;
use std::time::{Duration, Instant};

const OPEN_FILES: u64 = 200;
const CROWD: usize = 400;

#[test]
fn without_descriptors_newcomers_are_told_and_those_who_are_in_go_on() {
    let mut server = Server::start_with_open_files(1, &[], OPEN_FILES);
    let mut alice = server.login_to("alice", "r1");
    let mut bob = server.login_to("bob", "r1");
    alice.expect_next("bob has joined r1");
    let quiet = server.usage_with_segments();
    let mut crowd: Vec<Client> = (0..CROWD).map(|_| Client::connect(server.address)).collect();
    // Segments of 1 MiB fill up meanwhile: the log needs new files, and so do readers of old ones.
    for number in 0..1_000 {
        let text = format!("{number} {}", "x".repeat(3_000));
        alice.send(&text);
        alice.expect_next(&format!("alice: {text}"));
        bob.expect_next(&format!("alice: {text}"));
    }
    for page in ["/history 1 after 0", "/history 1 before 500"] {
        let answers = bob.ask(page);
        assert!(answers[0].starts_with('#'), "{page}: {:.200}", answers[0]);
    }
    assert!(server.is_running());
    let told = crowd.iter_mut().rev().take(200).map(is_turned_away).filter(|told| *told).count();
    assert!(told > 0, "the last comers are told that the server is full");
    assert!(server.words().contains("no descriptor left"), "and so is the operator");

    drop(crowd);
    server.expect_open_files_at_most(quiet.open_files + 8);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut carol = Client::connect(server.address);
        if !is_turned_away(&mut carol) {
            break;
        }
        assert!(Instant::now() < deadline, "who comes when there is room is let in");
        sleep(Duration::from_millis(100));
    }
    assert!(server.terminate().0.success());
    server.verify();
}

/// Whether the server has sent that it is full. A client that waits to be accepted is sent nothing yet.
fn is_turned_away(client: &mut Client) -> bool {
    client
        .first_words(Duration::from_millis(20))
        .is_some_and(|words| words.starts_with("! the server is full"))
}
