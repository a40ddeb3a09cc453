//! One million users on one shard, without sockets: memory by the allocator, time of the processor.
//!
//! `cargo run --release -p madang-engine --example million [SESSIONS]`. Instructions are counted with
//! `valgrind --tool=callgrind --toggle-collect='*publish_spread*'` before the built example.

use madang_engine::room::RoomLimits;
use madang_engine::shard::{Archive, Settings, Shard};
use madang_engine::user::UserLimits;
use madang_log::{Appender, Durability, SegmentNumber};
use madang_model::connection::{
    CloseReason, Core, Entrance, EntranceKind, FloodLimit, Link, Networks, Style, Surface, SurfaceId,
};
use madang_model::{ConnectionId, Now, Reply, Request, RoomEvent, RoomName, ShardId, Text, UserName};
use std::alloc::{GlobalAlloc, Layout, System};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Members of a room.
const ROOM_MEMBERS: usize = 10;
const PUBLISHES: usize = 50_000;
/// Messages of each room before time is taken.
const FIRST_PUBLISHES: usize = 4;

struct Counting;

static HELD_BYTES: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: everything is handed on to the system's allocator as it came; only sums are kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD_BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        HELD_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is the system allocator's.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// `n NAME`, `j ROOM` and `s ROOM`: nothing else is needed, and no answer is written.
struct Bare;

impl Surface for Bare {
    type Session = ();

    fn serves(&self, _: SurfaceId) -> bool {
        true
    }

    fn open(&self, _: &Entrance, _: &mut Link<'_>) {}

    fn receive(&self, (): &mut (), bytes: &[u8], link: &mut Link<'_>) -> usize {
        let line = std::str::from_utf8(bytes).expect("ASCII");
        let (word, name) = line.split_once(' ').expect("a word and a name");
        let (session, claim) = (link.session(), link.claim());
        let request = match (word, link.user().cloned()) {
            ("j", Some(user)) => {
                let room = RoomName::parse(name).expect("a room name");
                Request::Join { session, user, claim, room, is_away: false }
            }
            ("s", Some(user)) => {
                let (room, text) = (RoomName::parse(name).expect("a room name").key(), "x".repeat(64));
                let text = Text::sanitise(&text).expect("a text");
                Request::Publish { session, user: user.key(), room, draft: None, text }
            }
            _ => Request::Claim { session, name: UserName::parse(name).expect("a user name") },
        };
        link.request(request);
        bytes.len()
    }

    fn end_of_input(&self, (): &mut (), _: &mut Link<'_>) {}

    fn reply(&self, (): &mut (), _: &Reply, _: &mut Link<'_>) {}

    fn render(&self, _: &RoomName, event: &RoomEvent, _: Style, out: &mut Vec<u8>) {
        if let RoomEvent::Message { message, .. } = event {
            out.extend_from_slice(message.text.as_bytes());
        }
    }

    fn begun_bytes(&self, _: &Self::Session, outbox: &[u8]) -> usize {
        outbox.iter().position(|byte| *byte == b'\n').map_or(outbox.len(), |end| end + 1)
    }

    fn farewell(&self, (): &(), _: &CloseReason, _: &mut Vec<u8>) {}

    fn going_down(&self, (): &(), _: &mut Vec<u8>) {}

    fn announce(&self, (): &(), _: &Text, _: &mut Core) {}

    fn server_full(&self, _: EntranceKind) -> &'static [u8] {
        b""
    }
}

fn settings() -> Settings {
    Settings {
        shard_count: 1,
        lobby: RoomName::parse("general").expect("a room name"),
        rooms: RoomLimits {
            members_max: 100,
            announce_members_max: 0,
            history_on_join: 15,
            grace: Duration::from_secs(30),
        },
        users: UserLimits { grace: Duration::from_secs(30), sessions_max: 16 },
        flood: FloodLimit { messages_per_second: 0, burst: 0 },
        connections_per_address: 0,
        ipv6_prefix: 64,
        outbox_bytes_max: 1 << 20,
        outbox_total_bytes_max: 1 << 30,
        login: Duration::from_secs(60),
        proxy_from: Networks::default(),
    }
}

struct Measured {
    shard: Shard<Bare>,
    ids: Vec<ConnectionId>,
    dirty: Vec<ConnectionId>,
}

impl Measured {
    fn settle(&mut self) {
        if let Some(batch) = self.shard.log.take_batch() {
            self.shard.committed(batch);
        }
        self.shard.take_dirty(&mut self.dirty);
        for id in self.dirty.drain(..) {
            let bytes = self.shard.outbox(id).map_or(0, <[u8]>::len);
            self.shard.sent(id, bytes, 0);
        }
    }
}

/// What this thread has had of its processor, in nanoseconds: other work on the machine counts less.
fn processor_ns() -> usize {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").expect("a kernel with schedstat");
    times.split(' ').next().and_then(|first| first.parse().ok()).expect("nanoseconds first")
}

/// A function of its own, so that its instructions can be counted apart.
#[inline(never)]
fn publish_spread(measured: &mut Measured, rooms: usize) {
    for n in 0..PUBLISHES {
        let author = n * 7919 % measured.ids.len();
        measured.shard.received(measured.ids[author], format!("s room{}", author % rooms).as_bytes());
        if n % 64 == 63 {
            measured.settle();
        }
    }
    measured.settle();
}

fn measure(sessions: usize) {
    let rooms = sessions / ROOM_MEMBERS;
    let log = Appender::new(ShardId(0), SegmentNumber::FIRST, 1 << 30, 1 << 30, Durability::None);
    let archive = Archive::new(ShardId(0), SegmentNumber::FIRST, Default::default(), 1 << 20);
    let shard = Shard::new(ShardId(0), Arc::new(settings()), Bare, log, archive);
    let mut measured = Measured { shard, ids: Vec::with_capacity(sessions), dirty: Vec::new() };
    measured.shard.begin_turn(Now::default());
    let before = HELD_BYTES.load(Ordering::Relaxed);
    let entrance = Entrance { kind: EntranceKind::default(), address: SocketAddr::from(([127, 0, 0, 1], 0)) };
    for n in 0..sessions {
        let id = measured.shard.accepted(&entrance, None);
        measured.shard.received(id, format!("n user{n}").as_bytes());
        measured.ids.push(id);
    }
    measured.settle();
    let named = HELD_BYTES.load(Ordering::Relaxed);
    for n in 0..sessions {
        measured.shard.received(measured.ids[n], format!("j room{}", n % rooms).as_bytes());
        if n % 64 == 0 {
            measured.settle();
        }
    }
    measured.settle();
    let joined = HELD_BYTES.load(Ordering::Relaxed);
    // The first messages of a room make room for themselves: they are not what is asked for.
    for n in 0..rooms * FIRST_PUBLISHES {
        measured.shard.received(measured.ids[n % rooms], format!("s room{}", n % rooms).as_bytes());
        if n % 64 == 63 {
            measured.settle();
        }
    }
    measured.settle();
    // Spread over all sessions, by a step that shares no factor with powers of ten.
    let started = processor_ns();
    publish_spread(&mut measured, rooms);
    let spread = (processor_ns() - started) / PUBLISHES;
    // The same number in a hundred rooms, whatever the others are: the tables' size without the cache.
    let started = processor_ns();
    for n in 0..PUBLISHES {
        let author = n % rooms.min(100);
        measured.shard.received(measured.ids[author], format!("s room{author}").as_bytes());
        if n % 64 == 63 {
            measured.settle();
        }
    }
    measured.settle();
    let busy = (processor_ns() - started) / PUBLISHES;
    println!(
        "{sessions} sessions, {rooms} rooms of {ROOM_MEMBERS}: {} bytes a session, {} a membership with its \
         share of the room; {spread} ns of processor a publish to {ROOM_MEMBERS} spread over all rooms, {busy} ns in 100 rooms",
        (named - before) / sessions,
        (joined - named) / sessions
    );
}

fn main() {
    let asked = std::env::args().nth(1);
    match asked.map(|count| count.parse().expect("how many sessions, at least 10")) {
        Some(sessions) => measure(sessions),
        None => [1_000, 10_000, 100_000, 1_000_000].into_iter().for_each(measure),
    }
}
