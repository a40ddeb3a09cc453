//! More lines than anyone may send, and whispers without end.

use crate::harness::{Client, PATIENCE, Server, alice_and_bob};
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

const RATE: u64 = 20;
const BURST: u64 = 40;

#[test]
fn a_flood_of_lines_is_refused_past_the_rate_and_the_others_see_only_what_was_allowed() {
    const LINES: usize = 20_000;
    let server = Server::start(2, &["limits.messages_per_second=20", "limits.burst=40"]);
    let (mut alice, mut bob) = alice_and_bob(&server);
    let mut mallory = server.login("mallory");
    alice.expect_next("mallory has joined general");
    let started = Instant::now();
    let mut mouth = mallory.writer();
    let writer = thread::spawn(move || mouth.write_all("flood\n".repeat(LINES).as_bytes()));
    let (mut said, mut refused) = (0, 0);
    while said + refused < LINES {
        match mallory.read_line().as_str() {
            "mallory: flood" => said += 1,
            line if line.starts_with("! too fast: 20 messages a second, 40 at once; wait ") => refused += 1,
            other => assert!(!other.contains("flood"), "{other}"),
        }
    }
    writer.join().expect("a writer").expect("the flood is read to its end");
    let allowed = BURST + RATE * (started.elapsed().as_secs() + 1);
    assert!(said as u64 <= allowed, "{said} of {LINES} lines were said, {allowed} are allowed");
    alice.send("was that all?");
    let seen = bob.expect("alice: was that all?");
    assert_eq!(seen.iter().filter(|line| *line == "mallory: flood").count(), said);
}

#[test]
fn what_is_more_work_than_a_message_counts_as_several() {
    let server = Server::start(2, &["limits.messages_per_second=1", "limits.burst=40"]);
    let mut mallory = server.login("mallory");
    for (command, answers) in
        [("/who", 10), ("/rooms", 10), ("/rooms e", 4), ("/history 500", 6), ("/nick x", 20)]
    {
        // A connection of its own has its whole allowance.
        let mut client = server.login("client");
        client.send_bytes(format!("{command}\n").repeat(answers + 3).as_bytes());
        let mut lines = std::iter::repeat_with(|| client.read_line());
        let refused = lines.find(|line| line.starts_with("! ")).expect("as many lines as come");
        let words = "! too fast: 1 messages a second, 40 at once, and this counts as ";
        assert!(refused.starts_with(words) && refused.ends_with(" ms and send it again"), "{refused}");
        client.send("/quit");
        client.expect_closed();
    }
    mallory.send("still heard");
    mallory.expect("mallory: still heard");
}

#[test]
fn a_flood_whose_answers_are_not_read_ends_its_own_connection() {
    let server = Server::start(2, &["limits.messages_per_second=20", "limits.outbox_bytes_max=65536"]);
    let (mut alice, mut bob) = alice_and_bob(&server);
    let mut mallory = Client::connect_with_small_buffer(server.address);
    mallory.expect("name: ");
    let mut mouth = mallory.writer();
    let before = server.usage();
    // Before it has a name, every one of these is answered with a page of help.
    let help = "/help\n".repeat(10_000);
    let deadline = Instant::now() + PATIENCE;
    while mouth.write_all(help.as_bytes()).is_ok() {
        assert!(Instant::now() < deadline, "one who never reads is not read for ever");
    }
    // Its unread input makes the kernel reset the connection: a client that does not read may not learn why.
    mallory.expect_closed();
    let growth = server.usage().memory_bytes.saturating_sub(before.memory_bytes);
    assert!(growth < 16 << 20, "{growth} bytes more");
    alice.send("quiet here");
    bob.expect_next("alice: quiet here");
}

#[test]
fn whispers_from_all_sides_arrive_in_order_at_one_who_reads() {
    const SENDERS: usize = 8;
    const WHISPERS: usize = 200;
    let server = Server::start(3, &[]);
    let mut bob = server.login("bob");
    let address = server.address;
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| thread::spawn(move || whisper(address, &format!("sender{sender}"), WHISPERS, 10)))
        .collect();
    let mut next = [0; SENDERS];
    while next.iter().sum::<usize>() < SENDERS * WHISPERS {
        let line = bob.read_line();
        let Some((from, text)) = line.split_once(" -> bob : ") else { continue };
        let sender: usize = from.trim_start_matches("sender").parse().expect("a sender");
        assert!(text.starts_with(&format!("{} ", next[sender])), "{line:.80} after {}", next[sender]);
        next[sender] += 1;
    }
    for sender in senders {
        assert_eq!(sender.join().expect("a sender"), WHISPERS, "each is told that its whispers arrived");
    }
}

#[test]
fn whispers_from_all_sides_to_one_who_never_reads_cut_it_off_and_are_counted() {
    const SENDERS: usize = 8;
    let server = Server::start(2, &["limits.outbox_bytes_max=65536"]);
    let (mut alice, mut carol) = alice_and_bob(&server);
    let mut victim = Client::connect_with_small_buffer(server.address);
    victim.expect("name: ");
    victim.name("victim");
    let started = Instant::now();
    let address = server.address;
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            thread::spawn(move || whisper_to(address, &format!("sender{sender}"), "victim", 1_000, 3_500))
        })
        .collect();
    let told: usize = senders.into_iter().map(|sender| sender.join().expect("a sender")).sum();
    assert!(told > 0);
    let read = victim.expect_closed();
    // Its last words wait for 5 s; on a busy machine it wakes later than that.
    let is_told = read.last().is_some_and(|line| line.contains("slow reader"));
    assert!(is_told || started.elapsed() > Duration::from_secs(5), "{:.80}", read.last().expect("a line"));
    carol.send("calm");
    alice.expect("bob: calm");
    let mut victim = Client::login_when_free(address, "victim");
    let unread = victim.ask("/unread");
    assert!(unread.iter().any(|line| line.contains("unread whisper")), "{unread:?}");
}

fn whisper(address: std::net::SocketAddr, name: &str, count: usize, bytes: usize) -> usize {
    whisper_to(address, name, "bob", count, bytes)
}

/// Whispers, sixteen on their way at once. Gives how many receipts came back.
fn whisper_to(address: std::net::SocketAddr, name: &str, to: &str, count: usize, bytes: usize) -> usize {
    let mut client = Client::login(address, name);
    client.ask("/ping");
    let (mut sent, mut receipts, mut answers) = (0, 0, 0);
    let receipt = format!("{name} -> {to} : ");
    while answers < count {
        while sent < count && sent < answers + 16 {
            client.send(&format!("/msg {to} {sent} {}", "x".repeat(bytes)));
            sent += 1;
        }
        let line = client.next_line(Duration::from_secs(20)).expect("senders are not cut off");
        if line.starts_with(&receipt) {
            receipts += 1;
            answers += 1;
        } else if line.starts_with("! ") {
            answers += 1;
        }
    }
    receipts
}
