use crate::erase::{DeletionSearch, ErasureRule, Erasures, FoundDeletions};
use crate::files::StdFiles;
use crate::format::{NewEntry, SegmentNumber};
use crate::read::rebuild_index;
use crate::testing::{SHARD, Writer, amendment, message, on_disk};
use crate::{MemoryFiles, index_file_name};
use madang_model::{Change, RoomName, Seq, Text, Timestamp};

const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

/// Two segments: in the first 1 to 9 are said in each room, and 2, 3 and 5 deleted; in the second 8.
fn log() -> (tempfile::TempDir, StdFiles) {
    let files = MemoryFiles::default();
    let mut writer = Writer::new(&files, SHARD, SegmentNumber::FIRST);
    for room in ["방", "r2"] {
        writer.commit(&(1..=9).map(|seq| message(room, seq, "x")).collect::<Vec<_>>());
        let edit = Change::Edit { text: Text::sanitise("y").expect("a text") };
        let changes = [(10, 1, edit), (11, 2, Change::Deletion), (12, 5, Change::Deletion)];
        for (before, (seq, target, change)) in changes.into_iter().enumerate() {
            writer.appender.append(NewEntry::amendment(&amendment(room, seq, target, change), before as u64));
        }
        let deletion = amendment(room, 13, 3, Change::Deletion);
        writer.appender.append(NewEntry::amendment(&deletion, 3));
        let batch = writer.write().expect("entries wait");
        writer.appender.committed(batch);
    }
    writer.appender.finish_segment();
    if let Some(batch) = writer.write() {
        writer.appender.committed(batch);
    }
    let deletion = amendment("방", 14, 8, Change::Deletion);
    writer.appender.append(NewEntry::amendment(&deletion, 4));
    let batch = writer.write().expect("it waits");
    assert_eq!(batch.segment, SegmentNumber(2));
    writer.appender.committed(batch);
    on_disk(&files)
}

fn look(search: &DeletionSearch, files: &StdFiles, asked: &Erasures, count_max: usize) -> FoundDeletions {
    search.look(files, asked, NOW, count_max, &mut || ()).expect("files that can be read")
}

fn ranges(found: &FoundDeletions) -> Vec<(String, u64, u64)> {
    let range = |rule: &ErasureRule| match rule {
        ErasureRule::Entries { room, first, last } => (room.as_str().to_owned(), first.0, last.0),
        ErasureRule::Author { .. } => panic!("nobody's messages are all deleted"),
    };
    let mut ranges: Vec<_> = found.rules.iter().map(range).collect();
    ranges.sort();
    ranges
}

#[test]
fn every_deletion_is_found_with_or_without_an_index_and_neighbours_are_one_rule() {
    let (data, files) = log();
    let expected = [("r2", 2, 3), ("r2", 5, 5), ("방", 2, 3), ("방", 5, 5), ("방", 8, 8)]
        .map(|(room, first, last)| (room.to_owned(), first, last));
    let nothing = Erasures::default();
    let mut search = DeletionSearch::new();
    let found = look(&search, &files, &nothing, 100);
    assert!(found.is_complete && found.segments_read == 2);
    assert_eq!(ranges(&found), expected);
    assert!(found.since < NOW);
    rebuild_index(&files, SHARD, SegmentNumber::FIRST).expect("an index");
    assert!(data.path().join("shard-00").join(index_file_name(SegmentNumber::FIRST)).exists());
    let found = look(&search, &files, &nothing, 100);
    assert_eq!((ranges(&found), found.segments_read), (expected.to_vec(), 1));
    // What an index lists is looked at once.
    search.asked(&found, 5);
    let found = look(&search, &files, &nothing, 100);
    assert_eq!(ranges(&found), [("방".to_owned(), 8, 8)]);
}

/// As where the newest segment begins with a batch: it must not be taken for one that nothing was written to.
#[test]
fn what_is_deleted_in_a_batch_longer_than_the_start_of_a_segment_is_found() {
    let files = MemoryFiles::default();
    let mut writer = Writer::new(&files, SHARD, SegmentNumber::FIRST);
    for seq in 1..=9 {
        writer.appender.append(NewEntry::message(&message("r1", seq, &"x".repeat(1_000)), 0));
    }
    writer.appender.append(NewEntry::amendment(&amendment("r1", 10, 2, Change::Deletion), 0));
    let batch = writer.write().expect("entries wait");
    writer.appender.committed(batch);
    let (_data, files) = on_disk(&files);
    let found = look(&DeletionSearch::new(), &files, &Erasures::default(), 100);
    assert_eq!((ranges(&found), found.is_complete), (vec![("r1".to_owned(), 2, 2)], true));
}

#[test]
fn a_look_that_has_enough_is_continued() {
    let (_data, files) = log();
    rebuild_index(&files, SHARD, SegmentNumber::FIRST).expect("an index");
    let mut search = DeletionSearch::new();
    let found = look(&search, &files, &Erasures::default(), 1);
    assert!(!found.is_complete && found.rules.len() == 4);
    search.asked(&found, 7);
    assert!(search.is_due(7), "the rest is to be found, though nothing more is deleted");
    let found = look(&search, &files, &Erasures::default(), 1);
    assert!(found.is_complete && found.rules.len() == 1);
    search.asked(&found, 7);
    assert!(!search.is_due(7) && search.is_due(8));
}

#[test]
fn what_was_asked_for_is_not_asked_again_but_a_later_message_with_its_number_is() {
    let (_data, files) = log();
    let room = RoomName::from_log("방").expect("a room name");
    let asked = |first, last, until| {
        let mut asked = Erasures::default();
        let rule = ErasureRule::Entries { room: room.clone(), first: Seq(first), last: Seq(last) };
        asked.add(&rule, until);
        asked
    };
    let left = |asked: &Erasures| {
        let found = look(&DeletionSearch::new(), &files, asked, 100);
        ranges(&found)
            .into_iter()
            .filter(|(name, ..)| name == "방")
            .map(|(_, first, last)| (first, last))
            .collect::<Vec<_>>()
    };
    assert_eq!(left(&asked(2, 5, NOW)), [(8, 8)]);
    assert_eq!(left(&asked(1, 9, NOW)), []);
    let earlier = Timestamp(1_700_000_000_000_000);
    assert_eq!(left(&asked(1, 9, earlier)), [(2, 3), (5, 5), (8, 8)], "an older copy had these numbers");
}

#[test]
fn a_request_for_numbers_to_come_does_not_keep_later_deletions_from_being_asked_for() {
    let (_data, files) = log();
    rebuild_index(&files, SHARD, SegmentNumber::FIRST).expect("an index");
    let room = RoomName::from_log("방").expect("a room name");
    let created = look(&DeletionSearch::new(), &files, &Erasures::default(), 100).since;
    // After the segment was made, and before this was said.
    let until = Timestamp(created.0 + 1);
    assert!(message("방", 2, "x").time > until);
    let mut asked = Erasures::default();
    asked.add(&ErasureRule::Entries { room, first: Seq(1), last: Seq(100) }, until);
    let found = ranges(&look(&DeletionSearch::new(), &files, &asked, 100));
    assert!(found.iter().any(|(name, first, _)| name == "방" && *first == 2), "{found:?}");
}

#[test]
fn what_was_said_when_the_clock_was_ahead_is_erased_once_it_is_deleted() {
    let (_data, files) = log();
    rebuild_index(&files, SHARD, SegmentNumber::FIRST).expect("an index");
    let said = message("방", 2, "x").time;
    let now = Timestamp(said.0 - 600_000_000);
    let found = DeletionSearch::new().look(&files, &Erasures::default(), now, 1, &mut || ()).expect("files");
    let mut asked = Erasures::default();
    found.rules.iter().for_each(|rule| asked.add(rule, FoundDeletions::UNTIL));
    assert!(asked.covers(RoomName::from_log("방").expect("a room name").key(), Seq(2), said));
}
