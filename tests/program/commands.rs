//! What commands answer (docs/protocol.md).

use crate::harness::{Server, alice_and_bob, on_one_shard_and_on_three};

#[test]
fn who_rooms_and_whois_know_where_everyone_is() {
    on_one_shard_and_on_three(|server| {
        let mut carol = server.login_to("carol", "r1");
        // What she asks of the lobby's home comes behind her leaving it.
        assert_eq!(carol.ask("/who general"), ["* general: nobody is here"]);
        carol.send("/who r2");
        carol.expect_error(&["no such channel: r2"]);
        let (mut alice, mut bob) = alice_and_bob(server);

        let members = alice.ask("/who").join(" ");
        assert!(["* ", "alice", "bob"].iter().all(|word| members.contains(word)), "{members}");
        assert!(!members.contains("carol"), "{members}");
        let others = alice.ask("/who r1").join(" ");
        assert!(others.contains("carol") && !others.contains("alice"), "{others}");

        let rooms = alice.ask("/rooms");
        let has = |room: &str, members: &str| {
            rooms.iter().any(|line| line.contains(room) && line.contains(members))
        };
        assert!(has("general", " 2 ") && has("r1", " 1 "), "{rooms:?}");
        assert!(!alice.ask("/rooms gen").join(" ").contains("r1"));

        let here = alice.ask("/whois bob").join(" ");
        assert!(here.starts_with("* ") && here.contains("bob"), "{here}");
        bob.send("/quit");
        bob.expect_closed();
        alice.expect_next("bob has left the channel(general)");
        // His room and his name may have their homes on two shards: the one may know before the other.
        let gone = (0..1_000).map(|_| alice.ask("/whois bob").join(" ")).find(|gone| *gone != here);
        assert!(gone.as_ref().is_some_and(|gone| gone.contains("bob")), "{gone:?}");
        let unknown = alice.ask("/whois nobody").join(" ");
        assert!(unknown.starts_with("! no such user: nobody"), "{unknown}");
    });
}

/// Checks `#12 2026-11-20 12:03:11 bob: hi`, and returns the number and what was said.
fn stored(line: &str) -> (u64, String) {
    let mut words = line.splitn(4, ' ');
    let mut word = || words.next().unwrap_or_else(|| panic!("no stored line: {line:?}"));
    let (seq, date, time, said) = (word(), word(), word(), word());
    assert!(date.len() == 10 && time.len() == 8 && time.as_bytes()[2] == b':', "{line:?}");
    let seq = seq.strip_prefix('#').and_then(|digits| digits.parse().ok());
    (seq.unwrap_or_else(|| panic!("no number: {line:?}")), said.to_owned())
}

#[test]
fn history_shows_any_page_with_numbers_and_times() {
    on_one_shard_and_on_three(|server| {
        let mut alice = server.login_to("alice", "r1");
        for number in 1..=20 {
            alice.send(&format!("message {number}"));
        }
        alice.expect("alice: message 20");
        let pages = [("/history 3", 18..=20), ("/history 2 before 5", 3..=4), ("/history after 18", 19..=20)];
        for (asked, seqs) in pages {
            let page: Vec<_> = alice.ask(asked).iter().map(|line| stored(line)).collect();
            let expected: Vec<_> = seqs.map(|seq| (seq, format!("alice: message {seq}"))).collect();
            assert_eq!(page, expected, "{asked}");
        }
    });
}

#[test]
fn a_new_nick_is_seen_by_the_room_and_frees_the_old_name() {
    on_one_shard_and_on_three(|server| {
        let (mut alice, mut bob) = alice_and_bob(server);
        alice.send("/nick bob");
        alice.expect_error(&["bob", "taken"]);
        alice.send("/nick alicia");
        alice.expect_next("* alice is now alicia");
        bob.expect_next("* alice is now alicia");
        alice.send("it is me");
        bob.expect_next("alicia: it is me");
        bob.send("/msg alicia hello");
        alice.expect("bob -> alicia : hello");
        alice.settle("alice");
        server.login("alice");
    });
}

#[test]
fn a_nick_that_changes_only_case_is_a_new_name_everywhere() {
    on_one_shard_and_on_three(|server| {
        let (mut alice, mut bob) = alice_and_bob(server);
        alice.ask("/away lunch");
        alice.send("/nick Alice");
        alice.expect_next("* alice is now Alice");
        bob.expect_next("* alice is now Alice");
        alice.send("it is me");
        bob.expect_next("Alice: it is me");
        alice.settle("alice");
        assert_eq!(bob.ask("/who"), ["* general: 2 members", "*   Alice (away), bob"]);
        bob.send("/msg alice hello");
        bob.expect("bob -> Alice : hello");
        alice.expect("bob -> Alice : hello");
        alice.send("/nick Alice");
        alice.expect("* your name is Alice already");
        bob.send("/nick aLICE");
        bob.expect_error(&["taken"]);
        alice.send("/quit");
        alice.expect_closed();
        bob.expect("Alice has left the channel(general)");
        bob.settle("alice");
        let seen = bob.ask("/whois alice");
        assert!(seen[0].starts_with("* Alice is not here"), "{seen:?}");
        server.login("ALICE");
    });
}

#[test]
fn who_whispers_to_one_that_is_away_is_told() {
    on_one_shard_and_on_three(|server| {
        let (mut alice, mut bob) = alice_and_bob(server);
        let answer = alice.ask("/away at lunch");
        assert!(answer.len() == 1 && answer[0].starts_with("* "), "{answer:?}");
        alice.settle("alice");
        bob.send("/msg alice are you there?");
        // The receipt and the notice may come in either order.
        let told = [bob.read_line(), bob.read_line()];
        assert!(told.iter().any(|line| line == "bob -> alice : are you there?"), "{told:?}");
        let is_notice = |line: &&String| line.starts_with("* ") && line.contains("alice");
        assert!(told.iter().find(is_notice).is_some_and(|line| line.contains("at lunch")), "{told:?}");
        alice.expect_next("bob -> alice : are you there?");
        assert!(bob.ask("/who").join(" ").contains("away"));
        alice.ask("/back");
        alice.settle("alice");
        assert!(!bob.ask("/who").join(" ").contains("away"));
    });
}

#[test]
fn unread_counts_what_came_while_away_until_it_is_read() {
    on_one_shard_and_on_three(|server| {
        let (mut alice, mut bob) = alice_and_bob(server);
        alice.ask("/away");
        alice.settle("alice");
        for number in 1..=3 {
            bob.send(&format!("news {number}"));
        }
        alice.expect("bob: news 3");
        bob.send("/msg alice psst");
        alice.expect("bob -> alice : psst");
        let unread = alice.ask("/unread");
        let count_in = |name: &str, count: &str| {
            unread.iter().any(|line| line.starts_with("* ") && line.contains(name) && line.contains(count))
        };
        assert!(count_in("general", "3") && count_in("bob", "1"), "{unread:?}");
        alice.ask("/read");
        let unread = alice.ask("/unread").join(" ");
        assert!(!unread.contains("general") && !unread.contains("bob"), "{unread}");
    });
}

#[test]
fn echo_and_time_are_a_matter_of_taste() {
    on_one_shard_and_on_three(|server| {
        let (mut alice, mut bob) = alice_and_bob(server);
        alice.ask("/echo off");
        alice.send("unheard by me");
        bob.expect_next("alice: unheard by me");
        bob.send("I heard it");
        alice.expect_next("bob: I heard it");
        alice.ask("/echo on");
        bob.expect("bob: I heard it");
        bob.ask("/time on");
        alice.send("what time is it?");
        alice.expect_next("alice: what time is it?");
        let timed = bob.read_line();
        let (time, said) = timed.split_once(' ').unwrap_or_default();
        assert!(time.len() == 8 && time.as_bytes()[5] == b':', "{timed}");
        assert_eq!(said, "alice: what time is it?");
    });
}

#[test]
fn commands_that_are_none_are_answered_and_two_slashes_say_one() {
    on_one_shard_and_on_three(|server| {
        let (mut alice, mut bob) = alice_and_bob(server);
        alice.send("/ping");
        alice.expect_next("pong");
        alice.send("/foo");
        alice.expect_next("! unknown command: /foo (try /help)");
        alice.send("//foo");
        alice.expect_next("alice: /foo");
        bob.expect_next("alice: /foo");
    });
}

#[test]
fn help_names_every_command_in_a_line_each() {
    let server = Server::start(1, &[]);
    let help = server.login("alice").ask("/help");
    let commands = [
        "/help", "/channel", "/quit", "/msg", "/who ", "/rooms", "/whois", "/history", "/nick", "/away",
        "/back", "/unread", "/read", "/echo", "/time", "/ping",
    ];
    for command in commands {
        assert!(help.iter().any(|line| line.contains(command)), "{command} is not in {help:?}");
    }
    assert!(help.len() >= commands.len(), "{help:?}");
}
