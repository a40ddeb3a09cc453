//! What shards promise together.

use super::world::{World, settings};
use madang_model::RoomKey;

#[test]
fn nobody_sees_a_message_before_it_is_committed() {
    let mut world = World::new(&settings(2));
    let alice = world.member(0, "alice", "r1");
    let bob = world.member(1, "bob", "r1");
    world.lines(alice);
    world.disk_moves = false;
    world.send(alice, "say hi\n");
    assert_eq!(world.lines(alice), [""; 0]);
    assert_eq!(world.lines(bob), [""; 0]);
    world.commit_once();
    assert_eq!(world.lines(alice), ["#1 alice: hi"]);
    assert_eq!(world.lines(bob), ["#1 alice: hi"]);
}

#[test]
fn a_member_who_joins_between_acceptance_and_commit_sees_the_message_once_and_not_early() {
    let mut world = World::new(&settings(2));
    let alice = world.member(0, "alice", "r1");
    let bob = world.connect(1);
    world.send(bob, "name bob\n");
    world.lines(bob);
    world.disk_moves = false;
    world.send(alice, "say first\n");
    world.send(bob, "join r1\n");
    world.send(alice, "say second\n");
    assert_eq!(world.lines(bob), [""; 0], "his history would show what is not on disk");
    world.commit_once();
    assert_eq!(world.lines(bob), ["you joined r1 [#1 alice: first]", "#2 alice: second"]);
    assert_eq!(world.lines(alice), ["#1 alice: first", "bob joined", "#2 alice: second"]);
}

#[test]
fn everyone_sees_one_order() {
    let mut world = World::new(&settings(3));
    let members: Vec<_> = (0..6).map(|n| world.member(n % 3, &format!("user{n}"), "r1")).collect();
    for member in &members {
        world.lines(*member);
    }
    world.disk_moves = false;
    for round in 0..20 {
        for member in &members {
            world.send(*member, &format!("say {round}\n"));
        }
    }
    world.commit_once();
    let first = world.lines(members[0]);
    assert_eq!(first.len(), 120);
    for member in &members[1..] {
        assert_eq!(world.lines(*member), first);
    }
}

#[test]
fn an_author_who_leaves_at_once_still_gets_the_acknowledgement_and_then_the_farewell() {
    let mut world = World::new(&settings(2));
    let alice = world.member(0, "alice", "r1");
    world.disk_moves = false;
    world.send(alice, "say hi\nbye\n");
    assert_eq!(world.lines(alice), [""; 0]);
    world.commit_once();
    assert_eq!(world.lines(alice), ["#1 alice: hi", "closed: Quit"]);
    assert!(world.ended[&alice]);
}

#[test]
fn an_author_who_leaves_at_once_after_a_whisper_does_not_wait_for_the_time_to_close() {
    let mut world = World::new(&settings(2));
    let (alice, bob) = (world.member(0, "alice", "r1"), world.member(1, "bob", "r1"));
    world.lines(alice);
    world.send(alice, "to bob hi\nbye\n");
    assert_eq!(world.lines(alice).last().map(String::as_str), Some("closed: Quit"));
    world.lines(bob);
    world.send(bob, "to nobody hi\nbye\n");
    assert_eq!(world.lines(bob).last().map(String::as_str), Some("closed: Quit"));
    assert!(world.ended[&alice] && world.ended[&bob]);
}

#[test]
fn of_two_shards_that_claim_one_name_at_once_exactly_one_wins() {
    let mut world = World::new(&settings(3));
    let (a, b) = (world.connect(0), world.connect(1));
    world.lines(a);
    world.lines(b);
    for (client, shard) in [(a, 0), (b, 1)] {
        world.shards[shard].received(client.id, b"name alice\n");
    }
    world.run();
    let granted = [a, b].into_iter().filter(|client| world.lines(*client) == ["you are alice"]).count();
    assert_eq!(granted, 1);
}

#[test]
fn a_whisper_reaches_its_reader_after_commit_and_is_acknowledged() {
    let mut world = World::new(&settings(3));
    let alice = world.member(0, "alice", "r1");
    let bob = world.member(1, "bob", "r2");
    world.disk_moves = false;
    world.send(alice, "to bob psst\n");
    assert_eq!(world.lines(bob), [""; 0]);
    world.commit_once();
    assert_eq!(world.lines(bob), ["alice -> bob: psst"]);
    assert_eq!(world.lines(alice), ["alice -> bob: psst (receipt)"]);
}

#[test]
fn a_slow_reader_is_cut_off_with_the_reason_and_nobody_else_notices() {
    let mut world = World::new(&settings(2));
    let alice = world.member(0, "alice", "r1");
    let slow = world.member(1, "slow", "r1");
    world.lines(alice);
    world.blocked.push(slow);
    for _ in 0..200 {
        world.send(alice, "say a line that fills the outbox of the one who does not read\n");
    }
    let seen = world.lines(alice);
    assert_eq!(seen.iter().filter(|line| line.starts_with('#')).count(), 200);
    assert!(!seen.contains(&"slow left".to_owned()), "the grace time runs");
    assert_eq!(world.shards[1].counters.slow_readers, 1);
    world.unblock(slow);
    let last_words = world.lines(slow);
    assert!(last_words.last().is_some_and(|l| l.contains("SlowReader")), "{last_words:?}");
    assert!(world.ended[&slow]);
    world.pass(31);
    assert!(world.lines(alice).contains(&"slow left".to_owned()));
}

#[test]
fn a_reader_who_reads_is_not_cut_off_by_one_large_commit() {
    let mut world = World::new(&settings(2));
    let alice = world.member(0, "alice", "r1");
    let bob = world.member(1, "bob", "r1");
    world.lines(bob);
    world.disk_moves = false;
    for _ in 0..200 {
        world.send(alice, "say more in one commit than the outbox may hold while it waits\n");
    }
    world.commit_once();
    assert_eq!(world.lines(bob).len(), 200);
    assert_eq!(world.shards[1].counters.slow_readers, 0);
}

#[test]
fn a_slow_reader_who_never_reads_is_closed_in_time() {
    let mut world = World::new(&settings(1));
    let alice = world.member(0, "alice", "r1");
    let slow = world.member(0, "slow", "r1");
    world.blocked.push(slow);
    for _ in 0..200 {
        world.send(alice, "say a line that fills the outbox of the one who does not read\n");
    }
    world.pass(7);
    assert!(!world.ended[&slow]);
    assert_eq!(world.shards[0].connection_count(), 1);
}

#[test]
fn a_name_that_is_granted_to_a_connection_already_gone_is_free_again() {
    let mut world = World::new(&settings(3));
    let gone = world.connect(0);
    world.shards[0].received(gone.id, b"name alice\n");
    world.shards[0].lost(gone.id);
    world.run();
    let other = world.connect(1);
    world.lines(other);
    world.send(other, "name alice\n");
    assert_eq!(world.lines(other), ["you are alice"]);
}

#[test]
fn a_room_joined_by_a_connection_already_gone_is_left_again() {
    let mut world = World::new(&settings(3));
    let watcher = world.member(1, "watcher", "r1");
    let gone = world.connect(0);
    world.send(gone, "name alice\n");
    world.shards[0].received(gone.id, b"join r1\n");
    world.shards[0].lost(gone.id);
    world.run();
    assert_eq!(world.lines(watcher), ["alice joined", "alice left"]);
}

#[test]
fn a_connection_that_says_no_name_is_closed() {
    let mut world = World::new(&settings(1));
    let silent = world.connect(0);
    world.pass(58);
    assert!(world.ended.is_empty());
    world.pass(4);
    assert!(world.lines(silent).last().is_some_and(|l| l.contains("LoginTimeout")));
    assert!(world.ended[&silent]);
}

#[test]
fn a_shard_that_takes_no_requests_stops_reading_their_senders_and_loses_nothing() {
    let mut world = World::new(&settings(2));
    world.channel_batches_max = 1;
    let home = RoomKey::of("r1").home(2).index();
    let alice = world.member(1 - home, "alice", "r1");
    world.lines(alice);
    // The room's home is paused: what alice's shard sends it fills the channel.
    let mut sent = 0;
    for _ in 0..50 {
        let shard = &mut world.shards[1 - home];
        if !shard.wants_input(alice.id) {
            break;
        }
        shard.received(alice.id, b"say hi\n");
        sent += 1;
        struct Full;
        impl crate::mesh::Transport for Full {
            fn try_send(
                &mut self,
                _: madang_model::ShardId,
                batch: Vec<madang_model::MeshEntry>,
            ) -> Result<(), Vec<madang_model::MeshEntry>> {
                Err(batch)
            }
        }
        shard.flush_mesh(&mut Full);
    }
    assert!(sent < 50, "a connection whose requests wait is not read");
    world.run();
    assert_eq!(world.lines(alice).len(), sent);
    assert!(world.shards[1 - home].wants_input(alice.id), "and is read again once they are sent");
}

#[test]
fn requests_that_do_not_fit_the_open_batch_wait_for_the_disk_and_keep_their_order() {
    let mut settings = settings(1);
    settings.outbox_bytes_max = 64 << 20;
    let mut world = World::new(&settings);
    let alice = world.member(0, "alice", "r1");
    world.lines(alice);
    world.disk_moves = false;
    let text = "x".repeat(3000);
    let mut sent = 0;
    while world.send(alice, &format!("say {sent} {text}\nsay {sent}b {text}\n")) {
        sent += 1;
        assert!(sent < 10_000, "the open batch has a bound");
    }
    world.commit_once();
    let expected: Vec<String> =
        (0..sent).flat_map(|n| [format!("alice: {n} "), format!("alice: {n}b ")]).collect();
    let seen = world.lines(alice);
    assert_eq!(seen.len(), expected.len());
    assert!(seen.iter().zip(&expected).all(|(line, start)| line.contains(start)));
    assert!(world.shards[0].accepts_input());
}

#[test]
fn connections_from_one_address_are_bounded_and_loopback_is_exempt() {
    let mut settings = settings(3);
    settings.connections_per_address = 2;
    let mut world = World::new(&settings);
    let address = Some("192.0.2.7".parse().expect("an address"));
    let clients: Vec<_> = (0..3).map(|shard| world.connect_from(shard, address)).collect();
    assert_eq!(world.ended.len(), 1);
    assert!(world.lines(clients[2]).last().is_some_and(|l| l.contains("TooManyFromAddress")));
    world.drop_connection(clients[0]);
    world.connect_from(0, address);
    assert_eq!(world.ended.len(), 2, "one left, one more may come");
    for shard in 0..3 {
        world.connect_from(shard, Some("127.0.0.1".parse().expect("an address")));
    }
    assert_eq!(world.ended.len(), 2);
}

#[test]
fn an_address_of_ipv6_counts_with_its_prefix_and_a_mapped_one_as_what_it_is() {
    let mut settings = settings(3);
    settings.connections_per_address = 2;
    let mut world = World::new(&settings);
    let mut connect = |address: &str| {
        let before = world.ended.len();
        world.connect_from(before % 3, Some(address.parse().expect("an address")));
        world.ended.len() - before
    };
    let alike = ["2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:1:1:2:3:4", "2001:db8:0:1::1"];
    assert_eq!(alike.map(&mut connect), [0, 0, 1, 1], "a /64 is one address");
    assert_eq!(connect("2001:db8:0:2::1"), 0, "and the next one another");
    assert_eq!(["192.0.2.7", "::ffff:192.0.2.7", "::ffff:c000:207"].map(&mut connect), [0, 0, 1]);
    for loopback in ["::1", "::ffff:127.0.0.1", "127.0.0.2"] {
        assert_eq!([loopback; 4].map(&mut connect), [0; 4], "{loopback} is exempt");
    }
}

#[test]
fn a_drain_is_announced_to_everyone_and_ends_all_connections() {
    let mut world = World::new(&settings(2));
    let alice = world.member(0, "alice", "r1");
    let bob = world.member(1, "bob", "r1");
    world.lines(alice);
    world.disk_moves = false;
    world.send(bob, "say last words\n");
    for shard in &mut world.shards {
        shard.begin_drain();
    }
    world.commit_once();
    assert_eq!(world.lines(alice), ["going down", "#1 bob: last words"]);
    assert!(!world.send(alice, "say too late\n"));
    for shard in &mut world.shards {
        shard.finish_drain();
    }
    world.run();
    assert!(world.shards.iter().all(|shard| shard.connection_count() == 0));
}
