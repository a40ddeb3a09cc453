//! The edge process of a server, and HTTP as its clients speak it.

use super::http::{HttpAnswer, exchange};
use super::{PATIENCE, Server};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Has HTTP on a port of the kernel's choice.
pub const HTTP: &str = "listen.http=127.0.0.1:0";

/// Where a server has HTTP, or HTTPS.
#[track_caller]
pub fn http_address(server: &Server, listener: &str) -> SocketAddr {
    let mark = format!("listener=\"{listener}\"");
    server.expect_words(&["listening for the edge", &mark]);
    let words = server.words();
    let line = words.lines().find(|line| line.contains("listening for the edge") && line.contains(&mark));
    let (_, rest) = line.and_then(|line| line.split_once("address=")).expect("an address");
    rest.split_whitespace().next().expect("an address").parse().expect("an address")
}

/// Asks for a path on a connection of its own.
pub fn ask(address: SocketAddr, path: &str) -> Option<HttpAnswer> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    exchange(address, request.as_bytes())
}

/// Asks for something that is not there, as long as it takes until an edge answers.
#[track_caller]
pub fn expect_served(address: SocketAddr) {
    let asked_at = Instant::now();
    loop {
        match ask(address, "/nothing") {
            Some(answer) if answer.status == 404 && answer.body.contains("not-found") => return,
            answer => assert!(asked_at.elapsed() < PATIENCE, "{answer:?}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The processes that run an edge of this server, started by it or not.
pub fn edges(server: &Server) -> Vec<Pid> {
    let data = server.data();
    let data = data.to_str().expect("UTF-8");
    let processes = fs::read_dir("/proc").expect("processes").flatten();
    let numbers = processes.filter_map(|process| process.file_name().to_str()?.parse::<i32>().ok());
    let is_it = |number: &i32| {
        let words = fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = words.split(|byte| *byte == 0).collect();
        words.contains(&b"edge".as_slice()) && words.contains(&data.as_bytes())
    };
    numbers.filter(is_it).filter_map(Pid::from_raw).collect()
}

/// The one edge of this server, once there is one and only one.
#[track_caller]
pub fn edge(server: &Server) -> Pid {
    let asked_at = Instant::now();
    loop {
        match edges(server)[..] {
            [edge] => return edge,
            ref edges => assert!(asked_at.elapsed() < PATIENCE, "{edges:?}"),
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until no edge of this server runs.
#[track_caller]
pub fn expect_no_edge(server: &Server) {
    let asked_at = Instant::now();
    while !edges(server).is_empty() {
        assert!(asked_at.elapsed() < PATIENCE, "{:?}", edges(server));
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Ends a process at once.
pub fn kill_nine(process: Pid) {
    kill_process(process, Signal::KILL).expect("it runs");
}
