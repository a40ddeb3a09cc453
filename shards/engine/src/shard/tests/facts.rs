//! The facts of rooms: on disk before anyone hears of them, and there again whatever happened.

use super::disk::{SEGMENT_BYTES, TestDisk};
use super::loading::roomy;
use super::world::{World, settings};
use crate::shard::{FactsOrder, FactsReport, Settings, Storage};
use crate::store::Renewing;
use madang_log::{Appender, Durability, NoRenewal, SegmentNumber};
use madang_model::{AccountId, RoomFacts, RoomName, Seq, ShardId};
use std::fs;
use std::time::Duration;

fn restarted(world: World, settings: &Settings) -> World {
    let disk = world.disk.map(|disk| disk.for_shards(settings.shard_count));
    World::on(settings, disk)
}

fn facts<'w>(world: &'w World, room: &str) -> Option<&'w RoomFacts> {
    let key = RoomName::from_log(room).expect("a room name").key();
    world.shards[key.home(world.shards.len() as u16).index()].facts(key)
}

fn accounts(world: &World, room: &str) -> Vec<u64> {
    facts(world, room)
        .map(|facts| facts.members().keys().map(|account| account.0).collect())
        .unwrap_or_default()
}

#[test]
fn a_change_is_told_once_it_is_on_disk_and_in_order_with_what_is_said() {
    let mut world = World::on(&settings(2), Some(TestDisk::new(2)));
    let alice = world.member(0, "alice", "r1");
    world.lines(alice);
    world.disk_moves = false;
    world.send(alice, "fact r1 join 5\nsay hi\nfact r1 join 6\nfact r1 join 6\n");
    assert_eq!(world.lines(alice), Vec::<String>::new(), "nothing is on disk");
    world.disk_moves = true;
    world.run();
    assert_eq!(
        world.lines(alice),
        [
            "r1 is at revision 1",
            "#1 alice: hi",
            "r1 is at revision 2",
            "r1 is not changed: account 6 is a member of the room already",
        ]
    );
}

#[test]
fn facts_survive_a_restart_and_other_numbers_of_shards() {
    let mut world = World::on(&roomy(2), Some(TestDisk::new(2)));
    let alice = world.member(0, "alice", "r1");
    for account in 1..=40 {
        for room in ["r1", "r2", "r3"] {
            world.send(alice, &format!("fact {room} join {account}\n"));
        }
    }
    world.send(alice, "say hi\n");
    for (start, shard_count) in (1_u64..).zip([2, 3, 1, 3]) {
        let settings = roomy(shard_count);
        world = restarted(world, &settings);
        let bob = world.member(0, "bob", "r1");
        assert_eq!(accounts(&world, "r1"), (1..=40).chain(100..99 + start).collect::<Vec<_>>());
        world.lines(bob);
        for room in ["r1", "r2", "r3"] {
            world.send(bob, &format!("fact {room} join {}\n", 99 + start));
        }
        let revision = 40 + start;
        let told = |room: &str| format!("{room} is at revision {revision}");
        let mut lines = world.lines(bob);
        lines.sort();
        assert_eq!(lines, ["r1", "r2", "r3"].map(told), "start {start} with {shard_count} shards");
    }
}

#[test]
fn a_room_without_messages_is_evicted_and_its_facts_are_found_again() {
    let mut world = World::on(&roomy(1), Some(TestDisk::new(1)));
    let alice = world.member(0, "alice", "lounge");
    world.send(alice, "fact empty join 7\nread empty 7 12\n");
    world.pass(70);
    assert!(facts(&world, "empty").is_none(), "it is not in memory");
    world.lines(alice);
    world.send(alice, "fact empty join 8\n");
    assert_eq!(world.lines(alice), ["empty is at revision 2"]);
    assert_eq!(accounts(&world, "empty"), [7, 8]);
    let read = facts(&world, "empty").expect("facts").members()[&AccountId(7)].read;
    assert_eq!(read, Seq(12), "what was read is stored before a room is evicted");
}

#[test]
fn who_joins_waits_for_messages_and_facts() {
    let settings = roomy(1);
    let mut world = World::on(&settings, Some(TestDisk::new(1)));
    let alice = world.member(0, "alice", "r1");
    world.send(alice, "say hi\nfact r1 join 5\n");
    let mut world = restarted(world, &settings);
    world.disk.as_mut().expect("a disk").answers = false;
    let bob = world.connect(0);
    world.send(bob, "name bob\njoin r1\n");
    assert_eq!(world.lines(bob).last().map(String::as_str), Some("you are bob"));
    world.disk.as_mut().expect("a disk").answers = true;
    world.run();
    assert_eq!(world.lines(bob), ["you joined r1 [#1 alice: hi]"]);
    assert_eq!(accounts(&world, "r1"), [5]);
}

#[test]
fn read_positions_are_stored_within_seconds() {
    let settings = roomy(1);
    let mut world = World::on(&settings, Some(TestDisk::new(1)));
    let alice = world.member(0, "alice", "r1");
    world.send(alice, "fact r1 join 5\nfact r1 join 6\n");
    world.send(alice, "read r1 5 30\nread r1 6 40\nread r1 7 50\n");
    world.pass(7);
    world.send(alice, "read r1 6 41\n");
    let mut world = restarted(world, &settings);
    world.member(0, "bob", "r1");
    let facts = facts(&world, "r1").expect("facts");
    let read = |account| facts.members()[&AccountId(account)].read.0;
    assert_eq!((read(5), read(6), facts.revision().0), (30, 40, 2), "the last was too young");
}

#[test]
fn a_room_whose_facts_are_damaged_is_not_joined_without_them() {
    let settings = roomy(1);
    let mut world = World::on(&settings, Some(TestDisk::new(1)));
    let alice = world.member(0, "alice", "r1");
    world.send(alice, "fact r1 join 5\n");
    let mut world = restarted(world, &settings);
    let path = world.disk.as_ref().expect("a disk").segment_path(ShardId(0), SegmentNumber::FIRST);
    let mut bytes = fs::read(&path).expect("a segment");
    bytes[64 + 20] ^= 1;
    fs::write(&path, bytes).expect("space");
    let bob = world.connect(0);
    world.send(bob, "name bob\njoin r1\nfact r1 join 6\n");
    let lines = world.lines(bob);
    assert!(lines.iter().any(|line| line.contains("the disk reports errors")), "{lines:?}");
    assert_eq!(lines.last().map(String::as_str), Some("r1 is not changed: the disk reports errors"));
}

/// Facts of the rooms "idle" and "busy" in a segment that is to expire, of which "idle" is not in memory; and the order that
/// they are stored once more.
fn to_be_renewed(settings: &Settings) -> (World, Renewing, FactsOrder) {
    to_be_renewed_under(settings, Durability::Commit)
}

fn to_be_renewed_under(settings: &Settings, durability: Durability) -> (World, Renewing, FactsOrder) {
    let mut world = World::on(settings, Some(TestDisk::new(1)));
    world.shards[0].log =
        Appender::new(ShardId(0), SegmentNumber::FIRST, SEGMENT_BYTES, SEGMENT_BYTES, durability);
    let alice = world.member(0, "alice", "r1");
    world.send(alice, "fact idle join 7\nfact idle join 8\nread idle 8 3\nfact busy join 9\n");
    world.pass(70);
    for _ in 0..1_000 {
        world.send(alice, &format!("say {}\n", "x".repeat(900)));
    }
    world.send(alice, "fact busy join 10\n");
    let mut renewing = Renewing::new(1);
    let World { disk: Some(disk), shards, .. } = &mut world else { panic!("a disk") };
    disk.renew_snapshot(&mut shards[0]);
    assert_eq!(disk.expire_all(&mut NoRenewal), 0, "live facts are in the oldest segment");
    assert_eq!(disk.expire_all(&mut renewing), 0);
    assert_eq!(shards[0].take_facts_report(), Some(FactsReport::default()));
    let order = renewing.take_order(ShardId(0)).expect("facts to be stored once more");
    (world, renewing, order)
}

/// What the home reports at last, and how many segments expire by that.
fn renewed(world: &mut World, renewing: &mut Renewing) -> (FactsReport, usize) {
    let World { disk: Some(disk), shards, .. } = world else { panic!("a disk") };
    let report = shards[0].take_facts_report().expect("it is done");
    let is_worth_a_look = renewing.report(report.clone());
    assert_eq!(is_worth_a_look, report.unreadable.is_empty());
    (report, disk.expire_all(renewing))
}

#[test]
fn facts_are_stored_once_more_before_their_segment_expires() {
    let settings = roomy(1);
    let (mut world, mut renewing, order) = to_be_renewed(&settings);
    assert_eq!(order.segment, (ShardId(0), SegmentNumber::FIRST));
    let names: Vec<&str> = order.rooms.iter().map(|room| room.as_str()).collect();
    assert_eq!(names, ["busy", "idle"]);
    world.shards[0].renew_facts(order);
    assert_eq!(world.shards[0].take_facts_report(), None, "it is not done yet");
    world.pass(3);
    let (report, expired) = renewed(&mut world, &mut renewing);
    assert_eq!(report.renewed.len(), 2);
    assert!(expired > 0);
    let mut world = restarted(world, &settings);
    let bob = world.member(0, "bob", "r1");
    world.lines(bob);
    world.send(bob, "fact idle join 11\nfact busy join 11\n");
    assert_eq!(world.lines(bob), ["idle is at revision 3", "busy is at revision 3"]);
    assert_eq!(accounts(&world, "idle"), [7, 8, 11]);
    assert_eq!(facts(&world, "idle").expect("facts").members()[&AccountId(8)].read, Seq(3));
}

#[test]
fn facts_are_stored_once_more_after_the_disk_was_full_for_minutes() {
    let (mut world, mut renewing, order) = to_be_renewed(&roomy(1));
    world.shards[0].renew_facts(order);
    world.shards[0].set_storage(Storage::NoSegment("the disk is full"));
    world.pass(130);
    assert_eq!(world.shards[0].take_facts_report(), None, "it waits for the disk");
    world.shards[0].set_storage(Storage::Ready);
    world.pass(10);
    let (report, expired) = renewed(&mut world, &mut renewing);
    assert_eq!((report.renewed.len(), report.unreadable.len()), (2, 0));
    assert!(expired > 0);
    world.pass(130);
    assert!(facts(&world, "idle").is_none(), "a room is evicted once its facts are stored");
}

#[test]
fn facts_that_could_not_be_read_are_stored_once_more_when_they_can() {
    let (mut world, mut renewing, order) = to_be_renewed(&roomy(1));
    let path = world.disk.as_ref().expect("a disk").segment_path(ShardId(0), SegmentNumber::FIRST);
    let sound = fs::read(&path).expect("a segment");
    let mut damaged = sound.clone();
    let names = sound.windows(4).enumerate().filter(|(_, bytes)| bytes == b"idle");
    names.for_each(|(at, _)| damaged[at] ^= 1);
    fs::write(&path, damaged).expect("space");
    world.shards[0].renew_facts(order);
    world.pass(3);
    let (report, expired) = renewed(&mut world, &mut renewing);
    assert_eq!((report.renewed.len(), report.unreadable.len(), expired), (1, 1, 0));
    fs::write(&path, sound).expect("space");
    let order = renewing.take_order(ShardId(0)).expect("the look ordered them again");
    assert_eq!(order.rooms.iter().map(|room| room.as_str()).collect::<Vec<_>>(), ["idle"]);
    world.shards[0].renew_facts(order);
    world.pass(3);
    let (report, expired) = renewed(&mut world, &mut renewing);
    assert_eq!((report.renewed.len(), report.unreadable.len()), (1, 0));
    assert!(expired > 0);
}

#[test]
fn facts_that_are_stored_once_more_and_not_on_disk_are_not_reported() {
    for durability in [Durability::Commit, Durability::Interval(Duration::from_secs(1)), Durability::None] {
        let (mut world, mut renewing, order) = to_be_renewed_under(&roomy(1), durability);
        world.disk_moves = durability != Durability::Commit;
        world.shards[0].renew_facts(order);
        world.pass(20);
        assert_eq!(world.shards[0].take_facts_report(), None, "{durability}: nothing is synced");
        world.disk_moves = true;
        world.run();
        let written = world.shards[0].log.written();
        world.shards[0].log.synced(written);
        world.pass(2);
        let (report, expired) = renewed(&mut world, &mut renewing);
        assert_eq!(report.renewed.len(), 2, "{durability}");
        assert!(expired > 0);
    }
}

#[test]
fn facts_in_a_segment_that_was_left_unsynced_are_stored_yet_again() {
    let durability = Durability::Interval(Duration::from_secs(1));
    let (mut world, _, order) = to_be_renewed_under(&roomy(1), durability);
    world.shards[0].renew_facts(order);
    world.pass(3);
    let left = world.shards[0].log.written().segment;
    world.shards[0].log.sync_failed();
    world.pass(3);
    assert!(world.shards[0].log.written().segment > left, "they are stored in another one");
    assert_eq!(world.shards[0].take_facts_report(), None, "and that is not synced");
    let written = world.shards[0].log.written();
    world.shards[0].log.synced(written);
    world.pass(2);
    assert_eq!(world.shards[0].take_facts_report().expect("it is done").renewed.len(), 2);
}

#[test]
fn what_is_read_of_a_room_that_is_not_in_memory_is_stored() {
    let mut world = World::on(&roomy(1), Some(TestDisk::new(1)));
    let alice = world.member(0, "alice", "lounge");
    world.send(alice, "fact empty join 7\n");
    world.pass(200);
    assert!(facts(&world, "empty").is_none(), "it is evicted");
    world.send(alice, "read empty 7 12\n");
    world.pass(200);
    assert!(facts(&world, "empty").is_none(), "it is evicted again");
    world.send(alice, "fact empty join 8\n");
    assert_eq!(facts(&world, "empty").expect("facts").members()[&AccountId(7)].read, Seq(12));
    world.send(alice, "read nowhere 7 12\n");
    world.pass(1);
    assert_eq!(world.shards[0].homes.rooms_in_memory(), 2, "a room is not made by that");
}

#[test]
fn what_is_refused_as_nothing_can_be_stored_keeps_no_room_in_memory() {
    let mut world = World::on(&roomy(1), Some(TestDisk::new(1)));
    let alice = world.member(0, "alice", "lounge");
    world.send(alice, "fact stored join 7\n");
    world.pass(200);
    let before = world.shards[0].homes.rooms_in_memory();
    world.shards[0].set_storage(Storage::NoSegment("the disk is full"));
    world.send(alice, "fact stored join 8\nfact new join 8\n");
    world.shards[0].set_storage(Storage::Ready);
    world.pass(200);
    assert_eq!(world.shards[0].homes.rooms_in_memory(), before);
}

#[test]
fn a_room_whose_read_positions_move_is_queued_once() {
    let mut world = World::on(&roomy(1), Some(TestDisk::new(1)));
    let alice = world.member(0, "alice", "r1");
    world.send(alice, "fact r1 join 7\n");
    for n in 1..=100 {
        world.send(alice, &format!("read r1 7 {n}\nfact r1 join 8\nread r1 8 {n}\nfact r1 leave 8\n"));
        world.lines(alice);
    }
    assert!(world.shards[0].homes.facts_waiting() <= 1);
}
