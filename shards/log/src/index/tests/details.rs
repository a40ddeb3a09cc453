//! What is counted and looked for in indexes alone.

use super::amended::Amended;
use super::world::{author_of, name};
use crate::format::SegmentNumber;
use crate::index::bytes::{MESSAGES_VERSION, SLOT_BYTES, TableWriter, push_varint};
use crate::index::link::push_tower;
use crate::index::segment::identity;
use crate::index::*;
use crate::testing::Chance;
use madang_model::{Seq, ShardId, Timestamp, UserName};

const ROOMS: [&str; 4] = ["large", "large", "r1", "a&bob"];

/// Some segments, merged now and then, and some that are still open.
pub fn world(chance: &mut Chance) -> Amended {
    let mut world = Amended::default();
    for _ in 0..1 + chance.below(24) {
        let entries = 1 + chance.below(250);
        world.segment(&ROOMS, entries, chance);
        if chance.below(3) == 0 {
            world.merge();
        }
    }
    for _ in 0..chance.below(3) {
        world.write(&ROOMS, 1 + chance.below(200), chance);
    }
    world
}

fn unread(world: &Amended, room: &str, read: u64, reader: u64) -> UnreadCount {
    let query = world.with_places(room, |places| UnreadQuery::new(Seq(read), reader, places));
    match world.outcome(StoredQuery::Unread(query), false).0 {
        Ok(QueryOutcome::Unread(count)) => count,
        other => panic!("a count, not {other:?}"),
    }
}

fn draft(world: &Amended, room: &str, draft: u64, from: Timestamp) -> DraftOutcome {
    let query = world.with_places(room, |places| DraftQuery::new(draft, from, places));
    match world.outcome(StoredQuery::Draft(query), false).0 {
        Ok(QueryOutcome::Draft(outcome)) => outcome,
        other => panic!("an outcome, not {other:?}"),
    }
}

#[test]
fn counting_unread_reads_no_frames_and_counts_messages_of_others_that_are_there() {
    for seed in 1..=12 {
        let mut chance = Chance(seed * 104_729);
        let world = world(&mut chance);
        for (room, known) in &world.known {
            let head = known.entries.len() as u64;
            for _ in 0..30 {
                let read = chance.below(head + 1);
                let reader = author_of(&UserName::parse("alice").expect("a name"));
                let is_unread = |seq: &u64| {
                    let (author, ..) = known.details[*seq as usize - 1];
                    let entry = &known.entries[*seq as usize - 1];
                    author != reader && entry.as_ref().is_some_and(|shown| shown.message().is_some())
                };
                let all = (read + 1..=head).filter(is_unread).count() as u64;
                let expected = UnreadCount { messages: all.min(999), is_more: all > 999 };
                assert_eq!(unread(&world, room, read, reader), expected, "{room} behind #{read} of #{head}");
            }
        }
    }
}

#[test]
fn looking_for_a_draft_reads_no_frames_and_finds_it_wherever_it_is() {
    for seed in 1..=12 {
        let mut chance = Chance(seed * 15_485_863);
        let world = world(&mut chance);
        for (room, known) in &world.known {
            for _ in 0..30 {
                let seq = 1 + chance.below(known.details.len() as u64);
                let (_, hash, time) = known.details[seq as usize - 1];
                if hash != 0 {
                    assert_eq!(
                        draft(&world, room, hash, time),
                        DraftOutcome::Stored(Seq(seq)),
                        "{room} #{seq}"
                    );
                }
                assert_eq!(draft(&world, room, 7, Timestamp(time.0 + 1)), DraftOutcome::Absent);
            }
            assert_eq!(draft(&world, room, 7, Timestamp(0)), DraftOutcome::Absent);
        }
    }
}

#[test]
fn a_draft_is_not_looked_for_in_more_segments_than_may_be() {
    let mut chance = Chance(3);
    let mut world = Amended::default();
    for _ in 0..70 {
        world.segment(&["r1"], 200, &mut chance);
    }
    let known = &world.known["r1"];
    let (place, (_, oldest, _)) =
        known.details.iter().enumerate().find(|(_, (_, hash, _))| *hash != 0).expect("one has a draft");
    assert!(place < 200);
    assert_eq!(draft(&world, "r1", *oldest, Timestamp(0)), DraftOutcome::OutOfReach);
    let newest = known.details.iter().rposition(|(_, hash, _)| *hash != 0).expect("one has a draft");
    let (_, hash, time) = known.details[newest];
    assert_eq!(draft(&world, "r1", hash, time), DraftOutcome::Stored(Seq(newest as u64 + 1)));
    // Nothing as old as that can be it.
    let (.., late) = known.details[known.details.len() - 100];
    assert_eq!(draft(&world, "r1", 7, late), DraftOutcome::Absent);
}

/// As after an upgrade: the index is asked for again once it was made anew.
#[test]
fn an_index_of_a_release_that_knew_messages_alone_is_to_be_made_again() {
    let mut chance = Chance(5);
    let mut world = Amended::default();
    world.segment(&["r1"], 1, &mut chance);
    let at = *world.files.keys().find(|(_, file)| matches!(file, StoredFile::Index(_))).expect("an index");
    let StoredFile::Index(segment) = at.1 else { panic!("it is an index") };
    world.files.insert(at, old_index(at.0, segment));
    let query = world.with_places("r1", |places| DraftQuery::new(7, Timestamp(0), places));
    match world.outcome(StoredQuery::Draft(query), false).0 {
        Err(fault @ QueryFault::IndexOutdated { .. }) => assert!(fault.mendable().is_some()),
        other => panic!("it is outdated, not {other:?}"),
    }
}

/// The index of a segment with one message of r1, as format 1 had it, but for its first block, which no page reads.
fn old_index(directory: ShardId, segment: SegmentNumber) -> Vec<u8> {
    let name = name("r1");
    let identity = identity(directory, segment).of_version(MESSAGES_VERSION);
    let (slots_at, buckets_at) = (INDEX_HEADER_BYTES as u64, INDEX_HEADER_BYTES as u64 + SLOT_BYTES as u64);
    let mut table = TableWriter::new(identity, 0, buckets_at);
    let entry = |out: &mut Vec<u8>| {
        out.extend_from_slice(&key_bits(name.key()).to_le_bytes());
        push_varint(out, 2);
        out.extend_from_slice(b"r1");
        push_varint(out, 1);
        push_varint(out, 1);
        out.extend_from_slice(&[4, 0, 0, 0, 9, 0]);
        push_tower(out, 1, &[], Seq(1));
    };
    let mut buckets = Vec::new();
    table.push(key_bits(name.key()), entry, &mut buckets).expect("memory");
    let (slots, _) = table.finish(Some(slots_at), &mut buckets).expect("memory");
    [&[0; INDEX_HEADER_BYTES][..], &slots, &buckets].concat()
}
