//! Lists of rooms, and what they may cost others.

use super::world::{Client, World, settings};
use crate::room::{Room, RoomKind};
use madang_model::{ClaimNumber, ConnectionId, RoomName, SessionId, ShardId, UserName};
use rustix::time::{ClockId, clock_gettime};

/// Rooms `room0000` and on, each with one member, and a shard that has them all.
fn world_of(rooms: usize) -> (World, Client) {
    let mut settings = settings(1);
    settings.outbox_bytes_max = 1 << 20;
    let mut world = World::new(&settings);
    let alice = world.member(0, "alice", "r1");
    for number in 0..rooms {
        world.send(alice, &format!("join room{number:04}\n"));
    }
    world.lines(alice);
    (world, alice)
}

#[test]
fn rooms_are_listed_fullest_first_with_those_that_have_a_part_in_their_name() {
    let (mut world, alice) = world_of(120);
    let bob = world.member(0, "bob", "room0110");
    world.send(bob, "join Straße\njoin 마당\n");
    world.member(0, "carol", "마당");
    world.lines(bob);
    world.send(bob, "rooms \nrooms OM01\nrooms 당\nrooms STRASS\nrooms straß\n");
    let lines = world.lines(bob);
    // By members, then by name: two with two, then 119 and r1 and one more with one.
    assert!(lines[0].starts_with("rooms [room0110, 마당, Straße, r1, room0000, "), "{}", lines[0]);
    assert!(lines[0].ends_with("] and 23"), "{}", lines[0]);
    assert!(lines[1].starts_with("rooms [room0110, room0100, room0101, "), "{}", lines[1]);
    assert_eq!(lines[1].matches("room01").count(), 20);
    assert_eq!(lines[2..], ["rooms [마당] and 0", "rooms [] and 0", "rooms [Straße] and 0"]);
    // A member who left is not counted any more.
    world.send(alice, "bye\n");
    world.send(bob, "rooms \n");
    let lines = world.lines(bob);
    assert_eq!(lines.last().map(String::as_str), Some("rooms [마당, Straße, room0110] and 0"));
}

#[test]
fn only_the_sessions_that_asked_wait_for_a_search_of_rooms() {
    let (mut world, alice) = world_of(3000);
    let askers: Vec<_> = (0..50).map(|number| world.member(0, &format!("asker{number}"), "r1")).collect();
    world.lines(alice);
    for asker in &askers {
        world.shards[0].received(asker.id, b"rooms room2\n");
    }
    world.shards[0].received(alice.id, b"say who waits for whom?\n");
    world.step();
    world.step();
    assert_eq!(world.lines(alice), ["#1 alice: who waits for whom?"]);
    assert!(world.shards[0].homes.search_count() > 40, "a turn looks at few rooms");
    world.run();
    for asker in askers {
        let answers: Vec<_> =
            world.lines(asker).into_iter().filter(|line| line.starts_with("rooms")).collect();
        assert!(answers.len() == 1 && answers[0].ends_with("] and 900"), "{answers:?}");
    }
}

#[test]
fn a_search_past_the_limit_is_answered_that_the_server_is_busy() {
    let (mut world, alice) = world_of(10);
    for _ in 0..4097 {
        world.shards[0].received(alice.id, b"rooms 7\n");
    }
    world.run();
    let lines = world.lines(alice);
    assert_eq!(lines.iter().filter(|line| *line == "rooms [room0007] and 0").count(), 4096);
    assert_eq!(lines.iter().filter(|line| *line == "rooms [] and 0, busy").count(), 1);
}

#[test]
fn a_handover_waits_for_no_search() {
    let (mut world, alice) = world_of(3000);
    for _ in 0..50 {
        world.shards[0].received(alice.id, b"rooms room2\n");
    }
    world.shards[0].pause();
    world.step();
    world.step();
    assert_eq!(world.shards[0].homes.search_count(), 0);
    let lines = world.lines(alice);
    assert!(lines.iter().any(|line| line == "rooms [] and 0, busy"), "{lines:?}");
}

/// Processor time of this thread.
fn cpu_ms() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}

/// Twice as many members make a list no dearer: when each is a sorting of all, these take 3 s.
#[test]
fn every_member_of_a_large_room_may_ask_for_its_members() {
    let limits = settings(1).rooms;
    let lobby_name = RoomName::parse("general").expect("a room name");
    let mut lobby = Room::new(lobby_name.clone(), RoomKind::Lobby);
    let mut events = Vec::new();
    let session = |index| SessionId { shard: ShardId(0), connection: ConnectionId { index, generation: 0 } };
    for index in 0..5_000 {
        let user = UserName::parse(&format!("user{index}")).expect("a user name");
        let joined =
            lobby.join(session(index), (&user, ClaimNumber(0)), &lobby_name, false, &limits, &mut events);
        joined.expect("a lobby has room");
        events.clear();
    }
    let began_ms = cpu_ms();
    for index in 0..5_000 {
        lobby.who(session(index), &mut events);
        events.clear();
    }
    let took_ms = cpu_ms() - began_ms;
    assert!(took_ms < 500, "{took_ms} ms");
}
