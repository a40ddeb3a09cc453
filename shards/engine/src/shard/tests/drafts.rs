//! Drafts that are said again: soon, late, too late, after a restart, and with the disk slow.

use super::disk::TestDisk;
use super::loading::roomy;
use super::sessions::session;
use super::world::{Client, World};
use madang_model::DRAFT_AGE_US_MAX;

/// 2027, in microseconds since 1970: ids of UUIDs count from 1970.
const START_US: i64 = 1_800_000_000_000_000;
const SECOND_US: i64 = 1_000_000;

/// An id that says that it was made so many seconds after the start.
pub fn made_at(seconds: i64) -> String {
    let text = format!("{:012x}", (START_US + seconds * SECOND_US) / 1000);
    format!("{}-{}-7000-8000-000000000000", &text[..8], &text[8..])
}

/// One shard with a disk, at the start.
pub fn world() -> World {
    let mut world = World::on(&roomy(1), Some(TestDisk::new(1)));
    world.set_wall_clock(START_US);
    world
}

fn restarted(world: World, seconds: i64) -> World {
    let mut world = World::on(&roomy(1), world.disk);
    world.set_wall_clock(START_US + seconds * SECOND_US);
    world
}

fn says(world: &mut World, client: Client, lines: &str) -> Vec<String> {
    world.lines(client);
    world.send(client, lines);
    world.lines(client)
}

#[test]
fn a_draft_is_known_for_ten_minutes_whatever_is_said_meanwhile_and_restarts() {
    let mut world = world();
    let alice = world.member(0, "alice", "r1");
    assert_eq!(says(&mut world, alice, "draft d1 hi\n"), ["#1 alice: hi"]);
    for number in 2..=1_200 {
        says(&mut world, alice, &format!("say {number}\n"));
    }
    world.pass(300);
    let mut world = restarted(world, 300);
    let alice = world.member(0, "Alice", "r1");
    assert_eq!(
        says(&mut world, alice, "draft d1 hi\n"),
        ["draft d1 is #1"],
        "as its name is written otherwise"
    );
    let queries = world.disk.as_ref().expect("a disk").queries;
    world.pass(300);
    assert_eq!(says(&mut world, alice, "draft d1 hi\n"), ["draft d1 is #1"]);
    world.pass(1);
    assert_eq!(says(&mut world, alice, "draft d1 hi\n"), ["#1201 Alice: hi"]);
    assert_eq!(
        world.disk.as_ref().expect("a disk").queries,
        queries,
        "an id without a time is not looked for"
    );
}

#[test]
fn a_late_repeat_is_found_in_the_log_if_its_id_says_when_it_was_made() {
    let mut world = world();
    let alice = world.member(0, "alice", "r1");
    let id = made_at(0);
    assert_eq!(says(&mut world, alice, &format!("draft {id} hi\n")), ["#1 alice: hi"]);
    for number in 2..=1_200 {
        says(&mut world, alice, &format!("say {number}\n"));
    }
    for seconds in [3_600, 86_400, 6 * 86_400] {
        world = restarted(world, seconds);
        let alice = world.member(0, "alice", "r1");
        let answers = says(&mut world, alice, &format!("draft {id} hi\n"));
        assert_eq!(answers, [format!("draft {id} is #1")], "after {seconds} s");
    }
    let alice = world.member(0, "bob", "r1");
    let answers = says(&mut world, alice, &format!("draft {id} hi\n"));
    assert_eq!(answers, ["#1201 bob: hi"], "the same id of another is another draft");
    let mut world = restarted(world, DRAFT_AGE_US_MAX / SECOND_US + 1);
    let alice = world.member(0, "alice", "r1");
    let answers = says(&mut world, alice, &format!("draft {id} hi\n"));
    assert!(answers.len() == 1 && answers[0].contains("DraftTooOld"), "{answers:?}");
}

#[test]
fn one_that_was_written_long_ago_and_never_sent_is_stored_once() {
    let mut world = world();
    let alice = world.member(0, "alice", "r1");
    says(&mut world, alice, "say first\n");
    world.pass(1_000);
    let id = made_at(10);
    let answers = says(&mut world, alice, &format!("draft {id} hi\ndraft {id} hi\n"));
    assert_eq!(answers, ["#2 alice: hi".to_owned(), format!("draft {id} is #2")]);
}

#[test]
fn what_a_session_says_behind_a_draft_that_is_looked_for_waits_and_nobody_else_does() {
    let mut world = world();
    let alice = world.member(0, "alice", "r1");
    let bob = world.member(0, "bob", "r1");
    says(&mut world, alice, "say first\n");
    world.pass(1_000);
    let (old, older) = (made_at(10), made_at(5));
    world.disk.as_mut().expect("a disk").answers = false;
    world.lines(bob);
    let nothing =
        says(&mut world, alice, &format!("draft {old} old\nsay next\ndraft {older} older\nsay last\n"));
    assert!(nothing.is_empty(), "{nothing:?}");
    assert_eq!(world.shards[0].queues().waiting_for_draft, 4);
    assert_eq!(says(&mut world, bob, "say meanwhile\n"), ["#2 bob: meanwhile"]);
    world.disk.as_mut().expect("a disk").answers = true;
    world.run();
    let expected =
        ["#2 bob: meanwhile", "#3 alice: old", "#4 alice: next", "#5 alice: older", "#6 alice: last"];
    assert_eq!(world.lines(alice), expected);
    assert_eq!(world.shards[0].queues().waiting_for_draft, 0);
}

#[test]
fn one_that_two_sessions_say_is_stored_once_however_late_the_log_answers_the_second() {
    let mut world = world();
    let phone = session(&mut world, 0, "alice", 7, "r1");
    let desk = session(&mut world, 0, "alice", 7, "r1");
    says(&mut world, phone, "say first\n");
    world.pass(1_000);
    let id = made_at(10);
    world.disk.as_mut().expect("a disk").answers_left = 0;
    for client in [phone, desk] {
        assert_eq!(says(&mut world, client, &format!("draft {id} hi\n")), ["#1 alice: first"; 0]);
    }
    world.lines(phone);
    world.disk.as_mut().expect("a disk").answers_left = 1;
    world.run();
    assert_eq!(world.lines(phone), ["#2 alice: hi"]);
    // Longer than the room knows drafts.
    for _ in 0..2 {
        world.pass(600);
        says(&mut world, phone, "say more\n");
    }
    world.disk.as_mut().expect("a disk").answers_left = usize::MAX;
    world.run();
    let heard = world.lines(desk);
    assert_eq!(heard.last().map(String::as_str), Some(format!("draft {id} is #2").as_str()), "{heard:?}");
}

#[test]
fn one_who_leaves_behind_a_draft_that_is_looked_for_gets_its_answer_first() {
    let mut world = world();
    let alice = world.member(0, "alice", "r1");
    let bob = world.member(0, "bob", "r1");
    says(&mut world, alice, "say first\n");
    world.pass(1_000);
    world.disk.as_mut().expect("a disk").answers = false;
    world.lines(bob);
    world.send(alice, &format!("draft {} old\nbye\n", made_at(10)));
    world.pass(2);
    assert!(world.lines(bob).is_empty());
    world.disk.as_mut().expect("a disk").answers = true;
    world.run();
    assert_eq!(world.lines(bob), ["#2 alice: old", "alice left"]);
}

#[test]
fn of_a_room_that_cannot_be_read_nothing_is_stored_that_may_be_there_already() {
    let mut world = world();
    let alice = world.member(0, "alice", "r1");
    let id = made_at(0);
    says(&mut world, alice, &format!("draft {id} hi\n"));
    for number in 2..=100 {
        says(&mut world, alice, &format!("say {number}\n"));
    }
    let mut world = restarted(world, 3_600);
    let alice = world.member(0, "alice", "r1");
    world.disk.as_mut().expect("a disk").damage_segments();
    let answers = says(&mut world, alice, &format!("draft {id} hi\n"));
    assert_eq!(answers, [format!("draft {id} is #1")], "the index says it");
    world.disk.as_mut().expect("a disk").damage_indexes();
    let answers = says(&mut world, alice, &format!("draft {id} hi\n"));
    assert_eq!(answers, ["not stored: whether it is stored already cannot be read"]);
}

#[test]
fn a_whisper_whose_room_is_evicted_while_its_draft_is_looked_for_is_stored_once_and_before_the_next() {
    let mut world = world();
    let alice = world.member(0, "alice", "r1");
    let bob = world.member(0, "bob", "r2");
    let id = made_at(0);
    says(&mut world, alice, &format!("to bob draft {id} hi\n"));
    for number in 2..=100 {
        says(&mut world, alice, &format!("to bob {number}\n"));
    }
    world.pass(1_300);
    says(&mut world, alice, "to bob more\n");
    world.lines(bob);
    world.disk.as_mut().expect("a disk").answers_left = 0;
    let nothing = says(&mut world, alice, &format!("to bob draft {id} hi\nto bob last\n"));
    assert!(nothing.is_empty(), "{nothing:?}");
    let in_memory = world.shards[0].homes.rooms_in_memory();
    world.pass(70);
    assert!(world.shards[0].homes.rooms_in_memory() < in_memory, "it is evicted");
    world.disk.as_mut().expect("a disk").answers_left = usize::MAX;
    world.run();
    let heard = world.lines(bob);
    assert!(heard.len() == 1 && heard[0].contains("last"), "{heard:?}");
    let answers = world.lines(alice);
    assert_eq!(answers[0], format!("draft {id} is #1"), "{answers:?}");
    assert!(world.shards[0].is_idle());
}
