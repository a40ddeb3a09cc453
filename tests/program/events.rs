//! What the operator reads: who, where and how much, and never what people say.

use crate::harness::http::get;
use crate::harness::{Client, Server};
use std::io::Read;
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// What nobody but the readers of a room may read. Each is said in another way.
const SECRETS: [&str; 7] = [
    "secret-said",
    "secret-whispered",
    "secret-away",
    "secret-unknown",
    "secret-endless",
    "secret-draft",
    "비밀",
];

/// A server that logs every event.
fn talkative(format: &str) -> Server {
    Server::start(2, &["telemetry.level=trace", &format!("telemetry.format={format}")])
}

fn have_a_conversation(server: &Server) {
    let [said, whispered, away, unknown, endless, draft, korean] = SECRETS;
    let mut alice = server.login_to("alice", "r1");
    alice.ask("/who nowhere");
    let mut bob = server.login_to("bob", "마당");
    alice.send(said);
    alice.expect(&format!("alice: {said}"));
    bob.send(korean);
    bob.expect(&format!("bob: {korean}"));
    bob.send(&format!("/away {away}"));
    alice.send(&format!("/msg bob {whispered}"));
    bob.expect(&format!("alice -> bob : {whispered}"));
    alice.send(&format!("/{unknown} x"));
    alice.expect(&format!("! unknown command: /{unknown} (try /help)"));
    alice.send(&endless.repeat(1000));
    alice.send(&format!("/history {draft}"));
    alice.send("/quit");
    alice.send("/quit");
    alice.expect_closed();
    let mut mallory = Client::connect(server.address);
    mallory.send_bytes(b"GET /?token=secret-said HTTP/1.1\r\n\r\n");
    mallory.expect_closed();
}

#[test]
fn nothing_that_people_say_is_ever_in_the_events() {
    for format in ["text", "json"] {
        let mut server = talkative(format);
        have_a_conversation(&server);
        assert!(server.terminate().0.success());
        let words = server.words();
        for secret in SECRETS {
            assert!(!words.contains(secret), "{secret} is in the events");
        }
        assert!(words.contains("said") && words.contains("alice") && words.contains("마당"), "{words:.4000}");
    }
}

#[test]
fn events_carry_shard_connection_and_room_as_fields() {
    let mut server = talkative("json");
    have_a_conversation(&server);
    assert!(server.terminate().0.success());
    let words = server.words();
    let event = |words_of_it: &str, user_or_room: &str| {
        let mut lines = words.lines().filter(|line| line.contains(&format!("\"message\":\"{words_of_it}\"")));
        let line =
            lines.find(|line| line.contains(user_or_room)).unwrap_or_else(|| panic!("no {words_of_it}"));
        serde_json::from_str::<serde_json::Value>(line).expect("an object a line")
    };
    let named = event("named", "alice");
    assert!(named["shard"].is_u64() && named["connection"].is_string(), "{named}");
    let connection = &named["connection"];
    let said = event("said", "\"r1\"");
    assert_eq!((&said["connection"], &said["seq"], &said["bytes"]), (connection, &1.into(), &11.into()));
    assert_eq!(event("in a room", "r1")["connection"], *connection);
    assert_eq!(event("ended", "quit")["connection"], *connection);
    assert_eq!(event("refused", "no_such_room").get("text"), None);
}

#[test]
fn without_a_flag_connections_are_no_events_and_v_tells_of_them() {
    let mut quiet = Server::start(1, &[]);
    quiet.login("alice").finish_sending();
    assert!(quiet.terminate().0.success());
    assert!(!quiet.words().contains("alice"), "{}", quiet.words());
    let mut told = Server::start(1, &["telemetry.level=debug"]);
    told.login("alice").finish_sending();
    assert!(told.terminate().0.success());
    told.expect_words(&["named shard=0", "user=\"alice\""]);
    assert!(!told.words().contains(" said "), "single messages are for trace");
}

#[test]
fn a_storm_of_one_event_is_written_so_often_and_counted() {
    let mut server = Server::start(1, &["telemetry.level=debug"]);
    for _ in 0..300 {
        drop(Client::connect(server.address));
    }
    server.expect_words(&["more events like this were left out: connected", "count="]);
    assert!(server.terminate().0.success());
    assert!(server.words().matches("connected shard=0").count() < 300, "{}", server.words());
}

#[test]
fn talk_health_and_the_end_wait_for_nobody_who_reads_the_events() {
    let free =
        TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let settings = ["telemetry.level=debug", &format!("telemetry.metrics={free}")];
    let (mut server, mut pipe) = Server::start_unread(2, &settings);
    // Their events are many times what the pipe takes.
    for _ in 0..2 {
        let mut crowd: Vec<Client> = (0..60).map(|number| server.login(&format!("user{number}"))).collect();
        crowd[0].send("who hears me?");
        crowd.iter_mut().for_each(|client| drop(client.expect("user0: who hears me?")));
        crowd.iter_mut().for_each(|client| client.send("/quit"));
        crowd.iter_mut().for_each(|client| drop(client.expect_closed()));
    }
    assert_eq!(get(free, "/healthz").status, 200);
    // A reader that reads at last finds what waited.
    let mut found = String::new();
    let mut bytes = [0; 4096];
    while found.matches("ended").count() < 120 && !found.contains("left out: ended") {
        let count = pipe.read(&mut bytes).expect("read the pipe");
        found.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    let alice = server.login("alice");
    let mut crowd: Vec<Client> = (0..60).map(|number| server.login(&format!("user{number}"))).collect();
    let asked_at = Instant::now();
    let (status, _) = server.terminate();
    assert!(status.success(), "{status}");
    assert!(asked_at.elapsed() < Duration::from_secs(8), "{:?}", asked_at.elapsed());
    crowd.iter_mut().for_each(|client| drop(client.expect_closed()));
    drop(alice);
}
