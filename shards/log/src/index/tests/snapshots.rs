use super::world::{World, name, some_rooms};
use crate::format::SegmentNumber;
use crate::index::*;
use crate::testing::Chance;
use madang_model::{RoomKey, RoomName, ShardId};
use std::collections::BTreeMap;

const DIRECTORY: ShardId = ShardId(3);
type Tails = BTreeMap<RoomKey, SnapshotRoom>;

fn scope(covers: u64) -> SnapshotScope {
    SnapshotScope { directory: DIRECTORY, shard_count: 4, covers: SegmentNumber(covers) }
}

fn sorted(world: &World) -> Tails {
    let names = world.model.keys().map(|room| name(room));
    names
        .map(|room| (room.key(), SnapshotRoom::new(&room, world.tails.get(&room.key()).cloned(), None)))
        .collect()
}

fn written(rooms: &Tails, covers: u64, rooms_expected: u64) -> (Vec<u8>, SnapshotInfo) {
    let mut writer = SnapshotWriter::new(Vec::new(), scope(covers), rooms_expected).expect("memory");
    for room in rooms.values() {
        writer.push(room).expect("memory");
    }
    writer.finish().expect("memory")
}

fn read(bytes: &[u8]) -> Result<Vec<SnapshotRoom>, SnapshotFault> {
    SnapshotReader::new(bytes, DIRECTORY)?.collect()
}

/// Looks a room up; counts the reads.
fn looked_up(
    bytes: &[u8],
    info: &SnapshotInfo,
    room: &RoomName,
) -> (Result<Option<SnapshotRoom>, QueryFault>, usize) {
    let mut lookup = SnapshotLookup::new(info, room);
    let mut reads = 0;
    loop {
        match lookup.step() {
            Step::Done(result) => return (result, reads),
            Step::Read(requests) => {
                let [ReadRequest { file: StoredFile::Snapshot, offset_bytes, bytes: count, .. }] =
                    requests[..]
                else {
                    panic!("{requests:?}")
                };
                reads += 1;
                let start = (offset_bytes as usize).min(bytes.len());
                lookup.supply(&[ReadAnswer::Bytes(&bytes[start..bytes.len().min(start + count)])]);
            }
        }
    }
}

fn end_of(bytes: &[u8]) -> &[u8] {
    let request = SnapshotInfo::request(DIRECTORY, bytes.len() as u64);
    &bytes[request.offset_bytes as usize..][..request.bytes]
}

fn world(segments: u64, rooms: u64, chance: &mut Chance) -> World {
    let mut world = World::default();
    for _ in 0..segments {
        let said = some_rooms(150, rooms, chance);
        world.segment(ShardId(chance.below(2) as u16), &said, chance);
    }
    world
}

#[test]
fn every_room_is_found_with_two_reads() {
    for (rooms, expected) in [(0, 0), (5, 5), (300, 300), (300, 1), (300, 9000)] {
        let world = world(rooms / 10, rooms, &mut Chance(rooms + 1));
        let tails = sorted(&world);
        let (bytes, info) = written(&tails, 77, expected);
        assert_eq!(info.rooms, tails.len() as u64);
        assert_eq!(SnapshotInfo::decode(end_of(&bytes), DIRECTORY).expect("a snapshot"), info);
        assert_eq!(read(&bytes).expect("a snapshot"), tails.values().cloned().collect::<Vec<_>>());
        for room in world.model.keys() {
            let found = tails[&name(room).key()].clone();
            assert_eq!(looked_up(&bytes, &info, &name(room)), (Ok(Some(found)), 2));
        }
        assert_eq!(looked_up(&bytes, &info, &name("never-said")).0, Ok(None));
    }
}

#[test]
fn merging_keeps_the_newest_of_each_room() {
    for seed in 1..=8 {
        let mut chance = Chance(seed);
        let mut world = world(5, 200, &mut chance);
        let mut model = sorted(&world);
        let (mut bytes, _) = written(&model, 1, model.len() as u64);
        for covers in 2..5 {
            let said = some_rooms(100, 250, &mut chance);
            world.segment(DIRECTORY, &said, &mut chance);
            let now = sorted(&world);
            let mut changed: Tails =
                now.clone().into_iter().filter(|(key, room)| model.get(key) != Some(room)).collect();
            // A stale one, as from another directory, does not win.
            let stale = model.iter().find(|(key, _)| !changed.contains_key(*key)).map(|(key, _)| *key);
            if let Some((key, earlier)) = stale.zip(stale.and_then(|key| model.get(&key).cloned())) {
                let mut earlier = earlier;
                if let Some(tail) = &mut earlier.tail {
                    tail.head.0 -= u64::from(tail.head > tail.last.first);
                }
                changed.insert(key, earlier);
            }
            let old = SnapshotReader::new(&bytes[..], DIRECTORY).expect("a snapshot");
            assert_eq!(old.scope(), scope(covers - 1));
            let writer = SnapshotWriter::new(Vec::new(), scope(covers), 300).expect("memory");
            let (merged, info) = merge_snapshots(old, changed.into_values(), writer).expect("a merge");
            assert_eq!(info.scope, scope(covers));
            assert_eq!(read(&merged).expect("a snapshot"), now.values().cloned().collect::<Vec<_>>());
            (bytes, model) = (merged, now);
        }
    }
}

#[test]
fn a_flipped_byte_is_found_or_does_not_matter() {
    let world = world(6, 40, &mut Chance(8));
    let tails = sorted(&world);
    let (bytes, info) = written(&tails, 9, tails.len() as u64);
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        assert!(read(&damaged).is_err(), "byte {at}");
        assert!(read(&damaged[..at]).is_err(), "cut at {at}");
        let old = SnapshotReader::new(&damaged[..], DIRECTORY);
        let writer = SnapshotWriter::new(Vec::new(), scope(10), 40).expect("memory");
        assert!(old.and_then(|old| merge_snapshots(old, std::iter::empty(), writer)).is_err());
        for room in world.model.keys() {
            match looked_up(&damaged, &info, &name(room)).0 {
                Ok(found) => assert_eq!(found.as_ref(), tails.get(&name(room).key()), "byte {at}"),
                Err(fault) => assert!(matches!(fault, QueryFault::SnapshotDamaged { .. })),
            }
        }
        if let Ok(read) = SnapshotInfo::decode(end_of(&damaged), DIRECTORY) {
            assert_eq!(read, info);
        }
    }
    assert!(SnapshotInfo::decode(end_of(&bytes), ShardId(4)).is_err(), "another directory's");
}
