//! Rooms are loaded when they are needed and evicted when they are not, and nobody notices.

use super::disk::TestDisk;
use super::world::Chance;
use super::world::{Client, World, settings};
use crate::shard::{Archive, Settings};
use madang_log::{SNAPSHOT_BLOCK_BYTES, SnapshotInfo};
use madang_model::{RoomName, ShardId, UserName};
use std::collections::BTreeMap;
use std::fs;

/// Longer than an empty room stays in memory.
const REST_SECONDS: u64 = 62;

pub fn roomy(shard_count: u16) -> Settings {
    let mut settings = settings(shard_count);
    settings.outbox_bytes_max = 64 << 20;
    settings
}

fn restarted(world: World, settings: &Settings) -> World {
    World::on(settings, world.disk)
}

fn rooms_in_memory(world: &World) -> usize {
    world.shards.iter().map(|shard| shard.homes.rooms_in_memory()).sum()
}

fn rooms_known(world: &mut World) -> usize {
    world.shards.iter_mut().map(|shard| shard.archive().known_rooms()).sum()
}

#[test]
fn a_room_that_is_on_disk_only_is_joined_once_its_messages_are_read() {
    let settings = roomy(1);
    let mut world = World::on(&settings, Some(TestDisk::new(1)));
    let alice = world.member(0, "alice", "old");
    world.send(alice, "say first\n");
    let mut world = restarted(world, &settings);
    assert_eq!((rooms_in_memory(&world), rooms_known(&mut world)), (0, 0), "nobody needs any");
    world.disk.as_mut().expect("a disk").answers = false;
    let clients = [world.connect(0), world.connect(0)];
    for (client, user) in clients.into_iter().zip(["alice", "bob"]) {
        world.send(client, &format!("name {user}\njoin old\nsay hi\n"));
        assert_eq!(world.lines(client).last(), Some(&format!("you are {user}")), "the disk is read first");
    }
    world.disk.as_mut().expect("a disk").answers = true;
    world.run();
    assert_eq!(
        world.lines(clients[0]),
        ["you joined old [#1 alice: first]", "bob joined", "#2 alice: hi", "#3 bob: hi"]
    );
    assert_eq!(world.disk.expect("a disk").queries, 2, "the room is looked up once for both");
}

#[test]
fn an_empty_room_is_evicted_and_continues_as_it_was() {
    let settings = roomy(2);
    let mut world = World::on(&settings, Some(TestDisk::new(2)));
    let alice = world.member(0, "alice", "R1");
    world.send(alice, "draft d1 hello\nbye\n");
    let in_memory = rooms_in_memory(&world);
    world.pass(30);
    assert_eq!(rooms_in_memory(&world), in_memory, "who changes rooms to and fro waits for no disk");
    world.pass(REST_SECONDS);
    assert_eq!(rooms_in_memory(&world), 0);
    let alice = world.connect(1);
    world.send(alice, "name alice\njoin r1\ndraft d1 hello\nsay again\n");
    assert_eq!(
        world.lines(alice),
        ["hello", "you are alice", "you joined R1 [#1 alice: hello]", "draft d1 is #1", "#2 alice: again"]
    );
}

#[test]
fn a_room_that_has_members_or_waits_for_the_disk_stays() {
    let settings = roomy(1);
    let mut world = World::on(&settings, Some(TestDisk::new(1)));
    let alice = world.member(0, "alice", "r1");
    world.send(alice, "say hi\n");
    world.pass(REST_SECONDS);
    assert_eq!(rooms_in_memory(&world), 1);
    world.disk_moves = false;
    world.send(alice, "say waits\nbye\n");
    world.pass(2 * REST_SECONDS);
    assert_eq!(rooms_in_memory(&world), 1, "what is not on disk could not be read back");
    world.commit_once();
    world.pass(2 * REST_SECONDS);
    assert_eq!(rooms_in_memory(&world), 0);
}

#[test]
fn a_direct_room_is_loaded_for_a_whisper_and_continues_its_numbers() {
    let settings = roomy(1);
    let mut world = World::on(&settings, Some(TestDisk::new(1)));
    let alice = world.member(0, "alice", "r1");
    let bob = world.member(0, "bob", "r2");
    world.send(alice, "to bob one\n");
    assert_eq!(rooms_in_memory(&world), 3);
    world.pass(REST_SECONDS);
    assert_eq!(rooms_in_memory(&world), 2);
    world.lines(bob);
    world.send(alice, "to bob two\n");
    assert_eq!(world.lines(bob), ["alice -> bob: two"]);
    world.send(bob, "to alice three\n");
    let users: Vec<UserName> = world.shards[0].names().map(|(name, _)| name.clone()).collect();
    let room = RoomName::direct(&users[0], &users[1]);
    let stored = world.shards[0].homes.head_of(room.as_str());
    assert_eq!(stored.map(|head| head.0), Some(3));
}

#[test]
fn joins_of_a_room_that_cannot_be_read_are_refused_and_it_never_begins_anew() {
    let settings = roomy(1);
    let mut world = World::on(&settings, Some(TestDisk::new(1)));
    let alice = world.member(0, "alice", "r1");
    world.send(alice, "say one\n");
    let mut world = restarted(world, &settings);
    // The looks of stored rooms are read: that repairs what it finds damaged.
    world.run();
    let path = world.disk.as_ref().expect("a disk").snapshot_path(ShardId(0));
    let sound = fs::read(&path).expect("a snapshot");
    let mut damaged = sound.clone();
    damaged[70] ^= 1;
    fs::write(&path, damaged).expect("damage");
    let alice = world.connect(0);
    world.send(alice, "name alice\njoin r1\n");
    let said = world.lines(alice);
    assert!(said.last().is_some_and(|line| line.contains("the disk reports errors")), "{said:?}");
    fs::write(&path, sound).expect("a repair");
    let bob = world.connect(0);
    world.send(bob, "name bob\njoin r1\nsay two\n");
    assert_eq!(world.lines(bob)[2..], ["you joined r1 [#1 alice: one]", "#2 bob: two"]);
}

#[test]
fn a_snapshot_that_covers_less_than_the_last_one_lets_no_room_begin_anew() {
    let settings = roomy(1);
    let mut world = World::on(&settings, Some(TestDisk::new(1)));
    let alice = world.member(0, "alice", "r1");
    world.send(alice, "say one\n");
    let mut world = restarted(world, &settings);
    let path = world.disk.as_ref().expect("a disk").snapshot_path(ShardId(0));
    let early = fs::read(&path).expect("a snapshot");
    let alice = world.member(0, "alice", "r2");
    world.send(alice, "say one\n");
    let mut world = restarted(world, &settings);
    world.run();
    let late = fs::read(&path).expect("a snapshot");
    fs::write(&path, &early).expect("an old one");
    let scope =
        SnapshotInfo::decode(&early[early.len() - SNAPSHOT_BLOCK_BYTES..], ShardId(0)).expect("an end").scope;
    world.shards[0].snapshot_renewed(Some(scope), None);
    let alice = world.connect(0);
    world.send(alice, "name alice\njoin r2\n");
    let said = world.lines(alice);
    assert!(said.last().is_some_and(|line| line.contains("the disk reports errors")), "{said:?}");
    fs::write(&path, late).expect("it is mended");
    let bob = world.connect(0);
    world.send(bob, "name bob\njoin r2\nsay two\n");
    assert_eq!(world.lines(bob)[2..], ["you joined r2 [#1 alice: one]", "#2 bob: two"]);
}

#[test]
fn indexes_that_are_too_many_for_the_disk_are_dropped_and_made_again_from_their_segments() {
    let settings = roomy(1);
    let mut world = World::on(&settings, Some(TestDisk::new(1)));
    world.disk.as_mut().expect("a disk").writes_indexes = false;
    // Each room's messages fill a segment and begin the next.
    let (rooms, said) = (Archive::INDEXES_MAX + 4, format!("say {}\n", "x".repeat(1000)).repeat(50));
    for room in 0..rooms {
        let alice = world.member(0, &format!("a{room}"), &format!("r{room}"));
        for _ in 0..6 {
            world.send(alice, &said);
        }
        world.send(alice, "bye\n");
    }
    assert_eq!(world.shards[0].archive().index_jobs(), Archive::INDEXES_MAX, "no more are in memory");
    assert!(world.shards[0].archive().has_unindexed());
    world.pass(2 * REST_SECONDS);
    let [bob, carol] = ["bob", "carol"].map(|user| (user, world.connect(0))).map(|(user, client)| {
        let room = if user == "bob" { 1 } else { rooms - 2 };
        world.send(client, &format!("name {user}\njoin r{room}\n"));
        assert_eq!(world.lines(client), ["hello".to_owned(), format!("you are {user}")], "indexes go first");
        client
    });
    // The snapshot covers all segments, those too that had no index.
    let mut disk = world.disk.take().expect("a disk");
    disk.writes_indexes = true;
    disk.answers = false;
    disk.serve(&mut world.shards[0], true);
    assert_eq!(world.shards[0].archive().index_jobs(), 0);
    disk.renew_snapshot(&mut world.shards[0]);
    disk.answers = true;
    world.disk = Some(disk);
    world.run();
    for client in [bob, carol] {
        let lines = world.lines(client);
        assert!(lines.last().is_some_and(|joined| joined.contains("#300 a")), "{lines:?}");
    }
    assert!(!world.shards[0].archive().has_unindexed());
    assert!(rooms_known(&mut world) <= 3, "of rooms that have members, or that the open segment holds");
}

/// Drafts are known for this long.
const DRAFT_SECONDS: u64 = 600;

/// What was said in a room: author, draft, text and when, by number from 1.
type Said = Vec<(String, String, String, u64)>;

struct Model {
    world: World,
    settings: Settings,
    rooms: BTreeMap<String, Said>,
    /// The memberships: user, room.
    present: BTreeMap<String, (Client, String)>,
    drafts: u64,
    seconds: u64,
}

impl Model {
    fn step(&mut self, chance: &mut Chance) {
        let user = format!("user{}", chance.below(5));
        match (chance.below(24), self.present.get(&user).cloned()) {
            (0..=9, None) => self.enter(&user, &format!("room{}", chance.below(7)), chance),
            (0..=15, Some((client, room))) => self.say(&user, client, &room, chance),
            (16..=17, Some((client, room))) => self.repeat(&user, client, &room, chance),
            (18..=19, Some((client, _))) => {
                self.world.send(client, "bye\n");
                self.present.remove(&user);
            }
            (20..=21, _) => {
                self.world.pass(REST_SECONDS);
                self.seconds += REST_SECONDS;
            }
            (22, _) => self.renew(),
            (23, _) if chance.below(3) == 0 => self.restart(),
            _ => {}
        }
    }

    fn enter(&mut self, user: &str, room: &str, chance: &mut Chance) {
        let client = self.world.connect(chance.below(2) as usize);
        self.world.send(client, &format!("name {user}\njoin {room}\n"));
        let said = self.rooms.entry(room.to_owned()).or_default();
        let first = said.len().saturating_sub(15);
        let line = |number: usize| format!("#{} {}: {}", number + 1, said[number].0, said[number].2);
        let history: Vec<String> = (first..said.len()).map(line).collect();
        let lines = self.world.lines(client);
        assert_eq!(lines.last(), Some(&format!("you joined {room} [{}]", history.join(", "))));
        self.present.insert(user.to_owned(), (client, room.to_owned()));
    }

    fn say(&mut self, user: &str, client: Client, room: &str, chance: &mut Chance) {
        self.drafts += 1;
        let draft = format!("d{}", self.drafts);
        let text = "x".repeat(1 + chance.below(3000) as usize);
        self.world.lines(client);
        self.world.send(client, &format!("draft {draft} {text}\n"));
        let said = self.rooms.get_mut(room).expect("a room that was entered");
        said.push((user.to_owned(), draft, text.clone(), self.seconds));
        assert_eq!(self.world.lines(client), [format!("#{} {user}: {text}", said.len())]);
    }

    fn repeat(&mut self, user: &str, client: Client, room: &str, chance: &mut Chance) {
        let said = &self.rooms[room];
        let since = self.seconds.saturating_sub(DRAFT_SECONDS);
        let own = |number: &usize| said[*number].0 == user && said[*number].3 >= since;
        let own: Vec<usize> = (0..said.len()).rev().filter(own).take(64).collect();
        let Some(number) = own.get(chance.below(own.len().max(1) as u64) as usize) else { return };
        let (_, draft, text, _) = &said[*number];
        self.world.lines(client);
        self.world.send(client, &format!("draft {draft} {text}\n"));
        assert_eq!(self.world.lines(client), [format!("draft {draft} is #{}", number + 1)]);
    }

    fn renew(&mut self) {
        let World { shards, disk, .. } = &mut self.world;
        let disk = disk.as_ref().expect("a disk");
        shards.iter_mut().for_each(|shard| disk.renew_snapshot(shard));
    }

    /// The process is killed: nothing is sealed, and everyone is gone.
    fn restart(&mut self) {
        let disk = self.world.disk.take();
        self.world = World::on(&self.settings, disk);
        self.present.clear();
        assert_eq!((rooms_in_memory(&self.world), rooms_known(&mut self.world)), (0, 0));
    }
}

#[test]
fn rooms_that_are_evicted_and_loaded_again_are_as_if_they_had_stayed() {
    for seed in 1..=6 {
        let mut chance = Chance(seed * 7919);
        let settings = roomy(2);
        let world = World::on(&settings, Some(TestDisk::new(2)));
        let (rooms, present) = (BTreeMap::new(), BTreeMap::new());
        let mut model = Model { world, settings, rooms, present, drafts: 0, seconds: 0 };
        for _ in 0..1200 {
            model.step(&mut chance);
        }
        let said: usize = model.rooms.values().map(Vec::len).sum();
        assert!(said > 200, "seed {seed}: only {said} messages were said");
        model.present.values().for_each(|(client, _)| {
            model.world.send(*client, "bye\n");
        });
        model.world.pass(2 * REST_SECONDS);
        assert_eq!(rooms_in_memory(&model.world), 0, "seed {seed}");
    }
}

#[test]
fn memory_is_given_back_when_many_users_with_rooms_of_their_own_have_gone() {
    let settings = roomy(1);
    let mut world = World::on(&settings, Some(TestDisk::new(1)));
    let clients: Vec<Client> = (0..2100)
        .map(|number| {
            let client = world.member(0, &format!("user{number}"), &format!("room{number}"));
            world.send(client, "say hi\n");
            client
        })
        .collect();
    world.pass(1);
    assert!(!world.shards[0].is_burst_over(), "everyone is there");
    for client in clients {
        world.send(client, "bye\n");
    }
    let mut is_given_back = false;
    for _ in 0..REST_SECONDS {
        world.pass(1);
        is_given_back |= world.shards[0].is_burst_over();
    }
    assert!(is_given_back && rooms_in_memory(&world) == 0);
}
