//! How the server starts, refuses to start, limits connected clients, and ends.

use crate::harness;
use crate::harness::{Client, Server, refused_start};
use std::io::Write;
use std::net::TcpListener;
use std::process::Output;
use std::time::Duration;

/// How long an ordered end may take.
const DRAIN_MAX: Duration = Duration::from_secs(5);

fn words_of(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|stream| String::from_utf8_lossy(stream).into_owned()).concat()
}

#[test]
fn sigterm_tells_everyone_and_keeps_what_was_said() {
    for shards in [1, 2] {
        let mut server = Server::start(shards, &[]);
        let mut stranger = Client::connect(server.address);
        stranger.expect("name: ");
        let mut clients = [("alice", "general"), ("bob", "r1"), ("carol", "r2")].map(|(name, room)| {
            let mut client = server.login(name);
            if room != "general" {
                client.enter(room, name);
            }
            let lines: Vec<String> = (0..50).map(|number| format!("{name}: {number}")).collect();
            client.send_bytes((0..50).map(|number| format!("{number}\n")).collect::<String>().as_bytes());
            client.expect(&lines[49]);
            (client, room, lines)
        });
        let (status, took) = server.terminate();
        assert!(status.success(), "ended with {status}");
        assert!(took < DRAIN_MAX, "took {took:?}");
        for (client, room, lines) in &mut clients {
            let read = client.expect_closed();
            assert!(read.iter().any(|line| line == "* server is going down"), "{read:?}");
            let stored: Vec<String> = server.export(room).iter().map(harness::Said::line).collect();
            assert_eq!(stored, *lines, "{room}");
        }
        // The prompt stood in the last line.
        assert_eq!(stranger.expect_closed(), ["", "* server is going down"]);
        server.verify();
    }
}

#[test]
fn neither_who_never_reads_nor_who_never_closes_holds_up_the_end() {
    let mut server = Server::start(2, &["limits.outbox_bytes_max=67108864"]);
    let mut deaf = Client::connect_with_small_buffer(server.address);
    deaf.expect("name: ");
    deaf.name("deaf");
    let mut talker = server.login("talker");
    let long = "x".repeat(4_000);
    // More than the kernel holds for a client that does not read, and less than an outbox.
    let is_waiting =
        |server: &Server| !server.status()["slow_connections"].as_array().expect("a list").is_empty();
    for round in 0.. {
        assert!(round < 100, "nothing waits for who does not read");
        for number in 0..100 {
            talker.send(&format!("{number} {long}"));
        }
        talker.expect(&format!("talker: 99 {long}"));
        if is_waiting(&server) {
            break;
        }
    }
    // One client writes to the end, and closes only after it.
    let mut writer = talker.writer();
    let (status, took) = std::thread::scope(|scope| {
        scope.spawn(move || while writer.write_all(b"still here\n").is_ok() {});
        server.terminate()
    });
    assert!(status.success() && took < DRAIN_MAX, "ended with {status} after {took:?}");
    assert!(talker.expect_closed().iter().any(|line| line == "* server is going down"));
    server.verify();
}

#[test]
fn what_is_on_its_way_at_sigterm_is_acknowledged_or_not_stored_twice() {
    let mut server = Server::start(2, &[]);
    let mut alice = server.login_to("alice", "r1");
    let lines: String = (0..2_000).map(|number| format!("{number}\n")).collect();
    alice.send_bytes(lines.as_bytes());
    alice.expect("alice: 0");
    let (status, took) = server.terminate();
    assert!(status.success() && took < DRAIN_MAX, "ended with {status} after {took:?}");
    let mut heard = vec!["alice: 0".to_owned()];
    heard.extend(alice.expect_closed().into_iter().filter(|line| line.starts_with("alice: ")));
    let stored: Vec<String> = server.export("r1").iter().map(harness::Said::line).collect();
    assert!(stored.starts_with(&heard), "{} heard, {} stored", heard.len(), stored.len());
    let said = (0..stored.len()).map(|number| format!("alice: {number}"));
    assert!(stored.iter().cloned().eq(said), "stored out of order, or twice");
}

#[test]
fn rooms_go_on_with_their_next_number_after_a_restart() {
    let mut server = Server::start(2, &[]);
    for life in 1..=3_u64 {
        let mut alice = server.login("alice");
        alice.send(&format!("life {life}"));
        alice.expect(&format!("alice: life {life}"));
        let latest = alice.ask("/history 1");
        assert!(latest[0].starts_with(&format!("#{life} ")), "{latest:?}");
        assert!(server.terminate().0.success());
        server.start_again();
    }
    let seqs: Vec<u64> = server.export("general").iter().map(|said| said.seq).collect();
    assert_eq!(seqs, [1, 2, 3]);
}

#[test]
fn a_second_server_on_the_same_data_is_refused_and_the_first_is_named() {
    let server = Server::start(1, &[]);
    let output = refused_start(&server.data(), "127.0.0.1:0");
    let words = words_of(&output);
    assert_eq!(output.status.code(), Some(2), "{words}");
    assert!(words.contains(&server.pid().to_string()), "{words}");
    server.login("alice"); // the first goes on
}

#[test]
fn a_taken_port_is_an_error_that_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("its address").to_string();
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let output = refused_start(&directory.path().join("data"), &address);
    let words = words_of(&output);
    assert_eq!(output.status.code(), Some(2), "{words}");
    assert!(words.contains(&address), "{words}");
}

#[test]
fn who_says_no_name_in_time_is_let_go() {
    let server = Server::start(1, &["limits.login_seconds=1"]);
    let mut silent = Client::connect(server.address);
    let mut slow = Client::connect(server.address);
    let mut alice = server.login("alice");
    slow.send_bytes(b"half a na");
    for late in [&mut silent, &mut slow] {
        late.expect("name: ");
        let read = late.expect_closed();
        assert_eq!(read[0], "", "the prompt stood in the last line: {read:?}");
        assert!(read.last().is_some_and(|line| line.starts_with("! ") && line.contains('1')), "{read:?}");
    }
    alice.send("I have a name");
    alice.expect("alice: I have a name");
}

#[test]
fn who_sends_too_fast_is_refused_with_the_limit_and_can_go_on_later() {
    const SENT: usize = 30;
    let server = Server::start(1, &["limits.messages_per_second=5", "limits.burst=10"]);
    let mut alice = server.login("alice");
    let mut bob = server.login("bob");
    alice.expect_next("bob has joined general");
    alice.send_bytes("hello\n".repeat(SENT).as_bytes());
    let answers: Vec<String> = (0..SENT).map(|_| alice.read_line()).collect();
    let (refused, said): (Vec<_>, Vec<_>) = answers.into_iter().partition(|line| line.starts_with("! "));
    assert!(said.len() >= 10 && refused.len() >= 10, "{said:?} {refused:?}");
    assert!(refused.iter().all(|line| line.contains('5')), "{refused:?}");
    bob.expect_all(vec!["alice: hello"; said.len()]);
    // The allowance comes back with time: 200 ms a message.
    let is_said = |line: String| !line.starts_with("! ");
    let mut tries = 0..100;
    let is_heard = tries.any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        alice.send("again");
        is_said(alice.read_line())
    });
    assert!(is_heard, "refused for five seconds");
}

#[test]
fn more_shards_than_processors_serve_everyone() {
    let server = Server::start(8, &[]);
    let mut clients: Vec<Client> =
        (0..16).map(|number| server.login_to(&format!("user{number}"), "r1")).collect();
    clients[0].send("can everyone hear me?");
    for client in &mut clients {
        client.expect("user0: can everyone hear me?");
    }
}
