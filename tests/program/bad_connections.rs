//! Hostile and broken connections: each is closed, and nobody else notices any of it.

use crate::harness::{Client, Dice, Lobby, PATIENCE, Server};
use std::io::Write;

#[test]
fn a_line_without_end_closes_the_connection_at_64_kib() {
    let mut lobby = Lobby::open();
    let mut stranger = lobby.stranger();
    // The server may close while the rest is on its way.
    let _ = stranger.writer().write_all(&vec![b'x'; 64 * 1024 + 1]);
    let last = stranger.expect_closed();
    assert!(last.last().is_some_and(|line| line.starts_with("! ")), "{last:?}");
    lobby.saw(&[]);
}

#[test]
fn the_keys_that_leave_a_program_leave_the_server() {
    let mut lobby = Lobby::open();
    for (key, name) in [("\x03", "interrupter"), ("\x04", "ender")] {
        let mut guest = lobby.guest(name);
        guest.send_bytes(key.as_bytes());
        assert_eq!(guest.expect_closed().last().map(String::as_str), Some("bye"), "{key:?}");
        lobby.saw(&[&format!("{name} has left the channel(general)")]);
    }
}

#[test]
fn lines_may_end_in_crlf_and_come_byte_by_byte() {
    let mut lobby = Lobby::open();
    let mut slow = lobby.stranger();
    for byte in b"slow\r\nh\xc3\xa9llo\r\n" {
        slow.send_bytes(&[*byte]);
    }
    lobby.saw(&["slow has joined general", "slow: h\u{e9}llo"]);
}

#[test]
fn what_was_typed_before_a_half_close_is_done_first() {
    let mut lobby = Lobby::open();
    for (name, last_end) in [("with", "\n"), ("without", "")] {
        let mut script = Client::connect(lobby.server.address);
        script.send_bytes(format!("{name}\n/ping\n/who\nfirst\nlast{last_end}").as_bytes());
        script.finish_sending();
        let read = script.expect_closed();
        let seen = [
            format!("{name} has joined general"),
            format!("{name}: first"),
            format!("{name}: last"),
            format!("{name} has left the channel(general)"),
        ];
        assert!(read.iter().any(|line| line == "pong"), "{read:?}");
        assert!(seen[..3].iter().all(|line| read.contains(line)), "{read:?}");
        assert_eq!(read.last().map(String::as_str), Some("bye"));
        lobby.saw(&seen.each_ref().map(String::as_str));
    }
}

#[test]
fn resets_at_any_moment_are_nobody_elses_business() {
    let mut lobby = Lobby::open();
    Client::connect(lobby.server.address).reset();
    lobby.stranger().reset();
    let mut halfway = lobby.stranger();
    halfway.send_bytes(b"half a na");
    halfway.reset();
    lobby.saw(&[]);
    let mut mallory = lobby.mallory();
    mallory.send_bytes(b"half a line");
    mallory.reset();
    // A flapping network does not flicker: the loss shows only after its grace time.
    lobby.saw(&[]);
}

#[test]
fn a_reader_that_never_reads_is_cut_off_and_the_others_keep_their_pace() {
    // More than any socket holds, though never more at once than an outbox may.
    const MESSAGES: usize = 6_000;
    const TEXT_BYTES: usize = 2_000;
    const IN_FLIGHT: usize = 16;
    let server = Server::start(2, &["limits.outbox_bytes_max=65536"]);
    let mut sleeper = Client::connect_with_small_buffer(server.address);
    sleeper.expect("name: ");
    sleeper.name("sleeper");
    sleeper.enter("r1", "sleeper");
    let mut alice = server.login_to("alice", "r1");
    let mut bob = server.login_to("bob", "r1");
    alice.expect("bob has joined r1");
    let mut carol = server.login("carol");

    let text = |number: usize| format!("{number} {}", "x".repeat(TEXT_BYTES));
    (0..IN_FLIGHT).for_each(|number| alice.send(&text(number)));
    let mut is_cut_off = false;
    for number in 0..MESSAGES {
        // Both set the pace, so that neither is a slow reader on a busy machine.
        alice.expect_next(&format!("alice: {}", text(number)));
        bob.expect_next(&format!("alice: {}", text(number)));
        if number + IN_FLIGHT < MESSAGES {
            alice.send(&text(number + IN_FLIGHT));
        }
        // Its last words wait for it a few seconds only.
        is_cut_off = number % 64 == 0
            && carol.ask("/who r1").iter().any(|line| line.contains("sleeper (lost connection)"));
        if is_cut_off {
            break;
        }
    }
    assert!(is_cut_off, "{MESSAGES} messages wait for one who never reads");

    let slept_through = sleeper.expect_closed();
    let last_words = slept_through.last().cloned().unwrap_or_default();
    assert!(last_words.contains("slow reader"), "cut off without its reason: {:.200}", last_words);
    bob.send("we are fine");
    bob.expect("bob: we are fine");
    alice.expect("bob: we are fine");
}

#[test]
fn noise_does_no_harm() {
    let mut lobby = Lobby::open();
    for seed in 0..32 {
        let mut dice = Dice(seed);
        let noise: Vec<u8> = (0..4 * 1024).map(|_| dice.roll(256) as u8).collect();
        let stranger = Client::connect(lobby.server.address);
        // The server may close at a Ctrl-D, before the noise ends.
        let _ = stranger.writer().write_all(&noise);
        stranger.reset();
    }
    for reader in [&mut lobby.alice, &mut lobby.bob] {
        reader.send("/ping");
        while let Some(line) = reader.next_line(PATIENCE).filter(|line| line != "pong") {
            assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }
    lobby.alice.send("unharmed");
    lobby.alice.expect("alice: unharmed");
    lobby.bob.expect("alice: unharmed");
}
