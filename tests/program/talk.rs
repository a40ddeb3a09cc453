//! Connecting, talking, whispering, changing rooms and leaving (docs/protocol.md).

use crate::harness::{Client, PATIENCE, Server, alice_and_bob, on_one_shard_and_on_three};
use std::time::Instant;

#[test]
fn whoever_has_read_bye_may_come_again_under_the_same_name_at_once() {
    let server = Server::start(4, &[]);
    let address = server.address;
    let comer = |number: usize| {
        move || {
            for _ in 0..150 {
                // Refused as taken, it would not be in the lobby.
                let mut client = Client::login(address, &format!("comer{number}"));
                client.send("/quit");
                assert_eq!(client.expect_closed().last().map(String::as_str), Some("bye"));
            }
        }
    };
    let comers: Vec<_> = (0..8).map(|number| std::thread::spawn(comer(number))).collect();
    comers.into_iter().for_each(|comer| comer.join().expect("nobody is refused"));
}

#[test]
fn whoever_sees_a_name_given_up_may_take_it_at_once() {
    let server = Server::start(4, &[]);
    let mut alice = server.login("name0");
    let mut bob = server.login("bob");
    for round in 0..100 {
        let (old, new) = (format!("name{round}"), format!("name{}", round + 1));
        alice.send(&format!("/nick {new}"));
        bob.expect(&format!("* {old} is now {new}"));
        let mut taker = server.login(&old);
        taker.send("/quit");
        taker.expect_closed();
    }
}

#[test]
fn a_name_leads_into_the_lobby() {
    on_one_shard_and_on_three(|server| {
        let mut alice = Client::connect(server.address);
        let greeting = alice.expect("name: ");
        assert!(!greeting.is_empty(), "a greeting comes before the prompt");
        alice.name("alice");
    });
}

#[test]
fn everyone_in_the_room_hears_talk_and_its_author_too() {
    on_one_shard_and_on_three(|server| {
        let (mut alice, mut bob) = alice_and_bob(server);
        alice.send("hello");
        alice.expect_next("alice: hello");
        bob.expect_next("alice: hello");
        bob.send("hi");
        alice.expect_next("bob: hi");
        bob.expect_next("bob: hi");
    });
}

#[test]
fn a_change_of_channel_is_seen_in_both_rooms_and_talk_stays_in_its_own() {
    on_one_shard_and_on_three(|server| {
        let mut carol = server.login_to("carol", "r1");
        let (mut alice, mut bob) = alice_and_bob(server);
        bob.send("/channel r1");
        bob.expect("bob has joined r1");
        carol.expect_next("bob has joined r1");
        alice.expect_next("bob has left the channel(general)");
        bob.send("only here");
        carol.expect_next("bob: only here");
        alice.send("only there");
        alice.expect_next("alice: only there");
        bob.send("done");
        assert_eq!(bob.expect("bob: done"), ["bob: only here"]);
    });
}

#[test]
fn who_joins_sees_the_latest_fifteen_messages_and_then_live_talk() {
    on_one_shard_and_on_three(|server| {
        let mut alice = server.login_to("alice", "r1");
        for number in 1..=20 {
            alice.send(&format!("message {number}"));
        }
        alice.expect("alice: message 20");
        let mut bob = server.login("bob");
        bob.enter("r1", "bob");
        bob.expect_all((6..=20).map(|number| format!("alice: message {number}")));
        alice.send("live");
        bob.expect_next("alice: live");
    });
}

#[test]
fn a_whisper_reaches_one_reader_in_any_room_and_is_receipted() {
    on_one_shard_and_on_three(|server| {
        let mut carol = server.login_to("carol", "r1");
        let (mut alice, mut bob) = alice_and_bob(server);
        alice.send("/msg carol hi there");
        alice.expect_next("alice -> carol : hi there");
        carol.expect_next("alice -> carol : hi there");
        alice.send("/msg nobody hi");
        alice.expect_error(&["no such user: nobody"]);
        alice.send("aloud");
        bob.expect_next("alice: aloud");
    });
}

#[test]
fn quit_leads_from_a_room_to_the_lobby_and_from_the_lobby_out() {
    on_one_shard_and_on_three(|server| {
        let (mut alice, mut bob) = alice_and_bob(server);
        alice.send("/channel r1");
        alice.expect("alice has joined r1");
        bob.expect_next("alice has left the channel(general)");
        alice.send("/quit");
        alice.expect_next("alice has left the channel(r1)");
        alice.expect_next("alice has joined general");
        bob.expect_next("alice has joined general");
        alice.send("/quit");
        assert_eq!(alice.expect_closed().last().map(String::as_str), Some("bye"));
        bob.expect_next("alice has left the channel(general)");
        Client::login_when_free(server.address, "alice");
    });
}

#[test]
fn names_rooms_and_talk_may_be_korean() {
    on_one_shard_and_on_three(|server| {
        let mut jimin = server.login_to("지민", "마당");
        let mut seoyeon = server.login_to("서연", "마당");
        jimin.expect_next("서연 has joined 마당");
        seoyeon.send("안녕하세요 👋");
        jimin.expect_next("서연: 안녕하세요 👋");
        jimin.send("/msg 서연 반가워요");
        seoyeon.expect("지민 -> 서연 : 반가워요");
        seoyeon.send("/quit");
        jimin.expect("서연 has left the channel(마당)");
    });
}

#[test]
fn names_that_differ_in_case_or_width_are_one() {
    on_one_shard_and_on_three(|server| {
        let _alice = server.login("alice");
        let mut other = Client::connect(server.address);
        other.expect("name: ");
        for same in ["alice", "Alice", "ALICE", "ａｌｉｃｅ"] {
            other.send(same);
            other.expect_error(&["taken"]);
            other.expect_next("name: ");
        }
        other.name("bob");
    });
}

#[test]
fn a_full_room_takes_nobody_more_and_the_lobby_everybody() {
    let server = Server::start(2, &["rooms.members_max=2"]);
    let _two = [server.login_to("alice", "r1"), server.login_to("bob", "r1")];
    let mut carol = server.login("carol");
    carol.send("/channel r1");
    carol.expect_error(&["r1", "2"]);
    carol.send("still in the lobby");
    carol.expect_next("carol: still in the lobby");
    let _more = [server.login("dave"), server.login("erin")];
}

#[test]
fn everyone_sees_one_order() {
    const MESSAGES: usize = 200;
    let server = Server::start(3, &[]);
    let names = ["alice", "bob", "carol", "dave"];
    let mut clients = names.map(|name| server.login_to(name, "r1"));
    for (present, client) in clients.iter_mut().enumerate() {
        client.expect_all(names[present + 1..].iter().map(|name| format!("{name} has joined r1")));
    }
    for client in &mut clients {
        let lines: String = (0..MESSAGES).map(|number| format!("{number}\n")).collect();
        client.send_bytes(lines.as_bytes());
    }
    let heard = clients
        .each_mut()
        .map(|client| (0..MESSAGES * names.len()).map(|_| client.read_line()).collect::<Vec<String>>());
    for name in names {
        let prefix = format!("{name}: ");
        let own: Vec<&str> = heard[0].iter().filter_map(|line| line.strip_prefix(&prefix)).collect();
        assert!(own.iter().copied().eq((0..MESSAGES).map(|number| number.to_string())), "{name}: {own:?}");
    }
    assert!(heard.iter().all(|order| *order == heard[0]), "members saw different orders");
}

#[test]
fn who_is_lost_in_a_room_and_comes_back_is_in_it_again_and_hears_how_much_came() {
    on_one_shard_and_on_three(|server| {
        let mut bob = server.login_to("bob", "잡담");
        let alice = server.login_to("alice", "잡담");
        bob.expect("alice has joined 잡담");
        alice.reset();
        let deadline = Instant::now() + PATIENCE;
        while !bob.ask("/who").iter().any(|line| line.contains("alice (lost connection)")) {
            assert!(Instant::now() < deadline, "alice is lost");
        }
        bob.send("while you were gone");
        bob.expect("bob: while you were gone");
        let (mut alice, room) = Client::return_when_free(server.address, "alice");
        assert_eq!(room, "잡담");
        alice.expect("bob: while you were gone");
        alice.expect_next("* 잡담: 1 unread, #1 (try /history after 0)");
        alice.send("here again");
        bob.expect_next("alice: here again");
        let present = bob.ask("/who");
        assert!(!present.iter().any(|line| line.contains("lost")), "{present:?}");
        alice.expect_next("alice: here again");
        alice.send("/who general");
        alice.expect_next("* general: nobody is here");
        // Whoever leaves comes into the lobby again.
        alice.send("/quit");
        alice.expect("alice has joined general");
        alice.send("/quit");
        alice.expect_closed();
        let mut alice = server.login("alice");
        alice.settle("alice");
    });
}
