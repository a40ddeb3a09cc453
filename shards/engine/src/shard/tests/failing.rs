//! What shards promise together while the disk fails.

use super::world::{World, settings};

const REASON: &str = "the disk reports errors";

#[test]
fn while_the_disk_fails_authors_are_refused_with_the_reason_and_nothing_of_theirs_is_kept() {
    let mut world = World::new(&settings(2));
    let alice = world.member(0, "alice", "r1");
    let bob = world.member(1, "bob", "r1");
    world.lines(alice);
    world.disk_fails(REASON);
    world.send(alice, "say lost\n");
    world.send(bob, "to alice psst\n");
    assert_eq!(world.lines(alice), ["not stored: the disk reports errors"]);
    assert_eq!(world.lines(bob), ["not stored: the disk reports errors"]);
    world.disk_recovers();
    world.send(bob, "say kept\n");
    for reader in [alice, bob] {
        assert_eq!(world.lines(reader), ["#1 bob: kept"]);
    }
}

#[test]
fn while_the_disk_fails_readers_are_served_with_what_is_on_disk() {
    let mut world = World::new(&settings(3));
    let alice = world.member(0, "alice", "r1");
    let bob = world.member(1, "bob", "r1");
    world.send(alice, "say stored\n");
    world.lines(bob);
    world.disk_fails(REASON);
    world.send(bob, "history\n");
    assert_eq!(world.lines(bob), ["history [#1 alice: stored]"]);
    let carol = world.member(2, "carol", "r2");
    assert_eq!(world.lines(carol), [""; 0], "login and join worked, and were read");
    let dave = world.connect(2);
    world.send(dave, "name dave\njoin r1\n");
    assert_eq!(world.lines(dave).last().map(String::as_str), Some("you joined r1 [#1 alice: stored]"));
}

#[test]
fn what_was_accepted_before_the_disk_failed_is_acknowledged_once_and_in_order_when_it_works_again() {
    let mut world = World::new(&settings(2));
    let alice = world.member(0, "alice", "r1");
    let bob = world.member(1, "bob", "r1");
    world.lines(alice);
    world.disk_moves = false;
    world.send(alice, "say first\n");
    world.send(bob, "say second\n");
    world.disk_fails(REASON);
    world.send(alice, "say refused\n");
    world.send(bob, "history\n");
    assert_eq!(world.lines(alice), ["not stored: the disk reports errors"]);
    assert_eq!(world.lines(bob), [""; 0], "his page would show what is not on disk");
    world.disk_fails(REASON);
    world.disk_recovers();
    world.send(alice, "say third\n");
    assert_eq!(world.lines(alice), ["#1 alice: first", "#2 bob: second", "#3 alice: third"]);
    let page = "history [#1 alice: first, #2 bob: second]";
    assert_eq!(world.lines(bob), ["#1 alice: first", "#2 bob: second", page, "#3 alice: third"]);
}

#[test]
fn a_draft_repeated_while_the_disk_fails_is_answered_with_its_number_once_it_is_stored() {
    let mut world = World::new(&settings(2));
    let alice = world.member(0, "alice", "r1");
    world.disk_moves = false;
    world.send(alice, "draft 7f3a hi\n");
    world.disk_fails(REASON);
    world.send(alice, "draft 7f3a hi\ndraft 7f3b new\n");
    assert_eq!(world.lines(alice), ["not stored: the disk reports errors"], "of the new one only");
    world.disk_recovers();
    assert_eq!(world.lines(alice), ["#1 alice: hi", "draft 7f3a is #1"]);
    world.send(alice, "draft 7f3b new\n");
    assert_eq!(world.lines(alice), ["#2 alice: new"]);
}
