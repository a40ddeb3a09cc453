//! HTTP that is slow, silent, too much or none.

use crate::harness::edge_process::{HTTP, ask, edge, expect_served, http_address};
use crate::harness::http::{expect_sum, metrics_address, samples};
use crate::harness::{PATIENCE, Server, Usage};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

const METRICS: &str = "telemetry.metrics=127.0.0.1:0";
/// A head, and the first request of a connection, must be there within 10 s.
const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// What HTTP/2 begins with, and empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

struct Attacked {
    server: Server,
    address: SocketAddr,
    metrics: SocketAddr,
}

fn start() -> Attacked {
    let server = Server::start(1, &[HTTP, METRICS]);
    let (address, metrics) = (http_address(&server, "http"), metrics_address(&server));
    expect_served(address);
    Attacked { server, address, metrics }
}

impl Attacked {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(2 * HEAD_TIME_MAX)).expect("a time limit");
        stream.set_write_timeout(Some(PATIENCE)).expect("a time limit");
        stream
    }

    /// Others are served, and so much was refused for this reason.
    #[track_caller]
    fn expect_refused(&self, reason: &str, count: f64) {
        expect_served(self.address);
        let name = format!("madang_edge_refused_total{{reason=\"{reason}\"}}");
        expect_sum(self.metrics, &name, |refused| refused == count);
        let mut alice = self.server.login("alice");
        alice.ask("/ping");
    }
}

/// Waits until the peer closes, and returns what it has said until then.
#[track_caller]
fn expect_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Ok(_) => said,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => said,
        Err(error) => panic!("{error}; it said {:?}", String::from_utf8_lossy(&said)),
    }
}

/// A frame (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a length").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A request for `/` that is complete: HEADERS with END_STREAM and END_HEADERS. The fields are those of HPACK's static
/// table (RFC 7541, appendix A): `:method GET`, `:scheme http`, `:path /`.
fn get(stream: u32) -> Vec<u8> {
    frame(1, 0b101, stream, &[0x82, 0x86, 0x84])
}

/// RST_STREAM with CANCEL.
fn reset(stream: u32) -> Vec<u8> {
    frame(3, 0, stream, &8_u32.to_be_bytes())
}

#[test]
fn a_head_that_comes_a_byte_a_second_and_silence_are_closed_in_time() {
    let attacked = start();
    let began = Instant::now();
    let silent: Vec<TcpStream> = (0..20).map(|_| attacked.connect()).collect();
    let mut slow = attacked.connect();
    let mut slower = attacked.connect();
    // Each byte is in time; the whole is not.
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nX: ";
    let sent = head.iter().take_while(|byte| {
        let is_open = slow.write_all(&[**byte]).is_ok() && slower.write_all(b"P").is_ok();
        std::thread::sleep(Duration::from_secs(1));
        is_open && began.elapsed() < 2 * HEAD_TIME_MAX
    });
    let sent = sent.count();
    // One that is closed takes bytes for a while, so that its peer can read why; without a deadline it takes them all.
    assert!((9..=16).contains(&sent), "{sent} bytes were taken");
    for mut stream in silent.into_iter().chain([slow, slower]) {
        assert_eq!(String::from_utf8_lossy(&expect_closed(&mut stream)), "");
    }
    assert!(began.elapsed() < HEAD_TIME_MAX + Duration::from_secs(8), "{:?}", began.elapsed());
    attacked.expect_refused("head_time", 22.0);
}

#[test]
fn a_keep_alive_connection_has_as_long_for_its_next_head_as_for_the_first() {
    let attacked = start();
    let mut stream = attacked.connect();
    stream.write_all(b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    stream.read_exact(&mut [0; 12]).expect("an answer");
    // Longer than a head may take: it idles.
    std::thread::sleep(HEAD_TIME_MAX + Duration::from_secs(2));
    stream.write_all(b"GET /nothing HTTP/1.1\r\nHo").expect("it is open");
    let began = Instant::now();
    let rest = String::from_utf8_lossy(&expect_closed(&mut stream)).into_owned();
    assert_eq!(rest.matches("HTTP/1.1").count(), 0, "{rest}");
    assert!(began.elapsed() > HEAD_TIME_MAX - Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(began.elapsed() < HEAD_TIME_MAX + Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn an_http_2_client_that_resets_what_it_asks_for_is_closed() {
    let attacked = start();
    let mut stream = attacked.connect();
    stream.write_all(PREFACE).expect("sent");
    let mut count = 0;
    loop {
        let batch: Vec<u8> = (0..100)
            .flat_map(|_| {
                count += 1;
                let number = 2 * count - 1;
                [get(number), reset(number)].concat()
            })
            .collect();
        if stream.write_all(&batch).is_err() {
            break;
        }
        assert!(count < 1_000_000, "it takes any number of them");
    }
    attacked.expect_refused("reset_flood", 1.0);
    // The others were in buffers of the kernel, or were not looked at.
    let requests = samples(attacked.metrics)["madang_edge_requests_total"];
    println!("{requests} of {count} requests were looked at");
    assert!(requests < 1_000.0, "{requests}");
}

#[test]
fn floods_of_settings_pings_and_empty_frames_are_closed() {
    let attacked = start();
    let settings = frame(4, 0, 0, &[]);
    let ping = frame(6, 0, 0, &[0; 8]);
    let priority = frame(2, 0, 1, &[0, 0, 0, 0, 16]);
    let unknown = frame(0xfe, 0, 0, &[0; 64]);
    let kinds = [("settings", settings), ("ping", ping), ("priority", priority), ("unknown", unknown)];
    for (number, (name, flood)) in kinds.into_iter().enumerate() {
        let mut stream = attacked.connect();
        stream.write_all(PREFACE).expect("sent");
        let mut reader = stream.try_clone().expect("the same");
        // What it answers is read, so that nothing but the bound ends it.
        let reading = std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
        let batch = flood.repeat(1_000);
        let mut sent = 0;
        while stream.write_all(&batch).is_ok() {
            sent += batch.len();
            assert!(sent < 64 << 20, "{name}: {sent} bytes were taken");
        }
        let _ = reading.join().expect("it ends");
        let refused = (number + 1) as f64;
        expect_sum(attacked.metrics, "madang_edge_refused_total", |sum| sum >= refused);
        println!("{name}: closed after {sent} bytes");
    }
    expect_served(attacked.address);
}

#[test]
fn an_http_2_client_that_lets_nothing_be_sent_to_it_is_closed() {
    let attacked = start();
    let mut stream = attacked.connect();
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time limit");
    // SETTINGS_INITIAL_WINDOW_SIZE is 0, in the place of the empty settings.
    stream.write_all(&PREFACE[..24]).expect("sent");
    stream.write_all(&frame(4, 0, 0, &[0, 4, 0, 0, 0, 0])).expect("sent");
    stream.write_all(&get(1)).expect("sent");
    let began = Instant::now();
    let said = expect_closed(&mut stream);
    assert!(!said.is_empty(), "it has at least its settings");
    assert!((25..45).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    attacked.expect_refused("write_time", 1.0);
}

#[test]
fn a_header_that_never_ends_and_too_many_streams_are_refused_in_http_2() {
    let attacked = start();
    // HEADERS without END_HEADERS, then CONTINUATION for ever (CVE-2024-27316 and others).
    let mut stream = attacked.connect();
    stream.write_all(PREFACE).expect("sent");
    stream.write_all(&frame(1, 0b1, 1, &[0x82, 0x86, 0x84])).expect("sent");
    let field = [&[0x40, 1, b'x', 127, 0x81, 0x07][..], &[b'x'; 1_024][..]].concat();
    let more = frame(9, 0, 1, &field);
    let mut sent = 0;
    while stream.write_all(&more).is_ok() {
        sent += more.len();
        assert!(sent < 16 << 20, "{sent} bytes of one head were taken");
    }
    println!("a head was cut off after {sent} bytes");
    expect_served(attacked.address);
}

#[test]
fn a_client_that_takes_nothing_of_many_answers_is_closed_and_costs_little() {
    let attacked = start();
    let edge = edge(&attacked.server);
    let before = Usage::of(edge.as_raw_nonzero().get().unsigned_abs()).memory_bytes;
    // Pipelined requests whose answers nobody reads: the socket fills, and then nothing more is read.
    let mut stream = attacked.connect();
    stream.set_write_timeout(Some(Duration::from_secs(2))).expect("a time limit");
    let request = b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1_000);
    let mut sent = 0;
    while sent < 256 << 20 && stream.write_all(&request).is_ok() {
        sent += request.len();
    }
    assert!(sent < 256 << 20, "it takes everything");
    let grown = Usage::of(edge.as_raw_nonzero().get().unsigned_abs()).memory_bytes.saturating_sub(before);
    println!("{sent} bytes of requests were taken, {grown} bytes more memory");
    assert!(grown < 8 << 20, "{grown}");
    // The peer has 30 s to take something.
    std::thread::sleep(Duration::from_secs(25));
    let asked_at = Instant::now();
    let name = "madang_edge_refused_total{reason=\"write_time\"}";
    while samples(attacked.metrics)[name] == 0.0 {
        assert!(asked_at.elapsed() < 2 * PATIENCE, "it is still open");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(ask(attacked.address, "/nothing").is_some());
}
