//! Who edits and deletes: the account that said it, and no guest.

use super::amending::{answer, ask, room_of_two, say_many};
use super::drafts::{made_at, world};
use super::world::{World, settings};

/// What a guest is answered.
fn needs_account(number: u64) -> String {
    format!("NotSaid(AccountNeeded {{ seq: Seq({number}) }})")
}

fn not_yours(number: u64) -> String {
    format!("NotSaid(NotYours {{ seq: Seq({number}) }})")
}

#[test]
fn a_guest_edits_and_deletes_nothing_and_does_the_rest() {
    let mut world = World::new(&settings(2));
    let guest = world.member(0, "alice", "r1");
    world.send(guest, "say mine\n");
    // Whether it is there, somebody's, or no message at all.
    for asked in ["edit 1 other", "delete 1", "delete 9", "edit 1 draft d1 other"] {
        let number = if asked == "delete 9" { 9 } else { 1 };
        assert_eq!(ask(&mut world, guest, asked), needs_account(number), "{asked}");
    }
    for (asked, line) in [("react 1 👍", "#2 alice reacts to #1"), ("pin 1", "#3 alice pins #1")] {
        assert_eq!(ask(&mut world, guest, asked), line);
    }
    assert_eq!(ask(&mut world, guest, "topic 0 games"), "#4 alice topic games");
    assert_eq!(ask(&mut world, guest, "history"), "history [#1 alice: mine 👍1 (pinned)]");
}

#[test]
fn who_takes_the_name_of_a_guest_does_not_delete_what_that_one_said() {
    for account in ["", " 7"] {
        let mut world = World::new(&settings(2));
        let alice = world.member(0, "alice", "r1");
        let bob = world.member(1, "bob", "r1");
        world.send(alice, "say mine\n");
        world.end_input(alice);
        world.drop_connection(alice);
        world.pass(60);
        world.lines(bob);
        let mallory = world.connect(1);
        world.send(mallory, &format!("name alice{account}\njoin r1\n"));
        let answer = ask(&mut world, mallory, "delete 1");
        let refusal = if account.is_empty() { needs_account(1) } else { not_yours(1) };
        assert_eq!(answer, refusal);
    }
}

#[test]
fn what_an_account_said_is_its_own_whatever_its_name_becomes_and_nobody_elses() {
    let (mut world, alice, bob) = room_of_two();
    world.send(alice, "say mine\nname alicia 7\n");
    assert_eq!(ask(&mut world, alice, "edit 1 ours"), "#2 alicia edits #1: ours");
    world.lines(bob);
    world.send(bob, "name alice 8\n");
    assert_eq!(ask(&mut world, bob, "delete 1"), not_yours(1));
    assert_eq!(ask(&mut world, alice, "delete 1"), "#3 alicia deletes #1");
}

#[test]
fn nothing_is_looked_up_for_a_guest_that_edits_or_deletes_and_its_known_draft_is_answered() {
    let mut world = world();
    let guest = world.member(0, "alice", "r1");
    world.send(guest, "draft d1 first\n");
    say_many(&mut world, guest);
    answer(&mut world, 0);
    let queries = world.disk.as_ref().expect("a disk").queries;
    assert_eq!(ask(&mut world, guest, "edit 1 draft d1 other"), "draft d1 is #1");
    // A draft that would be looked for, in a message that would be.
    for asked in ["edit 1 other".to_owned(), "delete 1".to_owned(), format!("edit 1 draft {} x", made_at(0))]
    {
        assert_eq!(ask(&mut world, guest, &asked), needs_account(1), "{asked}");
    }
    assert_eq!(world.disk.as_ref().expect("a disk").queries, queries);
    assert!(world.shards[0].is_idle());
}

#[test]
fn a_guest_is_refused_in_the_order_of_its_room_and_not_for_a_disk_that_is_full() {
    let (mut world, _, _) = room_of_two();
    let guest = world.member(0, "carol", "r1");
    world.disk_moves = false;
    world.lines(guest);
    world.send(guest, "say mine\ndelete 1\n");
    assert_eq!(world.lines(guest), [] as [&str; 0]);
    world.disk_moves = true;
    world.run();
    assert_eq!(world.lines(guest), ["#1 carol: mine".to_owned(), needs_account(1)]);
    world.disk_fails("the disk is full");
    assert_eq!(ask(&mut world, guest, "delete 1"), needs_account(1));
}
