use super::*;
use crate::testing::{Chance, Writer, message};
use crate::{HEADER_BYTES, MemoryFiles, SegmentHeader, recover};
use madang_model::{RoomName, ShardId};
use std::collections::BTreeMap;

/// A start with this many shards: each says something in the rooms that are its own.
fn run(files: &MemoryFiles, shard_count: u16, next: &mut BTreeMap<String, u64>, chance: &mut Chance) {
    let starts = recover(files, shard_count, 1).expect("nothing is wrong").next_segments;
    for (shard, first) in (0..shard_count).map(ShardId).zip(starts) {
        let mut writer = Writer::new(files, shard, first);
        for _ in 0..chance.below(30) {
            let is_own =
                |room: &&String| RoomName::parse(room).expect("a room name").key().home(shard_count) == shard;
            let own: Vec<String> = next.keys().filter(is_own).cloned().collect();
            if own.is_empty() {
                break;
            }
            let room = &own[chance.below(own.len() as u64) as usize];
            let seq = next.get_mut(room).expect("it is one of them");
            *seq += 1;
            writer.commit(&[message(room, *seq, &"x".repeat(1 + chance.below(30_000) as usize))]);
        }
        for segment in
            files.segments(shard).expect("memory can be listed").into_iter().filter(|n| *n >= first)
        {
            set_shard_count(files, shard, segment, shard_count);
        }
    }
}

fn set_shard_count(files: &MemoryFiles, shard: ShardId, segment: SegmentNumber, shard_count: u16) {
    files.edit(shard, segment, |bytes| {
        let header = SegmentHeader::decode(bytes, shard, segment).expect("it was written");
        let header = SegmentHeader { shard_count, ..header };
        bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
    });
}

fn exported(files: &MemoryFiles, selection: &Selection) -> BTreeMap<String, Vec<u64>> {
    let mut numbers = BTreeMap::<String, Vec<u64>>::new();
    let mut sink = |exported: Exported<'_>| {
        let Exported::Message(message) = exported else { panic!("nothing is lost") };
        numbers.entry(message.room.to_owned()).or_default().push(message.seq.0);
        Ok(())
    };
    let export = export(files, selection, &mut sink, &mut |_| ()).expect("memory can be read");
    assert!(export.faults.is_empty(), "{:?}", export.faults);
    numbers
}

#[test]
fn each_room_comes_in_order_however_often_the_number_of_shards_changed() {
    for (seed, counts) in [&[2, 2, 2][..], &[1, 4, 2, 1, 3], &[2, 4, 2, 4, 2], &[5, 1, 5]].iter().enumerate()
    {
        let mut chance = Chance(seed as u64 + 1);
        let files = MemoryFiles::default();
        let mut next: BTreeMap<String, u64> = (0..8).map(|n| (format!("room{n}"), 0)).collect();
        for count in *counts {
            run(&files, *count, &mut next, &mut chance);
        }
        next.retain(|_, head| *head > 0);
        let all = exported(&files, &Selection::All);
        assert_eq!(all.len(), next.len());
        for (room, head) in &next {
            assert_eq!(all[room], (1..=*head).collect::<Vec<_>>(), "{room}, shards {counts:?}");
        }
        let names: Vec<RoomName> =
            next.keys().take(2).map(|room| RoomName::parse(room).expect("a room name")).collect();
        let some = exported(&files, &Selection::Rooms(names));
        assert!(some.len() == 2 && some.iter().all(|(room, numbers)| all[room] == *numbers));
    }
}

#[test]
fn a_sink_that_fails_ends_the_export() {
    let files = MemoryFiles::default();
    Writer::new(&files, ShardId(0), SegmentNumber::FIRST).commit(&[message("r1", 1, "text")]);
    let mut sink = |_: Exported<'_>| Err(io::Error::from(io::ErrorKind::BrokenPipe));
    let ended = export(&files, &Selection::All, &mut sink, &mut |_| ());
    assert!(matches!(ended, Err(ExportError::Sink(error)) if error.kind() == io::ErrorKind::BrokenPipe));
}
