//! A whole shard under three peers who send anything: no socket, disk or clock is needed for it.

use madang_engine::mesh::Transport;
use madang_engine::room::RoomLimits;
use madang_engine::shard::{Archive, Settings, Shard, Storage};
use madang_engine::user::UserLimits;
use madang_log::{Appender, Durability, SEGMENT_BYTES_MIN, SegmentNumber};
use madang_model::connection::{Entrance, EntranceKind, FloodLimit, Networks};
use madang_model::{ConnectionId, MeshEntry, Moment, Now, RoomName, ShardId, Timestamp};
use madang_surfaces::line::{LineLimit, LineSettings, LineSurface};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

const PEERS: usize = 3;
const OUTBOX_BYTES_MAX: usize = 4096;
/// Less than three outboxes: the fullest is cut off.
const OUTBOX_TOTAL_BYTES_MAX: usize = 2 * OUTBOX_BYTES_MAX;
/// What one turn may add to an outbox that was written at the end of the last.
const TURN_BYTES_MAX: usize = OUTBOX_TOTAL_BYTES_MAX + READ_BYTES_MAX;
/// What the answers to one read may come to: 42 lines of `/help`.
const READ_BYTES_MAX: usize = 128 * 1024;
const SHARD: ShardId = ShardId(0);

/// Each step is a byte that says what happens (its lowest three bits) and to whom, and for input a length and that
/// many bytes.
pub fn conversation(mut script: &[u8]) {
    let mut world = World::new();
    while let [step, rest @ ..] = script {
        script = rest;
        let peer = usize::from(step >> 3) % PEERS;
        match step & 7 {
            0..=2 => {
                let [length, rest @ ..] = script else { break };
                let (bytes, rest) = rest.split_at(rest.len().min(usize::from(*length)));
                script = rest;
                world.send(peer, bytes);
            }
            3 => world.is_blocked[peer] ^= true,
            4 => world.pass(Duration::from_secs(1 + u64::from(step >> 5) * 10)),
            5 => world.end(peer),
            6 => world.disk_works ^= true,
            _ => world.lose(peer),
        }
        world.turn();
    }
    world.disk_works = true;
    world.is_blocked = [false; PEERS];
    world.turn();
    world.turn();
}

struct World {
    shard: Shard<LineSurface>,
    peers: [Option<ConnectionId>; PEERS],
    is_blocked: [bool; PEERS],
    disk_works: bool,
    now: Now,
}

/// There is no other shard.
struct Nowhere;

impl Transport for Nowhere {
    fn try_send(&mut self, to: ShardId, _: Vec<MeshEntry>) -> Result<(), Vec<MeshEntry>> {
        panic!("shard {to:?} is not there");
    }
}

impl World {
    fn new() -> World {
        let lobby = RoomName::parse("general").expect("a room name");
        let settings = Settings {
            shard_count: 1,
            lobby: lobby.clone(),
            rooms: RoomLimits {
                members_max: 2,
                announce_members_max: 2,
                history_on_join: 15,
                grace: Duration::from_secs(30),
            },
            users: UserLimits { grace: Duration::from_secs(30), sessions_max: 16 },
            flood: FloodLimit { messages_per_second: 20, burst: 40 },
            connections_per_address: 0,
            ipv6_prefix: 64,
            outbox_bytes_max: OUTBOX_BYTES_MAX,
            outbox_total_bytes_max: OUTBOX_TOTAL_BYTES_MAX,
            login: Duration::from_secs(60),
            proxy_from: Networks::default(),
        };
        let line = LineSettings {
            line_bytes_max: LineLimit::new(512),
            lobby,
            greeting: LineSettings::GREETING_DEFAULT.into(),
        };
        let size = SEGMENT_BYTES_MIN;
        let log = Appender::new(SHARD, SegmentNumber::FIRST, size, size, Durability::Commit);
        let archive = Archive::new(SHARD, SegmentNumber::FIRST, Default::default(), OUTBOX_BYTES_MAX / 2);
        let shard = Shard::new(SHARD, Arc::new(settings), LineSurface::new(line), log, archive);
        World {
            shard,
            peers: [None; PEERS],
            is_blocked: [false; PEERS],
            disk_works: true,
            now: Now { wall: Timestamp(1_795_176_191_000_000), monotonic: Moment(1000) },
        }
    }

    fn send(&mut self, peer: usize, bytes: &[u8]) {
        let entrance =
            Entrance { kind: EntranceKind::default(), address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let id = *self.peers[peer].get_or_insert_with(|| self.shard.accepted(&entrance, None));
        if self.shard.wants_input(id) && self.shard.accepts_input() {
            self.shard.received(id, bytes);
        }
    }

    fn end(&mut self, peer: usize) {
        if let Some(id) = self.peers[peer] {
            self.shard.input_ended(id);
        }
    }

    fn lose(&mut self, peer: usize) {
        if let Some(id) = self.peers[peer].take() {
            self.shard.lost(id);
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now.monotonic = self.now.monotonic.after(time);
        self.shard.begin_turn(self.now);
        self.shard.tick();
    }

    /// What the runtime does in a turn.
    fn turn(&mut self) {
        for _ in 0..4 {
            self.shard.begin_turn(self.now);
            self.shard.flush_mesh(&mut Nowhere);
            if self.disk_works {
                self.shard.set_storage(Storage::Ready);
                if let Some(batch) = self.shard.log.take_batch() {
                    self.shard.committed(batch);
                }
            } else {
                self.shard.set_storage(Storage::Failing("the disk is full"));
            }
            // A lookup finds nothing: there is no file.
            while let Some((id, mut query)) = self.shard.next_query() {
                let found = loop {
                    match query.step() {
                        madang_log::Step::Done(found) => break found,
                        madang_log::Step::Read(reads) => {
                            query.supply(&vec![madang_log::ReadAnswer::NoFile; reads.len()]);
                        }
                    }
                };
                self.shard.query_done(id, found);
            }
            self.flush();
        }
    }

    fn flush(&mut self) {
        let mut dirty = Vec::new();
        self.shard.take_dirty(&mut dirty);
        for id in dirty {
            let Some(outbox) = self.shard.outbox(id) else { continue };
            assert!(outbox.len() < TURN_BYTES_MAX, "an outbox of {} bytes", outbox.len());
            let is_blocked =
                self.peers.iter().zip(self.is_blocked).any(|(peer, blocked)| *peer == Some(id) && blocked);
            let count = if is_blocked { 0 } else { outbox.len() };
            check(&outbox[..count]);
            self.shard.sent(id, count, 0);
        }
        let mut ended = Vec::new();
        self.shard.take_ended(&mut ended);
        for ended in ended {
            self.peers
                .iter_mut()
                .filter(|peer| **peer == Some(ended.connection))
                .for_each(|peer| *peer = None);
        }
        let blocked_bytes: usize =
            self.peers.iter().flatten().filter_map(|id| self.shard.outbox(*id)).map(<[u8]>::len).sum();
        assert!(
            blocked_bytes <= OUTBOX_TOTAL_BYTES_MAX + OUTBOX_TOTAL_BYTES_MAX / 4 + READ_BYTES_MAX,
            "{blocked_bytes} bytes wait"
        );
    }
}

/// Nothing that steers a terminal: of the control characters only line ends and telnet's answers.
fn check(output: &[u8]) {
    let mut rest = output.iter();
    while let Some(byte) = rest.next() {
        match byte {
            255 => {
                let _ = (rest.next(), rest.next());
            }
            b'\r' | b'\n' => {}
            _ => assert!(*byte >= 0x20 && *byte != 0x7f, "byte {byte} in what is sent"),
        }
    }
}
