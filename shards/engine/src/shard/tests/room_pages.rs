//! Pages of all rooms, from several shards.

use super::world::{Client, World, settings};
use madang_model::{
    ListStart, LogEpoch, RoomKey, RoomName, RoomSummary, RoomsList, RoomsMerge, RoomsMissing, RoomsPart,
};
use madang_model::{Seq, ShardId};
use std::collections::BTreeSet;

const SHARDS: u16 = 3;
const EPOCH: LogEpoch = LogEpoch(1);

/// Rooms `room000` and on, each with one member.
fn world_of(rooms: usize) -> (World, Client) {
    let mut settings = settings(SHARDS);
    settings.outbox_bytes_max = 1 << 20;
    let mut world = World::new(&settings);
    let alice = world.member(0, "alice", "r1");
    for number in 0..rooms {
        world.send(alice, &format!("join room{number:03}\n"));
    }
    world.lines(alice);
    (world, alice)
}

fn ask(world: &mut World, client: Client, pattern: &str, start: ListStart<RoomKey>) {
    let after = start.after.map_or_else(|| "-".to_owned(), |after| after.to_bits().to_string());
    let line = format!("part {} {after} {pattern}\n", start.count);
    world.shards[client.shard].received(client.id, line.as_bytes());
}

/// What shards have answered, as one page.
fn merged(
    world: &mut World,
    client: Client,
    pattern: &str,
    start: ListStart<RoomKey>,
) -> Result<RoomsList, RoomsMissing> {
    let mut merge = RoomsMerge::new(SHARDS, pattern, start);
    for line in world.lines(client) {
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        if words.next() != Some("part") {
            continue;
        }
        let shard = ShardId(words.next().expect("a shard").parse().expect("a number"));
        let rest = words.next().expect("what follows");
        let room = |name| RoomName::parse(name).expect("a room name");
        let rooms = words.map(|name| RoomSummary { room: room(name), members: 1, head: Seq(0) }).collect();
        let (has_more, is_busy) = (rest == "more", rest == "busy");
        assert!(merge.add(RoomsPart { rooms, has_more, is_busy, ..RoomsPart::new(shard, start) }));
    }
    merge.finish()
}

#[test]
fn every_room_is_reached_page_by_page_while_rooms_are_made_and_end() {
    let (mut world, alice) = world_of(320);
    for (pattern, expected) in [("", 321), ("ROOM1", 100), ("no such room", 0)] {
        let (mut after, mut round) = (None, 0);
        let mut listed: Vec<String> = Vec::new();
        loop {
            let start = ListStart { epoch: EPOCH, after, count: if round % 2 == 0 { 1_000 } else { 7 } };
            ask(&mut world, alice, pattern, start);
            world.run();
            let page = merged(&mut world, alice, pattern, start).expect("all shards answer");
            assert!(page.rooms.len() <= start.count(RoomsPart::ROOMS_MAX));
            listed.extend(page.rooms.iter().map(|it| it.room.as_str().to_owned()));
            let Some(next) = page.next else { break };
            after = Some(next.room(EPOCH, pattern).expect("a cursor of this list"));
            // Somebody comes into two rooms of many and goes again, and others are fuller than before.
            round += 1;
            let bob = world.member(1, &format!("bob{round}"), &format!("other{}", round % 5));
            world.send(bob, &format!("join other{}\njoin room{round:03}\n", (round + 1) % 5));
            world.lines(bob);
            if round % 2 == 0 {
                world.send(bob, "bye\n");
            }
        }
        let once: BTreeSet<&str> = listed.iter().map(String::as_str).collect();
        assert_eq!(once.len(), listed.len(), "no room is listed twice");
        let throughout = once.iter().filter(|name| !name.starts_with("other")).count();
        assert_eq!(throughout, expected, "of those with {pattern:?}");
    }
}

#[test]
fn a_room_that_is_evicted_or_direct_is_on_no_page() {
    let (mut world, alice) = world_of(3);
    let bob = world.member(1, "bob", "r2");
    world.send(alice, "to bob psst\n");
    world.send(bob, "bye\n");
    let start = ListStart { epoch: EPOCH, after: None, count: 100 };
    ask(&mut world, alice, "", start);
    world.run();
    let page = merged(&mut world, alice, "", start).expect("all shards answer");
    let mut names: Vec<&str> = page.rooms.iter().map(|it| it.room.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["r1", "room000", "room001", "room002"]);
    assert!(page.next.is_none());
}

#[test]
fn a_shard_with_too_many_searches_says_so_and_no_room_is_left_out() {
    let (mut world, alice) = world_of(30);
    let start = ListStart { epoch: EPOCH, after: None, count: 10 };
    let asker = world.member(0, "asker", "r1");
    for _ in 0..4_096 {
        ask(&mut world, asker, "room", start);
    }
    ask(&mut world, alice, "room", start);
    ask(&mut world, alice, "", start);
    world.run();
    let lines = world.lines(alice);
    assert!(lines.iter().any(|line| line.starts_with("part 0 busy")), "{lines:?}");
    let without: Vec<&String> = lines.iter().filter(|line| line.contains("r1")).collect();
    assert!(!without.is_empty(), "a page without a search is given at once");
}

#[test]
fn a_handover_waits_for_no_page() {
    let (mut world, alice) = world_of(30);
    let start = ListStart { epoch: EPOCH, after: None, count: 10 };
    for _ in 0..400 {
        ask(&mut world, alice, "no such room", start);
    }
    world.shards[0].pause();
    world.step();
    world.step();
    assert_eq!(world.shards[0].homes.search_count(), 0);
}
