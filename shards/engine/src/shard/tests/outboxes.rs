//! All outboxes of a shard together are bounded.

use super::world::{Client, World, settings};
use crate::shard::Settings;

const TOTAL_BYTES_MAX: usize = 8192;
/// One line of talk as it is shown.
const LINE_BYTES: usize = 100;

fn tight() -> Settings {
    Settings { outbox_total_bytes_max: TOTAL_BYTES_MAX, ..settings(1) }
}

fn line(number: usize) -> String {
    format!("say {number:03} {}\n", "x".repeat(LINE_BYTES - 20))
}

fn is_cut_off(world: &mut World, client: Client) -> bool {
    world.unblock(client);
    world.lines(client).last().is_some_and(|line| line.contains("SlowReader"))
}

#[test]
fn slow_readers_who_are_each_within_their_bound_are_cut_off_fullest_first_when_all_are_too_many() {
    let mut world = World::new(&tight());
    let talker = world.member(0, "talker", "r1");
    // Each has not read for longer than the one after it.
    let mut slow = Vec::new();
    for number in 0..8 {
        let sleeper = world.member(0, &format!("slow{number}"), "r1");
        world.blocked.push(sleeper);
        slow.push(sleeper);
        (0..2).for_each(|line_number| assert!(world.send(talker, &line(line_number))));
    }
    assert_eq!(world.shards[0].counters.outbox_budget_cuts, 0, "all together are within the bound");
    (0..4).for_each(|number| assert!(world.send(talker, &line(number))));
    let cuts = world.shards[0].counters.outbox_budget_cuts;
    assert!((1..8).contains(&cuts), "{cuts} of 8 were cut off");
    assert!(world.shards[0].outboxes.waiting_bytes() <= TOTAL_BYTES_MAX);
    let cut: Vec<bool> = slow.iter().map(|sleeper| is_cut_off(&mut world, *sleeper)).collect();
    assert!(cut.is_sorted_by(|one, next| one >= next), "the fullest first: {cut:?}");
    assert_eq!(cut.iter().filter(|cut| **cut).count() as u64, cuts);
    let own = world.lines(talker).iter().filter(|line| line.starts_with('#')).count();
    assert_eq!(own, 8 * 2 + 4, "one who reads notices nothing");
}

#[test]
fn a_leaving_client_that_does_not_read_its_answers_is_cut_off_past_the_bound() {
    let mut world = World::new(&Settings { outbox_bytes_max: 2048, ..settings(1) });
    let reader = world.member(0, "reader", "r1");
    (0..15).for_each(|number| assert!(world.send(reader, &line(number))));
    world.lines(reader);
    world.blocked.push(reader);
    world.shards[0].received(reader.id, b"history\nhistory\nhistory\nhistory\nhistory\nbye\n");
    world.run();
    assert_eq!(world.ended.get(&reader), Some(&false), "nothing of it is kept any longer");
}

#[test]
fn one_turn_adds_no_more_than_a_quarter_before_it_writes_and_readers_see_all_in_order() {
    let mut world = World::new(&tight());
    let readers: Vec<Client> =
        (0..8).map(|number| world.member(0, &format!("reader{number}"), "r1")).collect();
    readers.iter().for_each(|reader| drop(world.lines(*reader)));
    world.disk_moves = false;
    (0..40).for_each(|number| assert!(world.send(readers[0], &line(number))));
    world.outbox_bytes_peak = 0;
    // Forty lines for eight readers in one commit: four times the whole budget.
    world.commit_once();
    let one_fan_out = readers.len() * (LINE_BYTES + 20);
    assert!(world.outbox_bytes_peak <= TOTAL_BYTES_MAX / 4 + one_fan_out, "{}", world.outbox_bytes_peak);
    for reader in &readers {
        let lines = world.lines(*reader);
        let numbers = lines.iter().map(|line| line.split(' ').next().unwrap_or_default().to_owned());
        assert!(numbers.eq((1..=40).map(|number| format!("#{number}"))), "{lines:?}");
    }
    assert_eq!(world.shards[0].counters.slow_readers, 0, "a client that reads is no slow reader");
    assert_eq!(world.shards[0].outboxes.waiting_bytes(), 0);
}

#[test]
fn answers_to_a_flooding_client_are_written_before_more_is_read() {
    let mut world = World::new(&tight());
    let mallory = world.member(0, "mallory", "r1");
    let flood = "history\n".repeat(2_000);
    world.shards[0].received(mallory.id, flood.as_bytes());
    assert!(!world.shards[0].accepts_input(), "what was asked for is written first");
    world.run();
    assert!(world.shards[0].accepts_input());
    assert_eq!(world.lines(mallory).len(), 2_000);
    assert_eq!(world.shards[0].outboxes.waiting_bytes(), 0);
}

#[test]
fn a_client_that_does_not_read_its_last_words_is_cut_off_too() {
    let mut world = World::new(&tight());
    let talker = world.member(0, "talker", "r1");
    let mut leaving = Vec::new();
    for number in 0..4 {
        let sleeper = world.member(0, &format!("leaving{number}"), "r1");
        world.blocked.push(sleeper);
        leaving.push(sleeper);
    }
    (0..20).for_each(|number| assert!(world.send(talker, &line(number))));
    leaving.iter().for_each(|sleeper| assert!(world.send(*sleeper, "bye\n")));
    let late = world.member(0, "late", "r1");
    world.blocked.push(late);
    (0..15).for_each(|number| assert!(world.send(talker, &line(number))));
    assert!(leaving.iter().any(|sleeper| world.ended.get(sleeper) == Some(&false)), "{:?}", world.ended);
    assert!(world.shards[0].outboxes.waiting_bytes() <= TOTAL_BYTES_MAX);
}

#[test]
fn what_waits_is_counted_to_the_byte_through_every_end() {
    let mut world = World::new(&settings(2));
    for round in 0..6 {
        let members: Vec<Client> =
            (0..6).map(|number| world.member(number % 2, &format!("m{number}"), "r1")).collect();
        world.blocked.extend(&members[..3]);
        (0..30).for_each(|number| assert!(world.send(members[5], &line(number))));
        world.drop_connection(members[0]);
        world.send(members[1], "bye\n");
        world.send(members[4], "bye\n");
        if round % 2 == 0 {
            world.unblock(members[2]);
        }
        world.pass(40);
        members.iter().for_each(|member| world.drop_connection(*member));
        for shard in &world.shards {
            assert_eq!((shard.outboxes.waiting_bytes(), shard.connection_count()), (0, 0), "round {round}");
        }
    }
}
