use super::check::erased_messages;
use super::crashes::pass;
use super::disk::CrashDisk;
use super::world::{entries, name, place, world};
use crate::erase::rules::{ErasureCandidate, ErasureMatcher, ErasureRule, Erasures};
use crate::format::old::{OldMessage, OldRecord, push_old_frame};
use crate::format::{
    AuthorKind, HEADER_BYTES, NewEntry, Record, Scan, ScanItem, SegmentVerdict, StoredRecord, draft_hash,
    erase_frame, push_frame, read_frame, stamp_frames,
};
use crate::testing::{message, with_draft};
use madang_model::{DraftId, RoomName, Seq, Text, Timestamp, UserName};
use rkyv::util::AlignedVec;

fn lined_up(bytes: &[u8]) -> AlignedVec<16> {
    let mut lined_up = AlignedVec::new();
    lined_up.extend_from_slice(bytes);
    lined_up
}

/// Erases the one frame, and reads it again.
fn erased(frame: &[u8]) -> AlignedVec<16> {
    let mut segment = lined_up(&[0; HEADER_BYTES]);
    segment.extend_from_slice(frame);
    stamp_frames(&mut segment[HEADER_BYTES..], place(1), HEADER_BYTES, 3, HEADER_BYTES);
    let before = lined_up(&segment);
    assert!(erase_frame(&mut segment[HEADER_BYTES..], place(1), HEADER_BYTES), "it can be erased");
    let read = read_frame(&segment, HEADER_BYTES, place(1)).expect("a whole frame");
    assert_eq!((read.end_bytes, read.batch, read.synced_bytes), (before.len(), 3, HEADER_BYTES));
    segment
}

#[test]
fn of_an_erased_message_the_head_stays_whatever_its_lengths_and_its_format() {
    let long = |c: &str, count: usize| UserName::parse(&c.repeat(count)).expect("a name");
    let mut rooms: Vec<RoomName> =
        [1, 7, 8, 9, 32].map(|n| RoomName::parse(&"r".repeat(n)).expect("a room")).into();
    rooms.push(RoomName::parse("밥먹는방").expect("a room"));
    rooms.push(RoomName::direct(&long("\u{20000}", 32), &long("\u{20001}", 32)));
    for room in &rooms {
        for (author, draft, text) in [
            ("b", "", "x".to_owned()),
            ("gildong1", "d", "eight by".to_owned()),
            ("홍길동", "0123456789", "점심 먹었어요?".to_owned()),
            ("b", &*"d".repeat(64), "t".repeat(3_000)),
        ] {
            let mut said = message("r1", u64::MAX - 1, &text);
            (said.room, said.author) = (room.clone(), UserName::parse(author).expect("a name"));
            let said = if draft.is_empty() { said } else { with_draft(said, draft) };
            let mut new = Vec::new();
            push_frame(&mut new, &Record::Entry(NewEntry::from(&said)));
            let mut old = Vec::new();
            let (seq, time_us) = (said.seq.0, said.time.0);
            let of_old = OldMessage { room: room.as_str(), seq, time_us, author, draft, text: &text };
            push_old_frame(&mut old, &OldRecord::Message(of_old));
            for frame in [new, old] {
                let segment = erased(&frame);
                let record = read_frame(&segment, HEADER_BYTES, place(1)).and_then(|read| read.record());
                let Some(StoredRecord::Message(stored)) = record else { panic!("{record:?}") };
                assert!(stored.is_erased);
                assert_eq!((stored.room, stored.seq, stored.time), (room.as_str(), said.seq, said.time));
                assert_eq!((stored.author.name, stored.draft, stored.text), ("", "", ""));
                let hash = |id| draft_hash((AuthorKind::Guest, 0), said.author.key(), &id);
                let hash = DraftId::parse(draft).map_or(0, hash);
                assert_eq!(stored.draft_hash, hash, "a repeated draft is known");
                let mut again = segment[HEADER_BYTES..].to_vec();
                assert!(!erase_frame(&mut again, place(1), HEADER_BYTES), "it is erased once");
            }
        }
    }
}

#[test]
fn what_is_no_entry_with_a_text_is_never_erased() {
    let mut frame = Vec::new();
    push_frame(&mut frame, &Record::Seal(crate::format::SealRecord::default()));
    stamp_frames(&mut frame, place(1), HEADER_BYTES, 1, HEADER_BYTES);
    let before = frame.clone();
    assert!(!erase_frame(&mut frame, place(1), HEADER_BYTES));
    assert_eq!(frame, before);
    assert!(!erase_frame(&mut [7; 64], place(1), HEADER_BYTES));
}

#[test]
fn erased_segments_show_every_flipped_bit_and_erased_frames_prove_what_was_before_them() {
    let world = world();
    let disk = CrashDisk::new(world.start.clone());
    let outcome = pass(&disk, &world.erasures).expect("nothing stops it");
    assert!(outcome.is_complete() && outcome.entries > 10, "{outcome:?}");
    for number in [1, 2] {
        let state = disk.state();
        let (bytes, _) = state.file(&name(number)).expect("a segment");
        assert!(erased_messages(bytes, number).len() > 2);
        for at in HEADER_BYTES..bytes.len() {
            let mut flipped = lined_up(bytes);
            flipped[at] ^= 1 << (at % 8);
            let mut scan = Scan::new(&flipped, place(number), None);
            let is_damaged = scan.any(|item| matches!(item, ScanItem::Damage { .. }));
            let is_sealed = matches!(scan.verdict(), Some(SegmentVerdict::Sealed { .. }));
            assert!(is_damaged || !is_sealed, "byte {at} of segment {number}");
        }
    }
}

#[test]
fn rules_say_what_is_meant_by_them() {
    let name = |name: &str| UserName::parse(name).expect("a name");
    let mut erasures = Erasures::default();
    erasures.add(&entries(5, 7), Timestamp(100));
    erasures.add(&entries(9, 9), Timestamp(100));
    erasures.add(&ErasureRule::Author { author: name("Mallory"), room: None }, Timestamp(50));
    let other = RoomName::parse("r2").expect("a room");
    erasures.add(&ErasureRule::Author { author: name("eve"), room: Some(other) }, Timestamp(50));
    let mut matcher = ErasureMatcher::new(&erasures);
    let mut wants = |room: &str, seq: u64, time: i64, author: &str, target: Option<u64>| {
        let (seq, time, target) = (Seq(seq), Timestamp(time), target.map(Seq));
        matcher.wants(ErasureCandidate { room, seq, time, author, target })
    };
    assert!(wants("방", 5, 100, "bob", None) && wants("방", 7, 1, "bob", None));
    assert!(!wants("방", 4, 1, "bob", None) && !wants("방", 8, 1, "bob", None));
    assert!(wants("방", 9, 100, "bob", None));
    assert!(!wants("방", 9, 101, "bob", None), "it was said later, after a restore");
    assert!(!wants("r2", 5, 1, "bob", None), "another room");
    assert!(wants("방", 40, 200, "bob", Some(7)), "an edit of it");
    assert!(!wants("방", 40, 60_000_101, "bob", Some(7)), "an edit of what was said later");
    assert!(wants("r2", 40, 50, "mallory", None), "however the name is written");
    assert!(!wants("r2", 41, 51, "mallory", None), "somebody else may have the name by then");
    assert!(wants("r2", 40, 50, "eve", None) && !wants("방", 40, 50, "eve", None));
    assert!(!wants("방", 40, 50, "", None), "an erased one has no name");
    let mut said = message("방", 6, "x");
    said.time = Timestamp(100);
    assert!(erasures.include(&said));
    said.text = Text::sanitise("y").expect("a text");
    said.seq = Seq(8);
    assert!(!erasures.include(&said) && !Erasures::default().include(&said));
}
