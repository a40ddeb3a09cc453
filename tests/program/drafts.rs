//! A client that saw no answer can send a text again under its own id: it is stored once, whatever happened in
//! between.

use crate::harness::{Client, Server, on_one_shard_and_on_three};
use std::time::SystemTime;

const ROOM: &str = "r1";
/// Drafts that a room remembers of one author.
const WINDOW: u64 = 64;

fn repeated(id: &str, number: u64) -> String {
    format!("* draft {id} was stored before, as #{number}")
}

/// Logs in under a name that another connection has just lost.
fn back(server: &Server, name: &str) -> Client {
    let mut client = Client::login_when_free(server.address, name);
    client.enter(ROOM, name);
    client.ask("/who");
    client
}

fn texts(server: &Server) -> Vec<String> {
    server.export(ROOM).into_iter().map(|said| said.line()).collect()
}

#[test]
fn a_draft_repeated_is_stored_once_shown_once_and_answered_with_its_number() {
    on_one_shard_and_on_three(|server| {
        let mut alice = server.login_to("alice", ROOM);
        let mut bob = server.login_to("bob", ROOM);
        alice.expect_next("bob has joined r1");
        alice.send("before");
        alice.expect_next("alice: before");
        // All on their way at once: the repeats overtake the commit of the first.
        alice.send_bytes(b"/send 7f3a hi\n/send 7f3a hi\n/send 7f3a hi\n");
        alice.expect_all(["alice: hi".to_owned(), repeated("7f3a", 2), repeated("7f3a", 2)]);
        alice.send("/send 7f3a another text");
        alice.expect_next(&repeated("7f3a", 2));
        alice.send("/send 7f3b hi");
        alice.expect_next("alice: hi");
        bob.expect("alice: before");
        bob.expect_all(["alice: hi", "alice: hi"]);
        assert_eq!(texts(server), ["alice: before", "alice: hi", "alice: hi"]);
    });
}

#[test]
fn a_draft_repeated_after_a_reconnect_is_stored_once() {
    on_one_shard_and_on_three(|server| {
        let mut alice = server.login_to("alice", ROOM);
        alice.send("/send 7f3a hi");
        alice.expect_next("alice: hi");
        alice.reset();
        let (mut alice, room) = Client::return_when_free(server.address, "alice");
        assert_eq!(room, ROOM);
        alice.ask("/who");
        alice.send("/send 7f3a hi");
        alice.expect_next(&repeated("7f3a", 1));
        assert_eq!(texts(server), ["alice: hi"]);
    });
}

#[test]
fn a_draft_repeated_after_kill_nine_is_stored_once() {
    let mut server = Server::start(2, &[]);
    let mut alice = server.login_to("alice", ROOM);
    alice.send("before");
    alice.send("/send 7f3a hi");
    alice.expect("alice: hi");
    for shards in [2, 3, 1] {
        server.kill_nine();
        server.start_again_with(shards);
        let mut alice = back(&server, "alice");
        alice.send("/send 7f3a hi");
        alice.expect_next(&repeated("7f3a", 2));
    }
    assert_eq!(texts(&server), ["alice: before", "alice: hi"]);
    server.verify();
}

/// The author does not know whether the message was stored before the end; nor does this test.
#[test]
fn a_draft_whose_answer_was_lost_in_the_crash_is_stored_once_when_it_is_repeated() {
    let mut server = Server::start(1, &[]);
    for life in 0..5_usize {
        let id = format!("life-{life}");
        let mut alice = back(&server, "alice");
        alice.send(&format!("/send {id} {id}"));
        server.kill_nine();
        server.start_again();
        let mut alice = back(&server, "alice");
        alice.send(&format!("/send {id} {id}"));
        let number = life as u64 + 1;
        let answer = alice.read_line();
        assert!(answer == format!("alice: {id}") || answer == repeated(&id, number), "{answer}");
        assert_eq!(texts(&server).len(), life + 1);
    }
}

#[test]
fn the_same_id_of_another_author_or_in_another_room_is_another_draft() {
    on_one_shard_and_on_three(|server| {
        let mut alice = server.login_to("alice", ROOM);
        let mut bob = server.login_to("bob", ROOM);
        alice.expect_next("bob has joined r1");
        alice.send("/send 7f3a hi");
        alice.expect_next("alice: hi");
        bob.expect("alice: hi");
        bob.send("/send 7f3a hi");
        bob.expect_next("bob: hi");
        alice.expect_next("bob: hi");
        for (client, number) in [(&mut alice, 1), (&mut bob, 2)] {
            client.send("/send 7f3a hi");
            client.expect_next(&repeated("7f3a", number));
        }
        assert_eq!(texts(server), ["alice: hi", "bob: hi"]);
        alice.enter("r2", "alice");
        alice.send("/send 7f3a hi");
        alice.expect_next("alice: hi");
    });
}

#[test]
fn a_room_remembers_an_authors_latest_drafts_and_stores_older_ones_again() {
    let mut server = Server::start(1, &[]);
    let mut alice = server.login_to("alice", ROOM);
    let send = |alice: &mut Client, number: u64| alice.send(&format!("/send id-{number} text {number}"));
    for number in 1..=WINDOW {
        send(&mut alice, number);
        alice.expect_next(&format!("alice: text {number}"));
    }
    for is_killed in [true, false] {
        send(&mut alice, 1);
        alice.expect_next(&repeated("id-1", 1));
        if is_killed {
            server.kill_nine();
        } else {
            assert!(server.terminate().0.success());
        }
        server.start_again();
        alice = back(&server, "alice");
        send(&mut alice, 1);
        alice.expect_next(&repeated("id-1", 1));
    }
    let mut bob = server.login_to("bob", ROOM);
    alice.expect_next("bob has joined r1");
    bob.send("/send id-1 of bob");
    alice.expect_next("bob: of bob");
    send(&mut alice, 1);
    alice.expect_next(&repeated("id-1", 1));
    alice.send("/send one-more one more");
    alice.expect_next("alice: one more");
    send(&mut alice, 2);
    alice.expect_next(&repeated("id-2", 2));
    send(&mut alice, 1);
    alice.expect_next("alice: text 1");
    send(&mut alice, 1);
    alice.expect_next(&repeated("id-1", WINDOW + 3));
}

/// A UUID of version 7 that was made so many seconds ago.
fn uuid_made(seconds_ago: u64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock");
    let made = format!("{:012x}", now.as_millis() - u128::from(seconds_ago) * 1000);
    format!("{}-{}-7abc-8000-0123456789ab", &made[..8], &made[8..])
}

#[test]
fn a_draft_whose_id_says_that_it_is_old_is_found_in_the_log_after_kill_nine_with_any_number_of_shards() {
    let mut server = Server::start(2, &[]);
    let mut alice = server.login_to("alice", ROOM);
    let id = uuid_made(3_600);
    alice.send(&format!("/send {id} written in a tunnel"));
    alice.expect_next("alice: written in a tunnel");
    for number in 2..=700 {
        alice.send(&format!("/send id-{number} {number}"));
        alice.expect_next(&format!("alice: {number}"));
    }
    for shards in [3, 1, 2] {
        server.kill_nine();
        server.start_again_with(shards);
        let mut alice = back(&server, "alice");
        // What is said behind it is answered after it.
        alice.send_bytes(format!("/send {id} written in a tunnel\nand then {shards}\n").as_bytes());
        alice.expect_next(&repeated(&id, 1));
        alice.expect_next(&format!("alice: and then {shards}"));
    }
    let mut alice = back(&server, "carol");
    let too_old = uuid_made(8 * 86_400);
    alice.send(&format!("/send {too_old} from last week"));
    let answer = alice.read_line();
    assert!(answer.starts_with(&format!("! not sent: draft {too_old} is so old")), "{answer}");
    assert_eq!(texts(&server).len(), 703);
    server.verify();
}
