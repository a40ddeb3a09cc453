//! Clocks that jump: the wall clock is only written beside messages, whose times do not fall within a room while it is
//! set right, and deadlines are counted by the monotonic one.

use super::world::{World, settings};
use std::time::Duration;

const HOUR_US: i64 = 3_600_000_000;
const YEAR_US: i64 = 365 * 24 * HOUR_US;

#[test]
fn messages_keep_their_order_and_times_fall_only_after_a_clock_that_was_far_ahead() {
    let mut world = World::new(&settings(2));
    let alice = world.member(0, "alice", "r1");
    let bob = world.member(1, "bob", "r1");
    let times = [
        20 * YEAR_US,
        20 * YEAR_US - HOUR_US,
        30 * YEAR_US,
        30 * YEAR_US - 1,
        -YEAR_US,
        i64::MAX,
        i64::MIN,
        0,
    ];
    for (number, time) in times.iter().enumerate() {
        world.set_wall_clock(*time);
        world.send(alice, &format!("say text {number}\n"));
    }
    let numbers = |lines: Vec<String>| -> Vec<String> {
        lines.into_iter().filter(|line| line.starts_with('#')).collect()
    };
    let expected: Vec<String> =
        (0..times.len()).map(|number| format!("#{} alice: text {number}", number + 1)).collect();
    assert_eq!(numbers(world.lines(alice)), expected);
    assert_eq!(numbers(world.lines(bob)), expected);
    world.send(bob, "times\nhistory\n");
    let shown = [20 * YEAR_US, 20 * YEAR_US, 30 * YEAR_US, 30 * YEAR_US, -YEAR_US, i64::MAX, i64::MIN, 0];
    let with_times: Vec<String> =
        shown.iter().zip(&expected).map(|(time, line)| format!("{time} {line}")).collect();
    assert_eq!(world.lines(bob), [format!("history [{}]", with_times.join(", "))]);
}

#[test]
fn deadlines_do_not_follow_the_wall_clock() {
    let mut world = World::new(&settings(2));
    let watcher = world.member(0, "watcher", "r1");
    let nameless = world.connect(1);
    let lost = world.member(1, "lost", "r1");
    world.drop_connection(lost);
    world.lines(watcher);
    for time in [50 * YEAR_US, 0, i64::MAX, i64::MIN] {
        world.set_wall_clock(time);
        world.pass(0);
        assert!(world.lines(watcher).is_empty() && !world.ended.contains_key(&nameless));
    }
    world.set_wall_clock(0);
    world.pass(29);
    assert!(world.lines(watcher).is_empty(), "the grace time runs");
    world.pass(2);
    assert_eq!(world.lines(watcher), ["lost left"]);
    assert!(!world.ended.contains_key(&nameless));
    world.pass(31);
    assert!(world.ended.contains_key(&nameless), "its minute is over");
}

/// A suspended machine, or one whose host was busy for a day.
#[test]
fn what_fell_due_while_the_machine_was_suspended_happens_at_once_and_members_stay() {
    let mut world = World::new(&settings(2));
    let alice = world.member(0, "alice", "r1");
    let bob = world.member(1, "bob", "r1");
    let lost = world.member(1, "lost", "r1");
    let nameless = world.connect(0);
    world.drop_connection(lost);
    world.lines(alice);
    world.pause(Duration::from_secs(86_400));
    assert_eq!(world.lines(alice), ["lost left"]);
    assert!(world.ended.contains_key(&nameless) && world.ended.len() == 2, "and the lost one");
    world.lines(bob);
    world.send(alice, "say still here\n");
    assert_eq!(world.lines(bob), ["#1 alice: still here"]);
}
