//! Indexes, snapshots and retention on a log in real files.

use super::*;
use crate::log::append::{Appender, Durability};
use crate::log::format::{SEGMENT_BYTES_MIN, directory_name, file_name};
use crate::log::index::{Answer, PageQuery, Step, StoredFile, index_file_name};
use crate::log::testing::message;
use crate::log::{StdFiles, read::open_log};
use crate::types::{Page, RoomName};
use std::fs;
use std::path::Path;

/// Writes `count` messages of two rooms as a shard would, with an index for each segment left.
fn write_log(data: &Path, count: u64) -> Vec<SegmentNumber> {
    let shard = ShardId(0);
    let directory = data.join(directory_name(shard));
    fs::create_dir_all(&directory).expect("a directory");
    let mut appender =
        Appender::new(shard, SegmentNumber::FIRST, SEGMENT_BYTES_MIN, SEGMENT_BYTES_MIN, Durability::Commit);
    let mut segments = vec![SegmentNumber::FIRST];
    let mut file = start_segment(&directory, SegmentNumber::FIRST);
    for number in 0..count {
        let room = if number % 3 == 0 { "r2" } else { "r1" };
        let seq = if number % 3 == 0 { number / 3 + 1 } else { number - number / 3 };
        appender.append(&message(room, seq, &"x".repeat(900)));
        let batch = appender.take_batch().expect("a batch");
        if let Some(sealed) = &batch.seals {
            file.truncate(sealed.end_offset_bytes as usize);
            file.extend_from_slice(&sealed.frame);
            fs::write(directory.join(file_name(sealed.number)), &file).expect("a segment");
            file = start_segment(&directory, batch.segment);
            segments.push(batch.segment);
        }
        file.truncate(batch.offset_bytes as usize);
        file.extend_from_slice(&batch.bytes);
        appender.committed(batch);
    }
    let sealed = appender.finish().expect("a last segment");
    file.extend_from_slice(&sealed.frame);
    fs::write(directory.join(file_name(sealed.number)), &file).expect("a segment");
    segments
}

fn start_segment(directory: &Path, segment: SegmentNumber) -> Vec<u8> {
    let header = SegmentHeader {
        shard: ShardId(0),
        shard_count: 1,
        segment,
        created_us: segment.0 as i64,
        capacity_bytes: SEGMENT_BYTES_MIN,
    };
    let bytes = header.encode().to_vec();
    fs::write(directory.join(file_name(segment)), &bytes).expect("a segment");
    bytes
}

fn page(data: &Path, tails: &Tails, room: &str, page: Page) -> Vec<u64> {
    let room = RoomName::parse(room).expect("a room name");
    let tail = &tails.rooms[&room.key()];
    let mut query = PageQuery::new(&room, page, tail.head, Some(tail), &[]);
    loop {
        let requests = match query.step() {
            Step::Done(found) => {
                let found = found.expect("a page");
                return found.messages.iter().map(|message| message.seq.0).collect();
            }
            Step::Read(requests) => requests,
        };
        let read = |request: &crate::log::index::ReadRequest| {
            let directory = data.join(directory_name(request.directory));
            let name = match request.file {
                StoredFile::Segment(segment) => file_name(segment),
                StoredFile::Index(segment) => index_file_name(segment),
                StoredFile::Snapshot => unreachable!("a page needs no snapshot"),
            };
            let bytes = fs::read(directory.join(name)).ok()?;
            let part = bytes.iter().skip(request.offset_bytes as usize).take(request.bytes);
            Some(part.copied().collect::<Vec<_>>())
        };
        let bytes: Vec<Option<Vec<u8>>> = requests.iter().map(read).collect();
        let answer = |bytes| Option::map_or(bytes, Answer::NoFile, |bytes: &Vec<u8>| Answer::Bytes(bytes));
        let answers: Vec<Answer<'_>> = bytes.iter().map(|bytes| answer(bytes.as_ref())).collect();
        query.supply(&answers);
    }
}

#[test]
fn a_log_without_any_index_gets_them_and_every_page_is_found() {
    let data = tempfile::tempdir().expect("a directory");
    let segments = write_log(data.path(), 1_500);
    assert!(segments.len() > 3);
    let files = StdFiles::new(data.path());
    let tails = open_log(&files, 1, 10).expect("a log").1;
    assert_eq!(tails.rebuilt.len(), segments.len());
    assert_eq!(page(data.path(), &tails, "r2", Page::After { seq: Seq(0), count: 500 }).len(), 500);
    let middle = page(data.path(), &tails, "r1", Page::Before { seq: Seq(400), count: 50 });
    assert_eq!(middle, (350..400).collect::<Vec<_>>());
    let again = open_log(&files, 1, 10).expect("a log").1;
    assert!(again.rebuilt.is_empty(), "{:?}", again.rebuilt);
    assert_eq!(again.rooms, tails.rooms);
}

#[test]
fn what_has_expired_goes_oldest_first_and_heads_outlive_it() {
    use super::super::{Retention, retain};
    use std::time::{Duration, SystemTime};
    const DAY: Duration = Duration::from_secs(86_400);
    let data = tempfile::tempdir().expect("a directory");
    let segments = write_log(data.path(), 3_000);
    let files = StdFiles::new(data.path());
    let heads = |recovered: super::super::Recovered| {
        let mut heads: Vec<(String, u64)> =
            recovered.rooms.iter().map(|room| (room.name.to_string(), room.head.0)).collect();
        heads.sort();
        heads
    };
    let before = heads(open_log(&files, 1, 10).expect("a log").0);
    let now = SystemTime::now();
    for (age, segment) in segments.iter().rev().enumerate() {
        let file = fs::File::options().write(true).open(files.path(ShardId(0), *segment)).expect("a segment");
        file.set_modified(now - DAY * age as u32).expect("a time");
    }
    let mut gone = Vec::new();
    let by_age = Retention { age_max: Some(DAY * 5 / 2), bytes_max: None };
    retain(&files, &by_age, now, &mut |removed| gone.push(removed.segment)).expect("removed");
    assert_eq!(gone, segments[..segments.len() - 3]);
    let (recovered, tails) = open_log(&files, 1, 10).expect("a log that begins late");
    assert_eq!(heads(recovered), before);
    let oldest = page(data.path(), &tails, "r1", Page::After { seq: Seq(0), count: 500 });
    assert!(oldest.is_empty(), "the first have expired");
    let newest = page(data.path(), &tails, "r1", Page::Last { count: 20 });
    assert_eq!(newest.len(), 20);

    let none = Retention { age_max: Some(Duration::ZERO), bytes_max: Some(0) };
    retain(&files, &none, now + DAY, &mut |_| ()).expect("removed");
    let left = files.segments(ShardId(0)).expect("a directory");
    assert_eq!(left, [*segments.last().expect("a segment")], "the newest stays: numbers go on from it");
    assert_eq!(heads(open_log(&files, 1, 10).expect("a log").0), before);
}

/// The age of a segment is what the wall clock makes of it.
#[test]
fn a_clock_set_back_keeps_what_has_expired_and_one_set_forward_expires_all_but_the_newest() {
    use super::super::{Retention, retain};
    use std::time::{Duration, SystemTime};
    const YEAR: Duration = Duration::from_secs(365 * 86_400);
    let data = tempfile::tempdir().expect("a directory");
    let segments = write_log(data.path(), 3_000);
    let files = StdFiles::new(data.path());
    open_log(&files, 1, 10).expect("a log");
    let by_age = Retention { age_max: Some(Duration::from_secs(3_600)), bytes_max: None };
    let now = SystemTime::now();
    retain(&files, &by_age, now - YEAR, &mut |gone| panic!("{gone:?}")).expect("nothing to remove");
    assert_eq!(files.segments(ShardId(0)).expect("a directory"), segments);
    retain(&files, &by_age, now + YEAR, &mut |_| ()).expect("removed");
    let left = files.segments(ShardId(0)).expect("a directory");
    assert_eq!(left, [*segments.last().expect("a segment")]);
}

#[test]
fn an_index_made_again_alone_links_to_earlier_ones_that_were_missing_too() {
    let data = tempfile::tempdir().expect("a directory");
    let segments = write_log(data.path(), 1_500);
    let files = StdFiles::new(data.path());
    let tails = open_log(&files, 1, 10).expect("a log").1;
    let index = |segment: &SegmentNumber| {
        data.path().join(directory_name(ShardId(0))).join(index_file_name(*segment))
    };
    for segment in &segments[..3] {
        fs::remove_file(index(segment)).expect("a loss");
    }
    rebuild_index(&files, ShardId(0), segments[2]).expect("an index");
    let all = page(data.path(), &tails, "r2", Page::After { seq: Seq(0), count: 500 });
    assert_eq!(all, (1..=500).collect::<Vec<_>>());
}

#[test]
fn a_snapshot_tells_what_its_indexes_told_and_is_believed_only_whole() {
    let data = tempfile::tempdir().expect("a directory");
    let segments = write_log(data.path(), 1_500);
    let files = StdFiles::new(data.path());
    let (recovered, tails) = open_log(&files, 1, 10).expect("a log");
    renew_snapshot(&files, ShardId(0)).expect("a snapshot");
    let directory = data.path().join(directory_name(ShardId(0)));
    let snapshot = directory.join(crate::log::SNAPSHOT_FILE_NAME);
    let bytes = fs::read(&snapshot).expect("a snapshot");
    for segment in &segments {
        fs::remove_file(directory.join(index_file_name(*segment))).expect("a loss");
    }
    let (by_snapshot, found) = open_log(&files, 1, 10).expect("a log");
    assert_eq!(found.rooms, tails.rooms);
    assert!(found.rebuilt.is_empty(), "no index was needed");
    let heads = |recovered: &super::super::Recovered| {
        let mut heads: Vec<(String, u64)> =
            recovered.rooms.iter().map(|room| (room.name.to_string(), room.head.0)).collect();
        heads.sort();
        heads
    };
    assert_eq!(heads(&by_snapshot), heads(&recovered));
    for place in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[place] ^= 1;
        fs::write(&snapshot, damaged).expect("damage");
        assert!(read_snapshot(&files, ShardId(0)).expect("a file").is_none(), "byte {place}");
    }
}

#[test]
fn an_index_that_is_missing_or_damaged_is_made_again_as_it_was() {
    let data = tempfile::tempdir().expect("a directory");
    let segments = write_log(data.path(), 1_500);
    let files = StdFiles::new(data.path());
    let tails = open_log(&files, 1, 10).expect("a log").1;
    let index =
        |segment: SegmentNumber| data.path().join(directory_name(ShardId(0))).join(index_file_name(segment));
    let middle = index(segments[2]);
    let before = fs::read(&middle).expect("an index");
    let mut damaged = before.clone();
    damaged[before.len() / 2] ^= 1;
    fs::write(&middle, damaged).expect("damage");
    fs::remove_file(index(segments[0])).expect("a loss");
    let again = open_log(&files, 1, 10).expect("a log").1;
    assert_eq!(again.rebuilt.len(), 2);
    assert_eq!(again.rooms, tails.rooms);
    assert_eq!(fs::read(&middle).expect("an index"), before);
    fs::remove_file(&middle).expect("a loss");
    rebuild_index(&files, ShardId(0), segments[2]).expect("an index");
    assert_eq!(fs::read(&middle).expect("an index"), before);
}
