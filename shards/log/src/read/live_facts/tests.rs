use crate::testing::{SHARD, Writer, decide, message, on_disk};
use crate::{
    FactsLedger, Files, MemoryFiles, NoRenewal, Retention, SegmentNumber, StdFiles, open_log, read_facts,
    retain,
};
use madang_model::{AccountId, FactChange, RoomFacts, RoomName, Seq, ShardId};
use std::collections::HashMap;
use std::fs;
use std::time::SystemTime;

const FIRST: SegmentNumber = SegmentNumber::FIRST;

fn room() -> RoomName {
    RoomName::from_log("r1").expect("a room name")
}

fn join(account: u64) -> FactChange {
    FactChange::Join { account: AccountId(account), joined: Seq(account) }
}

/// Facts of a room whose home has moved: its older records are in the directory of shard 1, its newer ones in that of
/// shard 0, at the beginning of a log that has many segments behind them.
fn facts_in_two_directories() -> (tempfile::TempDir, StdFiles, RoomFacts) {
    let memory = MemoryFiles::default();
    let mut old = Writer::new(&memory, ShardId(1), FIRST);
    let mut ledger = FactsLedger::new(room(), ShardId(1));
    decide(&mut old, &mut ledger, join(1));
    old.finish();
    let loaded = {
        let (_data, files) = on_disk(&memory);
        read_facts(&files, &room()).expect("they can be read").expect("facts")
    };
    let mut new = Writer::new(&memory, SHARD, FIRST);
    let mut ledger = FactsLedger::restore(room(), SHARD, loaded);
    decide(&mut new, &mut ledger, join(2));
    let mut heads = HashMap::<String, u64>::new();
    for number in 0..120_u64 {
        let other = format!("room{}", number % 40);
        let head = heads.entry(other.clone()).or_default();
        *head += 1;
        new.commit(&[message(&other, *head, &"x".repeat(30_000))]);
    }
    new.finish();
    let (data, files) = on_disk(&memory);
    open_log(&files, 1).expect("a log");
    (data, files, ledger.facts().clone())
}

/// Damages the first rooms that the snapshot of shard 0 tells of.
fn damage_snapshot(files: &StdFiles) {
    let path = files.path(SHARD, FIRST).with_file_name("rooms.snapshot");
    let mut bytes = fs::read(&path).expect("a snapshot");
    bytes[70] ^= 1;
    fs::write(&path, bytes).expect("space");
}

fn facts_of(files: &StdFiles) -> RoomFacts {
    read_facts(files, &room()).expect("they can be read").expect("facts").facts
}

fn retain_nothing(files: &StdFiles) -> Vec<(ShardId, SegmentNumber)> {
    let (nothing, mut gone) = (Retention { age_max: None, bytes_max: Some(0) }, Vec::new());
    retain(files, &nothing, SystemTime::now(), &mut NoRenewal, &mut |removed| {
        gone.push((removed.shard, removed.segment));
    })
    .expect("no error");
    gone
}

#[test]
fn the_newest_facts_do_not_expire_though_a_snapshot_is_damaged() {
    for index_is_there in [true, false] {
        let (_data, files, truth) = facts_in_two_directories();
        damage_snapshot(&files);
        if !index_is_there {
            fs::remove_file(files.path(SHARD, FIRST).with_extension("idx")).expect("an index");
        }
        assert!(!retain_nothing(&files).contains(&(SHARD, FIRST)), "the newest facts are in it");
        assert_eq!(facts_of(&files), truth);
    }
}

#[test]
fn the_newest_facts_are_read_though_a_snapshot_is_damaged() {
    let (_data, files, truth) = facts_in_two_directories();
    damage_snapshot(&files);
    assert_eq!(facts_of(&files), truth);
}
