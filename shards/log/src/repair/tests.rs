use super::*;
use crate::testing::{SHARD, Writer, message, with_draft};
use crate::{
    Exported, FaultKind, Files, HEADER_BYTES, HeaderFault, MemoryFiles, Recovered, SEGMENT_BYTES_MIN,
    SegmentHeader, SegmentVerdict, Selection, StdFiles, export, recover, verify,
};
use madang_model::{Message, Seq, Timestamp};
use rkyv::util::AlignedVec;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;

mod facts;

const NOW: Timestamp = Timestamp(1_800_000_000_000_000);
const FIRST: SegmentNumber = SegmentNumber::FIRST;
const SECOND: SegmentNumber = SegmentNumber(2);
const THIRD: SegmentNumber = SegmentNumber(3);

type Kept = (SegmentNumber, Range<u64>, Vec<u8>);

struct MemoryKeeper<'a> {
    files: &'a MemoryFiles,
    kept: Mutex<Vec<Kept>>,
    staged: Mutex<BTreeMap<(ShardId, SegmentNumber), Vec<u8>>>,
}

impl MemoryKeeper<'_> {
    fn new(files: &MemoryFiles) -> MemoryKeeper<'_> {
        MemoryKeeper { files, kept: Mutex::default(), staged: Mutex::default() }
    }

    fn replace(&self, shard: ShardId, segment: SegmentNumber, bytes: &[u8]) {
        self.stage(shard, segment, bytes).and_then(|()| self.put_in_place(shard, segment)).expect("memory");
    }
}

impl Keeper for MemoryKeeper<'_> {
    fn keep(&self, shard: ShardId, segment: SegmentNumber, range: Range<u64>) -> Result<PathBuf, FilesError> {
        let bytes = bytes_of(self.files, shard, segment)[range.start as usize..range.end as usize].to_vec();
        self.kept.lock().expect("no test panics with it").push((segment, range, bytes));
        Ok(PathBuf::new())
    }

    fn stage(&self, shard: ShardId, segment: SegmentNumber, bytes: &[u8]) -> Result<(), FilesError> {
        self.staged.lock().expect("no test panics with it").insert((shard, segment), bytes.to_vec());
        Ok(())
    }

    fn stage_indexes(&self, _: ShardId, _: Option<&[u8]>) -> Result<(), FilesError> {
        Ok(())
    }

    fn put_in_place(&self, shard: ShardId, segment: SegmentNumber) -> Result<(), FilesError> {
        let staged = self.staged.lock().expect("no test panics with it").remove(&(shard, segment));
        self.files.create(&SegmentHeader {
            shard,
            shard_count: 1,
            segment,
            created_us: 0,
            capacity_bytes: SEGMENT_BYTES_MIN,
            generation: 0,
        });
        self.files.edit(shard, segment, |file| *file = staged.expect("it was staged"));
        Ok(())
    }

    fn take_indexes_away(&self, _: ShardId) -> Result<(), FilesError> {
        Ok(())
    }

    fn give_up(&self) {}
}

fn bytes_of(files: &MemoryFiles, shard: ShardId, segment: SegmentNumber) -> Vec<u8> {
    let mut bytes = AlignedVec::new();
    files.read(shard, segment, &mut bytes).expect("it is there");
    bytes.to_vec()
}

/// Repairs, and checks what must hold after every repair.
fn repaired(files: &MemoryFiles) -> (RepairPlan, Vec<Kept>) {
    let planned = plan(files, &mut |_| ()).expect("it can be repaired");
    let keeper = MemoryKeeper::new(files);
    planned.apply(files, &keeper, NOW, &mut |_| ()).expect("memory can be written");
    let verification = verify(files, &mut |_| ()).expect("memory can be read");
    let faults: Vec<String> = verification.all_faults().map(ToString::to_string).collect();
    assert!(faults.is_empty(), "{faults:#?} after {planned:#?}");
    assert!(plan(files, &mut |_| ()).expect("memory can be read").is_empty(), "once is enough");
    (planned, keeper.kept.into_inner().expect("no test panics with it"))
}

fn recovered(files: &MemoryFiles) -> Recovered {
    recover(files, 1, 64).unwrap_or_else(|error| panic!("a repaired log starts: {error}"))
}

fn head(recovered: &Recovered, room: &str) -> u64 {
    recovered.rooms.iter().find(|known| known.name.as_str() == room).map_or(0, |known| known.head.0)
}

type Lost = (String, u64, u64);

/// Every room's numbers as an export gives them, and those it says are lost.
fn exported(files: &MemoryFiles) -> (BTreeMap<String, Vec<u64>>, Vec<Lost>) {
    let (mut numbers, mut lost) = (BTreeMap::<String, Vec<u64>>::new(), Vec::new());
    let mut sink = |exported: Exported<'_>| {
        match exported {
            Exported::Message(message) => {
                numbers.entry(message.room.to_owned()).or_default().push(message.seq.0);
            }
            Exported::Amendment(amendment) => {
                numbers.entry(amendment.room.to_owned()).or_default().push(amendment.seq.0);
            }
            Exported::Lost { room, gap } => lost.push((room.to_owned(), gap.first.0, gap.last.0)),
        }
        Ok(())
    };
    let export = export(files, &Selection::All, &mut sink, &mut |_| ()).expect("memory can be read");
    assert!(export.faults.is_empty(), "{:?}", export.faults);
    assert!(numbers.values().all(|numbers| numbers.is_sorted_by(|a, b| a < b)), "{numbers:?}");
    (numbers, lost)
}

fn said(room: &str, range: std::ops::RangeInclusive<u64>) -> Vec<Message> {
    range.map(|n| message(room, n, &format!("{room} text {n}"))).collect()
}

/// Two finished segments, one that is appended to, and one that is prepared; without their zeros.
fn small_log() -> MemoryFiles {
    let files = MemoryFiles::default();
    let mut writer = Writer::new(&files, SHARD, FIRST);
    writer.commit(&said("r1", 1..=2));
    writer.commit(&[message("마당", 1, "안녕"), with_draft(message("alice&bob", 1, "psst"), "d-1")]);
    writer.finish();
    let mut writer = Writer::new(&files, SHARD, SECOND);
    writer.commit(&said("r1", 3..=4));
    writer.commit(&[message("마당", 2, "하나")]);
    writer.finish();
    let mut writer = Writer::new(&files, SHARD, THIRD);
    writer.commit(&[said("r1", 5..=5), said("general", 1..=1)].concat());
    writer.commit(&said("general", 2..=3));
    writer.commit(&[said("general", 4..=4), said("r1", 6..=7)].concat());
    for segment in files.segments(SHARD).expect("memory can be listed") {
        files.edit(SHARD, segment, |bytes| {
            let content = bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
            bytes.truncate(content.next_multiple_of(16) + 64);
        });
    }
    files
}

fn copy_of(files: &MemoryFiles) -> MemoryFiles {
    let copy = MemoryFiles::default();
    let keeper = MemoryKeeper::new(&copy);
    for segment in files.segments(SHARD).expect("memory can be listed") {
        keeper.replace(SHARD, segment, &bytes_of(files, SHARD, segment));
    }
    copy
}

/// Room, number, segment and range of every message.
fn frames(files: &MemoryFiles) -> Vec<(String, u64, SegmentNumber, Range<usize>)> {
    let mut found = Vec::new();
    for segment in files.segments(SHARD).expect("memory can be listed") {
        let mut bytes = AlignedVec::<16>::new();
        files.read(SHARD, segment, &mut bytes).expect("it is there");
        let place = crate::SegmentId { shard: SHARD, segment };
        for (frame, record) in intact::intact_frames(&bytes, place, None) {
            let crate::StoredRecord::Message(message) = record else { continue };
            let range = frame.offset_bytes..frame.end_bytes;
            found.push((message.room.to_owned(), message.seq.0, segment, range));
        }
    }
    found
}

/// Where what counts in a segment ends; a byte behind that counts too while nothing is sealed.
fn end_of(files: &MemoryFiles, segment: SegmentNumber) -> usize {
    let verification = verify(files, &mut |_| ()).expect("memory can be read");
    let report = verification.segments.iter().find(|report| report.segment == segment);
    match report.expect("it is there").verdict {
        SegmentVerdict::Sealed { offset_bytes, .. } => offset_bytes,
        _ => usize::MAX,
    }
}

fn offset_of(files: &MemoryFiles, room: &str, seq: u64) -> (SegmentNumber, usize) {
    let frames = frames(files);
    let found = frames.iter().find(|(of, number, ..)| of == room && *number == seq);
    found.map(|(_, _, segment, range)| (*segment, range.start)).expect("it was said")
}

#[test]
fn a_sound_log_is_left_alone() {
    let files = small_log();
    assert!(plan(&files, &mut |_| ()).expect("memory can be read").is_empty());
    assert!(plan(&MemoryFiles::default(), &mut |_| ()).expect("memory can be read").is_empty());
}

/// One thread a segment: it is the slowest test of the log.
#[test]
fn whatever_byte_is_flipped_every_other_message_is_kept() {
    let sound = small_log();
    assert_eq!(frames(&sound).len(), 14);
    std::thread::scope(|scope| {
        for segment in sound.segments(SHARD).expect("memory can be listed") {
            let sound = &sound;
            scope.spawn(move || {
                for at in 0..bytes_of(sound, SHARD, segment).len() {
                    flip_and_repair(sound, segment, at);
                }
            });
        }
    });
}

fn flip_and_repair(sound: &MemoryFiles, segment: SegmentNumber, at: usize) {
    let files = copy_of(sound);
    files.edit(SHARD, segment, |bytes| bytes[at] ^= 0x14);
    let damaged = bytes_of(&files, SHARD, segment);
    let (planned, kept) = repaired(&files);
    let is_counted = at < end_of(sound, segment);
    assert_eq!(!planned.is_empty(), is_counted, "byte {at} of segment {segment}: found, or does not count");
    let takes = |change: &&SegmentChange| !matches!(change.change, RepairChange::Cut { torn_bytes: 0, .. });
    for change in planned.changes.iter().filter(takes) {
        assert_eq!(change.segment, segment, "byte {at}: only the damaged segment is touched");
        let is_kept = kept.iter().any(|(of, range, bytes)| {
            *of == segment
                && range.contains(&(at as u64))
                && damaged[range.start as usize..range.end as usize] == **bytes
        });
        assert!(is_kept, "byte {at} of segment {segment} is not set aside");
    }
    let (numbers, _) = exported(&files);
    for (room, seq, of, range) in frames(sound) {
        let is_intact = of != segment || !range.contains(&at);
        let is_there = numbers.get(&room).is_some_and(|numbers| numbers.contains(&seq));
        assert_eq!(is_there, is_intact, "byte {at} of segment {segment}: #{seq} of {room}");
    }
    recovered(&files);
}

#[test]
fn a_gap_is_recorded_and_its_numbers_stay_taken() {
    let files = small_log();
    let (segment, at) = offset_of(&files, "r1", 3);
    files.edit(SHARD, segment, |bytes| bytes[at + 20] ^= 1);
    let (planned, _) = repaired(&files);
    let [lost] = &planned.lost[..] else { panic!("one message is lost: {planned:?}") };
    assert_eq!((lost.room.as_str(), lost.gap), ("r1", MissingRange { first: Seq(3), last: Seq(3) }));
    assert_eq!(exported(&files).1, [("r1".to_owned(), 3, 3)]);
    let verification = verify(&files, &mut |_| ()).expect("memory can be read");
    assert_eq!(verification.lost.len(), 1);
    let recovered = recovered(&files);
    let room = recovered.rooms.iter().find(|room| room.name.as_str() == "r1").expect("it has messages");
    assert_eq!((room.head, &room.lost[..]), (Seq(7), &[lost.gap][..]));
    let recent: Vec<u64> = room.recent.iter().map(|entry| entry.seq().0).collect();
    assert_eq!(recent, [4, 5, 6, 7], "what is kept in memory has no gap");
}

#[test]
fn a_room_whose_newest_message_is_damaged_does_not_give_its_number_again() {
    let files = small_log();
    let (segment, at) = offset_of(&files, "마당", 2);
    let text = bytes_of(&files, SHARD, segment)[at..].windows(6).position(|w| w == "하나".as_bytes());
    files.edit(SHARD, segment, |bytes| bytes[at + text.expect("it was said")] ^= 1);
    repaired(&files);
    assert_eq!(exported(&files).1, [("마당".to_owned(), 2, 2)]);
    let recovered = recovered(&files);
    assert_eq!(head(&recovered, "마당"), 2);
    let room = recovered.rooms.iter().find(|room| room.name.as_str() == "마당").expect("it has messages");
    assert!(room.recent.is_empty(), "what is kept in memory leads up to the head");
}

#[test]
fn a_missing_segment_is_replaced_and_its_messages_recorded() {
    let files = small_log();
    files.remove(SHARD, SECOND).expect("it is there");
    let (planned, kept) = repaired(&files);
    assert!(kept.is_empty());
    let changes: Vec<&RepairChange> = planned.changes.iter().map(|change| &change.change).collect();
    assert!(
        matches!(changes[..], [RepairChange::Fill { .. }, RepairChange::Cut { torn_bytes: 0, .. }]),
        "{changes:?}"
    );
    assert_eq!(exported(&files).1, [("r1".to_owned(), 3, 4)]);
    assert_eq!(head(&recovered(&files), "r1"), 7);
}

#[test]
fn a_segment_made_anew_is_as_old_as_the_one_beside_it() {
    for (segment, is_missing) in [(FIRST, false), (SECOND, false), (SECOND, true)] {
        let files = small_log();
        if is_missing {
            files.remove(SHARD, segment).expect("it is there");
        } else {
            files.edit(SHARD, segment, |bytes| bytes[..64].fill(0x55));
        }
        repaired(&files);
        let made = SegmentHeader::decode(&bytes_of(&files, SHARD, segment), SHARD, segment);
        assert_eq!(made.expect("a header").created_us, 0, "segment {segment}");
    }
}

#[test]
fn a_segment_that_comes_back_fills_the_gap_again() {
    let files = small_log();
    let missing = bytes_of(&files, SHARD, SECOND);
    files.remove(SHARD, SECOND).expect("it is there");
    repaired(&files);
    files.edit(SHARD, SECOND, |bytes| *bytes = missing);
    let (numbers, lost) = exported(&files);
    assert_eq!((&numbers["r1"], lost.len()), (&(1..=7).collect::<Vec<_>>(), 0));
    assert!(plan(&files, &mut |_| ()).expect("memory can be read").is_empty());
    recovered(&files);
}

#[test]
fn a_wrong_header_costs_no_message() {
    for edit in [|bytes: &mut Vec<u8>| bytes[..64].fill(0), |bytes: &mut Vec<u8>| bytes[..64].fill(0x55)] {
        let files = small_log();
        files.edit(SHARD, SECOND, edit);
        let (planned, _) = repaired(&files);
        assert!(planned.lost.is_empty());
        assert_eq!(exported(&files).0["r1"], (1..=7).collect::<Vec<_>>());
        recovered(&files);
    }
}

#[test]
fn a_segment_of_another_place_is_set_aside_whole() {
    let files = small_log();
    let other = bytes_of(&files, SHARD, FIRST);
    files.edit(SHARD, SECOND, |bytes| bytes.clone_from(&other));
    let (planned, kept) = repaired(&files);
    let elsewhere = HeaderFault::Elsewhere { shard: SHARD, segment: FIRST };
    assert!(planned.faults.iter().any(|fault| fault.kind == FaultKind::Header(elsewhere.clone())));
    assert_eq!(kept, [(SECOND, 0..other.len() as u64, other)]);
    assert_eq!(exported(&files).1, [("r1".to_owned(), 3, 4)]);
    recovered(&files);
}

#[test]
fn a_future_version_is_never_touched() {
    let files = small_log();
    files.edit(SHARD, SECOND, |bytes| {
        bytes[8] = 200;
        let checksum = crc32c::crc32c(&bytes[..HEADER_BYTES - 4]).to_le_bytes();
        bytes[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&checksum);
    });
    let error = plan(&files, &mut |_| ()).expect_err("a newer madang can read it").to_string();
    assert!(error.contains("format version 200") && error.contains("nothing was changed"), "{error}");
}

#[test]
fn a_segment_without_its_seal_is_sealed() {
    let files = small_log();
    files.edit(SHARD, SECOND, |bytes| {
        let content = bytes.iter().rposition(|b| *b != 0).expect("it is not empty") + 1;
        bytes[content - 20..].fill(0);
    });
    let (planned, kept) = repaired(&files);
    assert!(matches!(
        planned.changes[..],
        [SegmentChange { change: RepairChange::Cut { torn_bytes: 1.., .. }, .. }]
    ));
    assert_eq!(kept.len(), 1);
    assert!(planned.lost.is_empty());
    recovered(&files);
}

#[test]
fn a_torn_tail_is_kept_aside_before_it_is_cut() {
    let files = small_log();
    let (segment, at) = offset_of(&files, "r1", 7);
    let before = bytes_of(&files, SHARD, segment);
    files.edit(SHARD, segment, |bytes| bytes[at + 30] ^= 1);
    let (planned, kept) = repaired(&files);
    assert!(planned.faults.is_empty() && planned.lost.is_empty());
    let [(_, range, bytes)] = &kept[..] else { panic!("one tail was cut") };
    assert_eq!((range.start as usize, bytes[0]), (at, before[at]));
    assert_eq!(head(&recovered(&files), "r1"), 6);
}

#[test]
fn a_message_that_is_there_twice_is_kept_once() {
    let files = MemoryFiles::default();
    let mut writer = Writer::new(&files, SHARD, FIRST);
    writer.commit(&[said("r1", 1..=3), said("r1", 2..=2), said("r1", 4..=4)].concat());
    let (planned, kept) = repaired(&files);
    assert_eq!((planned.faults.len(), planned.lost.len(), kept.len()), (1, 0, 1));
    assert_eq!(exported(&files).0["r1"], [1, 2, 3, 4]);
    recovered(&files);
}

#[test]
fn numbers_that_were_never_there_are_recorded() {
    let files = MemoryFiles::default();
    let mut writer = Writer::new(&files, SHARD, FIRST);
    writer.commit(&[said("r1", 3..=3), said("r1", 6..=6)].concat());
    repaired(&files);
    assert_eq!(exported(&files).1, [("r1".to_owned(), 1, 2), ("r1".to_owned(), 4, 5)]);
    recovered(&files);
}

/// With another number of shards a room went to another directory, whose first segments are gone,
/// while the one before keeps its last.
#[test]
fn what_expired_is_not_recorded_and_what_no_segment_took_along_is() {
    let files = MemoryFiles::default();
    Writer::new(&files, SHARD, FIRST).commit(&said("r1", 1..=3));
    let mut late = Writer::new(&files, ShardId(SHARD.0 + 1), SECOND);
    late.commit(&[said("r1", 7..=8), said("r1", 10..=10)].concat());
    repaired(&files);
    assert_eq!(exported(&files).1, [("r1".to_owned(), 9, 9)]);
    recovered(&files);
}

#[test]
fn a_message_that_cannot_be_one_is_dropped_and_recorded() {
    let files = small_log();
    let (segment, at) = offset_of(&files, "r1", 3);
    let place = crate::SegmentId { shard: SHARD, segment };
    files.edit(SHARD, segment, |bytes| {
        let frame = crate::format::read_frame(bytes, at, place).expect("it is whole");
        let range = at..frame.end_bytes;
        let name = bytes[range.clone()].windows(3).position(|w| w == b"bob").expect("bob said it");
        bytes[at + name..at + name + 3].copy_from_slice(b"b&b");
        crate::format::stamp_frames(&mut bytes[range], place, at, 1, HEADER_BYTES);
    });
    let (planned, _) = repaired(&files);
    assert!(planned.faults.iter().any(|fault| matches!(fault.kind, FaultKind::Unreadable(_))), "{planned:?}");
    assert_eq!(exported(&files).1, [("r1".to_owned(), 3, 3)]);
    recovered(&files);
}

/// The note that says where a failed segment ends is damaged, so that its batch seems to be there
/// twice, and the segments between seem to be missing.
#[test]
fn a_damaged_note_of_a_failed_write_loses_nothing() {
    let files = MemoryFiles::default();
    let mut writer = Writer::new(&files, SHARD, FIRST);
    writer.commit(&said("r1", 1..=3));
    said("r1", 4..=6).iter().for_each(|message| {
        writer.appender.append(message);
    });
    for _ in 0..2 {
        let failed = writer.write().expect("messages wait");
        writer.appender.failed(failed);
    }
    let again = writer.write().expect("the batch is given again");
    assert_eq!(again.segment, THIRD);
    writer.appender.committed(again);
    writer.commit(&said("r1", 7..=7));
    files.edit(SHARD, THIRD, |bytes| bytes[HEADER_BYTES + 20] ^= 1);
    files.remove(SHARD, SECOND).expect("it is there");
    let (planned, _) = repaired(&files);
    assert!(planned.lost.is_empty(), "{planned:?}");
    assert_eq!(exported(&files).0["r1"], (1..=7).collect::<Vec<_>>());
    recovered(&files);
}

#[test]
fn damage_before_the_end_of_a_failed_segment_is_repaired_within_that_end() {
    let files = MemoryFiles::default();
    let mut writer = Writer::new(&files, SHARD, FIRST);
    writer.commit(&said("r1", 1..=3));
    writer.appender.append(&message("r1", 4, "unlucky"));
    let failed = writer.write().expect("a message waits");
    writer.appender.failed(failed);
    let again = writer.write().expect("the batch is given again");
    writer.appender.committed(again);
    let (segment, at) = offset_of(&files, "r1", 2);
    files.edit(SHARD, segment, |bytes| bytes[at + 20] ^= 1);
    repaired(&files);
    assert_eq!(exported(&files).0["r1"], [1, 3, 4]);
    assert_eq!(head(&recovered(&files), "r1"), 4);
}

#[test]
fn a_name_far_off_is_refused_rather_than_filled_up_to() {
    let files = small_log();
    MemoryKeeper::new(&files).replace(SHARD, SegmentNumber(9_000_000), &bytes_of(&files, SHARD, FIRST));
    let error = plan(&files, &mut |_| ()).expect_err("nobody lost millions").to_string();
    assert!(error.contains("move it away"), "{error}");
}

#[test]
fn a_log_on_disk_is_repaired_like_one_in_memory() {
    let memory = small_log();
    let (segment, at) = offset_of(&memory, "r1", 3);
    memory.edit(SHARD, segment, |bytes| bytes[at + 20] ^= 1);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let disk = StdFiles::new(directory.path());
    std::fs::create_dir(directory.path().join("shard-00")).expect("the directory is new");
    for segment in memory.segments(SHARD).expect("memory can be listed") {
        std::fs::write(disk.path(SHARD, segment), bytes_of(&memory, SHARD, segment)).expect("room");
    }
    let indexes = ["00000000000000000001.idx", "00000000000000000002.idx", "rooms.snapshot"];
    for name in indexes {
        std::fs::write(directory.path().join("shard-00").join(name), name).expect("room");
    }
    let damaged = std::fs::read(disk.path(SHARD, segment)).expect("it is there");
    let planned = plan(&disk, &mut |_| ()).expect("it can be repaired");
    let keeper = StdKeeper::new(directory.path(), "set-aside-now");
    let mut kept = Vec::new();
    planned.apply(&disk, &keeper, NOW, &mut |path| kept.push(path)).expect("the disk can be written");
    let shelf = directory.path().join("set-aside-now/shard-00");
    let name = format!("00000000000000000002.seg.bytes-0-{}", damaged.len());
    assert_eq!(kept, [shelf.join(name)]);
    assert_eq!(std::fs::read(&kept[0]).expect("it is kept"), damaged);
    for name in indexes {
        let is_there = directory.path().join("shard-00").join(name).exists();
        assert!(!is_there && shelf.join(name).exists(), "{name} describes what was");
    }
    let report = verify(&disk, &mut |_| ()).expect("it can be read");
    assert_eq!(report.all_faults().count(), 0);
    let is_sealed = |report: &crate::SegmentReport| matches!(report.verdict, SegmentVerdict::Sealed { .. });
    assert!(report.segments.iter().filter(|report| report.segment == segment).all(is_sealed));
    recover(&disk, 1, 64).expect("a repaired log starts");
}
