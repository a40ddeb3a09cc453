//! What a connection had is free once its end was reported.

use super::world::{Client, World, entrance, settings};
use madang_model::connection::EntranceKind;
use madang_model::{Moment, Now, UserName};
use std::net::IpAddr;

/// A name whose home is the shard that turns first; and a connection on the one that turns last, so that what it
/// sends is handled a round later.
fn far_from_home(world: &mut World) -> (String, Client) {
    let is_near = |name: &String| UserName::parse(name).expect("a name").home(3).index() == 0;
    let name = (0..).map(|number| format!("alice{number}")).find(is_near).expect("one of them");
    let alice = world.member(2, &name, "r1");
    (name, alice)
}

fn is_held(world: &World, name: &str) -> bool {
    let holds = |(held, session): (&UserName, Option<_>)| held.as_str() == name && session.is_some();
    world.shards.iter().any(|shard| shard.names().any(holds))
}

/// Steps until a client is sent a line that contains this.
fn step_until_sent(world: &mut World, client: Client, words: &str) {
    for _ in 0..20 {
        world.step();
        if world.lines(client).iter().any(|line| line.contains(words)) {
            return;
        }
    }
    panic!("nobody is sent {words:?}");
}

#[test]
fn a_name_is_free_once_its_user_has_read_the_farewell() {
    let mut world = World::new(&settings(3));
    let (name, alice) = far_from_home(&mut world);
    world.shards[2].received(alice.id, b"bye\n");
    step_until_sent(&mut world, alice, "closed: Quit");
    assert!(!is_held(&world, &name));
}

#[test]
fn the_name_of_a_kicked_user_is_free_once_the_user_has_read_the_reason() {
    let mut world = World::new(&settings(3));
    let (name, alice) = far_from_home(&mut world);
    let user = UserName::parse(&name).expect("a name");
    let kicked = world.shards[2].kick(&user, "enough");
    assert_eq!(kicked, [alice.id]);
    assert!(!world.shards[2].has_parted(alice.id), "its home does not know yet");
    step_until_sent(&mut world, alice, "closed: Kicked");
    assert!(world.shards[2].has_parted(alice.id) && !is_held(&world, &name));
}

#[test]
fn the_old_name_is_free_once_the_new_one_is_confirmed() {
    let mut world = World::new(&settings(3));
    let (name, alice) = far_from_home(&mut world);
    let bob = world.member(2, "bob", "r1");
    world.lines(bob);
    world.shards[2].received(alice.id, b"name carol\n");
    step_until_sent(&mut world, bob, &format!("{name} is now carol"));
    assert!(!is_held(&world, &name));
    world.run();
    world.send(bob, &format!("name {name}\n"));
    assert!(world.lines(bob).contains(&format!("you are {name}")));
}

#[test]
fn a_connection_that_is_lost_while_it_takes_another_name_keeps_neither_for_good() {
    let mut world = World::new(&settings(3));
    let (name, alice) = far_from_home(&mut world);
    world.shards[2].received(alice.id, b"name carol\n");
    for _ in 0..4 {
        world.step();
    }
    world.drop_connection(alice);
    world.pass(32);
    assert!(!is_held(&world, &name) && !is_held(&world, "carol"));
    let bob = world.member(1, "carol", "r1");
    world.send(bob, &format!("name {name}\n"));
    assert!(world.lines(bob).contains(&format!("you are {name}")));
}

#[test]
fn a_connection_does_not_count_against_its_address_once_it_has_read_the_farewell() {
    let mut settings = settings(3);
    settings.connections_per_address = 1;
    let mut world = World::new(&settings);
    let address: IpAddr = "192.0.2.7".parse().expect("an address");
    for shard in [0, 1, 2] {
        let client = world.connect_from(shard, Some(address));
        world.send(client, "name alice\n");
        world.shards[shard].received(client.id, b"bye\n");
        step_until_sent(&mut world, client, "closed: Quit");
    }
}

#[test]
fn a_connection_past_the_limit_is_sent_the_reason_once_it_has_keys() {
    let mut settings = settings(1);
    settings.connections_per_address = 1;
    let mut world = World::new(&settings);
    let address: IpAddr = "192.0.2.7".parse().expect("an address");
    world.connect_from(0, Some(address));
    let shard = &mut world.shards[0];
    let second = shard.accepted(&entrance(EntranceKind::default()), Some(address));
    // Its handshake is under way: nothing can be written.
    shard.not_open_yet(second);
    assert!(shard.wants_input(second), "or there would never be keys");
    let mut resumed = Vec::new();
    shard.take_resumed(&mut resumed);
    assert_eq!(resumed, [second], "what came meanwhile is read");
    shard.writable(second);
    let outbox = shard.outbox(second).expect("an outbox");
    assert!(outbox.windows(18).any(|words| words == b"TooManyFromAddress"));
    let count = outbox.len();
    shard.sent(second, count, 0);
    let mut ended = Vec::new();
    shard.take_ended(&mut ended);
    assert!(ended.len() == 1 && ended[0].is_orderly);
}

#[test]
fn a_home_that_does_not_answer_keeps_no_connection_past_the_time_to_close() {
    let mut world = World::new(&settings(3));
    let (_, alice) = far_from_home(&mut world);
    // Nothing is carried between shards from here on.
    let shard = &mut world.shards[2];
    shard.received(alice.id, b"bye\n");
    let at = |seconds: u64| Now { monotonic: Moment(seconds * 1000), ..Now::default() };
    for (seconds, is_sent) in [(4, false), (7, true)] {
        shard.begin_turn(at(seconds));
        shard.tick();
        let outbox = shard.outbox(alice.id).expect("an outbox");
        assert_eq!(outbox.ends_with(b"closed: Quit\n"), is_sent, "after {seconds} s");
    }
}
