//! Indexes, snapshots and retention on a log in real files.

mod counting;
mod expiry;
mod runs;
mod snapshots;

use super::*;
use crate::append::{Appender, Durability};
use crate::format::{SEGMENT_BYTES_MIN, directory_name, file_name};
use crate::index::{
    AmendmentSource, PageQuery, ReadAnswer, RunRange, Step, StoredFile, StoredRoomPlaces, index_file_name,
};
use crate::testing::message;
use crate::{OpenedLog, SnapshotFile, SnapshotReader, SnapshotRoom, StdFiles, mend_snapshot, read::open_log};
use counting::Counting;
use madang_model::{Page, RoomName};
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
    let mut file = start_segment(&directory, shard, SegmentNumber::FIRST);
    for number in 0..count {
        let room = if number % 3 == 0 { "r2" } else { "r1" };
        let seq = if number % 3 == 0 { number / 3 + 1 } else { number - number / 3 };
        appender.append(&message(room, seq, &"x".repeat(900)));
        let batch = appender.take_batch().expect("a batch");
        if let Some(sealed) = &batch.seals {
            file.truncate(sealed.end_offset_bytes as usize);
            file.extend_from_slice(&sealed.frame);
            fs::write(directory.join(file_name(sealed.number)), &file).expect("a segment");
            file = start_segment(&directory, shard, batch.segment);
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

/// Changes the header of a segment of shard 0; `edit` receives how long the segment is, too.
fn edit_header(files: &StdFiles, segment: SegmentNumber, edit: impl FnOnce(&mut SegmentHeader, u64)) {
    let path = files.path(ShardId(0), segment);
    let mut bytes = fs::read(&path).expect("a segment");
    let mut header = SegmentHeader::decode(&bytes, ShardId(0), segment).expect("a header");
    edit(&mut header, bytes.len() as u64);
    bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
    fs::write(&path, bytes).expect("written");
}

fn start_segment(directory: &Path, shard: ShardId, segment: SegmentNumber) -> Vec<u8> {
    let header = SegmentHeader {
        shard,
        shard_count: 1,
        segment,
        created_us: segment.0 as i64,
        capacity_bytes: SEGMENT_BYTES_MIN,
        generation: 0,
    };
    let bytes = header.encode().to_vec();
    fs::write(directory.join(file_name(segment)), &bytes).expect("a segment");
    bytes
}

/// What the snapshot of the directory says of all rooms.
fn snapshot(files: &StdFiles) -> HashMap<RoomKey, RoomTail> {
    let source = files.open_snapshot(ShardId(0), SnapshotFile::Newest).expect("a file").expect("a snapshot");
    let rooms = SnapshotReader::new(source, ShardId(0)).expect("a snapshot");
    let room = |room: SnapshotRoom| Some((room.room_name().expect("a name").key(), room.tail?));
    rooms.filter_map(|found| room(found.expect("a whole snapshot"))).collect()
}

fn heads(files: &StdFiles) -> Vec<(RoomKey, u64)> {
    let mut heads: Vec<_> = snapshot(files).into_iter().map(|(key, tail)| (key, tail.head.0)).collect();
    heads.sort();
    heads
}

fn page(data: &Path, tails: &HashMap<RoomKey, RoomTail>, room: &str, page: Page) -> Vec<u64> {
    page_by(data, tails, &[], room, page).0
}

/// The same, with tables; and how many reads of indexes it took.
fn page_by(
    data: &Path,
    tails: &HashMap<RoomKey, RoomTail>,
    sources: &[AmendmentSource],
    room: &str,
    page: Page,
) -> (Vec<u64>, usize) {
    let room = RoomName::parse(room).expect("a room name");
    let tail = &tails[&room.key()];
    let places = StoredRoomPlaces { room: &room, head: tail.head, tail: Some(tail), open: &[], sources };
    let mut query = PageQuery::new(page, &places);
    let mut index_reads = 0;
    loop {
        let requests = match query.step() {
            Step::Done(found) => {
                let found = found.expect("a page");
                let numbers = found.messages.iter().map(|message| message.seq().0).collect();
                return (numbers, index_reads);
            }
            Step::Read(requests) => requests,
        };
        index_reads += requests.iter().filter(|read| matches!(read.file, StoredFile::Index(_))).count();
        let read = |request: &crate::index::ReadRequest| {
            let directory = data.join(directory_name(request.directory));
            let bytes = fs::read(directory.join(request.file.file_name())).ok()?;
            let part = bytes.iter().skip(request.offset_bytes as usize).take(request.bytes);
            Some(part.copied().collect::<Vec<_>>())
        };
        let bytes: Vec<Option<Vec<u8>>> = requests.iter().map(read).collect();
        let answer =
            |bytes| Option::map_or(bytes, ReadAnswer::NoFile, |bytes: &Vec<u8>| ReadAnswer::Bytes(bytes));
        let answers: Vec<ReadAnswer<'_>> = bytes.iter().map(|bytes| answer(bytes.as_ref())).collect();
        query.supply(&answers);
    }
}

#[test]
fn a_log_without_any_index_gets_them_and_every_page_is_found() {
    let data = tempfile::tempdir().expect("a directory");
    let segments = write_log(data.path(), 1_500);
    assert!(segments.len() > 3);
    let files = StdFiles::new(data.path());
    let opened = open_log(&files, 1).expect("a log");
    let tails = snapshot(&files);
    assert_eq!((opened.rebuilt.len(), opened.rooms), (segments.len(), 2));
    assert_eq!(page(data.path(), &tails, "r2", Page::After { seq: Seq(0), count: 500 }).len(), 500);
    let middle = page(data.path(), &tails, "r1", Page::Before { seq: Seq(400), count: 50 });
    assert_eq!(middle, (350..400).collect::<Vec<_>>());
    let again = open_log(&files, 1).expect("a log");
    assert!(again.rebuilt.is_empty(), "{:?}", again.rebuilt);
    assert_eq!(snapshot(&files), tails);
}

/// Takes all indexes and the snapshot away, and the first segment, so that rooms begin late: the copy of the
/// snapshot says what has expired.
fn lose_all_indexes(files: &StdFiles, first: SegmentNumber) {
    let directory = files.path(ShardId(0), first).with_file_name("");
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.ends_with(SnapshotFile::Newest.name()) {
            fs::rename(&path, path.with_file_name(SnapshotFile::Copy.name())).expect("moved");
        } else if path.extension().is_none_or(|extension| extension == "idx") {
            fs::remove_file(path).expect("removed");
        }
    }
    if first == SegmentNumber::FIRST {
        fs::remove_file(files.path(ShardId(0), first)).expect("removed");
    }
}

#[test]
fn a_log_that_is_four_times_as_long_takes_about_four_times_the_reads_to_index_anew() {
    let reads = |messages: u64| {
        let data = tempfile::tempdir().expect("a directory");
        let segments = write_log(data.path(), messages);
        let files = StdFiles::new(data.path());
        let counting = Counting(&files, std::sync::atomic::AtomicUsize::new(0));
        open_log(&files, 1).expect("a log with indexes");
        let taken = || counting.1.swap(0, std::sync::atomic::Ordering::Relaxed);
        lose_all_indexes(&files, segments[0]);
        let opened = open_log(&counting, 1).expect("a log");
        assert_eq!(opened.rebuilt.len(), segments.len() - 1);
        let at_start = taken();
        let tails = snapshot(&files);
        lose_all_indexes(&files, segments[1]);
        let last = *segments.last().expect("a segment");
        rebuild_index(&counting, ShardId(0), last).expect("an index, and those before it");
        let (lookup, newest) = (taken(), page(data.path(), &tails, "r1", Page::Last { count: 500 }));
        assert_eq!(newest.len(), 500, "across segments, by links between them");
        (at_start, lookup)
    };
    let (short, long) = (reads(6_000), reads(24_000));
    assert!(long.0 < short.0 * 6, "a start: {} reads, then {}", short.0, long.0);
    assert!(long.1 < short.1 * 6, "a lookup: {} reads, then {}", short.1, long.1);
}

/// A start believes an index of its segment's seal. After a sync of it that failed reads show a seal that a power
/// cut takes (simulator, seed 1400650 with retention and upgrades).
#[test]
fn an_index_is_made_again_behind_a_seal_that_is_on_disk() {
    use std::time::SystemTime;
    let data = tempfile::tempdir().expect("a directory");
    let segments = write_log(data.path(), 1_500);
    let files = StdFiles::new(data.path());
    open_log(&files, 1).expect("a log");
    for segment in &segments {
        let file =
            fs::OpenOptions::new().write(true).open(files.path(ShardId(0), *segment)).expect("a segment");
        file.set_modified(SystemTime::UNIX_EPOCH).expect("a time");
    }
    // What is made ready behind the last one proves nothing.
    let directory = data.path().join(directory_name(ShardId(0)));
    let last = *segments.last().expect("a segment");
    start_segment(&directory, ShardId(0), last.next());
    let is_written_again = |segment: SegmentNumber| {
        let before = fs::read(files.path(ShardId(0), segment)).expect("a segment");
        fs::remove_file(directory.join(index_file_name(segment))).expect("a loss");
        rebuild_index(&files, ShardId(0), segment).expect("an index");
        assert_eq!(fs::read(files.path(ShardId(0), segment)).expect("a segment"), before);
        let (_, at) = files.finished(ShardId(0), segment).expect("a segment");
        at > SystemTime::UNIX_EPOCH
    };
    assert!(is_written_again(last), "nothing but this proves that the seal of the last one is on disk");
    assert!(!is_written_again(segments[0]), "it keeps its age, as it is followed");
}

#[test]
fn an_index_made_again_alone_links_to_earlier_ones_that_were_missing_too() {
    let data = tempfile::tempdir().expect("a directory");
    let segments = write_log(data.path(), 1_500);
    let files = StdFiles::new(data.path());
    open_log(&files, 1).expect("a log");
    let tails = snapshot(&files);
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

/// Segments are made ahead, two of them perhaps at one tick of a coarse clock; a clock is set back; a segment
/// whose header was damaged is dated to its repair (simulator, seed 1795310922662469).
#[test]
fn an_index_made_again_links_to_earlier_segments_whenever_they_say_they_were_made() {
    let shard = ShardId(0);
    let times: [fn(i64) -> i64; 3] = [|_| 7, |number| -number, |number| if number == 2 { 9 } else { number }];
    for created_us in times {
        let data = tempfile::tempdir().expect("a directory");
        let segments = write_log(data.path(), 1_500);
        let files = StdFiles::new(data.path());
        for segment in &segments {
            edit_header(&files, *segment, |header, _| header.created_us = created_us(segment.0 as i64));
        }
        // Once all are made by a start, and once two by a lookup that misses the earlier one.
        open_log(&files, 1).expect("a log");
        let tails = snapshot(&files);
        let directory = data.path().join(directory_name(shard));
        let everything = || page(data.path(), &tails, "r2", Page::After { seq: Seq(0), count: 500 });
        assert_eq!(everything(), (1..=500).collect::<Vec<_>>());
        for segment in &segments[1..3] {
            fs::remove_file(directory.join(index_file_name(*segment))).expect("a loss");
        }
        for segment in &segments[1..3] {
            rebuild_index(&files, shard, *segment).expect("an index");
        }
        assert_eq!(everything(), (1..=500).collect::<Vec<_>>());
    }
}

#[test]
fn a_snapshot_stands_for_its_indexes_and_is_made_again_when_it_is_damaged() {
    let data = tempfile::tempdir().expect("a directory");
    let segments = write_log(data.path(), 1_500);
    let files = StdFiles::new(data.path());
    let first = open_log(&files, 1).expect("a log");
    let tails = snapshot(&files);
    let directory = data.path().join(directory_name(ShardId(0)));
    let index = |segment: &SegmentNumber| directory.join(index_file_name(*segment));
    let path = directory.join(crate::SNAPSHOT_FILE_NAME);
    let bytes = fs::read(&path).expect("a snapshot");
    let aside: Vec<Vec<u8>> =
        segments.iter().map(|segment| fs::read(index(segment)).expect("an index")).collect();
    for segment in &segments {
        fs::remove_file(index(segment)).expect("a loss");
    }
    let OpenedLog { rebuilt, snapshots, next_segments, .. } = open_log(&files, 1).expect("a log");
    assert!(rebuilt.is_empty(), "no index was needed");
    assert_eq!((snapshots, next_segments), (first.snapshots.clone(), first.next_segments));
    for (segment, bytes) in segments.iter().zip(&aside) {
        fs::write(index(segment), bytes).expect("an index");
    }
    for place in (0..bytes.len()).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[place] ^= 1;
        fs::write(&path, damaged).expect("damage");
        // A start that needs nothing of it looks at its end only; who asks for a room looks further.
        let opened = open_log(&files, 1).expect("a log");
        assert_eq!(opened.snapshots, first.snapshots, "byte {place}");
        mend_snapshot(&files, ShardId(0)).expect("a snapshot");
        assert_eq!(snapshot(&files), tails, "byte {place}");
    }
}

#[test]
fn a_start_with_segments_behind_a_damaged_snapshot_reads_the_indexes_instead() {
    let data = tempfile::tempdir().expect("a directory");
    let segments = write_log(data.path(), 1_500);
    let files = StdFiles::new(data.path());
    open_log(&files, 1).expect("a log");
    let tails = snapshot(&files);
    let directory = data.path().join(directory_name(ShardId(0)));
    let path = directory.join(crate::SNAPSHOT_FILE_NAME);
    // One that covers all but the last segment: the last is put aside while it is written.
    let last = segments[segments.len() - 1];
    let last = files.path(ShardId(0), last);
    let both =
        [(last.clone(), directory.join("aside")), (last.with_extension("idx"), directory.join("beside"))];
    both.iter().for_each(|(place, aside)| fs::rename(place, aside).expect("put aside"));
    fs::remove_file(&path).expect("a loss");
    open_log(&files, 1).expect("a log");
    both.iter().for_each(|(place, aside)| fs::rename(aside, place).expect("put back"));
    let short = fs::read(&path).expect("a snapshot");
    for place in (0..short.len()).step_by(7) {
        let mut damaged = short.clone();
        damaged[place] ^= 1;
        fs::write(&path, damaged).expect("damage");
        open_log(&files, 1).expect("a log");
        assert_eq!(snapshot(&files), tails, "byte {place}");
    }
}

/// Writes the first segment of shard 1, where `r1` continues after the number of shards has changed.
fn write_what_follows(data: &Path, numbers: std::ops::RangeInclusive<u64>) {
    let shard = ShardId(1);
    let directory = data.join(directory_name(shard));
    fs::create_dir_all(&directory).expect("a directory");
    let mut appender =
        Appender::new(shard, SegmentNumber::FIRST, SEGMENT_BYTES_MIN, SEGMENT_BYTES_MIN, Durability::Commit);
    let mut file = start_segment(&directory, shard, SegmentNumber::FIRST);
    for seq in numbers {
        appender.append(&message("r1", seq, "x"));
    }
    let batch = appender.take_batch().expect("a batch");
    file.truncate(batch.offset_bytes as usize);
    file.extend_from_slice(&batch.bytes);
    fs::write(directory.join(file_name(SegmentNumber::FIRST)), &file).expect("a segment");
}

#[test]
fn a_room_that_moved_continues_from_what_the_snapshot_of_another_directory_says() {
    let data = tempfile::tempdir().expect("a directory");
    write_log(data.path(), 1_500);
    let files = StdFiles::new(data.path());
    open_log(&files, 1).expect("a log");
    write_what_follows(data.path(), 1_001..=1_003);
    let opened = open_log(&files, 2).expect("a log in which nothing is missing");
    assert_eq!(opened.snapshots.len(), 2);
    let source = files.open_snapshot(ShardId(1), SnapshotFile::Newest).expect("a file").expect("a snapshot");
    let mut rooms = SnapshotReader::new(source, ShardId(1)).expect("a snapshot");
    let room = rooms.next().expect("a room").expect("a whole snapshot");
    let tail = room.tail.clone().expect("messages");
    let tails = HashMap::from([(room.room_name().expect("a name").key(), tail)]);
    let across = page(data.path(), &tails, "r1", Page::Before { seq: Seq(1_004), count: 50 });
    assert_eq!(across, (954..=1_003).collect::<Vec<_>>());
}

#[test]
fn a_gap_between_two_directories_is_found_whatever_their_snapshots_say() {
    let data = tempfile::tempdir().expect("a directory");
    write_log(data.path(), 1_500);
    let files = StdFiles::new(data.path());
    open_log(&files, 1).expect("a log");
    write_what_follows(data.path(), 1_002..=1_003);
    let error = open_log(&files, 2).expect_err("a gap").to_string();
    assert!(error.contains("message #1001 of room 'r1' is missing"), "{error}");
}

#[test]
fn an_index_that_is_missing_or_damaged_is_made_again_as_it_was() {
    let data = tempfile::tempdir().expect("a directory");
    let segments = write_log(data.path(), 1_500);
    let files = StdFiles::new(data.path());
    open_log(&files, 1).expect("a log");
    let tails = snapshot(&files);
    let index =
        |segment: SegmentNumber| data.path().join(directory_name(ShardId(0))).join(index_file_name(segment));
    let middle = index(segments[2]);
    let before = fs::read(&middle).expect("an index");
    let mut damaged = before.clone();
    damaged[before.len() / 2] ^= 1;
    fs::write(&middle, damaged).expect("damage");
    fs::remove_file(index(segments[0])).expect("a loss");
    fs::remove_file(files.path(ShardId(0), SegmentNumber::FIRST).with_file_name(crate::SNAPSHOT_FILE_NAME))
        .expect("a loss");
    let again = open_log(&files, 1).expect("a log");
    assert_eq!(again.rebuilt.len(), 2);
    assert_eq!(snapshot(&files), tails);
    assert_eq!(fs::read(&middle).expect("an index"), before);
    fs::remove_file(&middle).expect("a loss");
    rebuild_index(&files, ShardId(0), segments[2]).expect("an index");
    assert_eq!(fs::read(&middle).expect("an index"), before);
}

#[test]
fn the_index_of_a_segment_that_its_seal_fills_to_the_last_byte_is_made_again() {
    // Its length is its capacity, as that of one that is still appended to (simulator, seed 26).
    let data = tempfile::tempdir().expect("a directory");
    let segments = write_log(data.path(), 1_500);
    let files = StdFiles::new(data.path());
    open_log(&files, 1).expect("a log");
    let (shard, directory) = (ShardId(0), data.path().join(directory_name(ShardId(0))));
    for segment in &segments[..2] {
        edit_header(&files, *segment, |header, length_bytes| header.capacity_bytes = length_bytes);
        fs::remove_file(directory.join(index_file_name(*segment))).expect("an index");
    }
    rebuild_index(&files, shard, segments[1]).expect("made again");
    for segment in &segments[..2] {
        assert!(read_table(&files, shard, *segment).expect("read").is_some(), "segment {segment}");
    }
}

/// A crash came after its seal was written and before what is behind it was cut off (simulator, seed
/// 1795313444000354 with upgrades and interrupted starts).
#[test]
fn the_index_of_a_sealed_segment_that_was_not_cut_off_is_made_before_the_next_one() {
    let data = tempfile::tempdir().expect("a directory");
    let segments = write_log(data.path(), 1_500);
    let files = StdFiles::new(data.path());
    let shard = ShardId(0);
    let sealed = fs::OpenOptions::new().write(true).open(files.path(shard, segments[0])).expect("a segment");
    sealed.set_len(SEGMENT_BYTES_MIN).expect("zeros behind the seal");
    open_log(&files, 1).expect("a log");
    let tails = snapshot(&files);
    let directory = data.path().join(directory_name(shard));
    for segment in &segments[..2] {
        fs::remove_file(directory.join(index_file_name(*segment))).expect("a loss");
    }
    rebuild_index(&files, shard, segments[1]).expect("an index");
    let all = page(data.path(), &tails, "r2", Page::After { seq: Seq(0), count: 500 });
    assert_eq!(all, (1..=500).collect::<Vec<_>>());
}

/// A segment that was left behind after a failed write is read at every start until a snapshot covers
/// it, and its index made again, while that of the one before it may be lost (simulator).
#[test]
fn what_a_lost_index_holds_does_not_pass_for_lost_when_a_start_makes_the_next_one_again() {
    let data = tempfile::tempdir().expect("a directory");
    let segments = write_log(data.path(), 1_500);
    let files = StdFiles::new(data.path());
    let directory = data.path().join(directory_name(ShardId(0)));
    let snapshot_path = directory.join(crate::SNAPSHOT_FILE_NAME);
    let [.., covered, target, last] = segments[..] else { panic!("{} segments", segments.len()) };
    // A snapshot of all but the last two.
    for segment in [target, last] {
        let path = files.path(ShardId(0), segment);
        fs::rename(&path, path.with_extension("aside")).expect("put aside");
    }
    open_log(&files, 1).expect("a log");
    let short = fs::read(&snapshot_path).expect("a snapshot");
    for segment in [target, last] {
        let path = files.path(ShardId(0), segment);
        fs::rename(path.with_extension("aside"), &path).expect("put back");
    }
    open_log(&files, 1).expect("a log");
    let (tails, before) = (snapshot(&files), fs::read(directory.join(index_file_name(target))));
    fs::write(&snapshot_path, short).expect("the earlier snapshot");
    for segment in [covered, target] {
        fs::remove_file(directory.join(index_file_name(segment))).expect("a loss");
    }
    open_log(&files, 1).expect("a log");
    assert_eq!(fs::read(directory.join(index_file_name(target))).ok(), before.ok());
    assert_eq!(snapshot(&files), tails);
    let all = page(data.path(), &tails, "r2", Page::After { seq: Seq(0), count: 500 });
    assert_eq!(all, (1..=500).collect::<Vec<_>>());
}

/// Damage is never ignored silently: a start that finds it reports it, even where the rest could be read.
#[test]
fn a_start_that_must_link_past_a_damaged_segment_names_it_and_says_what_to_do() {
    let data = tempfile::tempdir().expect("a directory");
    let segments = write_log(data.path(), 1_500);
    let (files, shard) = (StdFiles::new(data.path()), ShardId(0));
    let (damaged, scanned) = (segments[1], segments[3]);
    let away = data.path().join("away");
    fs::create_dir(&away).expect("a directory");
    let later: Vec<_> = segments[3..].iter().map(|segment| files.path(shard, *segment)).collect();
    let kept = |path: &Path| away.join(path.file_name().expect("a name"));
    later.iter().for_each(|path| fs::rename(path, kept(path)).expect("moved away"));
    open_log(&files, 1).expect("the first segments");
    // From now on the snapshot covers the first three segments only, and the damage is among them.
    let snapshot_path = data.path().join(directory_name(shard)).join(crate::SNAPSHOT_FILE_NAME);
    let snapshot = fs::read(&snapshot_path).expect("a snapshot");
    later.iter().for_each(|path| fs::rename(kept(path), path).expect("back again"));
    open_log(&files, 1).expect("all segments");
    fs::write(&snapshot_path, snapshot).expect("the old snapshot");
    for lost in [damaged, scanned] {
        let index = data.path().join(directory_name(shard)).join(index_file_name(lost));
        fs::remove_file(index).expect("an index");
    }
    let path = files.path(shard, damaged);
    let whole = fs::read(&path).expect("a segment");
    let mut bytes = whole.clone();
    bytes[10_000] ^= 1;
    fs::write(&path, bytes).expect("damage");
    let error = open_log(&files, 1).expect_err("what is damaged cannot be indexed").to_string();
    let name = path.display().to_string();
    for part in [name.as_str(), "are damaged", "madang log verify", "restore", "madang log repair"] {
        assert!(error.contains(part), "{error}");
    }
    fs::write(&path, whole).expect("the copy");
    open_log(&files, 1).expect("restored from a copy, it starts");
}
