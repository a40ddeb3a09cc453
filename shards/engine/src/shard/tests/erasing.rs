//! What is to be erased is shown to nobody, wherever it is read from.

use super::disk::TestDisk;
use super::loading::roomy;
use super::world::{Client, World};
use madang_log::{ErasureRule, Erasures};
use madang_model::{RoomName, Seq, Timestamp};
use std::sync::Arc;

fn erasures(seq: u64) -> Arc<Erasures> {
    let room = RoomName::parse("r1").expect("a room");
    let mut erasures = Erasures::default();
    let rule = ErasureRule::Entries { room, first: Seq(seq), last: Seq(seq) };
    erasures.add(&rule, Timestamp(i64::MAX));
    Arc::new(erasures)
}

fn hide(world: &mut World, erasures: &Arc<Erasures>) -> u64 {
    world.shards.iter_mut().map(|shard| shard.hide(erasures)).sum()
}

/// So much that the first messages are in finished segments only.
fn talk(world: &mut World) -> Client {
    let alice = world.member(0, "alice", "r1");
    for number in 1..=3 {
        world.send(alice, &format!("draft d{number} secret {number}\n"));
    }
    let text = "x".repeat(3000);
    (0..400).for_each(|_| {
        world.send(alice, &format!("say {text}\n"));
    });
    (0..2).for_each(|number| {
        world.send(alice, &format!("draft l{number} last {number}\n"));
    });
    alice
}

#[test]
fn what_is_to_be_erased_is_a_tombstone_in_pages_and_in_memory_and_a_repeat_of_its_draft_brings_nothing_back()
{
    for shards in [1, 3] {
        let mut world = World::on(&roomy(shards), Some(TestDisk::new(shards)));
        let alice = talk(&mut world);
        let bob = world.member(0, "bob", "r1");
        assert_eq!(hide(&mut world, &erasures(2)), 0, "it is on disk only");
        world.send(bob, "page since 0 3\n");
        let expected = "history [#1 alice: secret 1, #2 deleted, #3 alice: secret 3]";
        assert_eq!(world.lines(bob), [expected]);
        let both = Arc::new({
            let mut both = Erasures::clone(&erasures(2));
            both.extend(&erasures(404));
            both
        });
        assert_eq!(hide(&mut world, &both), 1, "it is in memory");
        let carol = world.connect(0);
        world.send(carol, "name carol\njoin r1\n");
        let lines = world.lines(carol);
        assert!(!lines.iter().any(|line| line.contains("last 0")), "{lines:?}");
        assert!(lines.iter().any(|line| line.contains("#404 deleted, #405 alice: last 1")));
        world.lines(alice);
        world.send(alice, "draft l0 last 0\n");
        assert_eq!(world.lines(alice), ["draft l0 is #404"], "a repeat brings nothing back");
    }
}

#[test]
fn what_a_lookup_read_before_it_was_erased_is_hidden_until_the_lookup_is_over() {
    let settings = roomy(1);
    let mut world = World::on(&settings, Some(TestDisk::new(1)));
    talk(&mut world);
    let mut world = World::on(&settings, world.disk);
    world.disk.as_mut().expect("a disk").answers = false;
    let bob = world.connect(0);
    world.send(bob, "name bob\njoin r1\n");
    hide(&mut world, &erasures(404));
    // Somebody erases it in the files, where the lookup has read it.
    hide(&mut world, &Arc::default());
    world.disk.as_mut().expect("a disk").answers = true;
    world.run();
    let lines = world.lines(bob);
    assert!(lines.iter().any(|line| line.contains("#404 deleted, #405 alice: last 1")), "{lines:?}");
    assert!(world.shards[0].archive().erasures().is_empty(), "nothing is hidden longer than it must be");
}
