//! What is said and read in rooms that one is not in.

use super::disk::TestDisk;
use super::loading::roomy;
use super::world::World;
use madang_model::ShardId;
use std::fs;

/// Longer than an empty room stays in memory.
const REST_SECONDS: u64 = 62;

#[test]
fn what_is_said_from_outside_is_an_entry_like_any_other_and_its_author_is_not_in_the_room() {
    let mut world = World::on(&roomy(2), Some(TestDisk::new(2)));
    let alice = world.member(0, "alice", "r1");
    world.send(alice, "say one\n");
    world.lines(alice);
    let edge = world.connect(1);
    world.send(edge, "as bob 7 r1 two\nof r1 before 9 9\n");
    assert_eq!(world.lines(edge), ["hello", "#2 bob: two (said)", "history [#1 alice: one, #2 bob: two]"]);
    assert_eq!(world.lines(alice), ["#2 bob: two"], "nobody came, nobody went");
    world.send(alice, "say three\nhistory\n");
    assert_eq!(
        world.lines(alice),
        ["#3 alice: three", "history [#1 alice: one, #2 bob: two, #3 alice: three]"]
    );
    assert_eq!(world.lines(edge), Vec::<String>::new(), "nor does it hear the room");
}

#[test]
fn what_is_said_from_outside_is_answered_and_seen_once_it_is_on_disk() {
    let mut world = World::on(&roomy(1), Some(TestDisk::new(1)));
    let alice = world.member(0, "alice", "r1");
    world.lines(alice);
    let edge = world.connect(0);
    world.disk_moves = false;
    world.send(edge, "as bob 7 r1 hi\nof r1 after 0 9\n");
    assert_eq!((world.lines(edge), world.lines(alice)), (vec!["hello".to_owned()], vec![]));
    world.disk_moves = true;
    world.run();
    assert_eq!(world.lines(edge), ["#1 bob: hi (said)", "history [#1 bob: hi]"]);
    assert_eq!(world.lines(alice), ["#1 bob: hi"]);
}

#[test]
fn a_room_that_is_on_disk_only_is_loaded_for_it_and_evicted_again() {
    let mut world = World::on(&roomy(2), Some(TestDisk::new(2)));
    let alice = world.member(0, "alice", "R1");
    world.send(alice, "say one\nbye\n");
    world.pass(REST_SECONDS);
    let in_memory =
        |world: &World| world.shards.iter().map(|shard| shard.homes.rooms_in_memory()).sum::<usize>();
    assert_eq!(in_memory(&world), 0);
    let edge = world.connect(1);
    world.disk.as_mut().expect("a disk").answers = false;
    world.send(edge, "of r1 since 0 9\nas bob 7 r1 two\nof r1 before 9 9\n");
    world.disk.as_mut().expect("a disk").answers = true;
    world.run();
    assert_eq!(
        world.lines(edge),
        ["hello", "history [#1 alice: one]", "#2 bob: two (said)", "history [#1 alice: one, #2 bob: two]"]
    );
    world.pass(REST_SECONDS);
    assert_eq!(in_memory(&world), 0);
}

#[test]
fn a_room_that_is_not_there_is_not_made_by_what_is_asked_of_it() {
    let mut world = World::on(&roomy(2), Some(TestDisk::new(2)));
    let edge = world.connect(0);
    world.disk.as_mut().expect("a disk").answers = false;
    world.send(edge, "as bob 7 r1 hi\nof r1 before 9 9\n");
    world.disk.as_mut().expect("a disk").answers = true;
    world.run();
    let refused = ["not said: no room r1", "Refused(NoSuchRoom { room: \"r1\" })"];
    assert_eq!(world.lines(edge)[1..], refused);
    assert_eq!(world.shards.iter().map(|shard| shard.homes.rooms_in_memory()).sum::<usize>(), 0);
    // Whoever joins makes it, and what came before that does not hinder.
    let alice = world.connect(1);
    world.disk.as_mut().expect("a disk").answers = false;
    world.send(edge, "as bob 7 r1 hi\n");
    world.send(alice, "name alice\njoin r1\n");
    world.send(edge, "as bob 7 r1 ho\n");
    world.disk.as_mut().expect("a disk").answers = true;
    world.run();
    assert_eq!(world.lines(edge), ["not said: no room r1", "#1 bob: ho (said)"]);
    assert_eq!(world.lines(alice)[2..], ["you joined r1 []", "#1 bob: ho"]);
}

#[test]
fn a_draft_that_is_said_again_from_outside_is_stored_once() {
    let mut world = World::on(&roomy(1), Some(TestDisk::new(1)));
    let alice = world.member(0, "alice", "r1");
    let edge = world.connect(0);
    world.send(edge, "as bob 7 r1 draft d1 hi\nas bob 7 r1 draft d1 hi\nas carol 8 r1 draft d1 hi\n");
    assert_eq!(
        world.lines(edge)[1..],
        ["#1 bob: hi (said)", "draft d1 is #1", "#2 carol: hi (said)"],
        "a draft is its author's own"
    );
    assert_eq!(world.lines(alice), ["#1 bob: hi", "#2 carol: hi"]);
    world.pass(700);
    let another = world.connect(0);
    world.send(another, "as bob 7 r1 draft d1 hi\n");
    assert_eq!(
        world.lines(another)[1..],
        ["#3 bob: hi (said)"],
        "after ten minutes only an id of its time is known"
    );
}

#[test]
fn a_page_of_a_room_that_cannot_be_read_says_so_and_does_not_say_that_there_is_no_room() {
    let settings = roomy(1);
    let mut world = World::on(&settings, Some(TestDisk::new(1)));
    let alice = world.member(0, "alice", "r1");
    world.send(alice, "say one\n");
    let mut world = World::on(&settings, world.disk);
    world.run();
    let path = world.disk.as_ref().expect("a disk").snapshot_path(ShardId(0));
    let mut damaged = fs::read(&path).expect("a snapshot");
    damaged[70] ^= 1;
    fs::write(&path, damaged).expect("damage");
    let edge = world.connect(0);
    world.send(edge, "as bob 7 r1 hi\nof r1 before 9 9\n");
    assert_eq!(world.lines(edge)[1..], ["not stored: the disk reports errors", "history []"]);
}
