//! What is not for this port: HTTP and TLS where a name is due. Any web page can have a browser send it.

use crate::harness::{Client, Identity, Lobby, PATIENCE, Server, TlsClient, needs};
use rustix::process::Signal;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What comes with a request, and would be a name and talk.
const PAGE: &str = "\r\nHost: localhost\r\nAccept: */*\r\n\r\nmallory\r\nhello from a page\r\n";

fn requests() -> Vec<Vec<u8>> {
    let long = "a".repeat(4_090);
    vec![
        b"GET / HTTP/1.1".to_vec(),
        format!("POST /{long} HTTP/1.1").into_bytes(),
        format!("POST /{long}{long}{long} HTTP/1.1").into_bytes(),
        b"post /x http/1.1".to_vec(),
        b"M-SEARCH * HTTP/1.1".to_vec(),
        b"GET /".to_vec(),
        b"GET /\xfe\xe9 HTTP/1.1".to_vec(),
        b"GET http://127.0.0.1:8080/ HTTP/1.1".to_vec(),
        b"PRI * HTTP/2.0".to_vec(),
    ]
}

#[test]
fn nothing_of_a_request_becomes_a_name_or_is_said() {
    let mut lobby = Lobby::open();
    for request in requests() {
        let mut browser = lobby.stranger();
        browser.send_bytes(&[&request[..], PAGE.as_bytes()].concat());
        let answer = browser.expect_closed_raw();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.contains("HTTP/1.1 400 Bad Request\r\n"), "{}: {answer}", request.escape_ascii());
        assert!(answer.matches("HTTP").count() == 1 && answer.contains("nc or telnet"), "{answer}");
        lobby.saw(&[]);
    }
}

#[test]
fn a_hello_of_tls_is_answered_and_closed() {
    let mut lobby = Lobby::open();
    for hello in
        [&b"\x16\x03\x01\x02\x00\x01\xff\xf3\nmallory\nhello\n"[..], b"\x80\x2e\x01\nmallory\nhello\n"]
    {
        let mut client = lobby.stranger();
        client.send_bytes(hello);
        let answer = client.expect_closed();
        assert!(answer.len() == 1 && answer[0].contains("without TLS"), "{answer:?}");
    }
    lobby.saw(&[]);
}

#[test]
fn https_is_turned_away_as_http_is() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let identity = Identity::write(directory.path());
    let settings = identity.settings();
    let server = Server::start(2, &settings.each_ref().map(String::as_str));
    let mut alice = server.login("alice");
    for request in requests() {
        let mut browser = TlsClient::connect(server.tls_address(), &identity.trust());
        // The answer may come before the rest is sent.
        let _ = browser.try_send_bytes(&[&request[..], PAGE.as_bytes()].concat());
        let lines: Vec<String> =
            std::iter::from_fn(|| browser.read_line().ok().filter(|line| !line.is_empty())).collect();
        assert!(lines.iter().any(|line| line.contains("HTTP/1.1 400 ")), "{lines:?}");
    }
    alice.send("nobody else is here");
    alice.expect_next("alice: nobody else is here");
}

/// A request that follows its connection within this time finds no greeting before its answer.
const QUICK: Duration = Duration::from_millis(4);

/// Tries until this many were quick, on a machine that has whatever else to do. `ask` connects, sends a request, says
/// when it was sent, and returns how the answer begins.
#[track_caller]
fn expect_answer_alone(mut ask: impl FnMut() -> (Instant, String)) {
    let (began_at, mut quick) = (Instant::now(), 0);
    while quick < 20 && began_at.elapsed() < PATIENCE {
        let connecting_at = Instant::now();
        let (sent_at, answer) = ask();
        if sent_at.duration_since(connecting_at) < QUICK {
            quick += 1;
            assert!(answer.starts_with("HTTP/1.1 400 "), "try {quick}: {answer}");
        }
    }
    assert!(quick > 0, "this machine connects and sends in 4 ms once in a while");
}

/// Otherwise curl and browsers take the greeting for an answer of HTTP/0.9, and show nothing.
#[test]
fn a_request_right_behind_its_connection_gets_its_answer_alone_with_tls_and_without() {
    let request = ["GET / HTTP/1.1", PAGE].concat();
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let identity = Identity::write(directory.path());
    let settings = identity.settings();
    let server = Server::start(1, &settings.each_ref().map(String::as_str));
    // Until the log has its first segment nothing is read.
    let _ = server.usage_with_segments();
    expect_answer_alone(|| {
        let mut browser = Client::connect(server.address);
        browser.send_bytes(request.as_bytes());
        let sent_at = Instant::now();
        (sent_at, String::from_utf8_lossy(&browser.expect_closed_raw()).into_owned())
    });
    let (address, trust) = (server.tls_address(), identity.trust());
    expect_answer_alone(|| {
        let mut browser = TlsClient::connect(address, &trust);
        let _ = browser.try_send_bytes(request.as_bytes());
        let sent_at = Instant::now();
        (sent_at, browser.read_line().unwrap_or_default())
    });
}

/// A person is greeted though nothing is said, at once as far as anybody sees, and the shard is awake for it.
#[test]
fn whoever_says_nothing_is_greeted_at_once() {
    let server = Server::start(1, &[]);
    let mut waits: Vec<_> = (0..20)
        .map(|_| {
            let connected_at = Instant::now();
            let mut person = Client::connect(server.address);
            person.expect("name: ");
            connected_at.elapsed()
        })
        .collect();
    waits.sort();
    assert!(waits[10] < Duration::from_millis(100), "{waits:?}");
}

/// A client that speaks before being accepted is read before being greeted.
#[test]
fn http_that_came_with_the_connection_gets_its_answer_alone() {
    needs("curl", "curl");
    let server = Server::start(1, &[]);
    // Until the log has its first segment nothing is read, and newcomers are greeted meanwhile.
    let _ = server.usage_with_segments();
    // Nothing is accepted until the request is there.
    stop(&server);
    let curl = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "10"])
        .arg(format!("http://{}/", server.address))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("run curl");
    expect_unread(server.address.port());
    server.signal(Signal::CONT);
    let output = curl.wait_with_output().expect("its output");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && shown.contains("this port is for chat"), "{output:?}");
    // A client that says a name so early is greeted as others are.
    stop(&server);
    let mut early = Client::connect(server.address);
    early.writer().write_all(b"early\n").expect("send");
    expect_unread(server.address.port());
    server.signal(Signal::CONT);
    early.expect("* welcome to madang; /help lists what you can type");
    early.expect("name: ");
    early.expect("early has joined general");
}

/// Stops a server, and returns when each of its threads has: one gets the signal, and stops the others.
#[track_caller]
fn stop(server: &Server) {
    server.signal(Signal::STOP);
    let threads = format!("/proc/{}/task", server.pid());
    let is_stopped = |thread: std::io::Result<std::fs::DirEntry>| {
        let stat = thread.and_then(|thread| std::fs::read_to_string(thread.path().join("stat")));
        // proc_pid_stat(5): the state follows the name, which is in brackets.
        stat.is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')))
    };
    let asked_at = Instant::now();
    while !std::fs::read_dir(&threads).expect("its threads").all(is_stopped) {
        assert!(asked_at.elapsed() < PATIENCE, "it does not stop");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until bytes wait at a connection to this port (proc(5), `/proc/net/tcp`: the second half of the
/// queues).
#[track_caller]
fn expect_unread(port: u16) {
    let local = format!(":{port:04X}");
    let has_unread = || {
        let table = std::fs::read_to_string("/proc/net/tcp").expect("the kernel's connections");
        table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).any(|fields| {
            let is_ours = fields.get(1).is_some_and(|address| address.ends_with(&local));
            let is_connected = fields.get(3) == Some(&"01");
            let unread = fields.get(4).and_then(|queues| queues.split_once(':')).map(|(_, unread)| unread);
            is_ours && is_connected && unread.is_some_and(|unread| unread.bytes().any(|digit| digit != b'0'))
        })
    };
    let asked_at = Instant::now();
    while !has_unread() {
        assert!(asked_at.elapsed() < PATIENCE, "no request comes");
        std::thread::sleep(Duration::from_millis(2));
    }
}
