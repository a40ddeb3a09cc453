//! The promises of the seam, on real sockets of loopback.

use super::buffers::BUFFER_BYTES;
use super::{AcceptedSocket, Arrival, BUFFERS, RECEIVE, RingSockets, close, tag};
use crate::runtime::bell::Bell;
use crate::runtime::listener::{Listener, set_options};
use crate::turn::{Input, Readiness, Written};
use glommio::{LocalExecutorBuilder, Placement};
use madang_model::ConnectionId;
use madang_model::connection::{Entrance, EntranceKind};
use rustix::net::sockopt;
use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

mod proxies;

/// Nothing here takes this long.
const PATIENCE: Duration = Duration::from_secs(20);
const SHORTLY: Duration = Duration::from_millis(50);

struct Stage {
    sockets: RingSockets,
    bell: Bell,
    address: SocketAddr,
    buffer: Vec<u8>,
}

impl Stage {
    /// Plays a scene on a thread of its own, in an executor, as a shard would.
    fn play(scene: impl FnOnce(&mut Stage) + Send + 'static) {
        let play = move || {
            let executor = LocalExecutorBuilder::new(Placement::Unbound).io_memory(65_536).ring_depth(128);
            executor.make().expect("an executor").run(async move {
                let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
                listener.set_nonblocking(true).expect("a listener that does not block");
                set_options(&listener.try_clone().expect("a second handle").into()).expect("options");
                let address = listener.local_addr().expect("an address");
                let entrance = Entrance { kind: EntranceKind::default(), address };
                let bell = Bell::new().expect("a descriptor");
                let listeners = vec![Listener { socket: listener.into(), entrance, tls: None }];
                let sockets = RingSockets::new(listeners, &bell, 1).expect("a ring");
                scene(&mut Stage { sockets, bell, address, buffer: vec![0; BUFFER_BYTES] });
            });
        };
        std::thread::spawn(play).join().expect("the scene is played to its end");
    }

    /// A peer, and our end of its connection.
    fn connect(&mut self) -> (TcpStream, Arrival) {
        let peer = TcpStream::connect(self.address).expect("somebody listens");
        peer.set_read_timeout(Some(PATIENCE)).expect("a time that can be set");
        match self.sockets.accept() {
            AcceptedSocket::Connection(arrival) => (peer, arrival),
            other => panic!("a connection waits, and accepting gave {other:?}"),
        }
    }

    fn join(&mut self, index: u32, generation: u32) -> (TcpStream, ConnectionId) {
        let (peer, arrival) = self.connect();
        let id = ConnectionId { index, generation };
        self.sockets.add(id, arrival).expect("room for one more");
        (peer, id)
    }

    /// Waits until `count` of the reports match.
    fn await_each(&mut self, count: usize, matches: impl Fn(&Readiness) -> bool) {
        let give_up_at = Instant::now() + PATIENCE;
        let mut found = 0;
        while found < count {
            assert!(Instant::now() < give_up_at, "{found} of {count} reported");
            found += self.reported().iter().filter(|readiness| matches(readiness)).count();
        }
    }

    fn reported(&mut self) -> Vec<Readiness> {
        let mut ready = Vec::new();
        self.sockets.sleep(Some(SHORTLY)).expect("the ring can be waited for");
        self.sockets.take_ready(&mut ready).expect("the ring can be asked");
        ready
    }

    fn read(&mut self, id: ConnectionId) -> Vec<u8> {
        match self.sockets.read(id, &mut self.buffer) {
            Input::Bytes { count, .. } => self.buffer[..count].to_vec(),
            other => panic!("bytes were reported, and reading gave {other:?}"),
        }
    }
}

fn is_read(readiness: &Readiness) -> bool {
    matches!(readiness, Readiness::Read(_))
}

#[test]
fn all_are_heard_though_more_speak_than_there_are_buffers() {
    Stage::play(|stage| {
        let count = u32::from(BUFFERS) + 100;
        let mut joined: Vec<_> = (0..count).map(|index| stage.join(index, 1)).collect();
        for (peer, id) in &mut joined {
            peer.write_all(format!("number {}", id.index).as_bytes()).expect("the line is open");
        }
        stage.await_each(joined.len(), is_read);
        for (_, id) in &joined {
            assert!(stage.sockets.is_readable(*id));
            assert_eq!(stage.read(*id), format!("number {}", id.index).into_bytes());
            assert!(!stage.sockets.is_readable(*id));
        }
        for (peer, _) in &mut joined {
            peer.write_all(b"again").expect("the line is open");
        }
        stage.await_each(joined.len(), is_read);
    });
}

#[test]
fn who_gets_the_number_of_a_closed_socket_gets_bytes_of_its_own_only() {
    Stage::play(|stage| {
        let (mut first_peer, first) = stage.join(0, 1);
        // Asked for, and not with the kernel yet.
        let mut number = stage.sockets.remove(first).expect("it was there");
        let _ = first_peer.write_all(b"too late");
        let (mut second_peer, arrival) = stage.connect();
        rustix::io::dup2(&arrival.descriptor, &mut number)
            .expect("the new socket takes the old one's number");
        let second = ConnectionId { index: 0, generation: 2 };
        stage.sockets.add_carried(second, number).expect("room for one more");
        second_peer.write_all(b"hello").expect("the line is open");
        stage.await_each(1, |readiness| matches!(readiness, Readiness::Read(id) if *id == second));
        assert_eq!(stage.read(second), b"hello");
    });
}

#[test]
fn what_comes_for_those_who_were_closed_takes_no_buffer_for_good() {
    Stage::play(|stage| {
        for generation in 0..u32::from(BUFFERS) + 10 {
            let (mut peer, id) = stage.join(0, generation);
            stage.sockets.look().expect("the ring can be asked");
            peer.write_all(b"hello").expect("the line is open");
            stage.sockets.remove(id).into_iter().for_each(close);
            assert!(stage.reported().iter().all(|readiness| !is_read(readiness)), "nobody is there");
        }
        let (mut peer, id) = stage.join(0, u32::MAX);
        peer.write_all(b"hello").expect("the line is open");
        stage.await_each(1, is_read);
        assert_eq!(stage.read(id), b"hello");
    });
}

#[test]
fn a_peer_that_is_not_read_is_held_back_and_loses_nothing() {
    Stage::play(|stage| {
        let (mut peer, id) = stage.join(0, 1);
        let sent = vec![7; 64 * BUFFER_BYTES];
        let writer = std::thread::spawn(move || peer.write_all(&sent));
        stage.await_each(1, is_read);
        assert!(stage.reported().is_empty(), "one receive at a time");
        let mut count = stage.read(id).len();
        while count < 64 * BUFFER_BYTES {
            stage.await_each(1, is_read);
            count += stage.read(id).len();
        }
        writer.join().expect("a writer").expect("all was taken");
        stage.await_each(1, is_read);
        assert_eq!(stage.sockets.read(id, &mut stage.buffer), Input::End);
    });
}

#[test]
fn a_socket_that_takes_bytes_again_is_reported() {
    Stage::play(|stage| {
        let (mut slow_peer, slow) = stage.join(0, 1);
        let (mut quick_peer, quick) = stage.join(1, 1);
        let gone = ConnectionId { index: 2, generation: 1 };
        let outbox = vec![7; 32 << 20];
        let mut written = Vec::new();
        let outbox_of = |id: ConnectionId| Some(if id == slow { &outbox[..] } else { &b"hello"[..] });
        stage.sockets.write_each(&[slow, gone, quick], outbox_of, &mut written);
        let [
            (_, Written::Bytes { taken: count, .. }),
            (_, Written::Broken),
            (_, Written::Bytes { taken: 5, .. }),
        ] = written[..]
        else {
            panic!("{written:?}")
        };
        assert!((1..outbox.len()).contains(&count), "a socket takes some");
        stage.sockets.write_each(&[slow], outbox_of, &mut written);
        assert_eq!(
            written,
            [(slow, Written::Bytes { taken: 0, held: 0 })],
            "it is not tried again before it is told of"
        );
        slow_peer.read_exact(&mut vec![0; count]).expect("what was taken arrives");
        stage.await_each(1, |readiness| matches!(readiness, Readiness::Write(id) if *id == slow));
        let mut word = [0; 5];
        quick_peer.read_exact(&mut word).expect("the other waits for nobody");
        assert_eq!(&word, b"hello");
    });
}

#[test]
fn a_peer_that_left_is_reported() {
    Stage::play(|stage| {
        let (peer, id) = stage.join(0, 1);
        drop(peer);
        stage.await_each(1, is_read);
        assert_eq!(stage.sockets.read(id, &mut stage.buffer), Input::End);
        let mut written = Vec::new();
        let words = |_| Some(&b"anybody there?"[..]);
        let give_up_at = Instant::now() + PATIENCE;
        while !matches!(written[..], [(_, Written::Broken)]) {
            assert!(Instant::now() < give_up_at, "a broken connection was not noticed");
            stage.sockets.write_each(&[id], words, &mut written);
        }
    });
}

#[test]
fn whoever_knocks_and_whoever_rings_ends_a_sleep() {
    Stage::play(|stage| {
        let peer = TcpStream::connect(stage.address).expect("somebody listens");
        stage.sockets.sleep(None).expect("the ring can be waited for");
        let mut ready = Vec::new();
        stage.sockets.take_ready(&mut ready).expect("the ring can be asked");
        assert!(matches!(ready[..], [Readiness::Accept]), "{ready:?}");
        for _ in 0..3 {
            stage.bell.ring_loudly();
            stage.sockets.sleep(None).expect("the ring can be waited for");
            stage.sockets.take_ready(&mut ready).expect("the ring can be asked");
        }
        drop(peer);
    });
}

#[test]
fn what_is_given_away_takes_along_all_that_came_and_nothing_comes_meanwhile() {
    Stage::play(|stage| {
        let (mut early_peer, early) = stage.join(0, 1);
        let (mut late_peer, late) = stage.join(1, 1);
        stage.sockets.look().expect("the ring can be asked");
        early_peer.write_all(b"before").expect("the line is open");
        stage.await_each(1, is_read);
        stage.sockets.pause();
        let (held, listeners) = stage.sockets.give_away().expect("the ring gives its buffers up");
        assert_eq!((held.came(early), held.came(late)), (&b"before"[..], &b""[..]));
        // It has a receive with the kernel, which may not take this from the process that reads the socket now.
        late_peer.write_all(b"meanwhile").expect("the line is open");
        let socket = held.descriptor(late).expect("it was there").try_clone_to_owned().expect("a descriptor");
        let mut bytes = [0; 64];
        let mut other_process = TcpStream::from(socket);
        let give_up_at = Instant::now() + PATIENCE;
        let count = loop {
            match other_process.read(&mut bytes) {
                Ok(count) => break count,
                Err(error) => assert!(Instant::now() < give_up_at, "{error}"),
            }
        };
        assert_eq!(&bytes[..count], b"meanwhile");
        drop((held, listeners));
    });
}

#[test]
fn what_comes_back_is_heard_again_and_misses_nothing() {
    Stage::play(|stage| {
        let (mut early_peer, early) = stage.join(0, 1);
        let (mut late_peer, late) = stage.join(1, 1);
        stage.sockets.look().expect("the ring can be asked");
        early_peer.write_all(b"before").expect("the line is open");
        stage.await_each(1, is_read);
        for _ in 0..2 {
            stage.sockets.pause();
            let held = stage.sockets.give_away().expect("the ring gives its buffers up");
            let knocking = TcpStream::connect(stage.address).expect("somebody listens");
            stage.sockets.take_back(held).expect("the ring takes its buffers back");
            drop(knocking);
        }
        late_peer.write_all(b"meanwhile").expect("the line is open");
        stage.sockets.resume().expect("the ring can be asked");
        assert!(stage.sockets.is_readable(early));
        assert_eq!(stage.read(early), b"before");
        early_peer.write_all(b"after").expect("the line is open");
        stage.await_each(2, is_read);
        assert_eq!((stage.read(early), stage.read(late)), (b"after".to_vec(), b"meanwhile".to_vec()));
        assert!(matches!(stage.sockets.accept(), AcceptedSocket::Connection(_)), "who waited is let in");
        for round in 0..2 * BUFFERS {
            early_peer.write_all(&round.to_be_bytes()).expect("the line is open");
            stage.await_each(1, is_read);
            assert_eq!(stage.read(early), round.to_be_bytes(), "no buffer is missing");
        }
    });
}

#[test]
fn who_is_added_while_nobody_is_heard_is_heard_when_all_are() {
    Stage::play(|stage| {
        stage.sockets.pause();
        let (mut peer, id) = stage.join(0, 1);
        peer.write_all(b"early").expect("the line is open");
        assert!(stage.reported().is_empty(), "who gave it may want it back");
        stage.sockets.resume().expect("the ring can be asked");
        stage.await_each(1, is_read);
        assert_eq!(stage.read(id), b"early");
    });
}

#[test]
fn what_has_no_room_where_it_is_read_into_is_read_next() {
    Stage::play(|stage| {
        let (mut peer, id) = stage.join(0, 1);
        peer.write_all(b"hello").expect("the line is open");
        stage.await_each(1, is_read);
        let mut word = [0; 3];
        assert_eq!(stage.sockets.read(id, &mut word), Input::Bytes { count: 3, is_more: true });
        assert!(&word == b"hel" && stage.sockets.is_readable(id));
        assert_eq!(stage.sockets.read(id, &mut word), Input::Bytes { count: 2, is_more: false });
        assert!(&word[..2] == b"lo" && !stage.sockets.is_readable(id));
        peer.write_all(b"again").expect("the line is open");
        stage.await_each(1, is_read);
        assert_eq!(stage.read(id), b"again");
    });
}

#[test]
fn no_request_keeps_a_closed_connection_open() {
    Stage::play(|stage| {
        let (mut peer, id) = stage.join(0, 1);
        stage.sockets.look().expect("the ring can be asked");
        stage.sockets.remove(id).into_iter().for_each(close);
        assert_eq!(peer.read(&mut [0; 8]).expect("an end, no error"), 0);
        let mut completions = Vec::new();
        stage.sockets.ring.sleep(Some(PATIENCE)).expect("the ring can be waited for");
        stage.sockets.ring.collect(&mut completions, 1).expect("the ring can be asked");
        assert!(
            matches!(completions[..], [completion] if completion.tag == tag(RECEIVE, id)),
            "{completions:?}"
        );
    });
}

#[test]
fn idle_connections_are_probed_at_different_times() {
    Stage::play(|stage| {
        let joined: Vec<_> = (0..128).map(|index| stage.join(index, 1)).collect();
        let times = |id| {
            let socket = &stage.sockets.table.find(id).expect("it was added").descriptor;
            let idle = sockopt::tcp_keepidle(socket).expect("a time");
            (
                idle,
                sockopt::tcp_keepintvl(socket).expect("a time"),
                sockopt::tcp_keepcnt(socket).expect("a count"),
            )
        };
        let times: HashSet<_> = joined.iter().map(|(_, id)| times(*id)).collect();
        assert_eq!(times.len(), joined.len(), "no two alike");
        for (idle, interval, count) in times {
            // Half a minute out of reach ends no connection; a gone peer is detected as documented.
            assert!(
                idle + interval * count > Duration::from_secs(45),
                "{idle:?}, {count} times {interval:?}"
            );
            assert!(
                idle + interval * count <= Duration::from_secs(95),
                "{idle:?}, {count} times {interval:?}"
            );
        }
    });
}

#[test]
fn a_connection_that_another_release_has_accepted_is_treated_as_our_own() {
    Stage::play(|stage| {
        let (_peer, arrival) = stage.connect();
        sockopt::set_tcp_user_timeout(&arrival.descriptor, 30_000).expect("a time-out");
        sockopt::set_tcp_keepcnt(&arrival.descriptor, 3).expect("a count");
        let id = ConnectionId { index: 0, generation: 1 };
        stage.sockets.add_carried(id, arrival.descriptor).expect("room for one more");
        let socket = &stage.sockets.table.find(id).expect("it was added").descriptor;
        assert_eq!(
            sockopt::tcp_user_timeout(socket),
            Ok(0),
            "who does not read is not cut off by the kernel"
        );
        assert_eq!(sockopt::tcp_keepcnt(socket), Ok(6));
    });
}
