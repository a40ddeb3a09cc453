use super::*;
use crate::testing::{Chance, SHARD, Writer, create, message, with_draft};
use crate::{Appender, Durability, Files, MemoryFiles, SegmentNumber, StdFiles};
use madang_model::{Entry, Message, RoomName, Seq, ShardId, UserName};
use std::collections::BTreeMap;

fn faults_of(files: &MemoryFiles) -> Vec<FaultKind> {
    match recover(files, 1, 10) {
        Err(RecoveryError::Faults(faults)) => faults.into_iter().map(|fault| fault.kind).collect(),
        other => panic!("the damage was not seen: {other:?}"),
    }
}

fn texts(range: std::ops::RangeInclusive<u64>) -> Vec<Message> {
    range.map(|n| message("r1", n, &format!("text {n}"))).collect()
}

fn exported(files: &MemoryFiles, room: &str) -> Vec<u64> {
    let mut numbers = Vec::new();
    let room = RoomName::from_log(room).expect("a room name");
    let mut sink = |exported: Exported<'_>| {
        let Exported::Message(message) = exported else { panic!("nothing is lost") };
        numbers.push(message.seq.0);
        Ok(())
    };
    let export = export(files, &Selection::Rooms(vec![room]), &mut sink, &mut |_| ());
    let export = export.expect("memory can be read");
    assert!(export.faults.is_empty(), "{:?}", export.faults);
    assert_eq!(export.records, numbers.len() as u64);
    numbers
}

#[test]
fn an_empty_directory_begins_at_segment_one() {
    let recovered = recover(&MemoryFiles::default(), 3, 10).expect("nothing is wrong");
    assert_eq!(recovered.next_segments, [SegmentNumber::FIRST; 3]);
    assert!(recovered.rooms.is_empty());
}

#[test]
fn heads_recent_messages_and_drafts_come_back() {
    let files = MemoryFiles::default();
    let mut writer = Writer::new(&files, SHARD, SegmentNumber::FIRST);
    writer.commit(&texts(1..=20));
    writer.commit(&[with_draft(message("r1", 21, "text 21"), "d-1"), message("alice&bob", 1, "psst")]);
    let recovered = recover(&files, 1, 3).expect("nothing is wrong");
    assert_eq!(recovered.summary.records, 22);
    assert_eq!(recovered.next_segments, [SegmentNumber(2)]);
    let room = recovered.rooms.iter().find(|room| room.name.as_str() == "r1").expect("r1 has messages");
    assert_eq!(room.head, Seq(21));
    let recent: Vec<&str> = room
        .recent
        .iter()
        .map(|entry| match entry {
            Entry::Message(message) => message.text.as_str(),
            Entry::Amendment(amendment) => panic!("{amendment:?}"),
        })
        .collect();
    assert_eq!(recent, ["text 19", "text 20", "text 21"]);
    let bob = UserName::parse("bob").expect("a name").key();
    let [draft] = &room.recent_drafts[..] else { panic!("one draft was stored") };
    assert_eq!((draft.author, draft.draft.as_str(), draft.seq), (bob, "d-1", Seq(21)));
}

#[test]
fn a_torn_tail_is_cut_and_counted() {
    let files = MemoryFiles::default();
    let mut writer = Writer::new(&files, SHARD, SegmentNumber::FIRST);
    writer.commit(&texts(1..=5));
    let end = writer.appender.written().offset_bytes as usize;
    texts(6..=8).iter().for_each(|message| {
        writer.appender.append(message);
    });
    writer.write().expect("messages wait");
    files.edit(SHARD, SegmentNumber::FIRST, |bytes| bytes[end + 30] ^= 1);
    let recovered = recover(&files, 1, 10).expect("a torn tail is no damage");
    assert_eq!((recovered.summary.records, recovered.summary.torn_tails), (5, 1));
    assert!(recovered.summary.torn_bytes > 100);
    let again = recover(&files, 1, 10).expect("it was mended");
    assert_eq!((again.summary.records, again.summary.torn_tails, again.summary.segments), (5, 0, 1));
    assert_eq!(again.next_segments, [SegmentNumber(2)]);
}

#[test]
fn a_torn_first_batch_leaves_no_segment_behind() {
    let files = MemoryFiles::default();
    let mut writer = Writer::new(&files, SHARD, SegmentNumber::FIRST);
    writer.appender.append(&message("r1", 1, "text 1"));
    writer.write().expect("a message waits");
    files.edit(SHARD, SegmentNumber::FIRST, |bytes| bytes[100] ^= 1);
    let recovered = recover(&files, 1, 10).expect("a torn tail is no damage");
    assert_eq!((recovered.summary.torn_tails, recovered.next_segments), (1, vec![SegmentNumber::FIRST]));
    assert!(files.segments(SHARD).expect("memory can be listed").is_empty());
}

#[test]
fn damage_in_the_middle_stops_the_start_and_changes_nothing() {
    let files = MemoryFiles::default();
    let mut writer = Writer::new(&files, SHARD, SegmentNumber::FIRST);
    for n in 1..=5 {
        writer.commit(&texts(n..=n));
    }
    files.edit(SHARD, SegmentNumber::FIRST, |bytes| bytes[64 + 20] ^= 1);
    let error = recover(&files, 1, 10).expect_err("a message is lost").to_string();
    for part in [
        "00000000000000000001.seg at byte 64",
        "bytes are damaged",
        "message #1 of room 'r1' is missing",
        "verify",
    ] {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(files.segments(SHARD).expect("memory can be listed").len(), 2);
    let verification = verify(&files, &mut |_| ()).expect("memory can be read");
    assert_eq!((verification.faults.len(), verification.segments[1].faults.len()), (1, 1));
}

#[test]
fn a_lost_a_repeated_and_a_missing_first_message_are_found() {
    let cases = [
        (vec![1, 2, 4], FaultKind::Lost { room: "r1".into(), first: Seq(3), last: Seq(3) }),
        (vec![1, 2, 2, 3], FaultKind::Repeated { room: "r1".into(), seq: Seq(2) }),
        (vec![3, 4], FaultKind::Lost { room: "r1".into(), first: Seq(1), last: Seq(2) }),
    ];
    for (numbers, fault) in cases {
        let files = MemoryFiles::default();
        let mut writer = Writer::new(&files, SHARD, SegmentNumber::FIRST);
        let said: Vec<Message> = numbers.iter().map(|n| message("r1", *n, "text")).collect();
        writer.commit(&said);
        assert_eq!(faults_of(&files), [fault]);
    }
}

fn three_segments(files: &MemoryFiles) {
    let mut writer = Writer::new(files, SHARD, SegmentNumber::FIRST);
    for n in 1..=12 {
        writer.commit(&[message("r1", n, &"x".repeat(60_000))]);
    }
    assert_eq!(writer.appender.written().segment, SegmentNumber(3));
}

#[test]
fn a_missing_segment_is_found() {
    let files = MemoryFiles::default();
    three_segments(&files);
    files.remove(SHARD, SegmentNumber(2)).expect("it is there");
    let missing = FaultKind::MissingSegments { first: SegmentNumber(2), last: SegmentNumber(2) };
    assert!(faults_of(&files).contains(&missing));
}

#[test]
fn an_earlier_segment_without_its_seal_is_found() {
    let files = MemoryFiles::default();
    three_segments(&files);
    files.edit(SHARD, SegmentNumber(1), |bytes| {
        let content = bytes.iter().rposition(|b| *b != 0).expect("it is not empty");
        bytes[content - 8..].fill(0);
    });
    assert_eq!(faults_of(&files), [FaultKind::Unsealed]);
}

#[test]
fn segments_that_retention_removed_are_not_missed() {
    let files = MemoryFiles::default();
    three_segments(&files);
    files.remove(SHARD, SegmentNumber(1)).expect("it is there");
    let recovered = recover(&files, 1, 2).expect("old segments may go");
    assert_eq!(recovered.rooms[0].head, Seq(12));
}

#[test]
fn a_batch_that_failed_and_was_repeated_is_there_once() {
    for damage in [None, Some(0x55)] {
        let files = MemoryFiles::default();
        let mut writer = Writer::new(&files, SHARD, SegmentNumber::FIRST);
        writer.commit(&texts(1..=3));
        let end = writer.appender.written().offset_bytes as usize;
        texts(4..=6).iter().for_each(|message| {
            writer.appender.append(message);
        });
        let failed = writer.write().expect("messages wait");
        writer.appender.failed(failed);
        let failed = writer.write().expect("the batch is given again");
        writer.appender.failed(failed);
        let again = writer.write().expect("the batch is given again");
        assert_eq!(again.segment, SegmentNumber(3));
        writer.appender.committed(again);
        writer.commit(&texts(7..=7));
        if let Some(value) = damage {
            files.edit(SHARD, SegmentNumber(1), |bytes| bytes[end..end + 200].fill(value));
            files.edit(SHARD, SegmentNumber(2), |bytes| bytes.fill(value));
        }
        assert_eq!(exported(&files, "r1"), (1..=7).collect::<Vec<_>>());
        let recovered = recover(&files, 1, 10).expect("nothing committed is lost");
        assert_eq!((recovered.rooms[0].head, recovered.summary.records), (Seq(7), 7));
        assert_eq!(recovered.next_segments, [SegmentNumber(4)]);
    }
}

#[test]
fn a_room_continues_when_the_shard_count_changed() {
    let files = MemoryFiles::default();
    let mut numbers = 1..;
    for (shard, segment) in [(0, 1), (1, 1), (0, 2), (2, 1)] {
        let mut writer = Writer::new(&files, ShardId(shard), SegmentNumber(segment));
        for _ in 0..5 {
            writer.commit(&[message("R1", numbers.next().expect("endless"), "text")]);
        }
        recover(&files, 3, 1).expect("each start finds everything");
    }
    let recovered = recover(&files, 2, 7).expect("nothing is wrong");
    let [room] = &recovered.rooms[..] else { panic!("there is one room") };
    assert_eq!(room.head, Seq(20));
    let recent: Vec<u64> = room.recent.iter().map(|entry| entry.seq().0).collect();
    assert_eq!(recent, (14..=20).collect::<Vec<_>>());
    assert_eq!(recovered.next_segments, [SegmentNumber(3), SegmentNumber(2)]);
    assert_eq!(exported(&files, "r1"), (1..=20).collect::<Vec<_>>());
}

/// Random rooms, sizes, batches, failures and crashes; what was committed is what is found.
#[test]
fn whatever_was_committed_is_recovered() {
    for seed in 1..=10 {
        let mut chance = Chance(seed);
        let files = MemoryFiles::default();
        let mut committed: BTreeMap<String, u64> = BTreeMap::new();
        for _start in 0..4 {
            let recovered = recover(&files, 1, 5).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            for room in &recovered.rooms {
                let known = committed.entry(room.name.as_str().to_owned()).or_default();
                assert!(room.head.0 >= *known, "seed {seed}: {} lost messages", room.name);
                *known = room.head.0;
            }
            assert!(recovered.rooms.len() >= committed.len(), "seed {seed}: a room is lost");
            run(&files, recovered.next_segments[0], &mut committed, &mut chance);
        }
        for (room, head) in &committed {
            let numbers = exported(&files, room);
            assert!(numbers.len() as u64 >= *head, "seed {seed}: {room} lost messages");
        }
    }
}

fn run(
    files: &MemoryFiles,
    first: SegmentNumber,
    committed: &mut BTreeMap<String, u64>,
    chance: &mut Chance,
) {
    let mut writer = Writer::new(files, SHARD, first);
    let mut next = committed.clone();
    for _ in 0..chance.below(60) {
        for _ in 0..=chance.below(6) {
            let room = format!("room{}", chance.below(5));
            let seq = next.entry(room.clone()).and_modify(|n| *n += 1).or_insert(1);
            writer.appender.append(&message(&room, *seq, &"y".repeat(1 + chance.below(9000) as usize)));
        }
        let batch = writer.write().expect("messages wait");
        if chance.below(12) == 0 {
            writer.appender.failed(batch);
            let again = writer.write().expect("the batch is given again");
            writer.appender.committed(again);
        } else {
            writer.appender.committed(batch);
        }
        committed.clone_from(&next);
    }
    // The crash: sectors of a last batch are lost, as it comes.
    writer.appender.append(&message("room0", next.get("room0").map_or(1, |n| n + 1), &"z".repeat(5000)));
    let batch = writer.write().expect("a message waits");
    files.edit(SHARD, batch.segment, |bytes| {
        let (start, end) = (batch.offset_bytes as usize, batch.end_bytes() as usize);
        for sector in bytes[start..end].chunks_mut(512) {
            if chance.below(2) == 0 {
                sector.fill(0);
            }
        }
    });
}

#[test]
fn a_log_on_disk_is_mended_like_one_in_memory() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let memory = MemoryFiles::default();
    let mut writer = Writer::new(&memory, SHARD, SegmentNumber::FIRST);
    writer.commit(&texts(1..=5));
    writer.appender.append(&message("r1", 6, "text 6"));
    let torn = writer.write().expect("a message waits").offset_bytes as usize;
    memory.edit(SHARD, SegmentNumber::FIRST, |bytes| bytes[torn + 70] ^= 1);
    let disk = StdFiles::new(directory.path());
    std::fs::create_dir(directory.path().join("shard-00")).expect("the directory is new");
    let mut bytes = rkyv::util::AlignedVec::new();
    for segment in memory.segments(SHARD).expect("memory can be listed") {
        memory.read(SHARD, segment, &mut bytes).expect("memory can be read");
        std::fs::write(disk.path(SHARD, segment), &bytes).expect("the disk has room");
    }
    let recovered = recover(&disk, 1, 10).expect("a torn tail is no damage");
    assert_eq!((recovered.summary.records, recovered.summary.torn_tails), (5, 1));
    assert_eq!(disk.segments(SHARD).expect("it can be listed"), [SegmentNumber::FIRST]);
    let verification = verify(&disk, &mut |_| ()).expect("it can be read");
    assert_eq!(verification.segments[0].role, Role::Sealed);
    assert!(verification.faults.is_empty() && verification.segments[0].faults.is_empty());
}

#[test]
fn a_missing_directory_is_named_with_a_remedy() {
    let error = recover(&StdFiles::new("/nowhere/at/all"), 1, 10).expect_err("there is none").to_string();
    assert!(error.contains("'/nowhere/at/all'") && error.contains("--data"), "{error}");
}

#[test]
fn a_clean_stop_leaves_nothing_to_mend() {
    let files = MemoryFiles::default();
    let mut writer = Writer::with(&files, SHARD, SegmentNumber::FIRST, Durability::None);
    writer.commit(&texts(1..=5));
    writer.finish();
    let verification = verify(&files, &mut |_| ()).expect("memory can be read");
    let roles: Vec<Role> = verification.segments.iter().map(|report| report.role).collect();
    assert_eq!(roles, [Role::Unused, Role::Sealed]);
    assert_eq!(recover(&files, 1, 10).expect("nothing is wrong").summary.torn_tails, 0);
}

/// Nothing here is timed; run in release with `--nocapture`, it prints how long each part took.
#[test]
fn many_messages_in_a_whole_segment_are_recovered() {
    const SEGMENT_BYTES: u64 = if cfg!(debug_assertions) { 1 << 20 } else { 64 << 20 };
    let files = MemoryFiles::default();
    create(&files, SHARD, SegmentNumber::FIRST);
    files.edit(SHARD, SegmentNumber::FIRST, |bytes| bytes.resize(SEGMENT_BYTES as usize, 0));
    let mut log =
        Appender::new(SHARD, SegmentNumber::FIRST, SEGMENT_BYTES, SEGMENT_BYTES, Durability::Commit);
    let text = "x".repeat(64);
    let rooms: Vec<Message> = (0..1000).map(|n| message(&format!("room{n}"), 1, &text)).collect();
    let mut rooms: Vec<_> = rooms.into_iter().cycle().take(1000).collect();
    let started = std::time::Instant::now();
    let mut appended = 0_u64;
    while log.written().offset_bytes + (4 << 18) < SEGMENT_BYTES || appended == 0 {
        for message in &mut rooms {
            log.append(&*message);
            message.seq = message.seq.next();
            appended += 1;
        }
        let batch = log.take_batch().expect("messages wait");
        files.write(SHARD, &batch);
        log.committed(batch);
    }
    let (appending, started) = (started.elapsed(), std::time::Instant::now());
    let recovered = recover(&files, 1, 15).expect("nothing is wrong");
    println!("{appended} messages: appended in {appending:?}, recovered in {:?}", started.elapsed());
    assert_eq!(recovered.summary.records, appended);
}
