//! Behind a proxy: a connection from one is whose its PROXY header says, on every listener.

use crate::harness::http::{expect_sum, metrics_address};
use crate::harness::{Client, Identity, Server, TlsClient};
use std::net::SocketAddr;

/// Tests connect from here.
const FROM_HERE: &str = "listen.proxy_from=127.0.0.1";
const TOO_MANY: &str =
    "! closed: your address has 2 connections already, which is the limit; close one and try again";

/// A line of version 1.
fn line(source: &str) -> Vec<u8> {
    let protocol = if source.contains(':') { "TCP6" } else { "TCP4" };
    let destination = if source.contains(':') { "2001:db8::1" } else { "203.0.113.1" };
    format!("PROXY {protocol} {source} {destination} 56324 8080\r\n").into_bytes()
}

/// Bytes of version 2, for TCP over IPv4, with a value behind the addresses.
fn binary(source: [u8; 4]) -> Vec<u8> {
    let start = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x13";
    [&start[..], &source, &[203, 0, 113, 1, 0xdc, 4, 0x1f, 0x90], b"\x04\0\x04more"].concat()
}

/// Connects and sends `header` first, in pieces of `piece` bytes.
fn connect(address: SocketAddr, header: &[u8], piece: usize) -> Client {
    let mut client = Client::connect(address);
    header.chunks(piece).for_each(|piece| client.send_bytes(piece));
    client
}

fn login(address: SocketAddr, header: &[u8], name: &str) -> Client {
    let mut client = connect(address, header, header.len());
    client.expect("name: ");
    client.name(name);
    client
}

/// Waits until `count` were closed for this reason.
#[track_caller]
fn expect_refused(metrics: SocketAddr, reason: &str, count: f64) {
    let name = format!("madang_proxy_refused_total{{shard=\"0\",reason=\"{reason}\"}}");
    expect_sum(metrics, &name, |sum| sum == count);
}

#[test]
fn the_address_in_a_header_is_counted_and_stands_in_the_journal() {
    let settings = [FROM_HERE, "limits.connections_per_address=2", "telemetry.level=debug"];
    let server = Server::start(2, &settings);
    let mut alice = login(server.address, &line("192.0.2.7"), "alice");
    let mut bob = login(server.address, &binary([192, 0, 2, 7]), "bob");
    alice.expect_next("bob has joined general");
    server.expect_words(&["address=192.0.2.7"]);
    for (header, piece) in
        [(line("192.0.2.7"), 1), (binary([192, 0, 2, 7]), 1), (line("::ffff:192.0.2.7"), 9)]
    {
        let mut third = connect(server.address, &header, piece);
        let said = third.expect_closed();
        assert_eq!(said.last().map(String::as_str), Some(TOO_MANY), "{said:?}");
    }
    // Others are counted for themselves, IPv6 by its prefix, and the proxy's own not at all.
    let others = ["192.0.2.8", "2001:db8:1:2::3", "2001:db8:1:2::4", "2001:db8:1:3::3"];
    let _others: Vec<Client> = others
        .iter()
        .enumerate()
        .map(|(number, source)| login(server.address, &line(source), &format!("other{number}")))
        .collect();
    let own = [&b"PROXY UNKNOWN\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"];
    let _own: Vec<Client> =
        (0..4).map(|number| login(server.address, own[number % 2], &format!("own{number}"))).collect();
    // What follows a header at once is heard, and where one has gone another comes.
    bob.send("/quit");
    bob.expect_closed();
    alice.expect("bob has left the channel(general)");
    let mut carol = connect(server.address, &[line("192.0.2.7"), b"carol\nhello\n".to_vec()].concat(), 20);
    carol.expect("carol: hello");
    alice.expect("carol: hello");
}

#[test]
fn whoever_comes_from_a_proxy_without_a_header_is_closed_unheard_and_counted() {
    let server = Server::start(1, &[FROM_HERE, "telemetry.metrics=127.0.0.1:0"]);
    let metrics = metrics_address(&server);
    let mut late = connect(server.address, b"PROXY TCP4 192.0", 100);
    let mut silent = Client::connect(server.address);
    let mut alice = login(server.address, &line("192.0.2.7"), "alice");
    expect_sum(metrics, "madang_proxy_waiting_connections{", |sum| sum == 2.0);
    let absent = [&b"nobody\nhello\n"[..], b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\0\x01"];
    let malformed = [
        &b"PROXY TCP4 192.0.2.7 203.0.113.1 4711\r\n"[..],
        b"PROXY TCP4 192.0.2.7 203.0.113.1 4711 8080\n",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c",
    ];
    for words in absent.iter().chain(&malformed) {
        assert_eq!(connect(server.address, words, words.len()).expect_closed_raw(), b"", "{words:?}");
    }
    let mut ended = connect(server.address, b"PROXY ", 6);
    ended.finish_sending();
    assert_eq!(ended.expect_closed_raw(), b"");
    expect_refused(metrics, "absent", 4.0);
    expect_refused(metrics, "malformed", 3.0);
    server.expect_words(&[
        "no PROXY header from an address in listen.proxy_from; have the proxy send one",
        "a PROXY header is wrong",
        "its line ends in LF alone, not in CR LF",
        "it is of version 3; versions 1 and 2 are read",
    ]);
    // Five seconds, and up to one more until it is looked.
    assert_eq!(late.expect_closed_raw(), b"");
    assert_eq!(silent.expect_closed_raw(), b"");
    expect_refused(metrics, "late", 2.0);
    expect_sum(metrics, "madang_proxy_waiting_connections{", |sum| sum == 0.0);
    alice.send("still here");
    alice.expect_next("alice: still here");
}

#[test]
fn from_elsewhere_a_header_is_another_protocol_and_none_is_needed() {
    let server = Server::start(1, &["listen.proxy_from=127.0.0.2, 192.0.2.0/24"]);
    let mut alice = server.login("alice");
    for header in [line("192.0.2.7"), binary([192, 0, 2, 7])] {
        let said = connect(server.address, &[&header[..], b"\n"].concat(), header.len()).expect_closed();
        let words = "reads no PROXY header from your address: add it to listen.proxy_from";
        assert!(said.iter().any(|line| line.contains(words)), "{said:?}");
    }
    let mut bob = Client::connect_from([127, 0, 0, 2].into(), server.address);
    bob.send_bytes(&line("192.0.2.7"));
    bob.expect("name: ");
    bob.name("bob");
    alice.expect_next("bob has joined general");
}

#[test]
fn the_header_comes_before_tls_and_before_telnet() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let identity = Identity::write(directory.path());
    let mut settings = identity.settings().to_vec();
    settings.extend([FROM_HERE.to_owned(), "listen.telnet=127.0.0.1:0".to_owned()]);
    settings.extend(["limits.connections_per_address=2".to_owned(), "telemetry.level=debug".to_owned()]);
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let server = Server::start(2, &settings);
    let (tls, trust) = (server.tls_address(), identity.trust());
    let mut alice = TlsClient::connect_saying(tls, &trust, &line("192.0.2.7"));
    alice.send("alice");
    alice.expect("name: alice has joined general");
    let mut bob = TlsClient::connect_saying(tls, &trust, &binary([192, 0, 2, 7]));
    bob.send("bob");
    bob.expect("name: bob has joined general");
    alice.expect("bob has joined general");
    let mut third = TlsClient::connect_saying(tls, &trust, &line("192.0.2.7"));
    third.expect(TOO_MANY);
    // A handshake is no header, and no alert is said to a proxy.
    assert!(TlsClient::connect(tls, &trust).read_line().is_err());
    assert_eq!(connect(tls, b"\x16\x03\x01\x02\0\x01", 6).expect_closed_raw(), b"");
    let mut carol = connect(server.telnet_address(), &line("192.0.2.8"), 5);
    carol.send_bytes(b"carol\r\n");
    alice.expect("carol has joined general");
    server.expect_words(&["address=192.0.2.7", "address=192.0.2.8"]);
}

#[test]
fn an_upgrade_keeps_whoever_a_proxy_passed_on_and_closes_whose_header_is_not_whole() {
    let mut server =
        Server::start(2, &[FROM_HERE, "limits.connections_per_address=2", "telemetry.metrics=127.0.0.1:0"]);
    let mut alice = login(server.address, &line("192.0.2.7"), "alice");
    let mut bob = login(server.address, &binary([192, 0, 2, 7]), "bob");
    let mut halves: Vec<Client> =
        (0..4).map(|_| connect(server.address, &line("192.0.2.9")[..20], 20)).collect();
    alice.expect_next("bob has joined general");
    let waiting = "madang_proxy_waiting_connections{";
    expect_sum(metrics_address(&server), waiting, |sum| sum == 4.0);
    server.take_over(1);
    for half in &mut halves {
        assert_eq!(half.expect_closed_raw(), b"");
    }
    bob.send("still here");
    alice.expect("bob: still here");
    // They count as before.
    let said = connect(server.address, &line("192.0.2.7"), 100).expect_closed();
    assert_eq!(said.last().map(String::as_str), Some(TOO_MANY), "{said:?}");
    login(server.address, &line("192.0.2.8"), "carol");
    server.verify();
}
