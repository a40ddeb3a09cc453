use super::version_2::{OldAbandoned, OldLost, OldMessage, OldRecord, OldSeal, push_old_frame};
use super::*;
use crate::append::{Durability, seal_frame};
use crate::testing::{SHARD, Writer, message, with_draft};
use crate::{Files, MemoryFiles};
use madang_model::{Message, RoomName, UserName};
use rkyv::util::AlignedVec;

const PLACE: SegmentId = SegmentId { shard: SHARD, segment: SegmentNumber::FIRST };

/// The file of segment 1 after `write`, without the zeros behind `zeros` bytes of its content.
fn segment_of(durability: Durability, write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let files = MemoryFiles::default();
    write(&mut Writer::with(&files, SHARD, SegmentNumber::FIRST, durability));
    let mut bytes = AlignedVec::<16>::new();
    files.read(SHARD, SegmentNumber::FIRST, &mut bytes).expect("it was created");
    let content = bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
    bytes[..content.next_multiple_of(16) + 256].to_vec()
}

/// Texts, damaged stretches and the verdict.
fn scanned(bytes: &[u8], limit: Option<usize>) -> (Vec<String>, Vec<(usize, usize)>, SegmentVerdict) {
    let mut segment = AlignedVec::<16>::new();
    segment.extend_from_slice(bytes);
    let mut scan = Scan::new(&segment, PLACE, limit);
    let (mut texts, mut damage) = (Vec::new(), Vec::new());
    for found in &mut scan {
        match found {
            ScanItem::Entry(_, StoredEntry::Message(message)) => texts.push(message.text.to_owned()),
            ScanItem::Entry(..) | ScanItem::Note(..) => {}
            ScanItem::Damage { offset_bytes, bytes } => damage.push((offset_bytes, bytes)),
        }
    }
    (texts, damage, scan.verdict().expect("the scan is finished"))
}

fn texts(range: std::ops::Range<u64>) -> Vec<String> {
    range.map(|n| format!("text {n}")).collect()
}

fn three_batches(durability: Durability) -> Vec<u8> {
    segment_of(durability, |writer| {
        for first in [1, 4, 7] {
            let batch: Vec<Message> =
                (first..first + 3).map(|n| message("r1", n, &format!("text {n}"))).collect();
            writer.commit(&batch);
        }
    })
}

fn offset_of(bytes: &[u8], text: &str) -> usize {
    bytes.windows(text.len()).position(|w| w == text.as_bytes()).expect("the text is stored")
}

#[test]
fn what_people_write_comes_back_unchanged() {
    let said = [
        message("general", 1, "안녕하세요 👩‍👩‍👧"),
        with_draft(message("마당", 1, "  indented"), "draft-1"),
        message("alice&밥", 7, "می‌خواهم"),
        message("r", u64::MAX, &"x".repeat(TEXT_BYTES_MAX)),
    ];
    let bytes = segment_of(Durability::Commit, |writer| writer.commit(&said));
    let mut segment = AlignedVec::<16>::new();
    segment.extend_from_slice(&bytes);
    let mut read = Scan::new(&segment, PLACE, None).map(|found| match found {
        ScanItem::Entry(_, entry @ StoredEntry::Message(stored)) => stored
            .to_message(entry.room_name().expect("a room"), entry.author_name().expect("an author"))
            .expect("a message"),
        other => panic!("only messages were written, not {other:?}"),
    });
    for message in said {
        assert_eq!(format!("{:?}", read.next()), format!("{:?}", Some(message)));
    }
    assert!(read.next().is_none());
}

#[test]
fn names_of_files_read_back_as_they_are_written() {
    for number in [1, 42, u64::MAX] {
        let segment = SegmentNumber(number);
        assert_eq!(file_segment(&file_name(segment)), Some(segment));
    }
    for shard in [0, 7, 99, 100, u16::MAX].map(madang_model::ShardId) {
        assert_eq!(directory_shard(&directory_name(shard)), Some(shard));
    }
    for name in ["1.seg", "00000000000000000000.seg", "00000000000000000001.idx", "+0000000000000000001.seg"]
    {
        assert_eq!(file_segment(name), None, "{name}");
    }
    for name in ["shard-1", "shard-001", "shard-", "shard-+1", "shard-65536"] {
        assert_eq!(directory_shard(name), None, "{name}");
    }
}

#[test]
fn a_future_version_is_named_and_damage_is_not_taken_for_one() {
    let header = SegmentHeader {
        shard: SHARD,
        shard_count: 2,
        segment: SegmentNumber(3),
        created_us: 5,
        capacity_bytes: 9,
        generation: 0,
    };
    let bytes = header.encode();
    let decode = |bytes: &[u8]| SegmentHeader::decode(bytes, SHARD, SegmentNumber(3));
    assert_eq!(decode(&bytes), Ok(header));
    for at in 0..HEADER_BYTES {
        let mut flipped = bytes;
        flipped[at] ^= 0x10;
        assert_eq!(decode(&flipped), Err(HeaderFault::Invalid), "byte {at}");
    }
    let mut later = bytes;
    later[8] = 9;
    let checksum = crc32c::crc32c(&later[..60]).to_le_bytes();
    later[60..].copy_from_slice(&checksum);
    assert_eq!(decode(&later), Err(HeaderFault::FutureVersion { found: 9, known: FORMAT_VERSION }));
    assert_eq!(decode(&[0; 64]), Err(HeaderFault::Blank));
    assert!(matches!(
        SegmentHeader::decode(&bytes, SHARD, SegmentNumber(4)),
        Err(HeaderFault::Elsewhere { .. })
    ));
}

#[test]
fn every_prefix_of_the_last_batch_is_a_torn_tail() {
    let whole = three_batches(Durability::Commit);
    let last = offset_of(&whole, "text 7");
    let (_, _, end) = scanned(&whole, None);
    let mut kept = 0;
    for cut in last..end.end_bytes() {
        let mut torn = whole.clone();
        torn[cut..].fill(0);
        let (read, damage, verdict) = scanned(&torn, None);
        assert!(damage.is_empty(), "cut at {cut}: {damage:?}");
        assert_eq!(read, texts(1..1 + read.len() as u64));
        assert!(read.len() >= 6.max(kept), "cut at {cut} lost a committed message");
        assert!(matches!(verdict, SegmentVerdict::Torn { .. } | SegmentVerdict::End { .. }), "{verdict:?}");
        kept = read.len();
    }
    assert_eq!(scanned(&whole, None), (texts(1..10), Vec::new(), end));
}

#[test]
fn sectors_of_the_last_batch_may_arrive_in_any_order() {
    const SECTOR_BYTES: usize = 512;
    let long = |n: u64| message("r1", n, &format!("text {n} {}", "x".repeat(200)));
    let mut before_last = 0;
    let whole = segment_of(Durability::Commit, |writer| {
        writer.commit(&[long(1), long(2)]);
        before_last = writer.appender.written().offset_bytes as usize;
        writer.commit(&(3..15).map(long).collect::<Vec<_>>());
    });
    let sectors: Vec<usize> = (before_last..whole.len()).step_by(SECTOR_BYTES).collect();
    assert!(sectors.len() >= 7, "the batch is long enough to be interesting");
    for subset in 0..1_u32 << sectors.len() {
        let mut torn = whole.clone();
        for (index, &at) in sectors.iter().enumerate() {
            if subset & (1 << index) == 0 {
                // The sector keeps what it held before: what was committed, and zeros.
                let start = at - at % SECTOR_BYTES;
                let end = (start + SECTOR_BYTES).min(torn.len());
                torn[start.max(before_last)..end].fill(0);
            }
        }
        let (read, damage, _) = scanned(&torn, None);
        assert!(damage.is_empty(), "{subset:b}: {damage:?}");
        assert!(read.len() >= 2, "{subset:b} lost a committed message");
        assert!(read.iter().enumerate().all(|(n, t)| t.starts_with(&format!("text {} ", n + 1))), "{read:?}");
    }
}

#[test]
fn damage_in_the_middle_is_never_skipped() {
    let mut bytes = three_batches(Durability::Commit);
    let at = offset_of(&bytes, "text 5");
    bytes[at] ^= 1;
    let (read, damage, verdict) = scanned(&bytes, None);
    assert_eq!(read, ["text 1", "text 2", "text 3", "text 4", "text 6", "text 7", "text 8", "text 9"]);
    assert!(matches!(damage[..], [(start, length)] if start < at && at < start + length), "{damage:?}");
    assert!(matches!(verdict, SegmentVerdict::End { .. }));
}

#[test]
fn zeros_in_the_middle_are_damage_too() {
    let mut bytes = three_batches(Durability::Commit);
    let (from, to) = (offset_of(&bytes, "text 2"), offset_of(&bytes, "text 5"));
    bytes[from..to].fill(0);
    let (read, damage, _) = scanned(&bytes, None);
    assert_eq!(read, ["text 1", "text 6", "text 7", "text 8", "text 9"]);
    assert_eq!(damage.len(), 1);
}

#[test]
fn without_syncs_nothing_proves_that_lost_batches_were_stored() {
    let mut bytes = three_batches(Durability::None);
    let at = offset_of(&bytes, "text 2");
    bytes[at] ^= 1;
    let (read, damage, verdict) = scanned(&bytes, None);
    assert_eq!((read, damage), (texts(1..2), Vec::new()));
    assert!(matches!(verdict, SegmentVerdict::Torn { frames: 7, .. }), "{verdict:?}");
}

#[test]
fn a_flipped_byte_anywhere_in_a_sealed_segment_is_found() {
    let sealed = segment_of(Durability::Commit, |writer| {
        writer.commit(&[message("r1", 1, "text 1"), message("r1", 2, "text 2")]);
        writer.finish();
    });
    let (read, _, verdict) = scanned(&sealed, None);
    assert_eq!(read, texts(1..3));
    let SegmentVerdict::Sealed { offset_bytes: end, seal } = verdict else {
        panic!("it was sealed: {verdict:?}")
    };
    assert_eq!(seal.records, 2);
    for at in HEADER_BYTES..end {
        for bit in 0..8 {
            let mut flipped = sealed.clone();
            flipped[at] ^= 1 << bit;
            let (read, damage, verdict) = scanned(&flipped, None);
            let is_sealed = matches!(verdict, SegmentVerdict::Sealed { .. });
            assert!(!damage.is_empty() || !is_sealed, "byte {at}, bit {bit}: {read:?} {verdict:?}");
        }
    }
}

#[test]
fn a_known_end_makes_everything_before_it_count_and_nothing_behind_it() {
    let bytes = three_batches(Durability::Commit);
    let start_of = |n: u64| {
        let text = offset_of(&bytes, &format!("text {n}"));
        (0..=text).rev().find(|at| at % 16 == 0 && read_frame(&bytes, *at, PLACE).is_some()).expect("a frame")
    };
    let limit = start_of(7);
    assert_eq!(
        scanned(&bytes, Some(limit)),
        (texts(1..7), Vec::new(), SegmentVerdict::End { offset_bytes: limit })
    );
    let mut damaged = bytes.clone();
    damaged[limit - 20] ^= 1;
    let (read, damage, _) = scanned(&damaged, Some(limit));
    assert_eq!(read, texts(1..6));
    assert_eq!(damage, [(start_of(6), limit - start_of(6))]);
}

#[test]
fn a_frame_counts_only_where_it_was_written() {
    let counts = SealRecord { records: 1, ..SealRecord::default() };
    let frame = seal_frame(PLACE, 64, 1, counts);
    let mut segment = vec![0; 64];
    segment.extend_from_slice(&frame);
    assert!(read_frame(&segment, 64, PLACE).is_some());
    assert!(read_frame(&segment, 64, SegmentId { segment: SegmentNumber(2), ..PLACE }).is_none());
    assert!(read_frame(&segment, 64, SegmentId { shard: madang_model::ShardId(1), ..PLACE }).is_none());
    segment.splice(0..0, [0; 16]);
    assert!(read_frame(&segment, 80, PLACE).is_none());
}

#[test]
fn bytes_of_others_never_make_a_reader_panic() {
    let mut chance = crate::testing::Chance(7);
    let whole = three_batches(Durability::Commit);
    for _ in 0..2000 {
        let mut bytes = whole.clone();
        for _ in 0..=chance.below(8) {
            let at = chance.below(bytes.len() as u64) as usize;
            bytes[at] = chance.below(256) as u8;
        }
        bytes.truncate(chance.below(bytes.len() as u64 + 1) as usize);
        scanned(&bytes, None);
        scanned(&bytes, Some(chance.below(4096) as usize));
    }
}

#[test]
fn the_kept_room_is_what_notes_need() {
    let mut frame = Vec::new();
    push_frame(&mut frame, &Record::Abandoned(AbandonedRecord { segment: 1, end_offset_bytes: 64 }));
    assert_eq!(frame.len(), ABANDONED_FRAME_BYTES);
}

#[test]
fn the_longest_of_everything_fits_a_frame() {
    let longest = |chars: usize| "\u{20000}".repeat(chars);
    let author = UserName::parse(&longest(32)).expect("a long name");
    let other = UserName::parse(&"\u{20001}".repeat(32)).expect("a long name");
    let said = Message { room: RoomName::direct(&author, &other), author, ..message("r", 1, "x") };
    let mut said = with_draft(said, &"d".repeat(64));
    said.text = message("r", 1, &"x".repeat(TEXT_BYTES_MAX)).text;
    let mut frame = Vec::new();
    push_frame(&mut frame, &Record::Entry((&said).into()));
    assert!(frame.len() <= FRAME_BYTES_MAX);
}

/// The frame of "twelve bytes", as #7 of r1 by bob, as versions 1 and 2 wrote it.
const OLD_FRAME: &str = concat!(
    "480000009dd9c2920100000004000000",
    "7477656c766520627974657300000000",
    "00000000000000007231ffffffffffff",
    "070000000000000007e025dafe5b0600",
    "626f62ffffffffffffffffffffffffff",
    "8c000000c0ffffff0000000000000000"
);

fn frame_of(hex: &str) -> AlignedVec<16> {
    let mut bytes = AlignedVec::new();
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("two digits");
    (0..hex.len()).step_by(2).for_each(|at| bytes.push(digit(at)));
    bytes
}

/// A segment that holds these frames, which were stamped for where they lie in it.
fn segment_with(frames: &[u8]) -> AlignedVec<16> {
    let mut segment = AlignedVec::new();
    segment.extend_from_slice(&[0; HEADER_BYTES]);
    segment.extend_from_slice(frames);
    segment
}

/// What versions 1 and 2 wrote is readable for ever.
#[test]
fn a_message_of_version_1_is_read_as_it_was_written() {
    let segment = segment_with(&frame_of(OLD_FRAME));
    let items: Vec<_> = Scan::new(&segment, PLACE, None).collect();
    let [ScanItem::Entry(frame, entry @ StoredEntry::Message(stored))] = items[..] else {
        panic!("{items:?}")
    };
    assert_eq!((frame.head_bytes, frame.batch, frame.synced_bytes), (0, 1, 64));
    assert_eq!(stored.author, StoredAuthor { kind: AuthorKind::None, id: 0, name: "bob" });
    let (room, author) = (entry.room_name().expect("a room"), entry.author_name().expect("an author"));
    let read = stored.to_message(room, author).expect("a message");
    assert_eq!(format!("{read:?}"), format!("{:?}", message("r1", 7, "twelve bytes")));
}

/// And what version 3 writes.
#[test]
fn a_message_lies_on_disk_as_it_did_in_version_3() {
    const FRAME: &str = concat!(
        "540000060b92488b0100000004000000",
        "0101040102000000070000000000000007e025dafe5b0600",
        "0000000000000000b4974d8d45ee45097231000000000000",
        "7477656c7665206279746573626f62ffffffffff64726166742d31ff",
        "8c000000e4ffffff000000000000000000000000"
    );
    let mut frame = Vec::new();
    let said = with_draft(message("r1", 7, "twelve bytes"), "draft-1");
    push_frame(&mut frame, &Record::Entry((&said).into()));
    stamp_frames(&mut frame, PLACE, 64, 1, 64);
    let written: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(written, FRAME);
    let segment = segment_with(&frame);
    let stored = read_frame(&segment, 64, PLACE).and_then(|frame| frame.record());
    let Some(StoredRecord::Message(stored)) = stored else { panic!("{stored:?}") };
    assert_eq!(stored.author, StoredAuthor { kind: AuthorKind::Guest, id: 0, name: "bob" });
    let draft = said.draft.as_ref().expect("it has one");
    assert_eq!(stored.draft_hash, draft_hash((AuthorKind::Guest, 0), said.author.key(), draft));
    assert_eq!(
        (stored.room, stored.seq, stored.text, stored.draft),
        ("r1", said.seq, "twelve bytes", "draft-1")
    );
}

#[test]
fn records_of_both_formats_stand_in_one_segment() {
    let room = RoomName::parse("r1").expect("a room's name");
    let mut frames = Vec::new();
    push_old_frame(&mut frames, &OldRecord::Abandoned(OldAbandoned { segment: 3, end_offset_bytes: 64 }));
    push_frame(&mut frames, &Record::Abandoned(AbandonedRecord { segment: 3, end_offset_bytes: 64 }));
    push_old_frame(&mut frames, &OldRecord::Lost(OldLost { room: "r1", first: 2, last: 9 }));
    push_frame(
        &mut frames,
        &Record::Lost { room: &room, first: madang_model::Seq(2), last: madang_model::Seq(9) },
    );
    let old = OldMessage { room: "r1", seq: 10, time_us: 5, author: "bob", draft: "d", text: "old" };
    push_old_frame(&mut frames, &OldRecord::Message(old));
    push_frame(&mut frames, &Record::Entry((&message("r1", 11, "new")).into()));
    let seal = SealRecord { records: 2, first_time_us: 5, last_time_us: 6 };
    push_old_frame(&mut frames, &OldRecord::Seal(OldSeal { records: 2, first_time_us: 5, last_time_us: 6 }));
    push_frame(&mut frames, &Record::Seal(seal));
    stamp_frames(&mut frames, PLACE, HEADER_BYTES, 1, HEADER_BYTES);
    let segment = segment_with(&frames);
    let (mut at, mut shown) = (HEADER_BYTES, Vec::new());
    while let Some(frame) = read_frame(&segment, at, PLACE) {
        shown.push(format!("{:?}", frame.record().expect("it is readable")));
        at = frame.end_bytes;
    }
    assert_eq!(at, segment.len());
    assert_eq!(
        (shown[0].as_str(), shown[2].as_str(), shown[6].as_str()),
        (&*shown[1], &*shown[3], &*shown[7])
    );
    assert_eq!(shown[4..6], ["Message(#10 of \"r1\")", "Message(#11 of \"r1\")"]);
    let (texts, damage, verdict) = scanned(&segment, None);
    assert_eq!((texts, damage.len()), (vec!["old".to_owned(), "new".to_owned()], 0));
    assert!(matches!(verdict, SegmentVerdict::Sealed { seal: found, .. } if found == seal), "{verdict:?}");
}

#[test]
fn a_record_of_a_later_program_is_damage_and_no_other_record() {
    for (at, later) in [(0, 63), (1, 2), (2, 32)] {
        let mut frame = Vec::new();
        push_frame(&mut frame, &Record::Entry((&message("r1", 7, "of later")).into()));
        frame[16 + at] = later;
        stamp_frames(&mut frame, PLACE, HEADER_BYTES, 1, HEADER_BYTES);
        let (texts, damage, _) = scanned(&segment_with(&frame), None);
        assert_eq!((texts.len(), damage), (0, vec![(HEADER_BYTES, frame.len())]), "byte {at} of the head");
    }
}
