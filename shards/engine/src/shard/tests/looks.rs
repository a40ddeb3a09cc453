//! No room is made beside one that it could be taken for, and every room that is there stays.

use super::disk::TestDisk;
use super::world::{Client, World, settings};
use madang_model::{RoomKey, RoomName};
use std::fs;

/// Longer than an empty room stays in memory.
const REST_SECONDS: u64 = 62;

fn stored(shard_count: u16) -> World {
    World::on(&settings(shard_count), Some(TestDisk::new(shard_count)))
}

fn restarted(world: World, shard_count: u16) -> World {
    World::on(&settings(shard_count), world.disk.map(|disk| disk.for_shards(shard_count)))
}

/// Whether a join of a room succeeds, or which room it is a look-alike of.
fn enter(world: &mut World, client: Client, room: &str) -> Result<(), String> {
    world.lines(client);
    world.send(client, &format!("join {room}\n"));
    let lines = world.lines(client);
    let answer = lines.last().unwrap_or_else(|| panic!("nobody answers the join of {room}"));
    if answer.starts_with(&format!("you joined {room} ")) {
        return Ok(());
    }
    let with = answer.strip_prefix(&format!("Refused(RoomConfusable {{ room: {room:?}, with: \""));
    Err(with.and_then(|with| with.strip_suffix("\" })")).unwrap_or(answer).to_owned())
}

fn stranger(world: &mut World, name: &str) -> Client {
    let client = world.connect(world.shards.len() - 1);
    world.send(client, &format!("name {name}\n"));
    client
}

#[test]
fn a_look_alike_of_a_room_with_members_is_refused_and_the_room_is_named() {
    for shard_count in 1..=4 {
        let mut world = World::new(&settings(shard_count));
        let mut people = 0..;
        let mut enters = |room: &str| {
            let client = stranger(&mut world, &format!("user{}", people.next().unwrap_or(0)));
            enter(&mut world, client, room)
        };
        assert_eq!(enters("paypal"), Ok(()));
        for alike in ["PayPaI", "раypal", "paypa1"] {
            assert_eq!(enters(alike), Err("paypal".into()), "on {shard_count} shards");
        }
        let same = enters("PAYPAL").expect_err("it is shown as it was written first");
        assert!(same.starts_with("you joined paypal "), "{same}");
        assert_eq!(enters("Ian"), Ok(()));
        assert_eq!(enters("lan"), Err("Ian".into()));
        assert_eq!(enters("mail"), Ok(()));
        assert_eq!(enters("mall"), Ok(()), "they do not look alike");
    }
}

#[test]
fn a_look_alike_of_the_empty_lobby_is_refused() {
    let mut world = World::new(&settings(3));
    let bob = stranger(&mut world, "bob");
    assert_eq!(enter(&mut world, bob, "generaI"), Err("general".into()));
    assert_eq!(enter(&mut world, bob, "general"), Ok(()));
}

#[test]
fn of_two_look_alike_rooms_made_at_once_one_is_made() {
    for shard_count in 1..=4 {
        let mut world = World::new(&settings(shard_count));
        world.channel_batches_max = 1;
        let clients: Vec<Client> = (0..40).map(|n| stranger(&mut world, &format!("u{n}"))).collect();
        clients.iter().for_each(|client| drop(world.lines(*client)));
        for (n, client) in clients.iter().enumerate() {
            let room = format!("{}-room{}", if n % 2 == 0 { "Ion" } else { "lon" }, n / 4);
            world.shards[client.shard].received(client.id, format!("join {room}\n").as_bytes());
        }
        world.run();
        let mut has_joined = |client: &Client| world.lines(*client)[0].starts_with("you joined");
        let joined: Vec<bool> = clients.iter().map(&mut has_joined).collect();
        for (n, four) in joined.chunks(4).enumerate() {
            assert!(matches!(four, [a, b, c, d] if a == c && b == d && a != b), "room {n}: {four:?}");
        }
    }
}

#[test]
fn the_looks_of_a_room_left_without_messages_are_free_for_another() {
    for shard_count in 1..=3 {
        let mut world = World::new(&settings(shard_count));
        let alice = stranger(&mut world, "alice");
        let bob = stranger(&mut world, "bob");
        assert_eq!(enter(&mut world, alice, "Ian"), Ok(()));
        assert_eq!(enter(&mut world, bob, "lan"), Err("Ian".into()));
        world.send(alice, "bye\n");
        assert_eq!(enter(&mut world, bob, "lan"), Ok(()));
        let carol = stranger(&mut world, "carol");
        assert_eq!(enter(&mut world, carol, "Ian"), Err("lan".into()));
    }
}

#[test]
fn a_room_with_messages_keeps_its_looks_forever() {
    for (before, after) in [(1, 1), (3, 3), (2, 4), (4, 1)] {
        let mut world = stored(before);
        let alice = world.member(0, "alice", "Ian");
        world.send(alice, "say hi\nbye\n");
        let bob = stranger(&mut world, "bob");
        assert_eq!(enter(&mut world, bob, "lan"), Err("Ian".into()), "empty and in memory");
        world.pass(REST_SECONDS);
        assert_eq!(enter(&mut world, bob, "lan"), Err("Ian".into()), "not in memory");
        let mut world = restarted(world, after);
        let bob = stranger(&mut world, "bob");
        assert_eq!(enter(&mut world, bob, "lan"), Err("Ian".into()), "in another life of the server");
        world.send(bob, "join Ian\n");
        assert_eq!(world.lines(bob), ["you joined Ian [#1 alice: hi]"]);
    }
}

#[test]
fn a_room_without_messages_keeps_its_looks_in_a_new_process() {
    for (before, after) in [(1, 1), (2, 2), (1, 3), (3, 2)] {
        let settings = settings(after);
        let mut world = stored(before);
        let alice = world.member(0, "alice", "Ian");
        let (mut world, clients) = world.hand_over(&settings, &[alice]);
        let alice = clients[0].expect("alice is resumed");
        let bob = stranger(&mut world, "bob");
        assert_eq!(enter(&mut world, bob, "lan"), Err("Ian".into()));
        world.send(alice, "bye\n");
        assert_eq!(enter(&mut world, bob, "lan"), Ok(()), "and gives them back");
    }
}

/// A log of before looks were compared.
fn with_alike_rooms(shard_count: u16) -> World {
    let mut world = stored(shard_count);
    for (user, room) in [("alice", "Ian"), ("bob", "lan")] {
        let made = || world.member(0, user, room);
        let client = crate::mutation::with(Some(crate::mutation::Mutation::MakeLookAlike), made);
        world.send(client, "say hi\nbye\n");
    }
    restarted(world, shard_count)
}

#[test]
fn look_alike_rooms_with_messages_are_joined_as_before() {
    for shard_count in [1, 3] {
        let mut world = with_alike_rooms(shard_count);
        for (user, room) in [("alice", "Ian"), ("bob", "lan")] {
            let client = stranger(&mut world, user);
            assert_eq!(enter(&mut world, client, room), Ok(()), "{room}");
        }
        let carol = stranger(&mut world, "carol");
        let with = enter(&mut world, carol, "1an");
        assert!(with == Err("Ian".into()) || with == Err("lan".into()), "{with:?}");
    }
}

#[test]
fn while_stored_looks_are_read_new_rooms_wait_and_existing_ones_do_not() {
    let mut world = stored(2);
    let alice = world.member(0, "alice", "Ian");
    world.send(alice, "say hi\nbye\n");
    let mut world = restarted(world, 2);
    world.disk.as_mut().expect("a disk").reads_looks = false;
    let (alice, bob) = (stranger(&mut world, "alice"), stranger(&mut world, "bob"));
    assert_eq!(enter(&mut world, alice, "Ian"), Ok(()));
    world.lines(bob);
    // What follows waits as well, in its order.
    world.send(bob, "join lan\njoin r1\nsay hello\n");
    let waiting: usize = world.shards.iter().map(|shard| shard.queues().waiting_for_looks).sum();
    assert_eq!((world.lines(bob), waiting), (Vec::new(), 1));
    world.disk.as_mut().expect("a disk").reads_looks = true;
    world.run();
    let said = world.lines(bob);
    assert!(said[0].contains("RoomConfusable"), "{said:?}");
    assert_eq!(said[1..], ["you joined r1 []", "#1 bob: hello"]);
}

#[test]
fn a_handover_and_a_drain_refuse_the_joins_that_wait_for_stored_looks() {
    for drains in [false, true] {
        let mut world = stored(2);
        let alice = world.member(0, "alice", "r1");
        world.send(alice, "say hi\nbye\n");
        let mut world = restarted(world, 2);
        world.disk.as_mut().expect("a disk").reads_looks = false;
        let bob = stranger(&mut world, "bob");
        world.lines(bob);
        world.send(bob, "join r2\n");
        assert_eq!(world.lines(bob), Vec::<String>::new());
        for shard in &mut world.shards {
            if drains { shard.begin_drain() } else { shard.pause() }
        }
        world.run();
        let said = world.lines(bob);
        assert!(said.iter().any(|line| line.contains("RoomNotMade")), "{said:?}");
        assert!(drains || world.shards.iter().all(|shard| shard.is_idle()), "it waits");
    }
}

#[test]
fn when_stored_looks_cannot_be_read_no_room_is_made_and_it_is_tried_again() {
    let home = |room: &str| RoomName::parse(room).expect("a room name").key().home(2);
    let names = (0..).map(|n| (format!("Ian{n}"), format!("lan{n}")));
    let (first, alike) = { names }.find(|(a, b)| home(a) != home(b)).expect("one of many");
    let mut world = stored(2);
    let alice = world.member(0, "alice", &first);
    world.send(alice, "say hi\nbye\n");
    let mut world = restarted(world, 2);
    // Of the directory of the other home only, so that its own rooms can be loaded.
    let path = world.disk.as_ref().expect("a disk").snapshot_path(home(&first));
    let away = path.with_extension("away");
    fs::rename(&path, &away).expect("a rename");
    fs::create_dir(&path).expect("what is no file");
    let alice = stranger(&mut world, "alice");
    let is_not_known =
        |said: &Result<(), String>| said.as_ref().is_err_and(|said| said.contains("RoomNotMade"));
    for _ in 0..3 {
        let said = enter(&mut world, alice, &alike);
        assert!(is_not_known(&said), "{said:?}");
    }
    let reads = world.disk.as_ref().expect("a disk").looks_reads;
    assert_eq!(reads, 2, "of each shard one: asking again and again reads nothing again");
    fs::remove_dir(&path).expect("it is empty");
    fs::rename(&away, &path).expect("a rename");
    assert!(is_not_known(&enter(&mut world, alice, &alike)), "it is not read again yet");
    world.pass(31);
    assert_eq!(enter(&mut world, alice, &alike), Err(first));
    assert_eq!(enter(&mut world, alice, "r1"), Ok(()));
}

#[test]
fn rooms_that_everybody_leaves_leave_nothing_behind() {
    let mut world = World::new(&settings(2));
    for n in 0..300 {
        let client = world.member(n % 2, &format!("u{n}"), &format!("Room{n}"));
        world.send(client, "bye\n");
    }
    assert_eq!(world.shards.iter().map(|shard| shard.homes.looks.made()).sum::<usize>(), 0);
}

#[test]
fn an_existing_room_is_joined_without_asking_another_shard() {
    let mut world = World::new(&settings(2));
    let home = |room: &str| RoomKey::of(room).home(2).index();
    // Its looks are at home elsewhere.
    let is_apart = |room: &String| {
        let looks = RoomName::parse(room).map(|room| room.looks().home.home(2).index());
        looks.is_ok_and(|looks| looks != home(room))
    };
    let room = (0..).map(|n| format!("r{n}")).find(is_apart).expect("one of many");
    let client = world.member(home(&room), "alice", &room);
    world.lines(client);
    let bob = world.connect(home(&room));
    world.send(bob, "name bob\n");
    world.lines(bob);
    world.shards[bob.shard].received(bob.id, format!("join {room}\n").as_bytes());
    let outbox = world.shards[bob.shard].outbox(bob.id).unwrap_or_default();
    assert!(outbox.starts_with(b"you joined"), "in the same turn");
}
