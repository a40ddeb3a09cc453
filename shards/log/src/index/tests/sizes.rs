//! What indexes and snapshots take, stated in `docs/durability.md`:
//! `cargo test --release -p madang-engine index::tests::sizes -- --nocapture`.

use crate::format::{RecordKind, SegmentNumber};
use crate::index::segment::builder::IndexedEntry;
use crate::index::*;
use madang_model::{RoomName, Seq, ShardId, Timestamp};
use smallvec::SmallVec;
use std::collections::HashMap;
use std::time::{Duration, Instant};

const FRAME_BYTES: u64 = 144;

/// Builds the index of a segment in which `messages` of 64 bytes come from `rooms` in turn.
fn built(
    segment: u64,
    rooms: &[RoomName],
    messages: u64,
    tails: &HashMap<String, RoomTail>,
) -> (SegmentIndex, Duration) {
    let mut builder = IndexBuilder::new(ShardId(0), SegmentNumber(segment));
    for message in 0..messages {
        let room = &rooms[(message % rooms.len() as u64) as usize];
        let before = tails.get(room.as_str()).map_or(Seq::ZERO, |tail| tail.head);
        let seq = Seq(before.0 + 1 + message / rooms.len() as u64);
        let position = FramePosition::new(64 + message * FRAME_BYTES, FRAME_BYTES, RecordKind::Message);
        let details = EntryDetails { author: message % 100, draft: 0 };
        let time = Timestamp(message as i64);
        builder.push(room, seq, (position, details), || IndexedEntry {
            time,
            amendments_before: 0,
            targets: SmallVec::new(),
        });
    }
    let began = Instant::now();
    let index = builder.seal(64 + messages * FRAME_BYTES, |room| tails.get(room.as_str())).expect("tails");
    (index, began.elapsed())
}

fn names(count: u64) -> Vec<RoomName> {
    (0..count).map(|room| RoomName::parse(&format!("room-{room:06}")).expect("a name")).collect()
}

#[test]
fn an_index_costs_23_bytes_a_message_and_few_a_room() {
    let (rooms, messages) = (names(10_000), 100_000);
    let hot = built(1, &rooms[..10], messages, &HashMap::new()).0.encode().len() as u64;
    println!("10 rooms: {:.2} bytes a message", hot as f64 / messages as f64);
    assert!(hot <= messages * 235 / 10);
    let mut tails = HashMap::new();
    let mut heap_bytes = 0;
    for segment in 1..=65 {
        let (index, sealed) = built(segment, &rooms, 40_000, &tails);
        let began = Instant::now();
        let file_bytes = index.encode().len();
        if [1, 2, 5, 17, 65].contains(&segment) {
            let encoded = began.elapsed();
            println!(
                "10,000 rooms of 4 messages, segment {segment}: {:.1} bytes a message; sealed in {sealed:?}, encoded in {encoded:?}",
                file_bytes as f64 / 40_000.0
            );
        }
        assert!(file_bytes <= 40_000 * 45);
        tails = index.tails().map(|(room, tail)| (room.as_str().to_owned(), tail)).collect();
        heap_bytes = tails["room-000001"].heap_bytes();
    }
    let mut sorted: Vec<SnapshotRoom> =
        rooms.iter().map(|room| SnapshotRoom::new(room, Some(tails[room.as_str()].clone()), None)).collect();
    sorted.sort_unstable_by_key(|room| room.key);
    let scope = SnapshotScope { directory: ShardId(0), shard_count: 1, covers: SegmentNumber(65) };
    let mut writer = SnapshotWriter::new(Vec::new(), scope, 10_000).expect("memory");
    for room in &sorted {
        writer.push(room).expect("memory");
    }
    let (bytes, _) = writer.finish().expect("memory");
    let began = Instant::now();
    let read: Vec<RoomName> = SnapshotReader::new(&bytes[..], ShardId(0))
        .expect("a snapshot")
        .map(|room| room.expect("a room").room_name().expect("a name"))
        .collect();
    println!(
        "snapshot: {:.1} bytes a room, {} read in {:?}; tail: {} bytes",
        bytes.len() as f64 / 10_000.0,
        read.len(),
        began.elapsed(),
        size_of::<RoomTail>() + heap_bytes
    );
    assert!(bytes.len() <= 10_000 * 70);
}
