//! Repairs of logs that hold facts of rooms.

use super::*;
use crate::testing::on_disk;
use crate::{FactsLedger, FactsLink, FactsPointer, StdKeeper, open_log, read_facts};
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
        let dated = DatedChange { time: NOW, by: AccountId(1), change };
        let free_bytes = self.writer.appender.free_bytes(true);
        let appended =
            self.ledgers[room].change(dated, free_bytes, &mut self.writer.appender).expect("it makes sense");
        let batch = self.writer.write().expect("it was appended");
        let (directory, segment, offset_bytes) = (SHARD, batch.segment, batch.offset_bytes);
        let link = FactsLink { directory, segment, offset_bytes, bytes: batch.bytes.len() as u32 };
        let oldest = appended.oldest.unwrap_or(segment);
        self.ledgers[room].confirm(FactsPointer { version: appended.version, link, oldest });
        self.writer.appender.committed(batch);
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
