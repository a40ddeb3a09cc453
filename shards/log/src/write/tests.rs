use super::{HistoryWriter, NewSegments};
use crate::files::{IndexFiles, StdFiles};
use crate::format::{SEGMENT_BYTES_MIN, SegmentNumber};
use crate::read::{open_log, read_messages, read_tails, renew_snapshot, verify};
use crate::testing::{SHARD, message};
use hashbrown::HashMap;
use madang_model::{RoomName, Timestamp};

fn place(first: SegmentNumber) -> NewSegments {
    NewSegments {
        shard: SHARD,
        shard_count: 1,
        first,
        segment_bytes: SEGMENT_BYTES_MIN,
        created: Timestamp(7),
    }
}

#[test]
fn what_is_written_is_opened_and_continued_without_a_fault() {
    let directory = tempfile::tempdir().expect("a directory");
    let files = StdFiles::new(directory.path());
    let mut next = SegmentNumber::FIRST;
    let mut tails = HashMap::new();
    for round in 0..3_u64 {
        let mut writer = HistoryWriter::new(files.clone(), place(next), tails);
        for seq in round * 3_000 + 1..=(round + 1) * 3_000 {
            writer.append(&message("r1", seq, "one of many, to fill more than one segment")).expect("space");
            writer.append(&message("마당", seq, "둘")).expect("space");
        }
        writer.finish().expect("space");
        let opened = open_log(&files, 1).expect("a sound log");
        assert_eq!((opened.rebuilt.len(), opened.summary.torn_tails), (0, 0));
        next = opened.next_segments[0];
        renew_snapshot(&files, SHARD, true).expect("space").expect("a snapshot");
        let found = read_tails(&files, &|_| true).expect("a snapshot");
        assert!(found.values().all(|(_, tail)| tail.head.0 == (round + 1) * 3_000), "round {round}");
        tails = found.into_iter().map(|(key, (_, tail))| (key, tail)).collect();
    }
    assert!(next > SegmentNumber(6), "{next}");
    assert!(verify(&files, &mut |_| ()).expect("a log").all_faults().next().is_none());
    let mut count = 0;
    let faults = read_messages(&files, &mut |_| count += 1, &mut |_| ()).expect("a log");
    assert_eq!((count, faults.len()), (18_000, 0));
    assert_eq!(files.indexes(SHARD).expect("a directory").len() as u64 + 1, next.0);
}

#[test]
fn nothing_has_its_name_before_it_is_sealed() {
    let directory = tempfile::tempdir().expect("a directory");
    let files = StdFiles::new(directory.path());
    let mut writer = HistoryWriter::new(files.clone(), place(SegmentNumber::FIRST), HashMap::new());
    for seq in 1..=200 {
        writer.append(&message("r1", seq, "one")).expect("space");
    }
    let opened = open_log(&files, 1).expect("an empty log");
    assert_eq!(opened.next_segments, [SegmentNumber::FIRST]);
    let names = || std::fs::read_dir(directory.path().join("shard-00")).expect("a directory").count();
    assert_eq!(names(), 1, "it is there under another name");
    drop(writer);
    assert_eq!(names(), 0, "and removed when writing is given up");
}

#[test]
fn the_newest_of_only_the_rooms_that_are_wanted_are_held() {
    let directory = tempfile::tempdir().expect("a directory");
    let files = StdFiles::new(directory.path());
    let mut writer = HistoryWriter::new(files.clone(), place(SegmentNumber::FIRST), HashMap::new());
    writer.append(&message("r1", 1, "one")).expect("space");
    writer.append(&message("r2", 1, "one")).expect("space");
    writer.finish().expect("space");
    open_log(&files, 1).expect("a sound log");
    let r2 = RoomName::parse("r2").expect("a name").key();
    let found = read_tails(&files, &|room| room == r2).expect("a snapshot");
    assert_eq!(found.keys().collect::<Vec<_>>(), [&r2]);
}
