//! Everything that was ever said can be read again, at any depth and after any restart.

use crate::harness::{Client, Server};
use std::fs;
use std::path::PathBuf;

const ROOM: &str = "r1";
/// Enough for several segments of 1 MiB.
const MESSAGES: u64 = 9_000;

fn text(number: u64) -> String {
    format!("{number} {}", "말".repeat(100))
}

/// Says numbered messages, many on their way at once.
fn talk(client: &mut Client, name: &str, first: u64, last: u64) {
    let (mut sent, in_flight) = (first, 200);
    let line = |number: u64| format!("{}\n", text(number));
    let ahead: String = (first..=last.min(first + in_flight - 1)).map(line).collect();
    client.send_bytes(ahead.as_bytes());
    sent += in_flight;
    for number in first..=last {
        assert_eq!(client.read_line(), format!("{name}: {}", text(number)));
        if sent <= last {
            client.send_bytes(line(sent).as_bytes());
            sent += 1;
        }
    }
}

/// The numbers and texts that `/history` gives.
fn page(client: &mut Client, asked: &str) -> Vec<(u64, String)> {
    let lines = client.ask(asked);
    let parse = |line: String| {
        let (number, rest) = line.strip_prefix('#')?.split_once(' ')?;
        let (_, text) = rest.split_once(": ")?;
        Some((number.parse().ok()?, text.to_owned()))
    };
    lines.into_iter().filter_map(parse).collect()
}

fn numbered(first: u64, last: u64) -> Vec<(u64, String)> {
    (first..=last).map(|number| (number, text(number))).collect()
}

fn check_pages(client: &mut Client, head: u64) {
    assert_eq!(page(client, "/history 20"), numbered(head - 19, head));
    for before in [2, 51, 4_000, head - 70, head - 30, head] {
        let first = before.saturating_sub(50).max(1);
        assert_eq!(page(client, &format!("/history 50 before {before}")), numbered(first, before - 1));
    }
    for after in [0, 1, 4_000, head - 100, head - 10] {
        let last = (after + 100).min(head);
        assert_eq!(page(client, &format!("/history 100 after {after}")), numbered(after + 1, last));
    }
}

fn indexes(server: &Server) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for shard in fs::read_dir(server.data()).expect("the data").flatten() {
        for file in fs::read_dir(shard.path()).into_iter().flatten().flatten() {
            if file.path().extension().is_some_and(|extension| extension == "idx") {
                found.push(file.path());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn every_page_is_found_at_any_depth_after_crashes_and_on_other_shard_counts() {
    let mut server = Server::start(2, &[]);
    let mut alice = server.login_to("alice", ROOM);
    talk(&mut alice, "alice", 1, MESSAGES);
    check_pages(&mut alice, MESSAGES);
    server.kill_nine();
    for (shards, head) in [(2, MESSAGES), (3, MESSAGES + 300), (1, MESSAGES + 600)] {
        server.start_again_with(shards);
        let mut bob = server.login_to("bob", ROOM);
        check_pages(&mut bob, head);
        talk(&mut bob, "bob", head + 1, head + 300);
        check_pages(&mut bob, head + 300);
        assert!(server.terminate().0.success());
    }
    server.verify();
}

#[test]
fn a_lost_or_damaged_index_is_made_again_while_people_read_and_at_the_next_start() {
    let mut server = Server::start(1, &[]);
    let mut alice = server.login_to("alice", ROOM);
    talk(&mut alice, "alice", 1, MESSAGES);
    check_pages(&mut alice, MESSAGES);
    server.kill_nine();
    server.start_again();
    let files = indexes(&server);
    assert!(files.len() >= 3, "several segments are full: {files:?}");
    // While it runs: it has read none of them for a page yet.
    fs::remove_file(&files[0]).expect("a loss");
    let mut bytes = fs::read(&files[1]).expect("an index");
    let before = bytes.clone();
    bytes.iter_mut().skip(64).for_each(|byte| *byte ^= 0x55);
    fs::write(&files[1], bytes).expect("damage");
    let mut bob = server.login_to("bob", ROOM);
    check_pages(&mut bob, MESSAGES);
    assert_eq!(fs::read(&files[1]).expect("an index"), before);
    assert!(server.terminate().0.success());

    files.iter().for_each(|file| fs::remove_file(file).expect("a loss"));
    server.start_again();
    let mut carol = server.login_to("carol", ROOM);
    check_pages(&mut carol, MESSAGES);
    assert_eq!(fs::read(&files[1]).expect("an index"), before);
}

#[test]
fn what_has_expired_is_said_to_be_and_numbers_go_on() {
    let mut server = Server::start(1, &["log.retain_bytes=2000000"]);
    let mut alice = server.login_to("alice", ROOM);
    talk(&mut alice, "alice", 1, 2 * MESSAGES);
    let head = 2 * MESSAGES;
    let is_told = |client: &mut Client| {
        let lines = client.ask("/history 10 after 0");
        lines.iter().any(|line| line.starts_with("* messages #1 to #") && line.contains("have expired"))
    };
    // Removing follows sealing on a thread of its own: a handful of looks later it has caught up.
    let mut looks = 0;
    while !is_told(&mut alice) {
        looks += 1;
        assert!(looks < 10_000, "the first messages expire");
    }
    assert_eq!(page(&mut alice, "/history 50"), numbered(head - 49, head));
    let stored = server.export(ROOM);
    assert!(stored.first().is_some_and(|oldest| oldest.seq > 1), "the files are gone");
    assert_eq!(stored.last().map(|newest| newest.seq), Some(head));
    server.kill_nine();
    server.start_again();
    let mut bob = server.login_to("bob", ROOM);
    assert!(is_told(&mut bob));
    // A client that follows the hint finds the oldest that is kept.
    let told = bob.ask("/history 10 after 0");
    let oldest = server.export(ROOM).first().map_or(0, |oldest| oldest.seq);
    let last = oldest - 1;
    assert_eq!(told, [format!("* messages #1 to #{last} have expired (try /history after {last})")]);
    let found = bob.ask(&format!("/history 10 after {last}"));
    assert!(found[0].starts_with(&format!("#{oldest} ")), "{found:?}");
    talk(&mut bob, "bob", head + 1, head + 10);
    assert_eq!(page(&mut bob, "/history 20"), numbered(head - 9, head + 10));
    server.verify();
}

#[test]
fn who_joins_and_who_reads_is_answered_while_a_snapshot_is_being_written() {
    let mut server = Server::start(1, &["log.retain_bytes=1000000"]);
    let mut alice = server.login_to("alice", "elsewhere");
    talk(&mut alice, "alice", 1, 300);
    server.kill_nine();
    server.start_again();
    // Writing a pipe waits until someone reads it: the next snapshot, which retention needs.
    let unfinished = server.data().join("shard-00/rooms.unfinished");
    let (directory, kind) = (rustix::fs::CWD, rustix::fs::FileType::Fifo);
    rustix::fs::mknodat(directory, &unfinished, kind, 0o600.into(), 0).expect("a pipe");
    let mut alice = server.login_to("alice", ROOM);
    talk(&mut alice, "alice", 1, 2 * MESSAGES);
    assert_eq!(page(&mut alice, "/history 100 after 4000"), numbered(4_001, 4_100));
    let mut bob = server.login_to("bob", "elsewhere");
    assert_eq!(page(&mut bob, "/history 20 before 100"), numbered(80, 99));
    // It was being written, and is whole.
    let written = fs::read(&unfinished).expect("a snapshot");
    assert!(written.len() > 64, "{} bytes", written.len());
    talk(&mut alice, "alice", 2 * MESSAGES + 1, 3 * MESSAGES);
    server.kill_nine();
    server.start_again();
    let mut carol = server.login_to("carol", ROOM);
    assert_eq!(page(&mut carol, "/history 50"), numbered(3 * MESSAGES - 49, 3 * MESSAGES));
    server.verify();
}

#[test]
fn a_damaged_message_is_told_repaired_and_its_loss_named() {
    let mut server = Server::start(1, &[]);
    let mut alice = server.login_to("alice", ROOM);
    talk(&mut alice, "alice", 1, MESSAGES);
    assert!(server.terminate().0.success());
    let segment = indexes(&server)[1].with_extension("seg");
    let mut bytes = fs::read(&segment).expect("a segment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segment, bytes).expect("damage");
    // Sealed segments are not read at a start: damage is reported to a client that asks for it, and only then.
    server.start_again();
    let mut reader = server.login_to("reader", ROOM);
    let unreadable = (0..MESSAGES)
        .step_by(500)
        .filter(|after| {
            let lines = reader.ask(&format!("/history 500 after {after}"));
            lines.iter().any(|line| line.starts_with("! messages #") && line.contains("cannot be read"))
        })
        .count();
    assert_eq!(unreadable, 1, "one page holds the damaged message");
    assert!(server.terminate().0.success());
    assert_eq!(server.log_tool(&["verify"]).status.code(), Some(1));
    assert!(server.log_tool(&["repair", "--yes"]).status.success());
    server.start_again();
    let stored = server.export(ROOM);
    assert_eq!(stored.len() as u64, MESSAGES - 1, "one message was damaged");
    let lost = (1..).zip(&stored).find(|(number, said)| said.seq != *number).map(|(number, _)| number);
    let lost: u64 = lost.expect("a number that is lost");
    let mut bob = server.login_to("bob", ROOM);
    let lines = bob.ask(&format!("/history 10 after {}", lost - 6));
    let told = format!("* message #{lost} is lost");
    assert_eq!(lines.iter().position(|line| *line == told), Some(5), "{lines:?}");
    let after = page(&mut bob, &format!("/history 100 after {lost}"));
    assert_eq!(after, numbered(lost + 1, lost + 100));
    talk(&mut bob, "bob", MESSAGES + 1, MESSAGES + 100);
    assert_eq!(page(&mut bob, "/history 100"), numbered(MESSAGES + 1, MESSAGES + 100));
    server.verify();
}

#[test]
fn a_page_that_does_not_fit_is_cut_and_says_how_to_go_on() {
    let server = Server::start(1, &["limits.outbox_bytes_max=65536"]);
    let mut alice = server.login_to("alice", ROOM);
    for number in 1..=300 {
        talk(&mut alice, "alice", number, number);
    }
    let lines = alice.ask("/history 200 before 220");
    let cut = lines.iter().find(|line| line.contains("do not fit")).expect("a cut page says so");
    let next = cut.rsplit_once("before ").and_then(|(_, rest)| rest.strip_suffix(')')).expect("how to go on");
    let next: u64 = next.parse().expect("a number");
    let shown = page(&mut alice, &format!("/history 10 before {next}"));
    assert_eq!(shown, numbered(next - 10, next - 1));
}
