//! The line port with TLS: the same rooms and the same bounds, behind a certificate that can be
//! replaced while people talk.

use crate::harness;
use crate::harness::{Client, Identity, Server, TlsClient, refused_start_with};
use rustix::process::Signal;
use rustls::ClientConfig;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A server on both ports, and the files it reads.
struct World {
    server: Server,
    tls: SocketAddr,
    identity: Identity,
    directory: TempDir,
}

impl World {
    fn start(settings: &[&str]) -> World {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
        let identity = Identity::write(directory.path());
        let tls = identity.settings();
        let settings: Vec<&str> = tls.iter().map(String::as_str).chain(settings.iter().copied()).collect();
        let server = Server::start(2, &settings);
        let tls = server.tls_address();
        World { server, tls, identity, directory }
    }

    fn trust(&self) -> Arc<ClientConfig> {
        self.identity.trust()
    }

    fn login(&self, name: &str) -> TlsClient {
        TlsClient::login(self.tls, &self.trust(), name)
    }
}

#[test]
fn people_with_and_without_tls_talk_in_the_same_rooms() {
    let mut world = World::start(&[]);
    let mut alice = world.login("alice");
    let mut bob = world.server.login("bob");
    alice.expect("bob has joined general");
    alice.send("안녕, bob");
    alice.expect("alice: 안녕, bob");
    bob.expect("alice: 안녕, bob");
    let long = "x".repeat(4000);
    for number in 0..20 {
        bob.send(&format!("{number} {long}"));
    }
    for number in 0..20 {
        alice.expect(&format!("bob: {number} {long}"));
    }
    alice.send("/quit");
    alice.expect("bye");
    // The end is announced: a connection that was cut would be an error here.
    assert_eq!(alice.read_line().expect("an orderly end"), "");
    bob.expect("alice has left the channel(general)");
    assert!(world.server.terminate().0.success());
}

#[test]
fn a_drain_tells_those_with_tls_too_and_ends_in_time() {
    let mut world = World::start(&[]);
    let mut alice = world.login("alice");
    let _silent = TcpStream::connect(world.tls).expect("connect");
    let (status, took) = world.server.terminate();
    assert!(status.success() && took < Duration::from_secs(5), "{status} after {took:?}");
    while let Ok(line) = alice.read_line() {
        if line.is_empty() {
            return;
        }
    }
    panic!("the connection was cut");
}

#[test]
fn a_renewed_certificate_is_shown_after_a_reload_and_who_is_there_stays() {
    let mut world = World::start(&[]);
    let mut alice = world.login("alice");
    let first = alice.certificate();
    world.identity = Identity::write(world.directory.path());
    world.server.signal(Signal::HUP);
    world.server.expect_words(&["the certificate was reloaded"]);
    let mut bob = world.login("bob");
    assert_ne!(bob.certificate(), first);
    alice.send("still here");
    bob.expect("alice: still here");
    // One that cannot be used changes nothing, and is named.
    std::fs::write(&world.identity.key, "no key").expect("write");
    world.server.signal(Signal::HUP);
    world.server.expect_words(&["cannot read the key", "reload refused: nothing has changed"]);
    let carol = world.login("carol");
    assert_eq!(carol.certificate(), bob.certificate());
}

#[test]
fn a_certificate_that_is_missing_refuses_the_start_with_the_remedy() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let identity = Identity::write(directory.path());
    let [listen, certificate, key] = identity.settings();
    let refusal = |settings: &[&str]| {
        let output = refused_start_with(&directory.path().join("data"), "127.0.0.1:0", settings);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let words = refusal(&[&listen, &key]);
    assert!(words.contains("tls.certificate is not set"), "{words}");
    std::fs::remove_file(&identity.key).expect("remove");
    let words = refusal(&[&listen, &certificate, &key]);
    assert!(words.contains("cannot read the key") && words.contains("key.pem"), "{words}");
}

#[test]
fn whoever_does_not_finish_the_handshake_is_closed_in_time_and_costs_others_nothing() {
    let world = World::start(&["limits.login_seconds=1"]);
    let started = Instant::now();
    let mut silent: Vec<TcpStream> =
        (0..50).map(|_| TcpStream::connect(world.tls).expect("connect")).collect();
    // The start of a ClientHello, byte by byte.
    for byte in [22, 3, 1, 2, 0, 1] {
        for one in &mut silent {
            let _ = one.write_all(&[byte]);
        }
    }
    let mut alice = world.login("alice");
    alice.send("hello");
    alice.expect("alice: hello");
    for mut one in silent {
        one.set_read_timeout(Some(harness::PATIENCE)).expect("set a time-out");
        let mut rest = Vec::new();
        let _ = one.read_to_end(&mut rest); // a reset is an end, too
    }
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
}

#[test]
fn whoever_speaks_no_tls_gets_an_alert_and_whoever_speaks_tls_elsewhere_a_word() {
    let world = World::start(&[]);
    let mut plain = Client::connect(world.tls);
    plain.send("alice");
    let answer = plain.expect_closed_raw();
    assert_eq!(answer.first(), Some(&21), "a TLS alert: {answer:?}");
    // The other way: TLS on the plain port is no chat either, and hurts nobody.
    let mut lost = TlsClient::connect(world.server.address, &world.trust());
    assert!(lost.read_line().is_err());
    world.server.login("bob");
}

#[test]
fn a_reader_with_tls_who_does_not_read_is_cut_off_and_others_go_on() {
    let world = World::start(&["limits.outbox_bytes_max=65536"]);
    let mut slow = world.login("slow");
    let mut bob = world.server.login("bob");
    rustix::net::sockopt::set_socket_recv_buffer_size(slow.socket(), 4096).expect("set the buffer");
    let long = "x".repeat(4000);
    let asked_at = Instant::now();
    loop {
        bob.send(&long);
        let line = bob.read_line();
        if line == "slow has left the channel(general)"
            || world.server.words().contains("a slow reader is closed")
        {
            break;
        }
        assert!(asked_at.elapsed() < harness::PATIENCE * 3, "it is not cut off");
    }
    let mut alice = world.login("alice");
    alice.send("still here");
    alice.expect("alice: still here");
}

#[test]
fn a_connection_that_is_cut_without_a_farewell_counts_as_lost() {
    let world = World::start(&["telemetry.level=debug"]);
    let mut alice = world.login("alice");
    alice.send("hello");
    alice.expect("alice: hello");
    // The TCP connection ends, and TLS has not said so: a line that was cut is no line.
    alice.socket().write_all(&[23, 3, 3, 0, 50, 1, 2, 3]).expect("send");
    alice.socket().shutdown(std::net::Shutdown::Write).expect("shut down");
    world.server.expect_words(&["reason=\"lost\""]);
}

/// Says something through a program, and returns what it wrote; `None` where it is not installed.
fn through(program: &str, arguments: &[&str]) -> Option<String> {
    let mut child = Command::new("timeout")
        .args(["20", program])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut input = child.stdin.take().expect("its input");
    let said = |text: &str| format!("{text}\n").into_bytes();
    for line in ["dora", "hello from a program", "/quit"] {
        let _ = input.write_all(&said(line)); // the program may have ended
        std::thread::sleep(Duration::from_millis(100)); // some programs send what is there when they end
    }
    drop(input);
    let output = child.wait_with_output().expect("its output");
    if output.status.code() == Some(127) {
        return None;
    }
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn openssl_and_ncat_come_in_and_trust_the_certificate() {
    let world = World::start(&[]);
    let port = world.tls.port().to_string();
    let address = format!("localhost:{port}");
    let trusted = world.identity.certificate.to_str().expect("UTF-8");
    for version in ["-tls1_2", "-tls1_3"] {
        let arguments =
            ["s_client", "-quiet", "-verify_return_error", version, "-CAfile", trusted, "-connect", &address];
        match through("openssl", &arguments) {
            Some(words) => {
                assert!(words.contains("dora: hello from a program") && words.contains("bye"), "{words}")
            }
            None => eprintln!("not tried: there is no openssl here"),
        }
    }
    match through("ncat", &["--ssl-verify", "--ssl-trustfile", trusted, "localhost", &port]) {
        Some(words) => {
            assert!(words.contains("dora: hello from a program") && words.contains("bye"), "{words}")
        }
        None => eprintln!("not tried: there is no ncat here"),
    }
    // What is old is refused: TLS 1.1 is not spoken.
    if let Some(words) = through("openssl", &["s_client", "-quiet", "-tls1_1", "-connect", &address]) {
        assert!(!words.contains("welcome"), "{words}");
    }
}
