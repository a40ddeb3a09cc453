//! The link: an edge that talks with people in `nc`, and all the ways in which it ends.

use crate::harness::edge::{Edge, connect, room, user};
use crate::harness::http::{expect_sum, metrics_address, samples};
use crate::harness::{Client, End, PATIENCE, Server};
use madang_link::{EdgeEvent, EdgeRequest, GoingDown, LinkEnd};
use madang_model::{Page, Refusal, Reply};
use rustix::process::Signal;
use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const EDGE: &str = "edge.enabled=true";
const METRICS: &str = "telemetry.metrics=127.0.0.1:0";

fn ended(server: &Server, reason: &str) {
    let name = format!("madang_link_ended_total{{reason=\"{reason}\"}}");
    expect_sum(metrics_address(server), &name, |sum| sum == 1.0);
}

#[test]
fn sessions_of_an_edge_talk_with_people_in_nc_and_are_counted() {
    for shards in [1, 3] {
        let server = Server::start(shards, &[EDGE, METRICS]);
        let mut alice = server.login("alice");
        let mut edge = Edge::connect(&server);
        let (bob, _carol) = (edge.login("bob", "general"), edge.login("carol", "general"));
        alice.expect("bob has joined general");
        alice.expect("carol has joined general");
        edge.say(bob, "general", "hello from the edge");
        let said = edge.expect_line("bob: hello from the edge");
        assert!(matches!(said, EdgeEvent::Message { author: Some(author), .. } if author == bob), "{said:?}");
        alice.expect("bob: hello from the edge");
        alice.send("hello, edge");
        edge.expect_line("alice: hello, edge");
        alice.send("/msg bob only you");
        edge.expect("a whisper", |event| {
            matches!(event, EdgeEvent::Reply { session, reply: Reply::Whisper { is_receipt: false, .. } } if *session == bob)
        });
        assert!(alice.ask("/who").iter().any(|line| line.contains("carol")));
        let address = metrics_address(&server);
        expect_sum(address, "madang_link_sessions", |sum| sum == 2.0);
        let now = samples(address);
        assert_eq!(now["madang_link_connected"], 1.0);
        assert_eq!(now["madang_link_requests_total"], 7.0, "two sessions, two names, two rooms, one line");
        assert!(now["madang_link_events_total"] >= 7.0);
        assert_eq!(now["madang_link_entries_dropped_total"], 0.0);
        assert_eq!(server.export("general").len(), 2);
    }
}

#[test]
fn an_edge_that_is_cut_off_leaves_its_names_free_and_comes_back() {
    let server = Server::start(2, &[EDGE, METRICS]);
    let mut alice = server.login("alice");
    let mut edge = Edge::connect(&server);
    edge.login("bob", "general");
    let names: Vec<String> = (0..200).map(|number| format!("guest{number}")).collect();
    for name in &names {
        edge.login(name, "general");
    }
    edge.cut_off();
    ended(&server, "lost");
    alice.settle("alice");
    for name in ["bob", "guest199"] {
        let mut again = Client::login_when_free(server.address, name);
        again.ask("/ping");
    }
    let mut edge = Edge::connect(&server);
    let session = edge.login("guest7", "general");
    edge.say(session, "general", "back again");
    alice.expect("guest7: back again");
    let taken = edge.open();
    edge.ask(taken, &EdgeRequest::Claim { name: user("alice") });
    edge.expect("a refusal", |event| {
        matches!(event, EdgeEvent::Reply { session, reply: Reply::Refused(Refusal::NameTaken { .. }) } if *session == taken)
    });
}

#[test]
fn an_edge_that_does_not_read_is_disconnected_and_people_notice_nothing() {
    let server = Server::start(2, &[EDGE, METRICS, "limits.line_bytes_max=16384"]);
    let mut edge = Edge::connect(&server);
    edge.login("bob", "general");
    let mut alice = server.login("alice");
    let mut carol = server.login("carol");
    let address = metrics_address(&server);
    let is_over = || samples(address)["madang_link_ended_total{reason=\"slow_edge\"}"] == 1.0;
    let began_at = Instant::now();
    let mut count = 0;
    while !is_over() {
        assert!(began_at.elapsed() < 6 * PATIENCE, "{count} messages, and the edge is still there");
        let lines: Vec<String> =
            (count..count + 32).map(|number| format!("{number} {}", "x".repeat(16_000))).collect();
        lines.iter().for_each(|line| alice.send(line));
        for line in &lines {
            alice.expect(&format!("alice: {line}"));
            carol.expect(&format!("alice: {line}"));
        }
        count += 32;
    }
    assert_eq!(server.export("general").len(), count);
    // The rest of what was written to it, and then the reason.
    assert!(matches!(edge.expect_end(), LinkEnd::Goodbye(_) | LinkEnd::Lost));
    let mut edge = Edge::connect(&server);
    edge.login("bob", "general");
    alice.send("still here");
    edge.expect_line("alice: still here");
}

#[test]
fn an_edge_that_reads_may_ask_for_pages_faster_than_they_come() {
    const SESSIONS: usize = 300;
    let server = Server::start(2, &[EDGE, METRICS]);
    let mut alice = server.login("alice");
    let words = "x".repeat(2_000);
    for number in 0..64 {
        alice.send(&format!("{number} {words}"));
        alice.expect(&format!("alice: {number} {words}"));
    }
    let mut edge = Edge::connect(&server);
    let sessions: Vec<_> =
        (0..SESSIONS).map(|number| edge.login(&format!("guest{number}"), "general")).collect();
    // More than can wait for it: 300 pages of 128 KB.
    for session in sessions {
        let page = Page::Last { count: 64 };
        edge.ask(session, &EdgeRequest::History { room: room("general"), page });
    }
    let is_page = |event: &EdgeEvent| matches!(event, EdgeEvent::Reply { reply: Reply::History(page), .. } if page.messages.len() == 64);
    for count in 0..SESSIONS {
        edge.expect(&format!("page {count}"), is_page);
    }
}

#[test]
fn limits_that_are_reloaded_hold_for_an_edge_too() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let file = directory.path().join("madang.toml");
    let write = |connections: u32, bytes: u32| {
        let limits = format!("[limits]\nconnections_per_address = {connections}\nline_bytes_max = {bytes}\n");
        fs::write(&file, limits + "[edge]\nenabled = true\n").expect("write the configuration");
    };
    write(2, 2_000);
    let data = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let server = Server::start_with_file(data, 2, &file);
    let mut edge = Edge::connect(&server);
    let address = Some("192.0.2.1".parse().expect("an address"));
    let first = edge.login_from(address, "first", "general");
    edge.login_from(address, "second", "general");
    write(0, 600);
    server.signal(Signal::HUP);
    server.expect_words(&["reloaded"]);
    for number in 0..5 {
        edge.login_from(address, &format!("guest{number}"), "general");
    }
    edge.say(first, "general", &"x".repeat(601));
    edge.expect(
        "a refusal",
        |event| matches!(event, EdgeEvent::BadRequest { session, .. } if *session == first),
    );
}

#[test]
fn garbage_on_the_socket_ends_the_link_alone() {
    let mut server = Server::start(2, &[EDGE, METRICS]);
    let mut alice = server.login("alice");
    let garbage: [&[u8]; 4] = [&[0; 4096], &[0xff; 100], b"GET / HTTP/1.1\r\nHost: link\r\n\r\n", b"x"];
    for bytes in garbage {
        let mut stream = connect(&server.data());
        stream.write_all(bytes).expect("write");
        stream.shutdown(std::net::Shutdown::Write).expect("end the sending side");
        stream.set_read_timeout(Some(PATIENCE)).expect("set a time-out");
        let mut rest = Vec::new();
        // Closed with bytes that it had not read, it is reset.
        let _ = stream.read_to_end(&mut rest);
    }
    expect_sum(metrics_address(&server), "madang_link_ended_total{", |sum| sum == 4.0);
    let mut edge = Edge::connect(&server);
    edge.login("bob", "general");
    alice.send("nothing has happened");
    edge.expect_line("alice: nothing has happened");
    assert!(server.is_running());
}

#[test]
fn another_edge_waits_until_the_first_is_gone() {
    let server = Server::start(1, &[EDGE]);
    let first = Edge::connect(&server);
    let socket = server.data().join("link.sock");
    assert_eq!(socket.metadata().expect("the socket").permissions().mode() & 0o777, 0o600);
    let mut second = Edge::begin(&server.data());
    second.exchange();
    assert!(!second.is_greeted());
    drop(first);
    let deadline = Instant::now() + PATIENCE;
    while !second.is_greeted() {
        assert!(Instant::now() < deadline, "the second edge waits for ever");
        second.exchange();
    }
}

#[test]
fn an_upgrade_ends_the_link_and_the_edge_begins_anew_with_the_new_process() {
    let mut server = Server::start(2, &[EDGE]);
    let mut alice = server.login("alice");
    let mut edge = Edge::connect(&server);
    for round in 0..3 {
        let bob = edge.login("bob", "general");
        let line = format!("round {round}");
        edge.say(bob, "general", &line);
        server.take_over(2);
        alice.expect(&format!("bob: {line}"));
        edge.expect_line(&format!("bob: {line}"));
        edge.expect("the announcement", |event| matches!(event, EdgeEvent::GoingDown(GoingDown::Upgrade)));
        assert!(matches!(edge.expect_end(), LinkEnd::Goodbye(_)));
        edge = Edge::connect(&server);
    }
    edge.login("bob", "general");
    alice.send("everyone is here");
    edge.expect_line("alice: everyone is here");
    server.verify();
}

/// Edges connect, each after the end of the one before, and their sessions talk until stopped. Returns what was
/// acknowledged; `talkers` counts the edges that have said something and heard it.
fn talk(data: &Path, is_over: &AtomicBool, talkers: &AtomicUsize) -> Vec<String> {
    let (mut acknowledged, mut number) = (Vec::new(), 0_u64);
    while !is_over.load(Ordering::Relaxed) {
        // The old process may still have the socket when it ends.
        let Some(mut edge) = Edge::try_connect(data) else { continue };
        let sessions: Vec<_> =
            (0..20).map_while(|number| edge.try_login(&format!("guest{number}"), "general")).collect();
        let deadline = Instant::now() + 6 * PATIENCE;
        let (mut waiting, mut has_talked) = (0, false);
        while !edge.has_ended() {
            assert!(Instant::now() < deadline, "{waiting} lines wait");
            if !is_over.load(Ordering::Relaxed) {
                for session in &sessions {
                    waiting += usize::from(edge.try_say(*session, "general", &format!("line {number}")));
                    number += 1;
                }
            } else if waiting == 0 {
                break;
            }
            edge.exchange();
            for event in edge.take_events() {
                if let EdgeEvent::Message { message, author: Some(_) } = event {
                    acknowledged.push(message.text.as_str().to_owned());
                    waiting -= 1;
                    if !std::mem::replace(&mut has_talked, true) {
                        talkers.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
    }
    acknowledged
}

#[test]
fn upgrades_under_load_lose_and_repeat_nothing_that_an_edge_was_told() {
    const UPGRADES: usize = 5;
    let settings = [EDGE, "rooms.announce_members_max=0", "limits.outbox_bytes_max=268435456"];
    let mut server = Server::start(2, &settings);
    let data = server.data();
    let (is_over, talkers) = (AtomicBool::new(false), AtomicUsize::new(0));
    let acknowledged = std::thread::scope(|scope| {
        let talking = scope.spawn(|| talk(&data, &is_over, &talkers));
        let end = End(&is_over);
        for round in 0..UPGRADES {
            // An edge has come back, and talks.
            let asked_at = Instant::now();
            while talkers.load(Ordering::Relaxed) <= round {
                assert!(asked_at.elapsed() < 2 * PATIENCE, "no edge talks after {round} upgrades");
                std::thread::sleep(Duration::from_millis(1));
            }
            server.take_over(2);
        }
        drop(end);
        talking.join().expect("it talked")
    });
    assert!(acknowledged.len() > 100, "{} lines", acknowledged.len());
    let stored: Vec<String> = server.export("general").into_iter().map(|said| said.text).collect();
    let mut times: HashMap<&str, usize> = HashMap::new();
    stored.iter().for_each(|text| *times.entry(text).or_default() += 1);
    for text in &acknowledged {
        assert_eq!(times.get(text.as_str()), Some(&1), "{text}");
    }
    server.verify();
}

#[test]
fn after_an_upgrade_that_was_refused_the_edge_connects_to_the_old_process() {
    let server = Server::start(2, &[EDGE]);
    let mut alice = server.login("alice");
    let mut edge = Edge::connect(&server);
    edge.login("bob", "general");
    let refused = server.refused_takeover(&["--set", "telemetry.metrics=192.0.2.1:9464"], None);
    assert_ne!(refused.code, Some(0), "{}", refused.words);
    edge.exchange();
    let mut edge = Edge::connect(&server);
    edge.login("bob", "general");
    alice.send("nobody has left");
    edge.expect_line("alice: nobody has left");
}

#[test]
fn a_drain_notifies_the_edge_and_keeps_what_it_has_said() {
    let mut server = Server::start(2, &[EDGE]);
    let mut edge = Edge::connect(&server);
    let bob = edge.login("bob", "general");
    edge.say(bob, "general", "last words");
    edge.expect_line("bob: last words");
    let (status, _) = server.terminate();
    assert!(status.success(), "{status}: {}", server.words());
    edge.expect("the announcement", |event| matches!(event, EdgeEvent::GoingDown(GoingDown::Stop)));
    assert!(matches!(edge.expect_end(), LinkEnd::Goodbye(_) | LinkEnd::Lost));
    assert_eq!(server.export("general").last().map(|said| said.line()).as_deref(), Some("bob: last words"));
    assert!(!server.data().join("link.sock").exists());
}

#[test]
fn nobody_can_connect_unless_it_is_configured() {
    let server = Server::start(1, &[]);
    server.login("alice");
    assert!(!server.data().join("link.sock").exists());
}
