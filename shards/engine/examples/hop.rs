//! How long it takes from one shard to another and back, halved, beside a bare eventfd that two threads
//! on the same processors wake each other with:
//! `cargo run --release --example hop -p madang-engine -- [ROUND_TRIPS] [SPIN_US]`.
//!
//! The way is the whole one: a request of a connection on shard 0, the mesh, a turn of shard 1 with its
//! machines, the mesh, a turn of shard 0. Nobody else talks, so that every wake is one from sleep.

#![allow(clippy::unwrap_used, reason = "whoever measures sees what failed")]

use madang_engine::room::RoomLimits;
use madang_engine::runtime::{Listeners, StartOptions, Stop, start};
use madang_engine::shard::Settings;
use madang_engine::user::UserLimits;
use madang_log::{Durability, Retention, StdFiles, open_log};
use madang_model::connection::{
    CloseReason, Core, Entrance, EntranceKind, FloodLimit, Link, Networks, Style, Surface, SurfaceId,
};
use madang_model::{Reply, Request, RoomEvent, RoomName, ShardId, Text};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>().unwrap());
    let round_trips = arguments.next().unwrap_or(20_000);
    let spin_us = arguments.next().unwrap_or(50);
    let allowed = sched_getaffinity(None).unwrap();
    let processors: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).take(2).collect();
    assert_eq!(processors.len(), 2, "a hop needs two processors");
    println!("{:28} {:>8} {:>8} {:>8}   (one way, {round_trips} round trips)", "", "p50", "p90", "p99");
    show("bare eventfd and epoll", &mut bare(&processors, round_trips));
    show("shard to shard", &mut shards(&processors, round_trips, None));
    let spin = Duration::from_micros(spin_us);
    show(&format!("shard to shard, spin {spin_us} us"), &mut shards(&processors, round_trips, Some(spin)));
    show("bare eventfd and epoll again", &mut bare(&processors, round_trips));
}

fn show(name: &str, round_trips_ns: &mut [u64]) {
    round_trips_ns.sort_unstable();
    let one_way_us = |share: f64| {
        let place = ((round_trips_ns.len() - 1) as f64 * share) as usize;
        round_trips_ns[place] as f64 / 2_000.0
    };
    println!("{name:28} {:8.2} {:8.2} {:8.2}   us", one_way_us(0.5), one_way_us(0.9), one_way_us(0.99));
}

/// An event descriptor in a set of its own: what a shard sleeps in, and nothing else.
struct Wake {
    set: OwnedFd,
    event: OwnedFd,
}

impl Wake {
    fn new() -> Wake {
        let set = epoll::create(CreateFlags::CLOEXEC).unwrap();
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).unwrap();
        epoll::add(&set, &event, EventData::new_u64(0), EventFlags::IN | EventFlags::ET).unwrap();
        Wake { set, event }
    }

    fn ring(&self) {
        rustix::io::write(&self.event, &1u64.to_ne_bytes()).unwrap();
    }

    fn sleep(&self) {
        let mut events = Vec::with_capacity(8);
        while events.is_empty() {
            epoll::wait(&self.set, rustix::buffer::spare_capacity(&mut events), None).unwrap();
        }
    }
}

fn pin(processor: usize) {
    let mut only = CpuSet::new();
    only.set(processor);
    sched_setaffinity(None, &only).unwrap();
}

fn bare(processors: &[usize], round_trips: u64) -> Vec<u64> {
    let wakes = Arc::new([Wake::new(), Wake::new()]);
    let (others, [here, there]) = (Arc::clone(&wakes), [processors[0], processors[1]]);
    let answerer = std::thread::spawn(move || {
        pin(there);
        for _ in 0..round_trips {
            others[1].sleep();
            others[0].ring();
        }
    });
    let asker = std::thread::spawn(move || {
        pin(here);
        let ask = |_| {
            let asked = Instant::now();
            wakes[1].ring();
            wakes[0].sleep();
            asked.elapsed().as_nanos() as u64
        };
        (0..round_trips).map(ask).collect()
    });
    answerer.join().unwrap();
    asker.join().unwrap()
}

fn shards(processors: &[usize], round_trips: u64, spin: Option<Duration>) -> Vec<u64> {
    let data = tempfile::tempdir().unwrap();
    let options = StartOptions {
        data: data.path().to_owned(),
        settings: settings(),
        processors: processors.to_owned(),
        durability: Durability::None,
        segment_bytes: 1 << 20,
        retention: Retention::default(),
        erasures: Default::default(),
        spin,
        has_endpoint: false,
    };
    let opened = open_log(&StdFiles::new(data.path()), 2).unwrap();
    let entrance = Entrance { kind: EntranceKind::default(), address: SocketAddr::from(([127, 0, 0, 1], 0)) };
    let listeners = Listeners::bind(entrance, 2).unwrap();
    let address = listeners.entrances[0].address;
    let (stop, stops) = flume::bounded(1);
    let (found, results) = flume::bounded(1);
    // A room that is nobody's, at home on the other shard.
    let mut names = (0..).map(|n| RoomName::parse(&format!("nowhere{n}")).unwrap());
    let room = names.find(|name| name.key().home(2) == ShardId(1)).unwrap();
    let surface = move || Asker { room: room.clone(), round_trips, found: found.clone() };
    let running = start(&options, listeners, opened, stops, Box::new(drop), None, surface).unwrap();
    // The kernel spreads connections: one that came to the other shard is not the one.
    let mut connection = loop {
        let mut connection = TcpStream::connect(address).unwrap();
        let mut shard = [0];
        connection.read_exact(&mut shard).unwrap();
        if shard == [0] {
            break connection;
        }
    };
    // Segments are made ready first.
    std::thread::sleep(Duration::from_millis(300));
    connection.write_all(b"!").unwrap();
    let round_trips_ns = results.recv().unwrap();
    stop.send(Stop::Asked).unwrap();
    running.join().unwrap();
    round_trips_ns
}

fn settings() -> Settings {
    let name = |text| RoomName::parse(text).unwrap();
    let grace = Duration::from_secs(30);
    Settings {
        shard_count: 2,
        lobby: name("general"),
        rooms: RoomLimits { members_max: 100, announce_members_max: 100, history_on_join: 0, grace },
        users: UserLimits { grace, sessions_max: 16 },
        flood: FloodLimit { messages_per_second: 0, burst: 0 },
        connections_per_address: 0,
        ipv6_prefix: 64,
        outbox_bytes_max: 1 << 20,
        outbox_total_bytes_max: 1 << 28,
        login: Duration::from_secs(60),
        proxy_from: Networks::default(),
    }
}

/// Greets with the number of its shard; whatever it then reads makes it ask for the members of the room, again
/// when the answer has come, and so on.
struct Asker {
    room: RoomName,
    round_trips: u64,
    found: flume::Sender<Vec<u64>>,
}

struct Asked {
    at: Instant,
    round_trips_ns: Vec<u64>,
}

impl Asker {
    fn ask(&self, asked: &mut Asked, link: &mut Link<'_>) {
        asked.at = Instant::now();
        link.request(Request::Who { session: link.session(), room: self.room.clone() });
    }
}

impl Surface for Asker {
    type Session = Asked;

    fn serves(&self, _: SurfaceId) -> bool {
        true
    }

    fn open(&self, _: &Entrance, link: &mut Link<'_>) -> Asked {
        let shard = link.session().shard.0;
        link.output().push(u8::try_from(shard).unwrap());
        Asked { at: Instant::now(), round_trips_ns: Vec::new() }
    }

    fn receive(&self, asked: &mut Asked, bytes: &[u8], link: &mut Link<'_>) -> usize {
        self.ask(asked, link);
        bytes.len()
    }

    fn reply(&self, asked: &mut Asked, _: &Reply, link: &mut Link<'_>) {
        asked.round_trips_ns.push(asked.at.elapsed().as_nanos() as u64);
        if (asked.round_trips_ns.len() as u64) < self.round_trips {
            self.ask(asked, link);
        } else {
            self.found.send(std::mem::take(&mut asked.round_trips_ns)).unwrap();
        }
    }

    fn end_of_input(&self, _: &mut Asked, link: &mut Link<'_>) {
        link.close(CloseReason::Quit);
    }

    fn render(&self, _: &RoomName, _: &RoomEvent, _: Style, _: &mut Vec<u8>) {}
    fn begun_bytes(&self, _: &Self::Session, outbox: &[u8]) -> usize {
        outbox.iter().position(|byte| *byte == b'\n').map_or(outbox.len(), |end| end + 1)
    }

    fn farewell(&self, _: &Asked, _: &CloseReason, _: &mut Vec<u8>) {}
    fn going_down(&self, _: &Asked, _: &mut Vec<u8>) {}
    fn announce(&self, _: &Asked, _: &Text, _: &mut Core) {}

    fn server_full(&self, _: EntranceKind) -> &'static [u8] {
        b""
    }
}
