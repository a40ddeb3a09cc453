//! Facts of rooms in a log that is written as a shard writes it, with writes that fail and ends that come at any time.

use crate::append::Batch;
use crate::facts::{FactsAppended, FactsLedger, FactsNotAppended, FactsPointer, LoadedFacts};
use crate::files::{Files, MemoryFiles};
use crate::format::SegmentNumber;
use crate::index::*;
use crate::testing::{Chance, SHARD, Writer, message};
use hashbrown::HashMap;
use madang_model::{
    AccountId, DatedChange, FactChange, FactRefusal, RoomFacts, RoomKey, RoomName, RoomRole, Seq, Text,
    Timestamp,
};
use rkyv::util::AlignedVec;

fn name(room: &str) -> RoomName {
    RoomName::from_log(room).expect("a room name")
}

fn dated(change: FactChange) -> DatedChange {
    DatedChange { time: Timestamp(1_790_000_000_000_000), by: AccountId(1), change }
}

/// A room as its home has it, and as it was when everything of it was committed last.
struct Room {
    ledger: FactsLedger,
    committed: RoomFacts,
}

struct FactsWorld<'f> {
    writer: Writer<'f>,
    open: IndexBuilder,
    pointers: HashMap<RoomKey, FactsPointer>,
    said: Vec<(RoomName, Seq)>,
    appended: Vec<(usize, FactsAppended)>,
    heads: HashMap<RoomKey, u64>,
    tails: HashMap<RoomKey, RoomTail>,
    records: u64,
}

impl<'f> FactsWorld<'f> {
    fn new(files: &'f MemoryFiles) -> FactsWorld<'f> {
        FactsWorld {
            writer: Writer::new(files, SHARD, SegmentNumber::FIRST),
            open: IndexBuilder::new(SHARD, SegmentNumber::FIRST),
            pointers: HashMap::new(),
            said: Vec::new(),
            appended: Vec::new(),
            heads: HashMap::new(),
            tails: HashMap::new(),
            records: 0,
        }
    }

    fn free_bytes(&self) -> usize {
        self.writer.appender.free_bytes(true)
    }

    fn note(&mut self, appended: FactsAppended) {
        self.records += 1;
        self.appended.push((self.said.len(), appended));
    }

    fn change(&mut self, room: &mut Room, change: FactChange) -> Result<(), FactsNotAppended> {
        self.confirm(room);
        let free_bytes = self.free_bytes();
        let appended = room.ledger.change(dated(change), free_bytes, &mut self.writer.appender)?;
        self.note(appended);
        Ok(())
    }

    fn confirm(&self, room: &mut Room) {
        let key = room.ledger.room().key();
        let pointer = self.open.facts(key).or(self.pointers.get(&key).copied());
        pointer.into_iter().for_each(|pointer| room.ledger.confirm(pointer));
    }

    fn append_reads(&mut self, room: &mut Room) {
        self.confirm(room);
        let free_bytes = self.free_bytes();
        let appended = room.ledger.append_reads(Timestamp(5), free_bytes, &mut self.writer.appender);
        appended.into_iter().for_each(|appended| self.note(appended));
    }

    fn say(&mut self, room: &RoomName) {
        let head = self.heads.entry(room.key()).or_default();
        *head += 1;
        let said = message(room.as_str(), *head, "hello");
        self.writer.appender.append(&said);
        self.said.push((said.room, said.seq));
    }

    /// Commits what is appended, after some writes that fail.
    fn commit(&mut self, failures: u64) {
        for _ in 0..failures {
            if let Some(batch) = self.writer.write() {
                self.writer.appender.failed(batch);
            }
        }
        let Some(batch) = self.writer.write() else { return };
        self.leave(&batch);
        let said = std::mem::take(&mut self.said);
        self.open.committed(&batch, said.iter().map(|(room, seq)| (room, *seq, 7)), &self.appended);
        self.appended.clear();
        self.writer.appender.committed(batch);
    }

    fn leave(&mut self, batch: &Batch) {
        let Some(sealed) = &batch.seals else { return };
        let open = std::mem::replace(&mut self.open, IndexBuilder::new(SHARD, batch.segment));
        let index = open.seal(sealed.end_offset_bytes, |room| self.tails.get(&room.key())).expect("tails");
        self.tails.extend(index.tails().map(|(room, tail)| (room.key(), tail)));
        self.pointers.extend(index.facts().map(|(room, pointer)| (room.key(), pointer)));
        // What a start would make of the segment is the same.
        let mut file = AlignedVec::new();
        self.writer.files.read(SHARD, sealed.number, &mut file).expect("memory can be read");
        let limit = sealed.is_abandoned.then_some(sealed.end_offset_bytes as usize);
        let (scanned, end) = IndexBuilder::scan(&file, SHARD, sealed.number, limit).expect("an index");
        let before: HashMap<RoomKey, RoomTail> = HashMap::new();
        let scanned = scanned.seal(end, |room| before.get(&room.key())).expect("tails");
        let facts: Vec<_> = scanned.facts().map(|(room, pointer)| (room.key(), pointer)).collect();
        assert_eq!(facts, index.facts().map(|(room, pointer)| (room.key(), pointer)).collect::<Vec<_>>());
        let table = SegmentTable::decode(&index.encode(), SHARD, sealed.number).expect("it was just encoded");
        let listed: Vec<_> = table.facts().iter().map(|facts| facts.pointer).collect();
        assert_eq!(listed, index.facts().map(|(_, pointer)| pointer).collect::<Vec<_>>());
    }

    /// Reads the facts of a room; how many reads that took.
    fn load(&self, room: &RoomName, pointer: FactsPointer) -> (Result<LoadedFacts, QueryFault>, usize) {
        let (mut query, mut reads) = (FactsQuery::new(room, pointer), 0);
        loop {
            let [request] = match query.step() {
                Step::Done(found) => return (found, reads),
                Step::Read(requests) => requests[..].try_into().expect("one read at a time"),
            };
            let (StoredFile::Segment(segment), start) = (request.file, request.offset_bytes as usize) else {
                panic!("{request:?}")
            };
            let mut file = AlignedVec::new();
            reads += 1;
            match self.writer.files.read(request.directory, segment, &mut file) {
                Ok(()) => query.supply(&[ReadAnswer::Bytes(&file[start..start + request.bytes])]),
                Err(_) => query.supply(&[ReadAnswer::NoFile]),
            }
        }
    }

    fn loaded(&self, room: &RoomName) -> Option<LoadedFacts> {
        let pointer = self.open.facts(room.key()).or(self.pointers.get(&room.key()).copied())?;
        Some(self.load(room, pointer).0.unwrap_or_else(|fault| panic!("{fault}")))
    }
}

fn any_change(chance: &mut Chance) -> FactChange {
    let account = AccountId(chance.below(12));
    let until = (chance.below(2) == 0).then_some(Timestamp(chance.below(1 << 40) as i64));
    match chance.below(10) {
        0..4 => FactChange::Join { account, joined: Seq(chance.below(1000)) },
        4 => FactChange::Leave(account),
        5 => FactChange::Role { account, role: RoomRole::Moderator },
        6 => FactChange::Ban { account, until },
        7 => FactChange::Mute { account, until },
        8 => FactChange::Invite(account),
        _ => FactChange::Topic(Text::sanitise(&"x".repeat(chance.below(90) as usize))),
    }
}

#[test]
fn what_is_committed_is_read_again_whatever_happens_in_between() {
    let (mut records, mut rolled_up) = (0, 0);
    for seed in 1..=40 {
        let files = MemoryFiles::default();
        let (mut world, mut chance) = (FactsWorld::new(&files), Chance(seed));
        let room = |number| Room {
            ledger: FactsLedger::new(name(&format!("room-{number}")), SHARD),
            committed: RoomFacts::default(),
        };
        let mut rooms: Vec<Room> = (0..3).map(room).collect();
        // A large room has a long chain behind its checkpoint.
        for number in 0..300 {
            let join = FactChange::Join { account: AccountId(1_000 * number), joined: Seq(number) };
            world.change(&mut rooms[0], join).expect("it makes sense");
            world.commit(0);
        }
        for _ in 0..600 {
            let room = &mut rooms[chance.below(3).min(chance.below(3)) as usize];
            match if chance.below(600) == 0 { 18 } else { chance.below(18) } {
                0..9 => match world.change(room, any_change(&mut chance)) {
                    Ok(()) | Err(FactsNotAppended::Refused(_)) => {}
                    Err(FactsNotAppended::Busy) => panic!("few changes wait"),
                },
                9..12 => {
                    for _ in 0..3 {
                        room.ledger.move_read(AccountId(chance.below(12)), Seq(chance.below(1000)));
                    }
                }
                12 => world.append_reads(room),
                13 => world.say(&room.ledger.room().clone()),
                // Whatever follows before the commit is a checkpoint, too.
                14 if chance.below(8) > 0 => {}
                14 => {
                    world.confirm(room);
                    let free_bytes = world.free_bytes();
                    let appended = room.ledger.renew(Timestamp(6), free_bytes, &mut world.writer.appender);
                    world.note(appended.expect("there is room"));
                }
                18 => {
                    // The process ends: what is not committed is lost, and a start reads the rest.
                    let (lost, appended) = (world.said.drain(..), world.appended.drain(..));
                    lost.for_each(|(room, _)| *world.heads.get_mut(&room.key()).expect("said") -= 1);
                    drop(appended);
                    while world.writer.appender.take_batch().is_some_and(|batch| {
                        world.writer.appender.failed(batch);
                        false
                    }) {}
                    break;
                }
                _ => {
                    let failures = if chance.below(4) == 0 { 1 + chance.below(2) } else { 0 };
                    world.commit(failures);
                    for room in &mut rooms {
                        world.confirm(room);
                        let Some(loaded) = world.loaded(room.ledger.room()) else { continue };
                        assert_eq!(loaded.pointer.version, room.ledger.version());
                        let mut expected = room.ledger.facts().clone();
                        room.ledger.moved().keys().for_each(|account| {
                            let stored = loaded.facts.members().get(account).map(|member| member.read);
                            stored.map(|stored| expected.move_read(*account, stored));
                        });
                        assert_eq!(loaded.facts, expected, "seed {seed}");
                        rolled_up += usize::from(loaded.has_rolled_up());
                        room.committed = loaded.facts.clone();
                        if chance.below(6) == 0 && room.ledger.moved().is_empty() {
                            let name = room.ledger.room().clone();
                            room.ledger = FactsLedger::restore(name, SHARD, loaded);
                        }
                    }
                }
            }
        }
        for room in &rooms {
            let found = world.loaded(room.ledger.room()).map(|loaded| loaded.facts).unwrap_or_default();
            assert_eq!(
                found, room.committed,
                "seed {seed}: what was not committed is lost, and nothing else"
            );
        }
        records += world.records;
    }
    assert!(
        records > 10_000 && rolled_up > 5,
        "{records} records, {rolled_up} loads of such as repeat others"
    );
}

#[test]
fn a_room_is_read_in_few_reads_however_often_it_changes() {
    let files = MemoryFiles::default();
    let mut world = FactsWorld::new(&files);
    let mut room = Room { ledger: FactsLedger::new(name("busy"), SHARD), committed: RoomFacts::default() };
    let (mut bytes, mut most) = (0, 0);
    for number in 0..3_000 {
        let change = match number {
            0..1_000 => FactChange::Join { account: AccountId(number), joined: Seq(number) },
            _ => FactChange::Role { account: AccountId(number % 1_000), role: RoomRole::Moderator },
        };
        world.change(&mut room, change).expect("it makes sense");
        bytes += world.writer.appender.written().offset_bytes;
        world.commit(0);
        if number % 37 == 0 {
            let pointer = world.open.facts(room.ledger.room().key());
            let pointer = pointer.or(world.pointers.values().next().copied()).expect("facts");
            let (loaded, reads) = world.load(room.ledger.room(), pointer);
            assert_eq!(&loaded.expect("facts").facts, room.ledger.facts());
            most = most.max(reads);
        }
    }
    assert!(bytes > 0 && most <= 40, "{most} reads");
}

#[test]
fn facts_of_many_members_are_one_checkpoint_of_several_records() {
    let files = MemoryFiles::default();
    let mut world = FactsWorld::new(&files);
    let mut room = Room { ledger: FactsLedger::new(name("large"), SHARD), committed: RoomFacts::default() };
    let account = |number: u64| AccountId(number * 1_000_003);
    for number in 0..20_000 {
        let join = FactChange::Join { account: account(number), joined: Seq(number) };
        // Behind a checkpoint that is not committed there is no room for many more.
        if world.writer.appender.is_full() {
            world.commit(0);
        }
        if let Err(busy) = world.change(&mut room, join.clone()) {
            assert_eq!(busy, FactsNotAppended::Busy);
            world.commit(0);
            world.change(&mut room, join).expect("there is room again");
        }
        if number % 20 == 0 {
            world.commit(0);
        }
    }
    world.commit(0);
    world.confirm(&mut room);
    let free_bytes = world.free_bytes();
    let appended = room.ledger.renew(Timestamp(1), free_bytes, &mut world.writer.appender).expect("room");
    assert!(appended.frames > 1, "{} bytes", room.ledger.facts().encode().len());
    world.note(appended);
    world.commit(1);
    let pointer = world.open.facts(room.ledger.room().key()).expect("they are committed");
    let (loaded, reads) = world.load(room.ledger.room(), pointer);
    assert_eq!((&loaded.expect("facts").facts, reads), (room.ledger.facts(), 1));
}

#[test]
fn too_many_changes_at_once_wait_for_the_disk() {
    let files = MemoryFiles::default();
    let mut world = FactsWorld::new(&files);
    let mut room = Room { ledger: FactsLedger::new(name("hurried"), SHARD), committed: RoomFacts::default() };
    let topic = |length: u64| FactChange::Topic(Text::sanitise(&"x".repeat(length as usize)));
    world.change(&mut room, topic(10)).expect("the first");
    world.commit(0);
    let taken = (1..200).take_while(|number| world.change(&mut room, topic(20 + number % 2)).is_ok()).count();
    assert_eq!(taken, 64);
    let before = room.ledger.facts().clone();
    assert_eq!(world.change(&mut room, topic(5)), Err(FactsNotAppended::Busy));
    assert_eq!(room.ledger.facts(), &before);
    world.commit(2);
    world.change(&mut room, topic(5)).expect("the disk has the others");
    let refusal = FactRefusal::NoMember { account: AccountId(1) };
    assert_eq!(world.change(&mut room, FactChange::Leave(AccountId(1))), Err(refusal.into()));
}

#[test]
fn a_room_whose_home_has_moved_begins_with_all_its_facts() {
    let files = MemoryFiles::default();
    let mut world = FactsWorld::new(&files);
    let mut room = Room { ledger: FactsLedger::new(name("r1"), SHARD), committed: RoomFacts::default() };
    for number in 0..3 {
        let join = FactChange::Join { account: AccountId(number), joined: Seq(0) };
        world.change(&mut room, join).expect("it makes sense");
        world.commit(0);
    }
    let loaded = world.loaded(&name("r1")).expect("facts");
    let elsewhere = madang_model::ShardId(1);
    let mut moved = FactsLedger::restore(name("r1"), elsewhere, loaded);
    let mut writer = Writer::new(&files, elsewhere, SegmentNumber::FIRST);
    let free_bytes = writer.appender.free_bytes(true);
    let change = dated(FactChange::Leave(AccountId(0)));
    let appended = moved.change(change, free_bytes, &mut writer.appender).expect("it makes sense");
    assert_eq!(appended.oldest, None, "it is a checkpoint");
}

#[test]
fn damage_is_found_and_named() {
    let files = MemoryFiles::default();
    let mut world = FactsWorld::new(&files);
    let mut room = Room { ledger: FactsLedger::new(name("r1"), SHARD), committed: RoomFacts::default() };
    for number in 0..3 {
        let join = FactChange::Join { account: AccountId(number), joined: Seq(0) };
        world.change(&mut room, join).expect("it makes sense");
        world.commit(0);
    }
    let pointer = world.open.facts(name("r1").key()).expect("facts");
    let (other, _) = world.load(&name("r2"), pointer);
    assert!(matches!(other, Err(QueryFault::FactsDamaged { .. })), "the facts of another room: {other:?}");
    let mut wrong = pointer;
    wrong.version.edition += 1;
    assert!(matches!(world.load(&name("r1"), wrong).0, Err(QueryFault::Facts { .. })));
    for segment in [SegmentNumber(9), SegmentNumber::FIRST] {
        let mut gone = pointer;
        gone.link.segment = segment;
        if segment == SegmentNumber::FIRST {
            files.edit(SHARD, segment, |bytes| bytes[pointer.link.offset_bytes as usize + 20] ^= 1);
        }
        let (found, _) = world.load(&name("r1"), gone);
        assert!(
            matches!(found, Err(QueryFault::FactsGone { .. } | QueryFault::FactsDamaged { .. })),
            "{found:?}"
        );
    }
}
