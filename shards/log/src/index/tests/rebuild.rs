use super::world::{World, author_of, some_rooms};
use crate::SEGMENT_BYTES_MIN;
use crate::append::{Appender, Durability};
use crate::format::{ABANDONED_FRAME_BYTES, HEADER_BYTES, SegmentNumber};
use crate::index::{
    IndexBuilder, RebuildFault, RoomTail, SegmentTable, StoredFile, index_file_name, index_file_segment,
};
use crate::testing::{Chance, SHARD, message};
use madang_model::{RoomKey, Seq, ShardId};
use rkyv::util::AlignedVec;
use std::collections::HashMap;

fn aligned(bytes: &[u8]) -> AlignedVec {
    let mut copy = AlignedVec::new();
    copy.extend_from_slice(bytes);
    copy
}

#[test]
fn an_index_made_again_is_the_same() {
    let mut chance = Chance(17);
    let mut world = World::default();
    for segment in 0..20 {
        let said = some_rooms(chance.below(300), 60, &mut chance);
        world.segment(ShardId(segment % 2), &said, &mut chance);
    }
    // The tails before each segment follow from the tables of those before it.
    let mut tails: HashMap<RoomKey, RoomTail> = HashMap::new();
    for (directory, segment) in world.sealed.clone() {
        let file = aligned(&world.files[&(directory, StoredFile::Segment(segment))]);
        let index = &world.files[&(directory, StoredFile::Index(segment))];
        let (builder, end) = IndexBuilder::scan(&file, directory, segment, None).expect("a sound segment");
        let known: Vec<_> = builder
            .rooms()
            .map(|(room, first)| {
                (room.key(), first, builder.room(room.key()).expect("the room").positions.to_vec())
            })
            .collect();
        let again = builder.seal(end, |room| tails.get(&room.key())).expect("the tails before");
        for (room, first, positions) in &known {
            let run = again.room(*room).expect("the room");
            assert_eq!((run.first, run.positions), (*first, &positions[..]));
        }
        assert!(again.encode() == *index, "segment {segment}");
        let table = SegmentTable::decode(index, directory, segment).expect("a sound index");
        assert_eq!(table.end_offset_bytes(), end);
        assert_eq!(table.messages(), table.rooms().iter().map(|room| room.count).sum::<u64>());
        for tail in table.tails() {
            let (room, tail) = tail.expect("a name");
            tails.insert(room.key(), tail);
        }
    }
    assert_eq!(tails, world.tails);
}

#[test]
fn without_tails_only_the_links_are_missing() {
    let mut chance = Chance(18);
    let mut world = World::default();
    for _ in 0..6 {
        let said = some_rooms(200, 30, &mut chance);
        world.segment(ShardId(0), &said, &mut chance);
    }
    let (directory, segment) = world.sealed[5];
    let file = aligned(&world.files[&(directory, StoredFile::Segment(segment))]);
    let (builder, end) = IndexBuilder::scan(&file, directory, segment, None).expect("a sound segment");
    let again = builder.seal(end, |_| None).expect("no tails").encode();
    let table = |bytes: &[u8]| SegmentTable::decode(bytes, directory, segment).expect("a sound index");
    let (again, index) = (table(&again), table(&world.files[&(directory, StoredFile::Index(segment))]));
    assert_eq!(again.rooms().len(), index.rooms().len());
    for (again, original) in again.rooms().iter().zip(index.rooms()) {
        let mut unlinked = original.clone();
        (unlinked.ordinal, unlinked.tower) = (1, Box::default());
        assert_eq!(*again, unlinked);
    }
}

#[test]
fn tails_that_skip_a_segment_are_refused() {
    let mut chance = Chance(1);
    let mut world = World::default();
    world.segment(ShardId(0), &vec!["r".to_owned(); 3], &mut chance);
    let stale = world.tails.clone();
    world.segment(ShardId(0), &vec!["r".to_owned(); 3], &mut chance);
    world.segment(ShardId(0), &vec!["r".to_owned(); 3], &mut chance);
    let (directory, segment) = world.sealed[2];
    let file = aligned(&world.files[&(directory, StoredFile::Segment(segment))]);
    let (builder, end) = IndexBuilder::scan(&file, directory, segment, None).expect("a sound segment");
    let fault = builder.seal(end, |room| stale.get(&room.key())).expect_err("a segment was skipped");
    assert_eq!((fault.first, fault.head), (Seq(7), Seq(3)));
}

#[test]
fn a_damaged_segment_gives_no_index() {
    let mut chance = Chance(1);
    let mut world = World::default();
    world.segment(ShardId(0), &vec!["r".to_owned(); 30], &mut chance);
    let (directory, segment) = world.sealed[0];
    let mut file = aligned(&world.files[&(directory, StoredFile::Segment(segment))]);
    file[HEADER_BYTES + 40] ^= 1;
    let fault = IndexBuilder::scan(&file, directory, segment, None).expect_err("damage");
    assert!(matches!(fault, RebuildFault::Damaged { offset_bytes: 64, .. }), "{fault}");
}

#[test]
fn a_batch_that_is_written_again_is_found_behind_its_note() {
    let mut log =
        Appender::new(SHARD, SegmentNumber::FIRST, SEGMENT_BYTES_MIN, SEGMENT_BYTES_MIN, Durability::Commit);
    let said = message("r", 1, "unlucky");
    log.append(&said);
    let failed = log.take_batch().expect("a message waits");
    log.failed(failed);
    let again = log.take_batch().expect("the message waits");
    let mut builder = IndexBuilder::new(SHARD, again.segment);
    builder.committed(&again, [(&said.room, said.seq, author_of(&said.author))].into_iter(), &[]);
    let run = builder.room(said.room.key()).expect("the room");
    assert_eq!((run.first, run.positions[0].offset_bytes()), (Seq(1), 64 + ABANDONED_FRAME_BYTES as u64));
}

#[test]
fn names_of_indexes_are_read_as_they_are_written() {
    let number = SegmentNumber(42);
    assert_eq!(index_file_segment(&index_file_name(number)), Some(number));
    for other in ["42.idx", "00000000000000000042.seg", "00000000000000000000.idx", ".idx"] {
        assert_eq!(index_file_segment(other), None);
    }
}
