//! Several sessions of one account: others see one user, who comes with the first and leaves with the last.

use super::world::{Client, World, settings};

const GRACE_SECONDS: u64 = 32;

/// A session of an account that is in a room.
pub fn session(world: &mut World, shard: usize, name: &str, account: u64, room: &str) -> Client {
    let client = world.connect(shard);
    world.send(client, &format!("name {name} {account}\njoin {room}\n"));
    let lines = world.lines(client);
    assert!(lines.last().is_some_and(|line| line.starts_with("you joined")), "{lines:?}");
    client
}

fn claims(world: &mut World, shard: usize, name: &str) -> String {
    let client = world.connect(shard);
    world.send(client, &format!("name {name}\n"));
    world.lines(client).pop().expect("an answer")
}

#[test]
fn an_account_comes_with_its_first_session_and_leaves_with_its_last() {
    let mut world = World::new(&settings(2));
    let bob = world.member(0, "bob", "r1");
    let phone = session(&mut world, 0, "alice", 7, "r1");
    let desk = session(&mut world, 1, "alice", 7, "r1");
    assert_eq!(world.lines(bob), ["alice joined"]);
    assert!(world.lines(phone).is_empty());
    world.send(phone, "say hi\n");
    for client in [bob, phone, desk] {
        assert_eq!(world.lines(client), ["#1 alice: hi"]);
    }
    world.send(phone, "bye\n");
    assert!(world.lines(bob).is_empty() && world.lines(desk).is_empty());
    world.send(desk, "say still here\n");
    assert_eq!(world.lines(bob), ["#2 alice: still here"]);
    world.send(desk, "bye\n");
    assert_eq!(world.lines(bob), ["alice left"]);
    assert_eq!(claims(&mut world, 1, "alice"), "you are alice");
}

#[test]
fn nobody_else_gets_the_name_of_an_account_while_it_is_here_or_may_come_back() {
    let mut world = World::new(&settings(2));
    let bob = world.member(1, "bob", "r1");
    let alice = session(&mut world, 0, "alice", 7, "r1");
    world.lines(bob);
    for other in ["alice", "ALICE", "alice 8"] {
        let answer = claims(&mut world, 1, other);
        assert!(answer.contains("NameTaken"), "{other}: {answer}");
    }
    world.drop_connection(alice);
    world.pass(5);
    assert!(claims(&mut world, 1, "alice").contains("NameTaken"));
    let alice = session(&mut world, 1, "alice", 7, "r1");
    world.pass(GRACE_SECONDS);
    assert!(world.lines(bob).is_empty(), "it was back in time");
    world.drop_connection(alice);
    world.pass(GRACE_SECONDS);
    assert_eq!(world.lines(bob), ["alice left"]);
    assert_eq!(claims(&mut world, 1, "alice"), "you are alice");
    let answer = claims(&mut world, 1, "alice 7");
    assert!(answer.contains("NameTaken"), "a guest has it now: {answer}");
}

#[test]
fn a_guest_who_is_lost_leaves_nothing_to_the_account_that_gets_its_name() {
    let mut world = World::new(&settings(1));
    let bob = world.member(0, "bob", "r1");
    let guest = world.member(0, "alice", "r1");
    world.lines(bob);
    world.drop_connection(guest);
    world.send(bob, "to alice secret\n");
    world.lines(bob);
    session(&mut world, 0, "alice", 7, "r1");
    assert_eq!(world.lines(bob), ["alice left", "alice joined"]);
}

#[test]
fn an_account_has_as_many_sessions_as_it_may_have_and_a_guest_one() {
    let mut world = World::new(&settings(2));
    let sessions: Vec<Client> = (0..3).map(|n| session(&mut world, n % 2, "alice", 7, "r1")).collect();
    let answer = claims(&mut world, 0, "alice 7");
    assert!(answer.contains("TooManySessions") && answer.contains('3'), "{answer}");
    world.send(sessions[0], "bye\n");
    assert_eq!(claims(&mut world, 0, "alice 7"), "you are alice");
    assert_eq!(claims(&mut world, 0, "bob"), "you are bob");
    assert!(claims(&mut world, 1, "bob").contains("NameTaken"));
}

#[test]
fn the_grace_time_begins_with_the_last_session() {
    let mut world = World::new(&settings(2));
    let bob = world.member(0, "bob", "r1");
    let (phone, desk) = (session(&mut world, 0, "alice", 7, "r1"), session(&mut world, 1, "alice", 7, "r1"));
    world.lines(bob);
    world.drop_connection(phone);
    world.pass(2 * GRACE_SECONDS);
    assert!(world.lines(bob).is_empty());
    world.drop_connection(desk);
    world.pass(GRACE_SECONDS - 5);
    assert!(world.lines(bob).is_empty());
    world.pass(5);
    assert_eq!(world.lines(bob), ["alice left"]);
}

#[test]
fn whispers_reach_every_session_of_their_reader_and_of_their_author() {
    let mut world = World::new(&settings(2));
    let bob = world.member(1, "bob", "r2");
    let (phone, desk) = (session(&mut world, 0, "alice", 7, "r1"), session(&mut world, 1, "alice", 7, "r1"));
    world.lines(phone);
    world.send(bob, "to alice hi\n");
    assert_eq!(world.lines(bob), ["bob -> alice: hi (receipt)"]);
    assert_eq!(
        (world.lines(phone), world.lines(desk)),
        (vec!["bob -> alice: hi".to_owned()], vec!["bob -> alice: hi".to_owned()])
    );
    world.send(desk, "to bob hello\n");
    assert_eq!(world.lines(bob), ["alice -> bob: hello"]);
    assert_eq!(world.lines(desk), ["alice -> bob: hello (receipt)"]);
    assert_eq!(world.lines(phone), ["alice -> bob: hello (sent)"]);
    world.send(desk, "to alice a note\n");
    assert_eq!(world.lines(desk), ["alice -> alice: a note (receipt)"]);
    assert_eq!(world.lines(phone), ["alice -> alice: a note (sent)"]);
}

#[test]
fn a_draft_of_one_session_is_known_of_the_other() {
    let mut world = World::new(&settings(2));
    let (phone, desk) = (session(&mut world, 0, "alice", 7, "r1"), session(&mut world, 1, "alice", 7, "r1"));
    world.lines(phone);
    world.send(phone, "draft d1 hi\n");
    world.lines(desk);
    world.send(desk, "draft d1 hi\n");
    assert_eq!(world.lines(desk), ["draft d1 is #1"]);
    assert_eq!(world.lines(phone), ["#1 alice: hi"]);
}

#[test]
fn a_session_in_another_room_does_not_keep_the_account_in_this_one() {
    let mut world = World::new(&settings(2));
    let bob = world.member(0, "bob", "r1");
    let phone = session(&mut world, 0, "alice", 7, "r1");
    let desk = session(&mut world, 1, "alice", 7, "r2");
    world.lines(bob);
    world.send(phone, "bye\n");
    assert_eq!(world.lines(bob), ["alice left"]);
    world.send(desk, "say hi\n");
    assert_eq!(world.lines(desk), ["#1 alice: hi"]);
}

#[test]
fn a_session_that_takes_another_name_is_seen_as_another_and_the_others_stay() {
    let mut world = World::new(&settings(2));
    let bob = world.member(0, "bob", "r1");
    let (phone, desk) = (session(&mut world, 0, "alice", 7, "r1"), session(&mut world, 1, "alice", 7, "r1"));
    world.lines(bob);
    world.send(desk, "name alicia 7\n");
    assert_eq!(world.lines(bob), ["alicia joined"]);
    world.lines(phone);
    world.send(phone, "say one\n");
    world.send(desk, "say two\n");
    assert_eq!(world.lines(bob), ["#1 alice: one", "#2 alicia: two"]);
    world.send(desk, "name alice 7\n");
    assert_eq!(world.lines(bob), ["alicia left"]);
    world.send(desk, "say three\n");
    assert_eq!(world.lines(phone).last().map(String::as_str), Some("#3 alice: three"));
    world.send(phone, "bye\n");
    world.lines(bob);
    world.send(desk, "bye\n");
    assert_eq!(world.lines(bob), ["alice left"]);
}

#[test]
fn an_upgrade_carries_every_session_of_an_account_whatever_the_number_of_shards() {
    for shards in [1, 2, 3] {
        let mut world = World::new(&settings(2));
        let bob = world.member(0, "bob", "r1");
        let phone = session(&mut world, 0, "alice", 7, "r1");
        let desk = session(&mut world, 1, "alice", 7, "r1");
        world.lines(bob);
        let (mut world, now) = world.hand_over(&settings(shards), &[bob, phone, desk]);
        let [Some(bob), Some(phone), Some(desk)] = now[..] else { panic!("everyone is carried") };
        assert!(claims(&mut world, 0, "alice").contains("NameTaken"));
        let third = session(&mut world, 0, "alice", 7, "r1");
        assert!(claims(&mut world, 0, "alice 7").contains("TooManySessions"));
        world.send(desk, "draft d1 hi\n");
        world.send(third, "draft d1 hi\n");
        assert_eq!(world.lines(bob), ["#1 alice: hi"], "with {shards} shards");
        assert_eq!(world.lines(third).last().map(String::as_str), Some("draft d1 is #1"));
        for client in [third, phone] {
            world.send(client, "bye\n");
        }
        assert!(world.lines(bob).is_empty());
        world.send(desk, "bye\n");
        assert_eq!(world.lines(bob), ["alice left"], "with {shards} shards");
    }
}

#[test]
fn a_session_that_ends_while_everything_is_handed_over_leaves_the_rooms_where_no_other_of_its_account_is() {
    let mut world = World::new(&settings(2));
    let bob = world.member(0, "bob", "r1");
    let carol = world.member(1, "carol", "r2");
    let desk = session(&mut world, 1, "alice", 7, "r1");
    let phone = session(&mut world, 0, "alice", 7, "r1");
    let tablet = session(&mut world, 0, "alice", 7, "r2");
    let dave = world.member(1, "dave", "r2");
    [bob, carol].iter().for_each(|client| drop(world.lines(*client)));
    let ended = [phone, tablet, dave];
    let (mut world, now) = world.hand_over_without(&ended, &settings(2), &[bob, carol, desk]);
    let [Some(bob), Some(carol), Some(desk)] = now[..] else { panic!("the others are carried") };
    assert!(claims(&mut world, 0, "dave").starts_with("you are"), "who comes back has its name again");
    world.pass(GRACE_SECONDS);
    let mut left = world.lines(carol);
    left.sort_unstable();
    assert_eq!(left, ["alice left", "dave left"]);
    assert!(world.lines(bob).is_empty(), "alice is still there by another session");
    assert!(claims(&mut world, 0, "alice").contains("NameTaken"));
    world.send(desk, "bye\n");
    assert_eq!(world.lines(bob), ["alice left"]);
    assert_eq!(claims(&mut world, 0, "alice"), "you are alice");
}
