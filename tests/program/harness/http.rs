//! A look at the metrics endpoint.

use super::{PATIENCE, Server};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

/// What an HTTP server answered.
#[derive(Debug)]
pub struct HttpAnswer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// Where a server with `telemetry.metrics=127.0.0.1:0` serves them.
#[track_caller]
pub fn metrics_address(server: &Server) -> SocketAddr {
    server.expect_words(&[" metrics address="]);
    let words = server.words();
    let (_, rest) = words.split_once(" metrics address=").expect("the address");
    rest.split_whitespace().next().expect("an address").parse().expect("an address")
}

/// Asks for a path; `None` when nobody answers.
pub fn try_get(address: SocketAddr, path: &str) -> Option<HttpAnswer> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    exchange(address, request.as_bytes())
}

/// Asks for a path.
#[track_caller]
pub fn get(address: SocketAddr, path: &str) -> HttpAnswer {
    try_get(address, path).unwrap_or_else(|| panic!("no answer to {path}"))
}

/// Sends a request as it is.
pub fn exchange(address: SocketAddr, request: &[u8]) -> Option<HttpAnswer> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).expect("set a time-out");
    // A server that has had enough may close before all is sent.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(HttpAnswer { status, head: head.to_owned(), body: body.to_owned() })
}

/// Every sample of `/metrics`: its name with its labels, and its value.
#[track_caller]
pub fn samples(address: SocketAddr) -> BTreeMap<String, f64> {
    let answer = get(address, "/metrics");
    assert_eq!(answer.status, 200, "{answer:?}");
    let lines = answer.body.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            (name.to_owned(), value.parse().expect("a number"))
        })
        .collect()
}

/// Waits until the sum of all samples whose name with labels begins so is as wanted.
#[track_caller]
pub fn expect_sum(address: SocketAddr, prefix: &str, is_wanted: impl Fn(f64) -> bool) {
    let asked_at = Instant::now();
    loop {
        let samples = samples(address);
        let found: Vec<_> = samples.iter().filter(|(name, _)| name.starts_with(prefix)).collect();
        if !found.is_empty() && is_wanted(found.iter().map(|(_, value)| **value).sum()) {
            return;
        }
        assert!(asked_at.elapsed() < PATIENCE, "{prefix} stays at {found:?}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

/// Waits until a path is answered with this status, and returns the answer.
#[track_caller]
pub fn expect_status(address: SocketAddr, path: &str, status: u16) -> HttpAnswer {
    let asked_at = Instant::now();
    loop {
        let answer = try_get(address, path);
        match answer {
            Some(answer) if answer.status == status => return answer,
            answer => assert!(asked_at.elapsed() < PATIENCE, "{path}: {answer:?}"),
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
