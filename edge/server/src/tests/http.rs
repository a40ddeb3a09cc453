//! HTTP, as clients meet it.

use super::core::{PATIENCE, SmallCore};
use crate::bounds::{BODY_BYTES_MAX, BODY_IDLE_TIME_MAX, HEAD_BYTES_MAX, HEADERS_MAX};
use crate::counters::Refused;
use crate::limits::EdgeLimits;
use crate::server::{EdgeListener, EdgeServer, EdgeSettings};
use axum::Extension;
use axum::body::Bytes;
use axum::routing::{get, post};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

struct Served {
    edge: EdgeServer,
    address: SocketAddr,
    _core: SmallCore,
}

/// An edge whose handlers say how long a body was, and whose request it is.
fn serve(limits: EdgeLimits) -> Served {
    let core = SmallCore::start();
    let settings = EdgeSettings { link_socket: core.socket.clone(), workers: 1, connections_max: 64, limits };
    let handlers = |_: &crate::Core| {
        crate::nothing()
            .route("/length", post(async |body: Bytes| body.len().to_string()))
            .route("/peer", get(async |Extension(peer): Extension<crate::Peer>| peer.address.to_string()))
    };
    let edge = EdgeServer::start(settings, handlers).expect("an edge");
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("its address");
    edge.listen(vec![EdgeListener { socket, has_tls: false }]).expect("it listens");
    Served { edge, address, _core: core }
}

fn connect(served: &Served) -> TcpStream {
    let stream = TcpStream::connect(served.address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    stream
}

/// What is answered to these bytes until the connection is closed.
fn answer(served: &Served, bytes: &[u8]) -> String {
    let mut stream = connect(served);
    stream.write_all(bytes).expect("they are sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it is closed");
    String::from_utf8(answer).expect("UTF-8")
}

/// Waits until so much was refused for a reason: it is counted once the connection is closed.
#[track_caller]
fn expect_refused(served: &Served, why: Refused, count: u64) {
    let asked_at = Instant::now();
    let refused = || served.edge.figures().refused[why as usize];
    while refused() < count && asked_at.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(refused(), count, "{why:?}");
}

#[test]
fn what_no_handler_knows_is_a_problem_document() {
    let served = serve(EdgeLimits::default());
    let text = answer(&served, b"GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(text.starts_with("HTTP/1.1 404 Not Found\r\n"), "{text}");
    assert!(text.contains("content-type: application/problem+json\r\n"), "{text}");
    let (_, body) = text.split_once("\r\n\r\n").expect("a body");
    assert_eq!(
        body,
        "{\"type\":\"/problems/not-found\",\"title\":\"Not found\",\"status\":404,\
         \"detail\":\"there is nothing at this path\",\"code\":\"not-found\"}\n"
    );
}

#[test]
fn nothing_that_follows_a_body_of_two_lengths_is_taken_for_a_request() {
    let served = serve(EdgeLimits::default());
    let smuggled = "GET /peer HTTP/1.1\r\nHost: a\r\n\r\n";
    let body = format!("0\r\n\r\n{smuggled}");
    for lengths in [
        format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", body.len()),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {}\r\n", body.len()),
        "Transfer-Encoding: chunked\r\n".to_owned(),
    ] {
        let request = format!("POST /length HTTP/1.1\r\nHost: a\r\n{lengths}\r\n{body}");
        let text = answer(&served, request.as_bytes());
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.contains("connection: close"), "{text}");
        assert_eq!(text.matches("HTTP/1.1").count(), 1, "{text}");
    }
    for bad in [
        "Content-Length: 4\r\nContent-Length: 5\r\n",
        "Content-Length: 4, 5\r\n",
        "Content-Length: +4\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding : chunked\r\n",
        "X: a\r\n b\r\n",
        "X: a\0b\r\n",
    ] {
        let request = format!("POST /length HTTP/1.1\r\nHost: a\r\n{bad}\r\nabcd{smuggled}");
        let text = answer(&served, request.as_bytes());
        assert!(text.starts_with("HTTP/1.1 400 "), "{bad:?}: {text}");
        assert_eq!(text.matches("HTTP/1.1").count(), 1, "{bad:?}: {text}");
    }
    expect_refused(&served, Refused::NotHttp, 7);
}

#[test]
fn heads_that_are_too_long_are_refused_with_the_reason() {
    let served = serve(EdgeLimits::default());
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(HEAD_BYTES_MAX));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: x\r\n".repeat(HEADERS_MAX));
    let line = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(4 * HEAD_BYTES_MAX));
    for (name, request) in [("long", long), ("many", many), ("line", line)] {
        let text = answer(&served, request.as_bytes());
        let is_refused = text.starts_with("HTTP/1.1 431 ") || text.starts_with("HTTP/1.1 414 ");
        assert!(is_refused, "{name}: {text}");
    }
    expect_refused(&served, Refused::HeadSize, 3);
}

#[test]
fn bodies_that_are_too_long_are_refused_whether_they_say_so_or_not() {
    let served = serve(EdgeLimits::default());
    let length = usize::try_from(BODY_BYTES_MAX).expect("a length");
    let whole =
        format!("POST /length HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    let text = answer(&served, [whole.as_bytes(), &vec![b'x'; length]].concat().as_slice());
    assert!(text.ends_with(&format!("\r\n\r\n{length}")), "{text}");
    let said = format!("POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", length + 1);
    let chunk = format!("{length:x}\r\n{}\r\n", "x".repeat(length));
    let chunked = format!(
        "POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}1\r\nx\r\n0\r\n\r\n"
    );
    for request in [said, chunked] {
        let text = answer(&served, request.as_bytes());
        assert!(text.starts_with("HTTP/1.1 413 ") && text.contains("\"code\":\"body-too-long\""), "{text}");
    }
    expect_refused(&served, Refused::BodySize, 2);
}

#[test]
fn a_body_that_stops_is_not_waited_for() {
    let served = serve(EdgeLimits::default());
    let began = Instant::now();
    let mut stopped = connect(&served);
    stopped.set_read_timeout(Some(2 * BODY_IDLE_TIME_MAX)).expect("a time limit");
    stopped.write_all(b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc").expect("sent");
    let mut text = String::new();
    stopped.read_to_string(&mut text).expect("it is closed");
    assert!(text.starts_with("HTTP/1.1 408 ") && text.contains("\"code\":\"body-too-late\""), "{text}");
    let took = began.elapsed();
    assert!(took >= BODY_IDLE_TIME_MAX && took < BODY_IDLE_TIME_MAX + Duration::from_secs(5), "{took:?}");
    expect_refused(&served, Refused::BodyTime, 1);
}

#[test]
fn the_client_of_a_proxy_is_who_it_says_and_whoever_says_nothing_is_closed() {
    let proxy_from = madang_model::connection::Networks::parse("127.0.0.0/8").expect("a network");
    let limits =
        EdgeLimits { proxy_from, connections_per_address: 1, ipv6_prefix: 64, ..EdgeLimits::default() };
    let served = serve(limits);
    let request = "GET /peer HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let header = "PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n";
    let text = answer(&served, format!("{header}{request}").as_bytes());
    assert!(text.ends_with("\r\n\r\n192.0.2.7:4711"), "{text}");
    assert_eq!(answer(&served, request.as_bytes()), "");
    expect_refused(&served, Refused::Proxy, 1);
    // One connection of that client is open.
    let mut held = connect(&served);
    held.write_all(format!("{header}GET /peer HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).expect("sent");
    let mut first = [0; 15];
    held.read_exact(&mut first).expect("an answer");
    assert_eq!(answer(&served, format!("{header}{request}").as_bytes()), "");
    expect_refused(&served, Refused::Address, 1);
    drop(held);
}

#[test]
fn the_client_of_a_request_is_who_a_configured_proxy_says() {
    let forwarded_from = madang_model::connection::Networks::parse("127.0.0.1").expect("a network");
    let served = serve(EdgeLimits { forwarded_from, ..EdgeLimits::default() });
    let request = "GET /peer HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.9, 192.0.2.7\r\nConnection: close\r\n\r\n";
    let text = answer(&served, request.as_bytes());
    assert!(text.ends_with("\r\n\r\n192.0.2.7:0"), "{text}");
}

#[test]
fn an_edge_that_stops_finishes_what_it_answers_and_closes_the_rest() {
    let served = serve(EdgeLimits::default());
    // A browser connects before it has something to ask.
    let mut silent = connect(&served);
    let mut idle = connect(&served);
    idle.write_all(b"GET /peer HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    idle.read_exact(&mut [0; 15]).expect("an answer");
    let mut sending = connect(&served);
    sending.write_all(b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab").expect("sent");
    let asked_at = Instant::now();
    while served.edge.figures().requests < 2 {
        assert!(asked_at.elapsed() < PATIENCE, "no request");
        std::thread::sleep(Duration::from_millis(1));
    }
    let Served { edge, _core, .. } = served;
    let stopping = std::thread::spawn(move || edge.stop());
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).expect("it is closed");
    assert_eq!(silent.read(&mut [0; 1]).expect("it is closed"), 0);
    sending.write_all(b"cd").expect("sent");
    let mut text = String::new();
    sending.read_to_string(&mut text).expect("an answer");
    assert!(text.ends_with("\r\n\r\n4"), "{text}");
    stopping.join().expect("it stops");
    assert!(asked_at.elapsed() < Duration::from_secs(2), "{:?}", asked_at.elapsed());
}
