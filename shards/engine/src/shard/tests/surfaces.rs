//! Several protocols on one shard, and what one may ask of the engine.

use super::json_lines::{JSON_LINES, JsonLines, SILENT};
use super::words::Words;
use super::world::{Client, World, entrance, settings};
use crate::shard::Settings;
use madang_model::UserName;
use madang_model::connection::{Either, EntranceKind};

type Both = Either<Words, JsonLines>;

fn world(settings: &Settings) -> World<Both> {
    World::serving(Either(Words, JsonLines), settings, None)
}

fn program(world: &mut World<Both>, shard: usize, name: &str) -> Client {
    let entrance = entrance(EntranceKind { surface: JSON_LINES, ..EntranceKind::default() });
    let client = world.connect_at(shard, &entrance, None);
    world.send(client, &format!("{name} r1\n"));
    let lines = world.lines(client);
    assert!(
        lines[0].starts_with("{\"here\":\"") && lines.ends_with(&["{\"joined\":true}".to_owned()]),
        "{lines:?}"
    );
    client
}

#[test]
fn clients_of_two_protocols_receive_each_others_messages_in_one_order_on_every_shard() {
    let mut world = world(&settings(2));
    let alice = world.member(0, "alice", "r1");
    let (first, second) = (program(&mut world, 0, "bot"), program(&mut world, 1, "other"));
    for client in [alice, first, second] {
        world.lines(client);
    }
    world.send(alice, "say hello\n");
    world.send(first, "say 안녕\n");
    assert_eq!(world.lines(alice), ["#1 alice: hello", "#2 bot: 안녕"]);
    // Each reader's own number stands before what was written once for all.
    let of = |n: u32| {
        let body = |n: u32, rest: &str| format!("{{\"n\":{n},{rest}}}");
        [
            body(n, "\"seq\":1,\"from\":\"alice\",\"text\":\"hello\""),
            body(n + 1, "\"seq\":2,\"from\":\"bot\",\"text\":\"안녕\""),
        ]
    };
    // The first program received the join of the second.
    assert_eq!(world.lines(first), of(2));
    assert_eq!(world.lines(second), of(1));
}

#[test]
fn a_protocol_slows_down_a_sender_that_is_too_fast_and_loses_nothing_of_it() {
    let mut world = world(&settings(1));
    let bot = program(&mut world, 0, "bot");
    world.send(bot, "slowly one\nsay two\n");
    assert!(!world.send(bot, "say three\n"), "its socket is not read");
    let one = "{\"n\":1,\"seq\":1,\"from\":\"bot\",\"text\":\"one\"}";
    assert_eq!(world.lines(bot), [one]);
    world.pass(2);
    assert_eq!(world.lines(bot), [""; 0]);
    world.pass(2);
    assert_eq!(world.lines(bot), ["{\"n\":2,\"seq\":2,\"from\":\"bot\",\"text\":\"two\"}"]);
    assert!(world.send(bot, "say three\n"), "its socket is read again");
    assert_eq!(world.lines(bot), ["{\"n\":3,\"seq\":3,\"from\":\"bot\",\"text\":\"three\"}"]);
}

#[test]
fn the_end_of_input_within_a_delay_is_reported_after_it() {
    let mut world = world(&settings(1));
    let bot = program(&mut world, 0, "bot");
    world.send(bot, "slowly one\nsay two\n");
    world.end_input(bot);
    world.pass(4);
    let lines = world.lines(bot);
    assert!(
        lines[1].contains("two") && lines.last().is_some_and(|last| last == "{\"end\":true}"),
        "{lines:?}"
    );
    assert_eq!(world.ended.get(&bot), Some(&true));
}

#[test]
fn every_delay_delays_the_end_of_input() {
    let mut world = world(&settings(1));
    let bot = program(&mut world, 0, "bot");
    world.send(bot, "slowly one\nslowly two\n");
    world.end_input(bot);
    world.pass(4);
    assert!(world.lines(bot).iter().all(|line| line != "{\"end\":true}"), "the second delay is not over");
    world.pass(4);
    assert_eq!(world.lines(bot).last().map(String::as_str), Some("{\"end\":true}"));
}

#[test]
fn a_drain_handles_delayed_input_to_its_end() {
    let mut world = world(&settings(1));
    let bot = program(&mut world, 0, "bot");
    world.send(bot, "slowly one\nsay two\n");
    world.shards[0].begin_drain();
    world.run();
    let lines = world.lines(bot);
    assert!(lines.iter().any(|line| line.contains("\"text\":\"two\"")), "{lines:?}");
}

#[test]
fn a_drain_handles_input_to_its_end_that_every_line_would_delay() {
    let mut world = world(&settings(1));
    let bot = program(&mut world, 0, "bot");
    world.send(bot, "slowly one\nslowly two\nslowly three\nsay four\n");
    world.shards[0].begin_drain();
    world.run();
    let lines = world.lines(bot);
    for said in ["one", "two", "three", "four"] {
        assert!(lines.iter().any(|line| line.contains(&format!("\"text\":\"{said}\""))), "{said}: {lines:?}");
    }
}

#[test]
fn bytes_that_come_with_a_connection_wait_where_its_protocol_delays_it() {
    let mut world = world(&settings(1));
    let bot = program(&mut world, 0, "bot");
    world.send(bot, "slowly one\n");
    world.shards[0].came_with(bot.id, b"say two\n");
    world.lines(bot);
    world.pass(4);
    assert!(world.lines(bot)[0].contains("two"));
}

#[test]
fn waiting_times_are_bounded() {
    let mut world = world(&settings(1));
    for seconds in ["0", "18446744073709551615"] {
        let bot = program(&mut world, 0, &format!("bot{}", seconds.len()));
        world.send(bot, &format!("pings {seconds}\n"));
        world.pass(605);
        assert!(!world.lines(bot).is_empty(), "reminded after {seconds} s, or as late as can be");
    }
}

#[test]
fn a_peer_that_was_not_read_does_not_count_as_idle() {
    let mut world = world(&settings(1));
    let alice = world.member(0, "alice", "r1");
    let bot = program(&mut world, 0, "bot");
    world.send(bot, "pings 10\n");
    world.send(alice, "say hello\n");
    // No connection is read while the next segment is being made and the open one is full.
    world.shards[0].set_storage(crate::shard::Storage::Beginning);
    world.pass(11);
    assert!(world.ended.is_empty(), "it could not say anything");
    world.shards[0].set_storage(crate::shard::Storage::Ready);
    world.run();
    assert!(world.send(bot, "say there\n"), "it is read again");
}

#[test]
fn a_protocol_is_called_when_everything_it_asked_is_answered() {
    let mut world = world(&settings(2));
    let bot = program(&mut world, 1, "bot");
    // Nothing is on disk yet, so nothing is answered.
    world.disk_moves = false;
    world.send(bot, "say one\nsay two\nreceipt 7\n");
    assert_eq!(world.lines(bot), [""; 0]);
    world.commit_once();
    let lines = world.lines(bot);
    assert_eq!((lines.len(), lines[2].as_str()), (3, "{\"receipt\":\"7\"}"));
    world.disk_moves = true;
    world.send(bot, "say three\nreceipt 9\nsay four\n");
    let lines = world.lines(bot);
    assert!(lines[0].contains("three") && lines[1].contains("9") && lines[2].contains("four"), "{lines:?}");
    world.send(bot, "receipt 8\n");
    assert_eq!(world.lines(bot), ["{\"receipt\":\"8\"}"], "nothing was asked");
}

#[test]
fn others_learn_why_somebody_is_no_longer_in_the_room() {
    let mut world = world(&settings(2));
    let bot = program(&mut world, 0, "bot");
    let [quits, _, is_lost] = ["quits", "kicked", "lost"].map(|name| world.member(1, name, "r1"));
    world.lines(bot);
    world.send(quits, "bye\n");
    world.shards[1].kick(&UserName::parse("kicked").expect("a name"), "advertising");
    world.run();
    let seen = world.lines(bot);
    assert!(seen.len() == 2 && seen[0].ends_with("\"quit\":\"quits\"}"), "{seen:?}");
    assert!(seen[1].ends_with("\"kicked\":\"kicked\"}"), "{seen:?}");
    world.drop_connection(is_lost);
    assert_eq!(world.lines(bot), [""; 0], "the grace time runs");
    world.pass(31);
    let seen = world.lines(bot);
    assert!(seen.len() == 1 && seen[0].ends_with("\"lost\":\"lost\"}"), "{seen:?}");
}

#[test]
fn a_protocol_that_asks_again_in_that_call_is_called_again_without_waiting_for_a_tick() {
    let mut world = world(&settings(1));
    let bot = program(&mut world, 0, "bot");
    world.send(bot, "receipt 8\nreceipt 9\n");
    world.run();
    assert_eq!(world.lines(bot), ["{\"receipt\":\"8\"}", "{\"receipt\":\"9\"}"]);
}

#[test]
fn a_protocol_is_reminded_and_knows_which_connection_was_idle() {
    let mut world = world(&settings(1));
    let alice = world.member(0, "alice", "r1");
    let bot = program(&mut world, 0, "bot");
    world.send(bot, "pings 10\n");
    world.pass(9);
    assert_eq!(world.lines(bot), [""; 0]);
    world.pass(2);
    assert_eq!(world.lines(bot), ["{\"ping\":true}"]);
    // It answers the ping, and then says nothing more.
    world.send(bot, "receipt 1\n");
    world.pass(11);
    assert_eq!(world.lines(bot), ["{\"receipt\":\"1\"}"]);
    world.send(alice, "say hello\n");
    world.pass(11);
    assert_eq!(world.lines(bot).last().map(String::as_str), Some("{\"cut\":true}"));
    assert_eq!(world.ended.get(&bot), Some(&true));
    assert_eq!(world.shards[0].counters.closed_by_protocol[SILENT.place()], 1);
}

#[test]
fn connections_of_both_protocols_are_carried_into_the_new_process() {
    let mut world = world(&settings(2));
    let alice = world.member(0, "alice", "r1");
    let bot = program(&mut world, 1, "bot");
    world.send(bot, "pings 10\n");
    world.send(alice, "say one\n");
    world.lines(alice);
    world.lines(bot);
    let (mut world, clients) = world.hand_over(&settings(3), &[alice, bot]);
    let [alice, bot] = clients[..] else { panic!("both are there") };
    let (alice, bot) = (alice.expect("carried"), bot.expect("carried"));
    world.send(alice, "say two\n");
    world.send(bot, "say three\n");
    // Numbers begin again: this world has no disk.
    assert_eq!(world.lines(alice), ["#1 alice: two", "#2 bot: three"]);
    let lines = world.lines(bot);
    assert!(
        lines[0].starts_with("{\"n\":2,\"seq\":1,") && lines[1].starts_with("{\"n\":3,\"seq\":2,"),
        "{lines:?}"
    );
    world.pass(11);
    world.pass(11);
    assert!(world.lines(bot).contains(&"{\"ping\":true}".to_owned()), "it is reminded there, too");
}

#[test]
fn a_slow_reader_keeps_what_its_protocol_says_was_begun() {
    let mut world = world(&settings(1));
    let alice = world.member(0, "alice", "r1");
    let bot = program(&mut world, 0, "bot");
    world.blocked.push(bot);
    let text = "x".repeat(500);
    for _ in 0..20 {
        world.send(alice, &format!("say {text}\n"));
    }
    world.unblock(bot);
    assert_eq!(world.lines(bot), ["{\"cut\":true}"]);
}
