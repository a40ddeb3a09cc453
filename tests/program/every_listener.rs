//! Upgrades and restarts of a server with every listener on a port of its own: people, TLS, telnet, the operator.

use crate::harness;
use crate::harness::http::{expect_status, try_get};
use crate::harness::{Client, End, Identity, Manager, PATIENCE, Server, TlsClient};
use rustls::ClientConfig;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Clients with TLS.
const BY_TLS: usize = 5;
/// One of this many others connects by telnet.
const BY_TELNET_EACH: usize = 10;
/// As the unit says.
const STORE_MAX: usize = 64;

/// Addresses that nobody has, all different.
fn free_addresses<const COUNT: usize>() -> [SocketAddr; COUNT] {
    let listeners = [(); COUNT].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("its address"))
}

/// Where a server listens, and who it says it is.
struct Place {
    line: SocketAddr,
    tls: SocketAddr,
    telnet: SocketAddr,
    metrics: SocketAddr,
    identity: Identity,
    _directory: TempDir,
}

impl Place {
    fn find() -> Place {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
        let [line, tls, telnet, metrics] = free_addresses();
        let identity = Identity::write(directory.path());
        Place { line, tls, telnet, metrics, identity, _directory: directory }
    }

    fn settings(&self) -> Vec<String> {
        let mut settings = self.identity.settings().to_vec();
        settings.extend([
            format!("listen.line={}", self.line),
            format!("listen.line_tls={}", self.tls),
            format!("listen.telnet={}", self.telnet),
            format!("telemetry.metrics={}", self.metrics),
            "limits.connections_per_address=0".to_owned(),
            "rooms.announce_members_max=0".to_owned(),
        ]);
        settings
    }
}

fn strs(settings: &[String]) -> Vec<&str> {
    settings.iter().map(String::as_str).collect()
}

/// Reads in the lobby, and reconnects whenever asked to, until the end is said. Returns how often that was.
fn come_back(tls: SocketAddr, trust: &Arc<ClientConfig>, name: &str) -> usize {
    for closings in 0.. {
        let mut client = TlsClient::login(tls, trust, name);
        let mut last = String::new();
        loop {
            let line = client.read_line().unwrap_or_else(|error| panic!("cut off: {error}, after {last:?}"));
            if line.ends_with(": the end") {
                return closings;
            }
            if line.is_empty() {
                break;
            }
            last = line;
        }
        assert!(last.starts_with("! closed: ") && last.ends_with("; reconnect"), "{last}");
    }
    unreachable!("it is told the end")
}

/// Asks for the health again and again: each time somebody must answer that all is well.
fn watch(metrics: SocketAddr, is_over: &AtomicBool) -> usize {
    let mut answers = 0;
    while !is_over.load(Ordering::Relaxed) {
        let answer = try_get(metrics, "/healthz");
        let status = answer.as_ref().map(|answer| answer.status);
        assert_eq!(status, Some(200), "after {answers} answers: {answer:?}");
        answers += 1;
        sleep(Duration::from_millis(1));
    }
    answers
}

#[track_caller]
fn expect_sessions(server: &Server, count: usize) {
    let asked_at = Instant::now();
    loop {
        let status = server.status();
        let shards = status["shards"].as_array().expect("shards");
        let sessions: u64 = shards.iter().filter_map(|shard| shard["sessions"].as_u64()).sum();
        if sessions == count as u64 {
            return;
        }
        assert!(asked_at.elapsed() < 3 * PATIENCE, "{sessions} sessions, {count} expected");
        sleep(Duration::from_millis(5));
    }
}

/// All `people` stay connected, and each hears each line once and in its order; TLS clients are asked to reconnect,
/// and do; and requests for metrics are answered at every moment.
fn nobody_is_disconnected(
    server: &mut Server,
    place: &Place,
    people: usize,
    times: usize,
    mut replace: impl FnMut(&mut Server),
) {
    let come_in = |number: usize| match (number % BY_TELNET_EACH, format!("user{number}")) {
        (1, name) => Client::login_by_telnet(place.telnet, &name),
        (_, name) => server.login(&name),
    };
    let mut people: Vec<Client> = (0..people).map(come_in).collect();
    let trust = place.identity.trust();
    let is_over = AtomicBool::new(false);
    scope(|scope| {
        let watching = scope.spawn(|| watch(place.metrics, &is_over));
        let end = End(&is_over);
        let by_tls: Vec<_> = (0..BY_TLS)
            .map(|number| {
                let trust = &trust;
                scope.spawn(move || come_back(place.tls, trust, &format!("by-tls{number}")))
            })
            .collect();
        for time in 0..times {
            expect_sessions(server, people.len() + BY_TLS);
            replace(server);
            let speaker = time % people.len();
            people[speaker].send(&format!("line {time}"));
        }
        expect_sessions(server, people.len() + BY_TLS);
        // Others can connect there, too.
        drop(Client::login_by_telnet(place.telnet, "late"));
        let count = people.len();
        people[0].send("the end");
        for one in &mut people {
            let heard = harness::messages(one.expect("user0: the end"));
            let said = (0..times).map(|time| format!("user{}: line {time}", time % count));
            assert!(heard.iter().cloned().eq(said), "{heard:?}");
        }
        for one in by_tls {
            assert_eq!(one.join().expect("it came back"), times);
        }
        drop(end);
        assert!(watching.join().expect("it watched") > times);
    });
    server.verify();
}

#[test]
fn five_upgrades_in_a_row_disconnect_nobody_and_leave_no_listener_behind() {
    let place = Place::find();
    let mut server = Server::start(2, &strs(&place.settings()));
    nobody_is_disconnected(&mut server, &place, 200, 5, |server| server.take_over(2));
}

#[test]
#[ignore = "a long run: just long"]
fn a_hundred_upgrades_in_a_row_disconnect_none_of_a_thousand_people() {
    harness::raise_open_files();
    let place = Place::find();
    let mut server = Server::start(2, &strs(&place.settings()));
    nobody_is_disconnected(&mut server, &place, 1_000, 100, |server| server.take_over(2));
}

#[test]
fn five_restarts_by_a_manager_disconnect_nobody_and_leave_no_listener_behind() {
    let place = Place::find();
    let manager = Manager::with_store(STORE_MAX);
    let mut server = Server::start_under(&manager, 2, &strs(&place.settings()));
    nobody_is_disconnected(&mut server, &place, 200, 5, |server| {
        server.end_for_restart(&manager);
        server.start_again_under(&manager);
        manager.expect_empty_store();
    });
}

/// As where a process from before they went along has the address until it ends, or a stranger has it.
#[test]
fn metrics_whose_address_is_in_use_are_served_once_it_is_free_and_end_nobody() {
    let manager = Manager::with_store(STORE_MAX);
    for by_restart in [false, true] {
        let stranger = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = stranger.local_addr().expect("its address");
        let mut server = if by_restart {
            Server::start_under(&manager, 2, &[])
        } else {
            Server::start(2, &["telemetry.metrics=127.0.0.1:0"])
        };
        let mut alice = server.login("alice");
        server.change(&format!("telemetry.metrics={address}"));
        if by_restart {
            server.end_for_restart(&manager);
            server.start_again_under(&manager);
        } else {
            server.take_over(2);
        }
        server.expect_words(&["the address is in use; retrying"]);
        alice.send("still here");
        alice.expect("alice: still here");
        drop(stranger);
        expect_status(address, "/readyz", 200);
        // Nobody else has it any more: it goes along from now on.
        if by_restart {
            server.end_for_restart(&manager);
            server.start_again_under(&manager);
        } else {
            server.take_over(2);
        }
        expect_status(address, "/readyz", 200);
        assert!(!server.words().contains("in use"), "{}", server.words());
        alice.send("and still");
        alice.expect("alice: and still");
    }
}

#[test]
fn an_address_of_metrics_that_cannot_be_had_refuses_an_upgrade_and_the_running_server_serves_on() {
    let server = Server::start(2, &["telemetry.metrics=127.0.0.1:0"]);
    let mut alice = server.login("alice");
    let refused = server.refused_takeover(&["--set", "telemetry.metrics=192.0.2.1:9464"], None);
    assert_eq!(refused.code, Some(2), "{}", refused.words);
    assert!(refused.words.contains("cannot listen for metrics on 192.0.2.1:9464"), "{}", refused.words);
    alice.send("still here");
    alice.expect("alice: still here");
    expect_status(harness::http::metrics_address(&server), "/readyz", 200);
}

/// The process that ended had an address a moment longer than itself, as the kernel ends its rings after it.
#[test]
fn a_start_after_a_kill_waits_for_each_address_of_the_one_that_was_killed() {
    let place = Place::find();
    let settings = place.settings();
    let mut server = Server::start(1, &strs(&settings));
    for address in [place.line, place.tls, place.telnet, place.metrics] {
        server.kill_nine();
        // The kernel may have it for a moment yet.
        let asked_at = Instant::now();
        let held = loop {
            match TcpListener::bind(address) {
                Ok(held) => break held,
                Err(error) => assert!(asked_at.elapsed() < PATIENCE, "{error}"),
            }
        };
        let released = std::thread::spawn(move || {
            sleep(Duration::from_millis(300));
            drop(held);
        });
        server.start_again();
        released.join().expect("it was released");
        assert_eq!(server.words().matches("waiting up to 5 s").count(), 1, "{}", server.words());
        server.login("alice");
    }
}

#[test]
fn a_server_that_was_killed_is_started_again_at_once_at_its_own_port() {
    let place = Place::find();
    let mut server = Server::start(2, &strs(&place.settings()));
    for round in 0..10 {
        let mut people: Vec<Client> = (0..20).map(|number| server.login(&format!("user{number}"))).collect();
        people[0].send(&format!("round {round}"));
        people[0].expect(&format!("user0: round {round}"));
        server.kill_nine();
        server.start_again();
    }
}

#[test]
fn an_address_that_is_another_servers_is_refused_at_once_where_nobody_was_killed() {
    let stranger = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = stranger.local_addr().expect("its address").to_string();
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let asked_at = Instant::now();
    let output = harness::refused_start(&directory.path().join("data"), &address);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(asked_at.elapsed() < Duration::from_secs(4), "{:?}", asked_at.elapsed());
}
