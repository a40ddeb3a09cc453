//! In steady state a delivery allocates nothing: what a message costs the allocator does not grow with
//! the number of its readers.

use madang_engine::room::RoomLimits;
use madang_engine::shard::{Archive, Settings, Shard, StartFindings};
use madang_engine::user::UserLimits;
use madang_log::{Appender, Durability, SegmentNumber};
use madang_model::connection::{
    CloseReason, Core, Entrance, EntranceKind, FloodLimit, Link, Networks, Style, Surface, SurfaceId,
};
use madang_model::{
    ConnectionId, Moment, Now, Reply, Request, RoomEvent, RoomName, ShardId, Text, Timestamp, UserName,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The system's allocator, which counts how often it is asked for memory.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is passed on unchanged to the system's allocator, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A protocol in which the first line is a name, and every other is said in the room.
struct Plain {
    room: RoomName,
}

impl Surface for Plain {
    type Session = ();

    fn serves(&self, _: SurfaceId) -> bool {
        true
    }

    fn open(&self, _: &Entrance, _: &mut Link<'_>) {}

    fn receive(&self, (): &mut (), bytes: &[u8], link: &mut Link<'_>) -> usize {
        let line = std::str::from_utf8(bytes).expect("text").trim_end();
        let session = link.session();
        match link.user().map(UserName::key) {
            None => {
                let name = UserName::parse(line).expect("a name");
                link.request(Request::Claim { session, name });
            }
            Some(user) => {
                let text = Text::sanitise(line).expect("a text");
                let room = self.room.key();
                link.request(Request::Publish { session, user, room, draft: None, text });
            }
        }
        bytes.len()
    }

    fn end_of_input(&self, (): &mut (), _: &mut Link<'_>) {}

    fn reply(&self, (): &mut (), reply: &Reply, link: &mut Link<'_>) {
        if let Reply::Claimed { user, .. } = reply {
            let (session, claim) = (link.session(), link.claim());
            let (user, room) = (user.clone(), self.room.clone());
            link.request(Request::Join { session, user, claim, room, is_away: false });
        }
    }

    fn render(&self, _: &RoomName, event: &RoomEvent, _: Style, out: &mut Vec<u8>) {
        if let RoomEvent::Message { message, .. } = event {
            out.extend_from_slice(message.author.as_str().as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(message.text.as_str().as_bytes());
            out.push(b'\n');
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

/// One shard, and one room that all of its connections are in.
struct Room {
    shard: Shard<Plain>,
    members: Vec<ConnectionId>,
    dirty: Vec<ConnectionId>,
    turns: u64,
}

impl Room {
    fn with_members(count: u32) -> Room {
        let name = RoomName::parse("yard").expect("a room");
        let settings = Settings {
            shard_count: 1,
            lobby: RoomName::parse("general").expect("a room"),
            rooms: RoomLimits {
                members_max: count,
                announce_members_max: 0,
                history_on_join: 0,
                grace: Duration::from_secs(30),
            },
            users: UserLimits { grace: Duration::from_secs(30), sessions_max: 16 },
            flood: FloodLimit { messages_per_second: 0, burst: 0 },
            connections_per_address: 0,
            ipv6_prefix: 64,
            outbox_bytes_max: 1 << 20,
            outbox_total_bytes_max: 1 << 28,
            login: Duration::from_secs(60),
            proxy_from: Networks::default(),
        };
        let log = Appender::new(ShardId(0), SegmentNumber::FIRST, 1 << 30, 1 << 30, Durability::Commit);
        let archive = Archive::new(ShardId(0), SegmentNumber::FIRST, StartFindings::default(), 1 << 20);
        let shard = Shard::new(ShardId(0), Arc::new(settings), Plain { room: name }, log, archive);
        let mut room = Room { shard, members: Vec::new(), dirty: Vec::new(), turns: 0 };
        let entrance =
            Entrance { kind: EntranceKind::default(), address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        for number in 0..count {
            let id = room.shard.accepted(&entrance, None);
            room.shard.received(id, format!("reader{number}\n").as_bytes());
            room.members.push(id);
            room.finish_turn();
        }
        room
    }

    /// `messages` are said in one turn, stored, and written to everyone.
    fn turn(&mut self, messages: usize) {
        self.turns += 1;
        let now = Now {
            wall: Timestamp(i64::try_from(self.turns).expect("few turns")),
            monotonic: Moment(self.turns),
        };
        self.shard.begin_turn(now);
        for author in 0..messages {
            self.shard.received(self.members[author], b"what everybody here will read in a moment\n");
        }
        self.finish_turn();
    }

    fn finish_turn(&mut self) {
        if let Some(batch) = self.shard.log.take_batch() {
            self.shard.committed(batch);
        }
        loop {
            self.shard.take_dirty(&mut self.dirty);
            if self.dirty.is_empty() {
                return;
            }
            for id in self.dirty.drain(..) {
                let bytes = self.shard.outbox(id).map_or(0, <[u8]>::len);
                self.shard.sent(id, bytes, 0);
            }
        }
    }
}

/// Allocations and deliveries of 50 turns of 8 messages, after as many to warm up.
fn steady_state(members: u32) -> (u64, u64) {
    const TURNS: u64 = 50;
    let mut room = Room::with_members(members);
    for _ in 0..TURNS {
        room.turn(8);
    }
    let (allocations, deliveries) = (ALLOCATIONS.load(Ordering::Relaxed), room.shard.counters.deliveries);
    for _ in 0..TURNS {
        room.turn(8);
    }
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - allocations;
    let deliveries = room.shard.counters.deliveries - deliveries;
    assert_eq!(deliveries, TURNS * 8 * u64::from(members), "everyone reads everything");
    (allocations, deliveries)
}

/// One test in this file, as the count is the whole process's.
#[test]
fn a_delivery_allocates_nothing_in_steady_state() {
    let (base, base_deliveries) = steady_state(10);
    for members in [100, 1_000] {
        let (allocations, deliveries) = steady_state(members);
        let more = allocations.saturating_sub(base) as f64 / (deliveries - base_deliveries) as f64;
        println!("{members} members: {allocations} allocations, {base} with 10; {more:.6} a delivery more");
        assert!(more <= 0.001, "{more} allocations for each delivery more, with {members} members");
    }
    let a_message = base as f64 / (base_deliveries / 10) as f64;
    println!("{a_message:.2} allocations a message");
    assert!(a_message <= 4.0, "{a_message} allocations a message");
}
