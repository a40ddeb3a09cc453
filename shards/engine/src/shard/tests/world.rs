//! A few shards, and a test that decides when disks and channels move.

use super::disk::{SEGMENT_BYTES, TestDisk};
use super::words::Words;
use crate::mesh::Transport;
use crate::room::RoomLimits;
use crate::shard::{
    Archive, ConnectionImage, Ended, Saved, Settings, Shard, StartFindings, Storage, read_carried, share_out,
    write_carried,
};
use crate::user::UserLimits;
use hashbrown::HashMap;
use madang_log::{Appender, Durability, SegmentNumber};
use madang_model::connection::{Decoder, Encoder, Entrance, EntranceKind, FloodLimit, Networks, Surface};
use madang_model::{ConnectionId, MeshEntry, Moment, Now, RoomName, SessionId, ShardId, Timestamp};
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// One of this kind, somewhere.
pub fn entrance(kind: EntranceKind) -> Entrance {
    Entrance { kind, address: SocketAddr::from((Ipv4Addr::LOCALHOST, 2323)) }
}

pub fn settings(shard_count: u16) -> Settings {
    Settings {
        shard_count,
        lobby: RoomName::parse("general").expect("a room name"),
        rooms: RoomLimits {
            members_max: 100,
            announce_members_max: 100,
            history_on_join: 15,
            grace: Duration::from_secs(30),
        },
        users: UserLimits { grace: Duration::from_secs(30), sessions_max: 3 },
        flood: FloodLimit { messages_per_second: 0, burst: 0 },
        connections_per_address: 0,
        ipv6_prefix: 64,
        outbox_bytes_max: 4096,
        outbox_total_bytes_max: 1 << 20,
        login: Duration::from_secs(60),
        proxy_from: Networks::default(),
    }
}

/// A client: a connection, and every line it was sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Client {
    pub shard: usize,
    pub id: ConnectionId,
}

pub struct World<S: Surface = Words> {
    surface: S,
    pub shards: Vec<Shard<S>>,
    /// `channels[from][to]`.
    channels: Vec<Vec<VecDeque<Vec<MeshEntry>>>>,
    pub channel_batches_max: usize,
    /// Whether batches that are taken are committed at once.
    pub disk_moves: bool,
    /// Sockets that take nothing.
    pub blocked: Vec<Client>,
    received: HashMap<Client, String>,
    pub ended: HashMap<Client, bool>,
    /// The most bytes that waited in the outboxes of a shard before they were written.
    pub outbox_bytes_peak: usize,
    now: Now,
    /// Real files, where a test needs them.
    pub disk: Option<TestDisk>,
}

struct Channels<'a> {
    to: &'a mut Vec<VecDeque<Vec<MeshEntry>>>,
    batches_max: usize,
}

impl Transport for Channels<'_> {
    fn try_send(&mut self, to: ShardId, batch: Vec<MeshEntry>) -> Result<(), Vec<MeshEntry>> {
        let channel = &mut self.to[to.index()];
        if channel.len() >= self.batches_max {
            return Err(batch);
        }
        channel.push_back(batch);
        Ok(())
    }
}

impl World {
    pub fn new(settings: &Settings) -> World {
        World::on(settings, None)
    }

    /// On the log that the disk holds.
    pub fn on(settings: &Settings, disk: Option<TestDisk>) -> World {
        World::serving(Words, settings, disk)
    }
}

impl<S: Surface + Copy> World<S> {
    /// With other protocols than words.
    pub fn serving(surface: S, settings: &Settings, disk: Option<TestDisk>) -> World<S> {
        let count = settings.shard_count;
        let opened = disk.as_ref().map(TestDisk::open).unwrap_or_default();
        let (snapshots, lost_heads) = (opened.snapshots, opened.lost_heads);
        let stored =
            StartFindings { snapshots, sources: opened.sources, lost_heads, ..StartFindings::default() };
        let bytes = if disk.is_some() { SEGMENT_BYTES } else { 1 << 20 };
        let shard = |index| {
            let id = ShardId(index);
            let first = opened.next_segments.get(id.index()).copied().unwrap_or(SegmentNumber::FIRST);
            let log = Appender::new(id, first, bytes, bytes, Durability::Commit);
            let archive = Archive::new(id, first, stored.clone(), 1 << 20);
            Shard::new(id, Arc::new(settings.clone()), surface, log, archive)
        };
        World {
            surface,
            shards: (0..count).map(shard).collect(),
            disk,
            channels: (0..count).map(|_| (0..count).map(|_| VecDeque::new()).collect()).collect(),
            channel_batches_max: 64,
            disk_moves: true,
            blocked: Vec::new(),
            received: HashMap::new(),
            ended: HashMap::new(),
            outbox_bytes_peak: 0,
            now: Now::default(),
        }
    }

    pub fn connect(&mut self, shard: usize) -> Client {
        self.connect_from(shard, None)
    }

    pub fn connect_from(&mut self, shard: usize, address: Option<IpAddr>) -> Client {
        self.connect_at(shard, &entrance(EntranceKind::default()), address)
    }

    pub fn connect_at(&mut self, shard: usize, entrance: &Entrance, address: Option<IpAddr>) -> Client {
        let id = self.shards[shard].accepted(entrance, address);
        self.shards[shard].greet(id);
        let client = Client { shard, id };
        self.received.insert(client, String::new());
        self.run();
        client
    }

    /// A client that has a name and is in a room.
    pub fn member(&mut self, shard: usize, name: &str, room: &str) -> Client {
        let client = self.connect(shard);
        self.send(client, &format!("name {name}\njoin {room}\n"));
        self.lines(client);
        client
    }

    /// Bytes arrive; when the connection is not to be read they are not.
    pub fn send(&mut self, client: Client, bytes: &str) -> bool {
        let shard = &mut self.shards[client.shard];
        let is_read = shard.wants_input(client.id) && shard.accepts_input();
        if is_read {
            shard.received(client.id, bytes.as_bytes());
        }
        self.run();
        is_read
    }

    /// The peer will send no more.
    pub fn end_input(&mut self, client: Client) {
        self.shards[client.shard].input_ended(client.id);
        self.run();
    }

    pub fn drop_connection(&mut self, client: Client) {
        self.shards[client.shard].lost(client.id);
        self.run();
    }

    pub fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now.monotonic = Moment(self.now.monotonic.0 + 1000);
            self.now.wall = Timestamp(self.now.wall.0 + 1_000_000);
            for shard in &mut self.shards {
                shard.begin_turn(self.now);
                shard.tick();
            }
            self.run();
        }
    }

    /// The wall clock is set to another time; nothing has passed.
    pub fn set_wall_clock(&mut self, microseconds: i64) {
        self.now.wall = Timestamp(microseconds);
        self.run();
    }

    /// This much time passes between one turn and the next: the machine was suspended.
    pub fn pause(&mut self, time: Duration) {
        self.now.monotonic = self.now.monotonic.after(time);
        for shard in &mut self.shards {
            shard.begin_turn(self.now);
            shard.tick();
        }
        self.run();
    }

    /// The lines a client was sent since the last call.
    pub fn lines(&mut self, client: Client) -> Vec<String> {
        let received = self.received.insert(client, String::new()).unwrap_or_default();
        received.lines().map(str::to_owned).collect()
    }

    /// Moves everything until nothing moves any more.
    pub fn run(&mut self) {
        for _ in 0..10_000 {
            if !self.step() {
                return;
            }
        }
        panic!("the world does not come to rest");
    }

    /// One turn of each shard. Whether anything moved.
    pub fn step(&mut self) -> bool {
        let mut has_moved = false;
        for index in 0..self.shards.len() {
            self.shards[index].begin_turn(self.now);
            for from in 0..self.shards.len() {
                while self.shards[index].accepts_input()
                    && let Some(mut batch) = self.channels[from][index].pop_front()
                {
                    self.shards[index].mesh_received(&mut batch);
                    has_moved = true;
                }
            }
            let shard = &mut self.shards[index];
            let to = &mut self.channels[index];
            let mut channels = Channels { to, batches_max: self.channel_batches_max };
            has_moved |= shard.flush_mesh(&mut channels).entries > 0;
            if let Some(disk) = &mut self.disk {
                has_moved |= disk.serve(shard, self.disk_moves);
            } else if self.disk_moves
                && let Some(batch) = shard.log.take_batch()
            {
                shard.committed(batch);
                has_moved = true;
            }
            has_moved |= self.flush(index) | self.shards[index].homes.is_searching();
        }
        has_moved
    }

    fn flush(&mut self, index: usize) -> bool {
        let shard = &mut self.shards[index];
        self.outbox_bytes_peak = self.outbox_bytes_peak.max(shard.outboxes.waiting_bytes());
        let mut dirty = Vec::new();
        shard.take_dirty(&mut dirty);
        let mut has_moved = false;
        for id in dirty {
            let client = Client { shard: index, id };
            let Some(outbox) = shard.outbox(id) else { continue };
            if self.blocked.contains(&client) {
                shard.sent(id, 0, 0);
                continue;
            }
            let text = std::str::from_utf8(outbox).expect("text is sent");
            self.received.entry(client).or_default().push_str(text);
            let count = outbox.len();
            shard.sent(id, count, 0);
            has_moved = true;
        }
        let mut ended = Vec::new();
        shard.take_ended(&mut ended);
        for Ended { connection, is_orderly } in ended {
            self.ended.insert(Client { shard: index, id: connection }, is_orderly);
        }
        has_moved
    }

    /// A new process resumes everything, with these settings. Clients are the same people under
    /// other identities, which are returned in the order of `clients`; a client that cannot be resumed has none.
    pub fn hand_over(self, settings: &Settings, clients: &[Client]) -> (World<S>, Vec<Option<Client>>) {
        self.hand_over_without(&[], settings, clients)
    }

    /// The same, and some connections end after their homes have given what they know.
    pub fn hand_over_without(
        mut self,
        ended: &[Client],
        settings: &Settings,
        clients: &[Client],
    ) -> (World<S>, Vec<Option<Client>>) {
        self.shards.iter_mut().for_each(Shard::pause);
        self.disk_moves = true;
        self.run();
        let mut connections = Vec::new();
        let mut carried = Vec::new();
        let shards_before = u16::try_from(self.shards.len()).expect("a few shards");
        for shard in &self.shards {
            assert!(shard.is_idle(), "what was read has come to its end");
            let image = shard.image(|_| true);
            for (id, saved) in image.connections {
                let Saved::Image(saved) = saved else { continue };
                let client = Client { shard: image.shard.index(), id };
                if ended.contains(&client) {
                    continue;
                }
                let mut bytes = Encoder::default();
                saved.write(&mut bytes);
                let read = ConnectionImage::read(&mut Decoder(&bytes.0), saved.entrance);
                let read = read.expect("it was written so");
                assert_eq!(read, saved);
                connections.push((SessionId { shard: image.shard, connection: id }, read, client));
            }
            for one in image.carried {
                let mut bytes = Encoder::default();
                write_carried(&one, &mut bytes);
                let mut decoder = Decoder(&bytes.0);
                carried.push(read_carried(&mut decoder).expect("it was written so"));
                decoder.end().expect("nothing is left over");
            }
        }
        let counts = (shards_before, settings.shard_count);
        let portions = share_out(connections, carried, counts, settings.users.grace);
        let mut next = World::serving(
            self.surface,
            settings,
            self.disk.map(|disk| disk.for_shards(settings.shard_count)),
        );
        next.now = self.now;
        let mut renamed = HashMap::new();
        for (index, portion) in portions.into_iter().enumerate() {
            let shard = &mut next.shards[index];
            shard.begin_turn(next.now);
            shard.pause();
            for (image, before) in portion.connections {
                let now = Client { shard: index, id: shard.adopt(image) };
                next.received.insert(now, self.received.remove(&before).unwrap_or_default());
                if self.blocked.contains(&before) {
                    next.blocked.push(now);
                }
                renamed.insert(before, now);
            }
            shard.take_over(portion.carried);
        }
        next.run();
        assert!(next.shards.iter().all(Shard::is_idle), "everything has its place");
        next.shards.iter_mut().for_each(Shard::resume);
        next.run();
        (next, clients.iter().map(|client| renamed.get(client).copied()).collect())
    }

    /// A blocked socket takes bytes again.
    pub fn unblock(&mut self, client: Client) {
        self.blocked.retain(|blocked| *blocked != client);
        self.shards[client.shard].writable(client.id);
        self.run();
    }

    /// The disk fails whatever is under way on each shard, and stays so.
    pub fn disk_fails(&mut self, reason: &'static str) {
        self.disk_moves = false;
        for shard in &mut self.shards {
            if let Some(batch) = shard.log.take_batch() {
                shard.log.failed(batch);
            }
            shard.set_storage(Storage::Failing(reason));
        }
        self.run();
    }

    /// The disk takes everything again.
    pub fn disk_recovers(&mut self) {
        for shard in &mut self.shards {
            shard.set_storage(Storage::Ready);
        }
        self.disk_moves = true;
        self.run();
    }

    /// One commit of every shard's open batch, and what follows.
    pub fn commit_once(&mut self) {
        self.disk_moves = true;
        self.run();
        self.disk_moves = false;
    }
}

/// Repeatable choices; xorshift64*.
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % bound
    }
}
