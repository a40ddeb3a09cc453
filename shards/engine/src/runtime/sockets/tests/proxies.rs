//! Connections that a proxy passes on.

use super::{PATIENCE, Stage};
use crate::runtime::sockets::proxies::WAITING_MAX;
use crate::runtime::sockets::{AcceptedSocket, Arrival, ProxyRefusal};
use crate::turn::Readiness;
use madang_model::connection::{Networks, PROXY_HEADER_TIME_MAX};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

const HEADER: &[u8] = b"PROXY TCP4 192.0.2.7 203.0.113.1 4711 8080\r\n";

impl Stage {
    fn trust(&mut self, networks: &str) {
        self.sockets.set_proxies(Networks::parse(networks).expect("networks"));
    }

    /// A connection that sends this and waits to be accepted.
    fn knock(&self, words: &[u8]) -> TcpStream {
        let mut peer = TcpStream::connect(self.address).expect("somebody listens");
        peer.set_read_timeout(Some(PATIENCE)).expect("a time that can be set");
        peer.write_all(words).expect("the line is open");
        peer
    }

    fn await_accept(&mut self) {
        self.await_each(1, |readiness| matches!(readiness, Readiness::Accept));
    }

    /// Accepts what waits, which is no connection yet or any more.
    fn accept_nobody(&mut self) {
        let accepted = self.sockets.accept();
        assert!(matches!(accepted, AcceptedSocket::NotYet), "{accepted:?}");
    }

    fn accept_one(&mut self) -> Arrival {
        match self.sockets.accept() {
            AcceptedSocket::Connection(arrival) => arrival,
            other => panic!("a connection is there, and accepting gave {other:?}"),
        }
    }

    fn refused(&self, reason: ProxyRefusal) -> u64 {
        self.sockets.proxy_counts().1[reason as usize]
    }

    fn waiting(&self) -> usize {
        self.sockets.proxy_counts().0
    }
}

fn address(arrival: &Arrival) -> String {
    arrival.address.map(|address| address.to_string()).unwrap_or_default()
}

/// Whether the other side has closed it, with or without a reset.
#[track_caller]
fn expect_end(peer: &mut TcpStream) {
    let mut rest = [0; 16];
    match peer.read(&mut rest) {
        Ok(count) => assert_eq!(count, 0, "nothing is said to a proxy"),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
}

#[test]
fn whom_a_proxy_passes_on_comes_from_where_the_header_says_and_is_heard_behind_it() {
    Stage::play(|stage| {
        stage.trust("127.0.0.0/8");
        let _peer = stage.knock(&[HEADER, b"alice\n"].concat());
        let arrival = stage.accept_one();
        assert_eq!(address(&arrival), "192.0.2.7");
        let mut first = [0; 64];
        let count = arrival.take_first(&mut first);
        assert_eq!(&first[..count], b"alice\n");
        // The proxy's own.
        let _peer = stage.knock(b"PROXY UNKNOWN\r\n");
        assert_eq!(address(&stage.accept_one()), "127.0.0.1");
        // From elsewhere a header is ordinary input.
        stage.trust("10.0.0.0/8, ::1");
        let _peer = stage.knock(HEADER);
        let arrival = stage.accept_one();
        assert_eq!(
            (address(&arrival), arrival.take_first(&mut first)),
            ("127.0.0.1".to_owned(), HEADER.len())
        );
    });
}

#[test]
fn a_header_that_comes_byte_by_byte_is_waited_for_and_the_shard_sleeps_between_them() {
    Stage::play(|stage| {
        stage.trust("127.0.0.1");
        let mut peer = stage.knock(&HEADER[..1]);
        stage.accept_nobody();
        for (place, byte) in HEADER.iter().enumerate().skip(1) {
            assert!(place > 3 || stage.reported().is_empty(), "nothing came, and it was reported");
            peer.write_all(&[*byte]).expect("the line is open");
            stage.await_accept();
            if place + 1 < HEADER.len() {
                stage.accept_nobody();
                assert_eq!(stage.waiting(), 1);
            }
        }
        assert_eq!(address(&stage.accept_one()), "192.0.2.7");
        assert!(matches!(stage.sockets.accept(), AcceptedSocket::Nothing));
        assert_eq!(stage.sockets.proxy_counts(), (0, [0; ProxyRefusal::COUNT]));
    });
}

#[test]
fn whoever_begins_otherwise_is_closed_and_counted() {
    Stage::play(|stage| {
        stage.trust("127.0.0.1");
        for (words, reason) in
            [(&b"alice\n"[..], ProxyRefusal::Absent), (b"PROXY TCP9 x\r\n", ProxyRefusal::Malformed)]
        {
            let mut peer = stage.knock(words);
            stage.accept_nobody();
            expect_end(&mut peer);
            assert_eq!((stage.refused(reason), stage.waiting()), (1, 0));
        }
        // It ends within the header.
        let peer = stage.knock(b"PROXY ");
        stage.accept_nobody();
        drop(peer);
        stage.await_accept();
        stage.accept_nobody();
        assert_eq!((stage.refused(ProxyRefusal::Absent), stage.waiting()), (2, 0));
    });
}

#[test]
fn a_header_that_does_not_come_in_time_is_waited_for_no_longer() {
    Stage::play(|stage| {
        stage.trust("127.0.0.1");
        let began_at = Instant::now();
        let mut peer = stage.knock(b"PROXY TCP4");
        stage.accept_nobody();
        stage.sockets.close_late(began_at + PROXY_HEADER_TIME_MAX / 2);
        assert_eq!((stage.refused(ProxyRefusal::Late), stage.waiting()), (0, 1));
        stage.sockets.close_late(Instant::now() + PROXY_HEADER_TIME_MAX);
        expect_end(&mut peer);
        assert_eq!((stage.refused(ProxyRefusal::Late), stage.waiting()), (1, 0));
        // What the kernel still reports of it is ignored.
        assert!(stage.reported().is_empty());
        assert!(matches!(stage.sockets.accept(), AcceptedSocket::Nothing));
    });
}

#[test]
fn one_too_many_to_wait_for_is_closed_and_one_with_a_whole_header_is_let_in() {
    Stage::play(|stage| {
        stage.trust("127.0.0.1");
        assert_eq!(stage.sockets.proxies.waiting_max, WAITING_MAX);
        stage.sockets.proxies.waiting_max = 2;
        let mut peers = [(); 3].map(|()| {
            let peer = stage.knock(b"PROXY ");
            stage.accept_nobody();
            peer
        });
        expect_end(&mut peers[2]);
        assert_eq!((stage.refused(ProxyRefusal::Full), stage.waiting()), (1, 2));
        let _whole = stage.knock(HEADER);
        assert_eq!(address(&stage.accept_one()), "192.0.2.7");
        // The others are read as before.
        peers[0].write_all(&HEADER[6..]).expect("the line is open");
        stage.await_accept();
        assert_eq!(address(&stage.accept_one()), "192.0.2.7");
    });
}

#[test]
fn a_header_that_comes_while_nobody_is_accepted_is_heard_afterwards() {
    Stage::play(|stage| {
        stage.trust("127.0.0.1");
        let mut early = stage.knock(b"PROXY");
        stage.accept_nobody();
        let mut late = stage.knock(b"PROXY");
        stage.accept_nobody();
        // Of the one it is known before, of the other it is not.
        early.write_all(&HEADER[5..]).expect("the line is open");
        stage.await_accept();
        stage.sockets.pause();
        late.write_all(&HEADER[5..]).expect("the line is open");
        assert!(stage.reported().is_empty(), "nobody is to be accepted");
        let held = stage.sockets.give_away().expect("the ring gives its buffers up");
        stage.sockets.take_back(held).expect("the ring takes its buffers back");
        stage.sockets.resume().expect("the ring can be asked");
        let mut found = 0;
        while found < 2 {
            stage.await_accept();
            while let AcceptedSocket::Connection(arrival) = stage.sockets.accept() {
                assert_eq!(address(&arrival), "192.0.2.7");
                found += 1;
            }
        }
    });
}

#[test]
fn who_stops_listening_for_good_waits_for_no_header() {
    Stage::play(|stage| {
        stage.trust("127.0.0.1");
        let mut peer = stage.knock(b"PROXY");
        stage.accept_nobody();
        stage.sockets.close_listener();
        expect_end(&mut peer);
        assert_eq!(stage.sockets.proxy_counts(), (0, [0; ProxyRefusal::COUNT]));
    });
}
