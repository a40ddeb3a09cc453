//! Which connections are written in which turn.

use super::world::{Client, World, settings};
use madang_model::ConnectionId;

/// More than are written in one turn when joins and leaves are announced.
const MEMBERS: usize = 80;

/// A large room, two members in another, and somebody who is in none of the two.
fn a_yard() -> (World, Vec<Client>, [Client; 2], Client) {
    let mut world = World::new(&settings(1));
    let many: Vec<Client> = (0..MEMBERS).map(|number| world.member(0, &format!("m{number}"), "r1")).collect();
    let pair = [world.member(0, "alice", "r2"), world.member(0, "bob", "r2")];
    let newcomer = world.connect(0);
    world.send(newcomer, "name carol\n");
    many.iter().chain(&pair).chain([&newcomer]).for_each(|client| drop(world.lines(*client)));
    (world, many, pair, newcomer)
}

/// What is asked is stored and put into outboxes: no connection is written yet.
fn ask(world: &mut World, asked: &[(Client, &str)]) {
    let shard = &mut world.shards[0];
    for (client, bytes) in asked {
        shard.received(client.id, bytes.as_bytes());
    }
    while let Some(batch) = shard.log.take_batch() {
        shard.committed(batch);
    }
}

/// Writes the connections whose turn it is.
fn write_once(world: &mut World) -> Vec<ConnectionId> {
    let shard = &mut world.shards[0];
    let mut due = Vec::new();
    shard.take_dirty(&mut due);
    for id in &due {
        let count = shard.outbox(*id).map_or(0, |outbox| outbox.len());
        assert!(count > 0, "nobody is written who has nothing to hear");
        shard.sent(*id, count, 0);
    }
    due
}

#[test]
fn talk_does_not_wait_for_announcements_of_joins() {
    let (mut world, many, pair, newcomer) = a_yard();
    ask(&mut world, &[(newcomer, "join r1\n"), (pair[0], "say hi\n")]);
    let first = write_once(&mut world);
    assert!(pair.iter().chain([&newcomer]).all(|client| first.contains(&client.id)), "those go out at once");
    let mut written: Vec<ConnectionId> = first.into_iter().filter(|id| is_among(&many, *id)).collect();
    assert!((1..MEMBERS / 2).contains(&written.len()), "the rest waits: {}", written.len());
    for _ in 0..MEMBERS {
        written.extend(write_once(&mut world));
    }
    assert_eq!(written, many.iter().map(|client| client.id).collect::<Vec<_>>(), "each once, in their order");
}

#[test]
fn talk_and_the_announcements_before_it_are_sent_in_one_write() {
    let (mut world, many, _, newcomer) = a_yard();
    ask(&mut world, &[(newcomer, "join r1\n")]);
    let written = write_once(&mut world);
    let last = many[MEMBERS - 1];
    assert!(!written.contains(&last.id), "her turn has not come");
    ask(&mut world, &[(newcomer, "say hello\n")]);
    let outbox = world.shards[0].outbox(last.id).map(|outbox| String::from_utf8_lossy(outbox).into_owned());
    let lines: Vec<String> = outbox.unwrap_or_default().lines().map(str::to_owned).collect();
    assert!(lines.len() == 2 && lines[0].contains("carol") && lines[1].contains("hello"), "{lines:?}");
    let second = write_once(&mut world);
    assert!(many.iter().all(|client| second.contains(&client.id)), "everyone hears what was said, at once");
    assert!(write_once(&mut world).is_empty(), "and nobody is written for what they have heard");
}

fn is_among(clients: &[Client], id: ConnectionId) -> bool {
    clients.iter().any(|client| client.id == id)
}
