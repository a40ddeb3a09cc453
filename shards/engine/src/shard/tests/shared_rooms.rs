//! Who shares several rooms with somebody sees it once that the other leaves the server, or has another name.

use super::world::{Client, World, settings};

/// A client in these rooms, of an account if it has a number.
fn comes(world: &mut World, shard: usize, name: &str, rooms: &[&str]) -> Client {
    let client = world.connect(shard);
    world.send(client, &format!("name {name}\n"));
    for room in rooms {
        world.send(client, &format!("join {room}\n"));
        world.lines(client);
    }
    world.pass(3);
    client
}

/// Lines of a list of rooms, whatever their order.
fn sorted(line: &str, from: usize) -> Vec<String> {
    let mut words: Vec<String> =
        line.split(' ').skip(from).filter(|word| *word != "and").map(str::to_owned).collect();
    words.sort_unstable();
    words
}

const ROOMS: [&str; 6] = ["r1", "r2", "r3", "r4", "r5", "r6"];

#[test]
fn who_leaves_the_server_is_seen_once_by_whoever_shares_several_rooms_with_it() {
    for shards in [1, 2, 3] {
        let mut world = World::new(&settings(shards));
        let bob = comes(&mut world, 0, "bob", &ROOMS);
        let carol = comes(&mut world, usize::from(shards) - 1, "carol", &["r2", "r9"]);
        let alice = comes(&mut world, 0, "alice", &["r1", "r2", "r3", "r8"]);
        world.lines(bob);
        world.lines(carol);
        world.send(alice, "bye\n");
        let seen = world.lines(bob);
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert_eq!(sorted(&seen[0], 2), ["r1", "r2", "r3"]);
        assert_eq!(world.lines(carol), ["alice left"], "she shares one");
        // It is here again, and leaves one room: that is news.
        let alice = comes(&mut world, 0, "alice", &["r1", "r2"]);
        assert_eq!(world.lines(bob), ["alice joined", "alice joined"]);
        world.send(alice, "bye\n");
        assert_eq!(world.lines(bob).len(), 1);
    }
}

#[test]
fn a_new_name_is_seen_once_by_whoever_shares_several_rooms() {
    let mut world = World::new(&settings(2));
    let bob = comes(&mut world, 1, "bob", &ROOMS);
    let alice = comes(&mut world, 0, "alice", &ROOMS);
    world.lines(bob);
    for (old, new) in [("alice", "alicia"), ("alicia", "alice")] {
        world.send(alice, &format!("name {new}\n"));
        let seen = world.lines(bob);
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert!(seen[0].starts_with(&format!("{old} is now {new} in ")), "{seen:?}");
        assert_eq!(sorted(&seen[0], 5), ROOMS);
    }
    world.send(alice, "bye\n");
    assert_eq!(world.lines(bob).len(), 1, "the end is not the new name");
}

#[test]
fn an_account_leaves_every_room_at_once_only_with_its_last_session() {
    let mut world = World::new(&settings(2));
    let bob = comes(&mut world, 0, "bob", &ROOMS);
    let phone = comes(&mut world, 0, "alice 7", &["r1", "r2", "r3"]);
    let desk = comes(&mut world, 1, "alice 7", &["r3", "r4"]);
    world.lines(bob);
    world.send(phone, "bye\n");
    assert_eq!(world.lines(bob), ["alice left", "alice left"], "r1 and r2; it is in r3 and r4");
    world.send(desk, "bye\n");
    let seen = world.lines(bob);
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(sorted(&seen[0], 2), ["r3", "r4"]);
}

#[test]
fn a_lost_connection_is_seen_when_its_time_is_over() {
    let mut world = World::new(&settings(2));
    let bob = comes(&mut world, 1, "bob", &["r1", "r2"]);
    let alice = comes(&mut world, 0, "alice", &["r1", "r2"]);
    world.lines(bob);
    world.drop_connection(alice);
    world.pass(20);
    assert!(world.lines(bob).is_empty());
    world.pass(15);
    assert_eq!(world.lines(bob), ["alice left", "alice left"], "each room has its own time");
}

#[test]
fn who_came_into_a_room_a_moment_ago_sees_what_that_room_says() {
    let mut world = World::new(&settings(2));
    let alice = comes(&mut world, 0, "alice", &["r1", "r2", "r3"]);
    let bob = comes(&mut world, 1, "bob", &["r1", "r2"]);
    world.send(bob, "join r3\n");
    world.lines(bob);
    world.send(alice, "bye\n");
    let seen = world.lines(bob);
    assert_eq!(seen.len(), 2, "{seen:?}");
}
