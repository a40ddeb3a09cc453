//! A peer that breaks its connection, whatever it was doing.

use crate::harness::{Client, Lobby, PATIENCE, Server};
use std::io::Write;
use std::time::Instant;

#[test]
fn a_reset_in_every_state_frees_what_the_connection_had_and_nobody_notices() {
    let mut lobby = Lobby::open();
    let address = lobby.server.address;
    let quiet = lobby.server.usage_with_segments().open_files;
    for round in 0..10 {
        Client::connect(address).reset();
        lobby.stranger().reset();
        let in_state = |typed: &str| {
            let mut client = Client::connect(address);
            client.expect("name: ");
            client.send_bytes(typed.as_bytes());
            client.reset();
        };
        in_state("half a na");
        in_state("\u{1}\u{2}/help\n/help\n");
        in_state("half a line without an end\u{ff}\u{ff}");
        // In rooms of their own, so that the lobby sees only that they came.
        let mut guest = Client::login(address, &format!("guest{round}"));
        guest.enter(&format!("away{round}"), &format!("guest{round}"));
        guest.ask("/who general");
        guest.send_bytes(b"half a line");
        guest.reset();
        let mut asking = Client::login(address, &format!("asking{round}"));
        asking.enter(&format!("away{round}"), &format!("asking{round}"));
        asking.ask("/who general");
        asking.send_bytes(b"said\n/who\n/history 500\n/rooms\n/channel elsewhere\n/nick other\n/quit\n");
        asking.reset();
    }
    lobby.server.expect_open_files_at_most(quiet + 2);
    for reader in [&mut lobby.alice, &mut lobby.bob] {
        reader.send("end of it");
        let mut seen = Vec::new();
        loop {
            let line = reader.read_line();
            if line.ends_with(": end of it") {
                break;
            }
            seen.push(line);
        }
        let is_expected = |line: &String| {
            ["guest", "asking", "other"].iter().any(|name| line.starts_with(name)) && line.contains(" has ")
        };
        assert!(seen.iter().all(is_expected), "{seen:?}");
    }
}

#[test]
fn a_reset_with_a_full_outbox_frees_it() {
    let server = Server::start(2, &["limits.outbox_bytes_max=67108864"]);
    let mut talker = server.login_to("talker", "r1");
    let quiet = server.usage_with_segments().open_files;
    let mut asleep = Client::connect_with_small_buffer(server.address);
    asleep.expect("name: ");
    asleep.name("asleep");
    asleep.enter("r1", "asleep");
    talker.expect("asleep has joined r1");
    let line = "x".repeat(4_000);
    // Past what sockets hold, so that the rest waits in the outbox.
    for _ in 0..2_000 {
        talker.send(&line);
        talker.expect_next(&format!("talker: {line}"));
    }
    asleep.reset();
    let deadline = Instant::now() + PATIENCE;
    while !talker.ask("/who").concat().contains("asleep (lost connection)") {
        assert!(Instant::now() < deadline, "the loss is noticed at once");
    }
    // The log has continued in further segments meanwhile.
    server.expect_open_files_at_most(quiet + 4);
}

#[test]
fn resets_during_a_drain_do_not_hold_it_up() {
    let mut server = Server::start(2, &[]);
    let mut clients: Vec<Client> =
        (0..40).map(|number| server.login_to(&format!("user{number}"), "r1")).collect();
    clients[0].ask("/who");
    for client in &clients {
        // Unread answers and unfinished lines on the way.
        let _ = client.writer().write_all(b"said before the end\n/history 500\nhalf a line");
    }
    let server_ends = std::thread::scope(|scope| {
        let ending = scope.spawn(|| server.terminate());
        clients.drain(..20).for_each(Client::reset);
        ending.join().expect("the end of the server")
    });
    assert!(server_ends.0.success(), "{server_ends:?}");
    server.verify();
}
