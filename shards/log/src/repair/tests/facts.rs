//! Repairs of logs that hold facts of rooms.

use super::*;
use crate::format::{AuthorKind, RecordKind, StoredFacts, StoredRecord, frame_bytes};
use crate::testing::{commit_facts, decide, on_disk};
use crate::{FactsBody, FactsLedger, StdFiles, StdKeeper, open_log, read_facts};
use madang_model::{
    AccountId, DatedChange, FactChange, GuestPolicy, Revision, RoomAccess, RoomFacts, RoomName, RoomRole,
    Text,
};

fn name(room: &str) -> RoomName {
    RoomName::from_log(room).expect("a room name")
}

fn join(account: u64) -> FactChange {
    FactChange::Join { account: AccountId(account), joined: Seq(account) }
}

fn topic(of: u64) -> FactChange {
    FactChange::Topic(Text::sanitise(&format!("topic {of}")))
}

/// A room that decides something, commit by commit.
struct Deciding<'f> {
    writer: Writer<'f>,
    ledgers: Vec<FactsLedger>,
}

impl<'f> Deciding<'f> {
    fn new(files: &'f MemoryFiles, rooms: &[&str]) -> Deciding<'f> {
        let ledgers = rooms.iter().map(|room| FactsLedger::new(name(room), SHARD)).collect();
        Deciding { writer: Writer::new(files, SHARD, FIRST), ledgers }
    }

    fn change(&mut self, room: usize, change: FactChange) {
        decide(&mut self.writer, &mut self.ledgers[room], change);
    }
}

/// Two rooms with messages and facts, whose records are in one segment that is sealed, and in the next.
fn log_with_facts(files: &MemoryFiles) -> Vec<RoomFacts> {
    let mut deciding = Deciding::new(files, &["r1", "마당"]);
    for account in 1..=3 {
        deciding.change(0, join(account));
        deciding.change(1, join(account));
        deciding.writer.commit(&[message("r1", account, "hello")]);
    }
    deciding.change(0, FactChange::Role { account: AccountId(2), role: RoomRole::Owner });
    for of in 1..=40 {
        deciding.change(1, topic(of));
    }
    deciding.change(0, topic(7));
    deciding.writer.finish();
    deciding.ledgers.iter().map(|ledger| ledger.facts().clone()).collect()
}

fn shortened(files: &MemoryFiles) {
    for segment in files.segments(SHARD).expect("memory can be listed") {
        files.edit(SHARD, segment, |bytes| {
            let content = bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
            bytes.truncate(content.next_multiple_of(16) + 64);
        });
    }
}

fn facts_of(files: &MemoryFiles, room: &str) -> Option<RoomFacts> {
    let (_data, on_disk) = on_disk(files);
    read_facts(&on_disk, &name(room)).expect("they can be read").map(|found| found.facts)
}

/// Bytes of the records of a room, by their place: where each begins and ends.
fn places(files: &MemoryFiles, room: &str) -> Vec<Range<usize>> {
    let bytes = bytes_of(files, SHARD, FIRST);
    let place = crate::format::SegmentId { shard: SHARD, segment: FIRST };
    let records = intact::intact_frames(&bytes, place, None);
    let of_room = records.filter_map(|(frame, record)| match record {
        crate::format::StoredRecord::Facts(facts) if facts.room == room => {
            Some(frame.offset_bytes..frame.end_bytes)
        }
        _ => None,
    });
    of_room.collect()
}

#[test]
fn a_change_that_is_damaged_is_named_and_the_others_are_kept_as_a_new_revision() {
    let files = MemoryFiles::default();
    let truth = log_with_facts(&files);
    shortened(&files);
    let newest = places(&files, "r1").last().cloned().expect("a record");
    // The newest repeats nothing: what it said is gone, and damaged bytes show that it was.
    files.edit(SHARD, FIRST, |bytes| bytes[newest.end - 20] ^= 1);
    let (planned, _) = repaired(&files);
    let repaired: Vec<_> = planned.repaired_facts().filter(|facts| !facts.lost.is_empty()).collect();
    assert_eq!(repaired.len(), 1, "{planned:?}");
    assert_eq!(repaired[0].room.as_str(), "r1");
    assert_eq!(repaired[0].revision, truth[0].revision().next(), "nobody has seen this state");
    let found = facts_of(&files, "r1").expect("facts");
    assert_eq!(found.members(), truth[0].members());
    assert_eq!(found.topic(), None, "that change is lost");
    assert_eq!(
        facts_of(&files, "마당").as_ref(),
        Some(&truth[1]),
        "its records were moved, and it is as it was"
    );
}

#[test]
fn a_gap_in_the_revisions_of_a_room_is_damage_that_verify_names() {
    let files = MemoryFiles::default();
    log_with_facts(&files);
    shortened(&files);
    let second = places(&files, "r1")[1].clone();
    files.edit(SHARD, FIRST, |bytes| bytes[second.end - 20] ^= 1);
    let verification = verify(&files, &mut |_| ()).expect("memory can be read");
    let words: Vec<String> = verification.all_faults().map(ToString::to_string).collect();
    assert!(
        words.iter().any(|words| words.contains("revision 2 of the facts of room 'r1' is missing")),
        "{words:#?}"
    );
    repaired(&files);
}

#[test]
fn whatever_byte_is_flipped_the_facts_of_every_other_room_are_kept() {
    let whole = MemoryFiles::default();
    let truth = log_with_facts(&whole);
    shortened(&whole);
    let length = bytes_of(&whole, SHARD, FIRST).len();
    for at in (HEADER_BYTES..length - 64).step_by(61) {
        let files = copy_of(&whole);
        files.edit(SHARD, FIRST, |bytes| bytes[at] ^= 0x10);
        repaired(&files);
        for (room, truth) in ["r1", "마당"].into_iter().zip(&truth) {
            let found = facts_of(&files, room).unwrap_or_else(|| panic!("{room} after byte {at}"));
            let was_hit = places(&whole, room).iter().any(|place| place.contains(&at));
            if was_hit {
                assert!(
                    found.revision() >= truth.revision() || found.members() == truth.members(),
                    "byte {at}"
                );
            } else {
                assert_eq!(&found, truth, "{room} after byte {at}");
            }
        }
    }
}

#[test]
fn a_room_of_which_all_facts_are_lost_lets_nobody_in() {
    let memory = MemoryFiles::default();
    let truth = log_with_facts(&memory);
    let (data, files) = on_disk(&memory);
    open_log(&files, 1).expect("a log");
    // The indexes and the snapshot are there, and show what was in the segment.
    std::fs::remove_file(files.path(SHARD, FIRST)).expect("it was there");
    let verification = verify(&files, &mut |_| ()).expect("it can be read");
    let words: Vec<String> = verification.all_faults().map(ToString::to_string).collect();
    assert!(words.iter().any(|words| words.contains("of the facts of room 'r1' are missing")), "{words:#?}");
    let planned = plan(&files, &mut |_| ()).expect("it can be repaired");
    let keeper = StdKeeper::new(data.path(), "set-aside-now");
    planned.apply(&files, &keeper, NOW, &mut |_| ()).expect("it is repaired");
    open_log(&files, 1).expect("a repaired log opens");
    let found = read_facts(&files, &name("r1")).expect("they can be read").expect("facts").facts;
    assert_eq!(found.revision(), truth[0].revision().next());
    assert_eq!((found.settings().access, found.settings().guests), (RoomAccess::Private, GuestPolicy::No));
    assert!(found.members().is_empty() && found.revision() > Revision(1));
    assert!(plan(&files, &mut |_| ()).expect("it can be read").is_empty(), "once is enough");
}

/// A room with so many members that its checkpoint has several pieces, of which only the first survived when it was stored
/// once more. A message of another room is in the first segment. The facts as they were.
fn log_with_a_torn_checkpoint() -> (tempfile::TempDir, StdFiles, RoomFacts) {
    let memory = MemoryFiles::default();
    let mut writer = Writer::new(&memory, SHARD, FIRST);
    writer.commit(&[message("victim", 1, "hello")]);
    let mut ledger = FactsLedger::new(name("large"), SHARD);
    for account in 0..6_000_u64 {
        let change = FactChange::Invite(AccountId(account * 1_000_003));
        let dated = DatedChange { time: NOW, by: AccountId(1), change };
        let free_bytes = writer.appender.free_bytes(true);
        let appended = ledger.change(dated, free_bytes, &mut writer.appender).expect("it makes sense");
        commit_facts(&mut writer, &mut ledger, &appended);
    }
    let mut seq = 0;
    let mut leave_segment = |writer: &mut Writer<'_>| {
        let segment = writer.appender.written().segment;
        while writer.appender.written().segment == segment {
            seq += 1;
            writer.commit(&[message("talk", seq, &"x".repeat(30_000))]);
        }
    };
    leave_segment(&mut writer);
    decide(&mut writer, &mut ledger, topic(1));
    leave_segment(&mut writer);
    let free_bytes = writer.appender.free_bytes(true);
    let renewed = ledger.renew(NOW, free_bytes, &mut writer.appender).expect("there is room");
    assert!(renewed.frames > 1);
    let batch = writer.write().expect("it was appended");
    assert!(batch.seals.is_none());
    let torn_at = batch.offset_bytes as usize + frame_bytes(&batch.bytes);
    memory.edit(SHARD, batch.segment, |bytes| bytes[torn_at..].fill(0));
    let (data, files) = on_disk(&memory);
    open_log(&files, 1).expect("a log");
    (data, files, ledger.facts().clone())
}

#[test]
fn a_repair_keeps_the_facts_that_a_torn_checkpoint_was_to_repeat() {
    let (data, files, truth) = log_with_a_torn_checkpoint();
    let path = files.path(SHARD, FIRST);
    let mut bytes = std::fs::read(&path).expect("a segment");
    bytes[HEADER_BYTES + 20] ^= 1;
    std::fs::write(&path, &bytes).expect("space");
    let planned = plan(&files, &mut |_| ()).expect("it can be repaired");
    let keeper = StdKeeper::new(data.path(), "set-aside-now");
    planned.apply(&files, &keeper, NOW, &mut |_| ()).expect("it is repaired");
    open_log(&files, 1).expect("a repaired log opens");
    let verification = verify(&files, &mut |_| ()).expect("it can be read");
    assert_eq!(verification.all_faults().count(), 0);
    let found = read_facts(&files, &name("large")).expect("they can be read").expect("facts").facts;
    assert_eq!(found.invitations(), truth.invitations());
}

#[test]
fn verify_misses_what_a_torn_checkpoint_was_to_repeat() {
    let (_data, files, truth) = log_with_a_torn_checkpoint();
    let pointer = read_facts(&files, &name("large")).expect("they can be read").expect("facts").pointer;
    assert!(pointer.oldest < pointer.link.segment, "a record behind a checkpoint");
    let path = files.path(SHARD, pointer.oldest);
    let mut bytes = std::fs::read(&path).expect("a segment");
    let place = crate::format::SegmentId { shard: SHARD, segment: pointer.oldest };
    let mut aligned: AlignedVec = AlignedVec::new();
    aligned.extend_from_slice(&bytes);
    let checkpoint = intact::intact_frames(&aligned, place, None)
        .filter(
            |(_, record)| matches!(record, StoredRecord::Facts(it) if it.kind == RecordKind::FactsCheckpoint),
        )
        .last()
        .map(|(frame, _)| frame.offset_bytes);
    bytes[checkpoint.expect("a checkpoint") + 40] ^= 1;
    std::fs::write(&path, &bytes).expect("space");
    let verification = verify(&files, &mut |_| ()).expect("it can be read");
    let incomplete = FaultKind::FactsIncomplete { room: "large".to_owned(), revision: truth.revision() };
    let faults: Vec<String> = verification.all_faults().map(ToString::to_string).collect();
    assert!(verification.all_faults().any(|fault| fault.kind == incomplete), "{faults:?}");
}

#[test]
fn a_gap_before_a_checkpoint_that_nobody_in_particular_made_is_damage() {
    let files = MemoryFiles::default();
    let mut deciding = Deciding::new(&files, &["r1"]);
    let Deciding { writer, ledgers } = &mut deciding;
    let ledger = &mut ledgers[0];
    let mut checkpoints = 0;
    for of in 1.. {
        let dated = DatedChange { time: NOW, by: AccountId(0), change: topic(of) };
        let free_bytes = writer.appender.free_bytes(true);
        let appended = ledger.change(dated, free_bytes, &mut writer.appender).expect("it makes sense");
        commit_facts(writer, ledger, &appended);
        checkpoints += u64::from(appended.oldest.is_none());
        if of > 2 && checkpoints == 2 {
            break;
        }
    }
    deciding.writer.finish();
    shortened(&files);
    let second = places(&files, "r1")[1].clone();
    files.edit(SHARD, FIRST, |bytes| bytes[second.end - 20] ^= 1);
    let verification = verify(&files, &mut |_| ()).expect("memory can be read");
    let lost = |fault: &Fault| matches!(fault.kind, FaultKind::FactsLost { .. });
    let faults: Vec<String> = verification.all_faults().map(ToString::to_string).collect();
    assert!(verification.all_faults().any(lost), "{faults:?}");
}

#[test]
fn numbers_that_nothing_could_follow_are_damage() {
    let revisions = [(u64::MAX, 0), (3, u64::MAX)];
    for (revision, edition) in revisions {
        let memory = MemoryFiles::default();
        let mut writer = Writer::new(&memory, SHARD, FIRST);
        let mut ledger = FactsLedger::new(name("r1"), SHARD);
        decide(&mut writer, &mut ledger, topic(1));
        let mut facts = ledger.facts().clone();
        facts.renumber(Revision(revision));
        let bodies = FactsBody::encode_checkpoint(edition, &facts, false);
        writer.appender.append_facts(bodies.iter().map(|body| StoredFacts {
            kind: RecordKind::FactsCheckpoint,
            room: "r1",
            revision,
            time: NOW,
            author: (AuthorKind::Account, 1),
            body,
        }));
        let batch = writer.write().expect("it was appended");
        writer.appender.committed(batch);
        writer.finish();
        shortened(&memory);
        let verification = verify(&memory, &mut |_| ()).expect("memory can be read");
        let unreadable = |fault: &Fault| matches!(fault.kind, FaultKind::Facts { .. });
        let faults: Vec<String> = verification.all_faults().map(ToString::to_string).collect();
        assert!(verification.all_faults().any(unreadable), "{faults:?}");
        plan(&memory, &mut |_| ()).expect("it can be repaired");
    }
}
