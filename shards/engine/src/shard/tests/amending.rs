//! Messages that are edited, deleted, reacted to and pinned, as those in the room see them.

use super::disk::TestDisk;
use super::drafts::{made_at, world};
use super::loading::roomy;
use super::sessions::session;
use super::world::{Chance, Client, World, settings};
use crate::shard::homes::{TARGET_LOOKUPS_MAX, WAITING_OF_SESSION_MAX};

pub fn room_of_two() -> (World, Client, Client) {
    let mut world = World::new(&settings(2));
    let alice = session(&mut world, 0, "alice", 7, "r1");
    let bob = session(&mut world, 1, "bob", 8, "r1");
    for client in [alice, bob] {
        world.lines(client);
    }
    (world, alice, bob)
}

/// The one line that answers.
pub fn ask(world: &mut World, client: Client, asked: &str) -> String {
    world.lines(client);
    world.send(client, &format!("{asked}\n"));
    let lines = world.lines(client);
    let [answer] = &lines[..] else { panic!("{asked}: {lines:?}") };
    answer.clone()
}

#[test]
fn everyone_in_the_room_sees_one_order_of_messages_and_amendments() {
    let (mut world, alice, bob) = room_of_two();
    for line in ["say one", "edit 1 ONE", "say two", "delete 3", "topic 0 games", "pin 1"] {
        world.send(alice, &format!("{line}\n"));
    }
    let seen = world.lines(bob);
    let expected = [
        "#1 alice: one",
        "#2 alice edits #1: ONE",
        "#3 alice: two",
        "#4 alice deletes #3",
        "#5 alice topic games",
        "#6 alice pins #1",
    ];
    assert_eq!(seen, expected);
    assert_eq!(world.lines(alice), expected);
    assert_eq!(
        ask(&mut world, bob, "history"),
        "history [#1 alice: ONE (edited by #2) (pinned), #3 deleted]"
    );
}

#[test]
fn nobody_sees_an_amendment_before_it_is_on_disk() {
    let (mut world, alice, bob) = room_of_two();
    world.send(alice, "say one\n");
    world.lines(bob);
    world.disk_moves = false;
    world.send(alice, "edit 1 ONE\n");
    world.send(bob, "history\n");
    assert_eq!(world.lines(bob), [] as [&str; 0]);
    world.disk_moves = true;
    world.run();
    assert_eq!(world.lines(bob), ["#2 alice edits #1: ONE", "history [#1 alice: ONE (edited by #2)]"]);
}

#[test]
fn only_the_author_edits_or_deletes_and_only_messages_that_are_there() {
    let (mut world, alice, bob) = room_of_two();
    world.send(alice, "say one\nedit 1 ONE\n");
    world.lines(bob);
    for asked in ["edit 1 mine", "delete 1"] {
        assert_eq!(ask(&mut world, bob, asked), "NotSaid(NotYours { seq: Seq(1) })");
    }
    for asked in ["edit 2 x", "edit 0 x", "delete 9", "pin 2", "react 3 👍"] {
        assert!(ask(&mut world, alice, asked).starts_with("NotSaid(NoSuchMessage"), "{asked}");
    }
    for asked in ["unpin 1", "unreact 1 👍"] {
        assert!(ask(&mut world, alice, asked).starts_with("NotSaid(NothingChanges"), "{asked}");
    }
    ask(&mut world, alice, "delete 1");
    for asked in ["edit 1 again", "delete 1", "react 1 👍"] {
        assert!(ask(&mut world, alice, asked).starts_with("NotSaid(NoSuchMessage"), "{asked}");
    }
}

#[test]
fn a_repeated_draft_of_an_edit_is_stored_once() {
    let (mut world, alice, _) = room_of_two();
    world.send(alice, "say one\n");
    assert_eq!(ask(&mut world, alice, "edit 1 draft d1 ONE"), "#2 alice edits #1: ONE");
    assert_eq!(ask(&mut world, alice, "edit 1 draft d1 ONE"), "draft d1 is #2");
}

/// A room whose first message is not in memory, and two sessions of its author; the disk answers nobody.
fn first_message_is_on_disk() -> (World, Client, Client) {
    let mut world = world();
    let phone = session(&mut world, 0, "alice", 7, "r1");
    let desk = session(&mut world, 0, "alice", 7, "r1");
    say_many(&mut world, desk);
    world.disk.as_mut().expect("a disk").answers_left = 0;
    (world, phone, desk)
}

/// More than a room has in memory.
pub fn say_many(world: &mut World, client: Client) {
    for number in 0..300 {
        world.send(client, &format!("say {number}\n"));
        world.lines(client);
    }
}

/// The last line that one is sent once the disk answers so many.
fn last_line_after(world: &mut World, client: Client, answers: usize) -> String {
    world.lines(client);
    world.disk.as_mut().expect("a disk").answers_left = answers;
    world.run();
    world.lines(client).pop().expect("a line")
}

#[test]
fn what_became_of_a_message_while_it_was_looked_up_counts_however_much_was_said_since() {
    let (mut world, phone, desk) = first_message_is_on_disk();
    world.send(desk, "delete 1\n");
    world.send(phone, "edit 1 late\n");
    assert_eq!(last_line_after(&mut world, desk, 1), "#301 alice deletes #1");
    say_many(&mut world, desk);
    let answer = last_line_after(&mut world, phone, usize::MAX);
    assert!(answer.starts_with("NotSaid(NoSuchMessage"), "{answer}");
}

#[test]
fn a_draft_of_an_edit_that_two_sessions_send_is_stored_once_however_late_the_disk_answers_the_second() {
    let (mut world, phone, desk) = first_message_is_on_disk();
    let id = made_at(0);
    for client in [desk, phone] {
        world.send(client, &format!("edit 1 draft {id} ONE\n"));
    }
    assert_eq!(last_line_after(&mut world, desk, 1), "#301 alice edits #1: ONE");
    for _ in 0..40 {
        world.send(desk, "say more\n");
    }
    // A draft more than is known of one author.
    for number in 0..64 {
        world.send(desk, &format!("draft e{number} more\n"));
    }
    let answer = last_line_after(&mut world, phone, usize::MAX);
    assert_eq!(answer, format!("draft {id} is #301"));
}

#[test]
fn reactions_of_a_second_become_one_entry_with_sums() {
    let (mut world, alice, bob) = room_of_two();
    world.send(alice, "say one\nsay two\n");
    world.lines(bob);
    world.send(bob, "react 1 👍\n");
    assert_eq!(world.lines(bob), ["#3 bob reacts to #1"], "the first is an entry at once");
    for (client, line) in [(alice, "react 1 👍"), (bob, "react 2 🎉"), (bob, "unreact 1 👍")] {
        world.send(client, &format!("{line}\n"));
    }
    assert_eq!(world.lines(bob), [] as [&str; 0]);
    world.pass(1);
    assert_eq!(world.lines(bob), ["#4 bob reacts to #1 #2"]);
    assert_eq!(ask(&mut world, bob, "history"), "history [#1 alice: one 👍1, #2 alice: two 🎉1]");
}

#[test]
fn who_resumes_gets_everything_after_a_number_but_nothing_that_was_edited_away_or_deleted() {
    let (mut world, alice, bob) = room_of_two();
    let said =
        ["say one", "say two", "edit 1 uno", "edit 1 ONE", "edit 2 dos", "delete 2", "pin 1", "say three"];
    for line in said {
        world.send(alice, &format!("{line}\n"));
    }
    assert_eq!(
        ask(&mut world, bob, "resume 1 100"),
        "resumed [#2 deleted, #3 gone, #4 alice edits #1: ONE, #5 gone, #6 alice deletes #2, \
         #7 alice pins #1, #8 alice: three] of #8, gap None"
    );
    assert_eq!(ask(&mut world, bob, "resume 8 100"), "resumed [] of #8, gap None");
    assert_eq!(ask(&mut world, bob, "resume 6 1"), "resumed [#7 alice pins #1] of #8, gap None");
}

/// What a room shows, told by hand.
#[derive(Default)]
struct Told {
    /// Each number: a message's text of now, its edit, and whether it was deleted; nothing where it is none.
    entries: Vec<Option<(String, Option<usize>, bool)>>,
}

impl Told {
    fn line(&self, number: usize) -> Option<String> {
        let (text, edit, is_deleted) = self.entries[number - 1].as_ref()?;
        if *is_deleted {
            return Some(format!("#{number} deleted"));
        }
        let edited = edit.map_or(String::new(), |edit| format!(" (edited by #{edit})"));
        Some(format!("#{number} alice: {text}{edited}"))
    }

    fn history(&self, numbers: impl Iterator<Item = usize>, count: usize, is_newest: bool) -> String {
        let mut lines: Vec<String> = numbers.filter_map(|number| self.line(number)).collect();
        if is_newest {
            lines.drain(..lines.len().saturating_sub(count));
        } else {
            lines.truncate(count);
        }
        format!("history [{}]", lines.join(", "))
    }
}

/// Over segments that are sealed, merged into runs, and read back after a restart.
#[test]
fn pages_at_any_depth_show_what_became_of_each_message() {
    let mut chance = Chance(11);
    let mut world = World::on(&roomy(2), Some(TestDisk::new(2)));
    let alice = session(&mut world, 0, "alice", 7, "r1");
    let mut told = Told::default();
    for round in 0..600 {
        let number = told.entries.len() + 1;
        let target = 1 + chance.below(number as u64) as usize;
        let is_there = |told: &Told| matches!(told.entries.get(target - 1), Some(Some((_, _, false))));
        let padding = "x".repeat(400 + chance.below(2_000) as usize);
        match chance.below(10) {
            0..3 if is_there(&told) => {
                let text = format!("edit {number} {padding}");
                world.send(alice, &format!("edit {target} {text}\n"));
                let known = told.entries[target - 1].as_mut().expect("it is there");
                (known.0, known.1) = (text, Some(number));
                told.entries.push(None);
            }
            3 if is_there(&told) => {
                world.send(alice, &format!("delete {target}\n"));
                told.entries[target - 1].as_mut().expect("it is there").2 = true;
                told.entries.push(None);
            }
            _ => {
                let text = format!("said {number} {padding}");
                world.send(alice, &format!("say {text}\n"));
                told.entries.push(Some((text, None, false)));
            }
        }
        world.lines(alice);
        if round % 150 == 149 {
            let World { disk: Some(disk), shards, .. } = &mut world else { panic!("it has a disk") };
            shards.iter_mut().for_each(|shard| disk.renew_snapshot(shard));
        }
    }
    let head = told.entries.len();
    for is_restarted in [false, true] {
        let reader = if is_restarted {
            let disk = world.disk.take();
            world = World::on(&roomy(2), disk);
            world.member(1, "bob", "r1")
        } else {
            alice
        };
        for _ in 0..80 {
            let (at, count) = (chance.below(head as u64 + 2) as usize, 1 + chance.below(30) as usize);
            let below = told.history(1..at.clamp(1, head + 1), count, true);
            assert_eq!(ask(&mut world, reader, &format!("page before {at} {count}")), below, "{at} {count}");
            let above = told.history(at + 1..=head, count, false);
            assert_eq!(ask(&mut world, reader, &format!("page after {at} {count}")), above, "{at} {count}");
        }
        let target = told.entries.iter().position(|entry| matches!(entry, Some((_, _, false))));
        let target = target.expect("some are left") + 1;
        assert!(target < 60, "one that is not in memory");
        if !is_restarted {
            let edited = format!("#{} alice edits #{target}: late", head + 1);
            assert_eq!(ask(&mut world, alice, &format!("edit {target} late")), edited);
            told.entries[target - 1].as_mut().expect("it is there").1 = Some(head + 1);
            told.entries[target - 1].as_mut().expect("it is there").0 = "late".to_owned();
            let gone = told.entries.iter().position(|entry| matches!(entry, Some((_, _, true))));
            let gone = gone.expect("some were deleted") + 1;
            assert!(ask(&mut world, alice, &format!("edit {gone} x")).starts_with("NotSaid(NoSuchMessage"));
            let none = told.entries.iter().position(Option::is_none).expect("some are none") + 1;
            assert!(ask(&mut world, alice, &format!("pin {none}")).starts_with("NotSaid(NoSuchMessage"));
            told.entries.push(None);
        }
    }
}

#[test]
fn a_deletion_is_counted_once_it_is_on_disk_and_nothing_else_is() {
    let (mut world, alice, bob) = room_of_two();
    let counted = |world: &World| world.shards.iter().map(|shard| shard.deletions()).sum::<u64>();
    for line in ["say one", "say two", "edit 1 ONE", "pin 2"] {
        world.send(alice, &format!("{line}\n"));
    }
    world.send(bob, "delete 1\n");
    world.run();
    assert_eq!(counted(&world), 0, "nobody deletes what others have said");
    world.disk_moves = false;
    world.send(alice, "delete 1\n");
    assert_eq!(counted(&world), 0);
    world.disk_moves = true;
    world.run();
    assert_eq!(counted(&world), 1);
    world.send(alice, "say three\n");
    world.send(alice, "delete 2\n");
    world.run();
    assert_eq!(counted(&world), 2);
}

/// Any number of answers of the disk arrive from now on.
pub fn answer(world: &mut World, answers: usize) {
    world.disk.as_mut().expect("a disk").answers_left = answers;
    world.run();
}

#[test]
fn a_repeated_edit_is_stored_once_though_another_request_has_its_message_looked_up() {
    let mut world = world();
    let alice = session(&mut world, 0, "alice", 7, "r1");
    let id = made_at(0);
    world.send(alice, "say first\n");
    assert_eq!(ask(&mut world, alice, &format!("edit 1 draft {id} ONE")), "#2 alice edits #1: ONE");
    say_many(&mut world, alice);
    world.pass(1_300);
    answer(&mut world, 0);
    world.lines(alice);
    world.send(alice, &format!("pin 1\nedit 1 draft {id} ONE\n"));
    answer(&mut world, 1);
    answer(&mut world, usize::MAX);
    assert_eq!(world.lines(alice), ["#303 alice pins #1".to_owned(), format!("draft {id} is #2")]);
    assert!(world.shards[0].is_idle(), "nothing is left that waits");
}

#[test]
fn two_edits_of_one_session_are_in_its_order_whichever_answer_comes_first() {
    let mut world = world();
    let alice = session(&mut world, 0, "alice", 7, "r1");
    let bob = session(&mut world, 0, "bob", 8, "r1");
    say_many(&mut world, alice);
    answer(&mut world, 0);
    world.lines(alice);
    world.lines(bob);
    world.send(alice, "edit 1 first\n");
    world.send(bob, "pin 2\n");
    world.send(alice, "edit 1 second\nsay third\n");
    world.disk.as_mut().expect("a disk").swap_answers();
    answer(&mut world, usize::MAX);
    let expected = [
        "#301 bob pins #2",
        "#302 alice edits #1: first",
        "#303 alice edits #1: second",
        "#304 alice: third",
    ];
    assert_eq!(world.lines(alice), expected);
    assert_eq!(world.shards[0].queues().waiting_for_draft, 0);
}

#[test]
fn what_a_session_asks_behind_an_amendment_waits_with_one_lookup_and_nobody_else_waits() {
    let (mut world, phone, desk) = first_message_is_on_disk();
    let queries = world.disk.as_ref().expect("a disk").queries;
    world.lines(phone);
    world.send(phone, "edit 1 a\nedit 2 b\nsay c\nhistory\n");
    let queues = world.shards[0].queues();
    assert_eq!((queues.waiting_for_draft, queues.lookups), (4, 1));
    assert_eq!(world.disk.as_ref().expect("a disk").queries, queries + 1);
    assert_eq!(ask(&mut world, desk, "say d"), "#301 alice: d");
    world.lines(phone);
    answer(&mut world, usize::MAX);
    let lines = world.lines(phone);
    assert_eq!(lines[..3], ["#302 alice edits #1: a", "#303 alice edits #2: b", "#304 alice: c"]);
    assert!(lines[3].starts_with("history [") && lines.len() == 4, "{lines:?}");
    assert_eq!(world.shards[0].queues().waiting_for_draft, 0);
}

#[test]
fn of_one_session_so_many_messages_wait_and_others_still_may() {
    let (mut world, phone, desk) = first_message_is_on_disk();
    world.lines(phone);
    for number in 0..WAITING_OF_SESSION_MAX + 2 {
        world.send(phone, &format!("edit 1 {number}\n"));
    }
    let too_many = "not stored: too many wait until it is known whether they are stored";
    assert_eq!(world.lines(phone), [too_many; 2]);
    world.send(desk, "edit 2 other\n");
    let waiting = world.shards[0].queues().waiting_for_draft;
    assert_eq!(waiting, WAITING_OF_SESSION_MAX + 1);
    answer(&mut world, usize::MAX);
    let lines = world.lines(phone);
    let edits: Vec<&str> =
        lines.iter().filter_map(|line| line.split_once(" edits #1: ")).map(|it| it.1).collect();
    assert_eq!(edits, (0..WAITING_OF_SESSION_MAX).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(
        ask(&mut world, phone, "edit 1 again"),
        format!("#{} alice edits #1: again", 302 + WAITING_OF_SESSION_MAX),
        "there is room again"
    );
    assert!(world.shards[0].is_idle());
}

#[test]
fn a_message_is_not_looked_up_without_end_where_much_is_said() {
    let (mut world, phone, desk) = first_message_is_on_disk();
    let queries = world.disk.as_ref().expect("a disk").queries;
    world.send(phone, "edit 1 late\nsay after\n");
    for _ in 1..TARGET_LOOKUPS_MAX {
        say_many(&mut world, desk);
        world.lines(phone);
        answer(&mut world, 1);
        assert_eq!(world.lines(phone), [] as [&str; 0], "it is looked up again");
    }
    say_many(&mut world, desk);
    world.lines(phone);
    answer(&mut world, usize::MAX);
    let number = 300 * (1 + u64::from(TARGET_LOOKUPS_MAX)) + 1;
    let busy = "not stored: too much is said here while the message is looked up: try again";
    assert_eq!(world.lines(phone), [busy.to_owned(), format!("#{number} alice: after")]);
    let queries = world.disk.as_ref().expect("a disk").queries - queries;
    assert_eq!(queries, usize::from(TARGET_LOOKUPS_MAX));
    let edited = format!("#{} alice edits #1: late", number + 1);
    assert_eq!(ask(&mut world, phone, "edit 1 late"), edited);
}

#[test]
fn an_answer_is_forgotten_with_its_request_whatever_became_of_that() {
    let (mut world, phone, _) = first_message_is_on_disk();
    world.lines(phone);
    world.send(phone, "edit 1 late\n");
    world.disk_fails("the disk is full");
    assert_eq!(last_line_after(&mut world, phone, usize::MAX), "not stored: the disk is full");
    assert!(world.shards[0].is_idle());
    world.disk_recovers();
    // Who is gone by then has its words behind them.
    answer(&mut world, 0);
    world.send(phone, &format!("edit 1 draft {} late\nedit 1 later\nbye\n", made_at(0)));
    world.drop_connection(phone);
    world.pass(100);
    assert!(!world.shards[0].is_idle());
    answer(&mut world, usize::MAX);
    assert!(world.shards[0].is_idle());
    assert_eq!(world.shards[0].queues().waiting_for_draft, 0);
}
