//! The edge process: who starts it, what happens when it or the server ends, and who notices.

use crate::harness::edge::connect_to;
use crate::harness::edge_process::{
    HTTP, ask, edge, edges, expect_no_edge, expect_served, http_address, kill_nine,
};
use crate::harness::http::{expect_sum, get, metrics_address, samples};
use crate::harness::{Client, End, Identity, Manager, PATIENCE, Server, TlsClient, madang};
use rustix::fd::AsFd;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::Signal;
use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::scope;
use std::time::{Duration, Instant};

const METRICS: &str = "telemetry.metrics=127.0.0.1:0";
/// Within this time an edge is back.
const BACK_MAX: Duration = Duration::from_secs(1);

#[test]
fn an_edge_that_is_killed_is_back_within_a_second_and_nobody_in_nc_notices() {
    const KILLS: usize = 8;
    let server = Server::start(2, &[HTTP, METRICS]);
    let address = http_address(&server, "http");
    expect_served(address);
    let is_over = AtomicBool::new(false);
    let said = scope(|scope| {
        let talking = scope.spawn(|| {
            let (mut alice, mut bob) = (server.login("alice"), server.login("bob"));
            let mut count = 0;
            while !is_over.load(Ordering::Relaxed) {
                let line = format!("line {count}");
                alice.send(&line);
                bob.expect(&format!("alice: {line}"));
                count += 1;
            }
            count
        });
        let end = End(&is_over);
        for _ in 0..KILLS {
            kill_nine(edge(&server));
            let killed_at = Instant::now();
            // It waits in the backlog.
            let answer = ask(address, "/nothing").expect("an answer");
            assert_eq!(answer.status, 404, "{answer:?}");
            assert!(killed_at.elapsed() < BACK_MAX, "{:?}", killed_at.elapsed());
        }
        drop(end);
        talking.join().expect("they talked")
    });
    assert_eq!(server.export("general").len(), said);
    let metrics = metrics_address(&server);
    expect_sum(metrics, "madang_edge_ends_total{how=\"signal\"}", |ends| ends == KILLS as f64);
    expect_sum(metrics, "madang_edge_serving", |serving| serving == 1.0);
    assert_eq!(samples(metrics)["madang_edge_starts_total"], (KILLS + 1) as f64);
    server.expect_words(&["the edge has ended (signal 9); it is started again"]);
}

#[test]
fn what_the_edge_serves_is_in_the_metrics_of_the_server() {
    let server = Server::start(1, &[HTTP, METRICS]);
    let address = http_address(&server, "http");
    (0..3).for_each(|_| expect_served(address));
    let mut garbage = TcpStream::connect(address).expect("a connection");
    garbage.write_all(b"\x16\x03\x01 this is no HTTP\r\n\r\n").expect("sent");
    garbage.read_to_end(&mut Vec::new()).expect("it is closed");
    let metrics = metrics_address(&server);
    expect_sum(metrics, "madang_edge_requests_total", |requests| requests == 3.0);
    expect_sum(metrics, "madang_edge_refused_total{reason=\"not_http\"}", |refused| refused == 1.0);
    assert_eq!(samples(metrics)["madang_link_connected"], 1.0);
}

#[test]
fn an_edge_that_fails_at_its_start_is_started_ever_later_and_the_server_serves() {
    // Nobody listens there.
    let nowhere = "directory.url=postgres://madang@127.0.0.1:1/chat";
    let server = Server::start(1, &[HTTP, METRICS, nowhere]);
    let mut alice = server.login("alice");
    let metrics = metrics_address(&server);
    expect_sum(metrics, "madang_edge_ends_total{how=\"failure\"}", |ends| ends >= 4.0);
    server.expect_words(&["the directory of accounts cannot be opened", "wait_ms=50", "wait_ms=200"]);
    alice.send("still here");
    alice.expect("alice: still here");
    assert!(samples(metrics)["madang_edge_starts_total"] < 10.0);
}

#[test]
fn an_edge_ends_with_the_server_however_that_ends() {
    let mut server = Server::start(2, &[HTTP]);
    let address = http_address(&server, "http");
    server.change(&format!("listen.http={address}"));
    expect_served(address);
    server.kill_nine();
    server.start_again();
    expect_served(address);
    let old_edge = edge(&server);
    let (status, took) = server.terminate();
    assert!(status.success() && took < Duration::from_secs(3), "{status} after {took:?}");
    expect_no_edge(&server);
    server.start_again();
    expect_served(address);
    assert_ne!(edge(&server), old_edge);
}

#[test]
fn an_upgrade_starts_another_edge_and_clients_wait() {
    let mut server = Server::start(2, &[HTTP]);
    let address = http_address(&server, "http");
    expect_served(address);
    let mut alice = server.login("alice");
    for round in 0..3 {
        let old_edge = edge(&server);
        let is_over = AtomicBool::new(false);
        let (longest, asked) = scope(|scope| {
            let asking = scope.spawn(|| {
                let (mut longest, mut asked) = (Duration::ZERO, 0);
                while !is_over.load(Ordering::Relaxed) {
                    let asked_at = Instant::now();
                    let answer = ask(address, "/nothing").expect("an answer");
                    assert_eq!(answer.status, 404, "{answer:?}");
                    longest = longest.max(asked_at.elapsed());
                    asked += 1;
                }
                (longest, asked)
            });
            let end = End(&is_over);
            server.take_over(2);
            expect_served(address);
            drop(end);
            asking.join().expect("they were answered")
        });
        assert!(asked > 1 && longest < Duration::from_secs(4), "{longest:?}, {asked} asked");
        assert_ne!(edge(&server), old_edge);
        alice.send(&format!("round {round}"));
        alice.expect(&format!("alice: round {round}"));
    }
}

#[test]
fn an_upgrade_in_the_same_process_starts_another_edge_and_leaves_no_zombie() {
    let server = Server::start(2, &[HTTP]);
    let address = http_address(&server, "http");
    expect_served(address);
    let old_edge = edge(&server);
    let upgraded = server.ask(&["upgrade"]);
    assert!(upgraded.status.success(), "{upgraded:?}");
    expect_served(address);
    let new_edge = edge(&server);
    assert_ne!(new_edge, old_edge);
    let asked_at = Instant::now();
    let is_there = || std::path::Path::new(&format!("/proc/{}", old_edge.as_raw_nonzero())).exists();
    while is_there() {
        assert!(asked_at.elapsed() < PATIENCE, "the old edge is not waited for");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_restart_by_systemd_keeps_the_sockets_of_http_for_the_next_server() {
    let manager = Manager::with_store(64);
    let mut server = Server::start_under(&manager, 2, &[HTTP]);
    let address = http_address(&server, "http");
    expect_served(address);
    for _ in 0..2 {
        let mut alice = Client::login_when_free(server.address, "alice");
        server.end_for_restart(&manager);
        // It waits in the backlog of a socket that no process has.
        let waiting = std::thread::spawn(move || ask(address, "/nothing").map(|answer| answer.status));
        server.start_again_under(&manager);
        manager.expect_empty_store();
        assert_eq!(waiting.join().expect("it is answered"), Some(404));
        assert_eq!(http_address(&server, "http"), address);
        alice.send("/quit");
    }
}

#[test]
fn an_upgrade_to_another_address_of_http_moves_there() {
    let mut server = Server::start(1, &[HTTP]);
    let address = http_address(&server, "http");
    expect_served(address);
    server.change("listen.http=127.0.0.2:0");
    server.take_over(1);
    let moved = http_address(&server, "http");
    assert!(moved.ip() != address.ip(), "{moved}");
    expect_served(moved);
    assert!(ask(address, "/nothing").is_none(), "nobody is there any more");
}

/// An edge that a test runs, which ends with this.
struct OwnEdge(Child);

impl OwnEdge {
    fn start(server: &Server) -> OwnEdge {
        OwnEdge::start_on(&server.data(), &["--set", HTTP])
    }

    fn start_on(data: &Path, options: &[&str]) -> OwnEdge {
        let mut program = madang();
        program.args(["edge", "--data"]).arg(data).args(options);
        let words = std::fs::File::options().append(true).create(true).open(data.join("edge.words"));
        program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(words.expect("a file"));
        OwnEdge(program.spawn().expect("run madang edge"))
    }

    fn end(&mut self) -> Option<i32> {
        let asked_at = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().expect("wait") {
                return status.code();
            }
            assert!(asked_at.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for OwnEdge {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn of_two_edges_one_serves_and_the_other_takes_over_when_it_ends() {
    let server = Server::start(1, &[HTTP, METRICS, "edge.start=false"]);
    let address = http_address(&server, "http");
    assert!(edges(&server).is_empty());
    // A server without an edge is well, and says so.
    let health = get(metrics_address(&server), "/healthz");
    assert_eq!((health.status, health.body.as_str()), (200, "ok\nno edge serves HTTP at the moment\n"));
    let mut first = OwnEdge::start(&server);
    expect_served(address);
    assert_eq!(get(metrics_address(&server), "/healthz").body, "ok\n");
    let mut second = OwnEdge::start(&server);
    let words = || std::fs::read_to_string(server.data().join("edge.words")).expect("its words");
    let asked_at = Instant::now();
    while !words().contains("another edge serves; this one waits until it ends") {
        assert!(asked_at.elapsed() < PATIENCE, "{}", words());
        std::thread::sleep(Duration::from_millis(5));
    }
    first.0.kill().expect("it runs");
    expect_served(address);
    assert!(second.0.try_wait().expect("wait").is_none());
    rustix::process::kill_process(rustix::process::Pid::from_child(&second.0), Signal::TERM)
        .expect("it runs");
    assert_eq!(second.end(), Some(0));
    expect_sum(metrics_address(&server), "madang_edge_serving", |serving| serving == 0.0);
    // Clients wait for the next one.
    let waiting = std::thread::spawn(move || ask(address, "/nothing").map(|answer| answer.status));
    let _third = OwnEdge::start(&server);
    assert_eq!(waiting.join().expect("it is answered"), Some(404));
}

#[test]
fn an_edge_of_its_own_unit_waits_for_the_next_server_and_one_without_http_ends() {
    let mut server = Server::start(2, &[HTTP, "edge.start=false"]);
    let address = http_address(&server, "http");
    let mut edge = OwnEdge::start(&server);
    expect_served(address);
    server.change(&format!("listen.http={address}"));
    server.kill_nine();
    server.start_again();
    expect_served(address);
    assert!(edge.0.try_wait().expect("wait").is_none(), "it is the same edge");
    drop(edge);
    server.terminate();
    server.change("listen.http=\"\"");
    server.change("edge.enabled=true");
    server.start_again();
    // Its own code, so that its unit is not started again.
    assert_eq!(OwnEdge::start_on(&server.data(), &[]).end(), Some(3));
}

/// Lends these sockets to the next edge that connects, as a server of this version.
fn lend(listener: &UnixListener, version: &str, sockets: &[(&str, &TcpListener)]) -> UnixStream {
    let (stream, _) = listener.accept().expect("an edge");
    let names: Vec<&str> = sockets.iter().map(|(name, _)| *name).collect();
    let offer = format!("{}\n", serde_json::json!({ "server": version, "sockets": names }));
    let descriptors: Vec<_> = sockets.iter().map(|(_, socket)| socket.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)));
    }
    let sent = sendmsg(&stream, &[IoSlice::new(offer.as_bytes())], &mut ancillary, SendFlags::NOSIGNAL);
    assert_eq!(sent, Ok(offer.len()));
    stream
}

#[test]
fn an_edge_ends_when_the_server_is_of_another_version_than_before() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let listener = UnixListener::bind(directory.path().join("edge.sock")).expect("a socket");
    let http = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = http.local_addr().expect("its address");
    let mut edge = OwnEdge::start_on(directory.path(), &["--set", HTTP]);
    for version in ["1.0.0", "1.0.0"] {
        let lent = lend(&listener, version, &[("http", &http)]);
        // There is no link, so that an answer comes after 2 s.
        expect_served(address);
        drop(lent);
    }
    let _last = lend(&listener, "1.0.1", &[("http", &http)]);
    assert_eq!(edge.end(), Some(75));
}

#[test]
fn an_edge_that_waits_for_another_to_end_is_not_ended_by_a_reload_and_ends_when_asked() {
    let server = Server::start(1, &[HTTP, "edge.start=false"]);
    let address = http_address(&server, "http");
    let lock = std::fs::File::create(server.data().join("edge.lock")).expect("a file");
    lock.lock().expect("the lock");
    let words = || std::fs::read_to_string(server.data().join("edge.words")).expect("its words");
    let expect_waiting = |count: usize| {
        let asked_at = Instant::now();
        while words().matches("another edge serves").count() < count {
            assert!(asked_at.elapsed() < PATIENCE, "{}", words());
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let signal = |edge: &OwnEdge, signal| {
        let process = rustix::process::Pid::from_child(&edge.0);
        rustix::process::kill_process(process, signal).expect("it runs");
    };
    let mut asked = OwnEdge::start(&server);
    expect_waiting(1);
    signal(&asked, Signal::TERM);
    assert_eq!(asked.end(), Some(0));
    let reloaded = OwnEdge::start(&server);
    expect_waiting(2);
    signal(&reloaded, Signal::HUP);
    lock.unlock().expect("it is locked");
    expect_served(address);
}

#[test]
fn an_address_of_http_that_another_program_has_costs_nobody_a_connection() {
    let manager = Manager::with_store(64);
    let mut server = Server::start_under(&manager, 2, &[HTTP]);
    expect_served(http_address(&server, "http"));
    let mut alice = server.login("alice");
    let other = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = other.local_addr().expect("its address");
    server.change(&format!("listen.http={address}"));
    server.end_for_restart(&manager);
    server.start_again_under(&manager);
    alice.send("still here");
    alice.expect("alice: still here");
    server.expect_words(&["everyone else is served, and it is tried again"]);
    drop(other);
    expect_served(address);
}

#[test]
fn a_server_that_is_started_again_does_not_wait_for_an_address_of_http() {
    let mut server = Server::start(1, &[HTTP]);
    expect_served(http_address(&server, "http"));
    server.terminate();
    let other = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = other.local_addr().expect("its address");
    server.change(&format!("listen.http={address}"));
    server.start_again();
    let mut alice = server.login("alice");
    alice.send("still here");
    alice.expect("alice: still here");
    drop(other);
    expect_served(address);
}

#[test]
fn a_signal_to_the_group_of_the_server_is_not_one_to_its_edge() {
    let server = Server::start(1, &[HTTP]);
    expect_served(http_address(&server, "http"));
    let edge = edge(&server);
    assert_eq!(rustix::process::getpgid(Some(edge)).expect("it runs"), edge);
}

#[test]
fn an_edge_that_hangs_is_ended_and_another_serves() {
    let server = Server::start(1, &[HTTP]);
    let address = http_address(&server, "http");
    expect_served(address);
    let hanging = edge(&server);
    rustix::process::kill_process(hanging, Signal::STOP).expect("it runs");
    server.expect_words(&["the edge hangs"]);
    expect_served(address);
    assert_ne!(edge(&server), hanging);
}

#[test]
fn https_speaks_both_versions_with_the_certificate_of_now() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let identity = Identity::write(directory.path());
    let [_, certificate, key] = identity.settings();
    let server = Server::start(1, &["listen.https=127.0.0.1:0", &certificate, &key]);
    let address = http_address(&server, "https");
    for (option, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let output = Command::new("curl")
            .args(["-s", "--max-time", "10", option, "--cacert"])
            .arg(&identity.certificate)
            .args(["--resolve", &format!("localhost:{}:127.0.0.1", address.port())])
            .args(["-o", "/dev/null", "-w", "%{http_code} %{http_version}"])
            .arg(format!("https://localhost:{}/", address.port()))
            .output()
            .expect("run curl");
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("404 {version}"), "{output:?}");
    }
    let shown = |identity: &Identity| {
        let mut client = TlsClient::connect(address, &identity.trust());
        client.try_send_bytes(b"GET / HTTP/1.0\r\n\r\n").ok()?;
        client.read_line().ok().map(|_| client.certificate())
    };
    let old = shown(&identity).expect("a certificate");
    let identity = Identity::write(directory.path());
    server.signal(Signal::HUP);
    let asked_at = Instant::now();
    while shown(&identity).is_none_or(|now| now == old) {
        assert!(asked_at.elapsed() < PATIENCE, "the certificate is the old one");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_comes_to_the_socket_of_the_edge_harms_nobody() {
    let server = Server::start(1, &[HTTP, "edge.start=false"]);
    let address = http_address(&server, "http");
    for garbage in [&b"{}\n{\"connections\":\"many\"}\n"[..], &[b'x'; 100_000], b"\0", b""] {
        let mut stream = connect_to(&server.data().join("edge.sock"));
        let _ = stream.write_all(garbage);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
    let _edge = OwnEdge::start(&server);
    expect_served(address);
    let mut alice = server.login("alice");
    alice.send("still here");
    alice.expect("alice: still here");
}

#[test]
fn whether_an_edge_could_serve_is_checked_without_one() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let check = |settings: &[&str]| {
        let mut program = madang();
        program.args(["edge", "--check", "--data"]).arg(directory.path());
        for setting in settings {
            program.args(["--set", setting]);
        }
        let output = program.output().expect("run madang edge");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(check(&[HTTP]), (Some(0), String::new()));
    for (settings, words) in [
        (&["listen.https=127.0.0.1:0"][..], "listen.https needs tls.certificate and tls.key"),
        (&["listen.http=127.0.0.1:8080"], "overlaps listen.line"),
        (&[HTTP, "directory.url=postgres://madang@127.0.0.1:1/chat"], "the directory of accounts"),
    ] {
        let (code, said) = check(settings);
        assert!(code == Some(2) && said.contains(words), "{code:?}: {said}");
    }
}
