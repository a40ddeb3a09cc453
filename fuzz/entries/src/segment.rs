//! Segments: their frames, what is archived in them, and what a whole log of them is read as.

use super::mending;
use madang_log::{
    Exported, HEADER_BYTES, MemoryFiles, SEGMENT_BYTES_MIN, Scan, ScanItem, SegmentHeader, SegmentId,
    SegmentNumber, SegmentVerdict, Selection, StoredEntry, dump, export, plan_repair, recover, statistics,
    stored_record, verify,
};
use madang_model::{Entry, ShardId};
use rkyv::util::AlignedVec;

const PLACE: SegmentId = SegmentId { shard: ShardId(0), segment: SegmentNumber(1) };

/// The payload of a frame: a record, after the length of its head in units of 8 bytes.
pub fn record(bytes: &[u8]) {
    let [head_units, bytes @ ..] = bytes else { return };
    let mut payload: AlignedVec<16> = AlignedVec::new();
    payload.extend_from_slice(bytes);
    if let Some(record) = stored_record(&payload, usize::from(*head_units) * 8) {
        match StoredEntry::of(&record) {
            Some(entry) => read(&entry),
            None => assert!(!format!("{record:?}").is_empty()),
        }
    }
}

fn read(entry: &StoredEntry<'_>) {
    let (room, author) = (entry.room_name(), entry.author_name());
    let _ = entry.check();
    if let (Ok(room), Ok(author)) = (room, author)
        && let Ok(Some(Entry::Message(message))) = entry.to_entry(room, author)
    {
        super::line::is_clean(message.text.as_str());
    }
}

/// The frames of one segment; the first two bytes say where its committed part ends, if not 0.
pub fn frame(bytes: &[u8]) {
    let [low, high, frames @ ..] = bytes else { return };
    let mut file: AlignedVec<16> = AlignedVec::new();
    file.resize(HEADER_BYTES, 0);
    file.extend_from_slice(frames);
    mending::frames(&mut file, PLACE.shard.0, PLACE.segment.0);
    let limit = usize::from(u16::from_le_bytes([*low, *high])) * 16;
    let mut scan = Scan::new(&file, PLACE, (limit > 0).then_some(limit));
    let mut end = HEADER_BYTES;
    for found in &mut scan {
        let (from, to) = match found {
            ScanItem::Entry(frame, entry) => {
                read(&entry);
                (frame.offset_bytes, frame.end_bytes)
            }
            ScanItem::Note(frame, _) => (frame.offset_bytes, frame.end_bytes),
            ScanItem::Damage { offset_bytes, bytes } => (offset_bytes, offset_bytes + bytes),
        };
        assert!(from == end && from < to, "nothing between two finds is passed over");
        end = to;
    }
    let verdict = scan.verdict().expect("a pass that ended has a verdict");
    if let SegmentVerdict::Torn { offset_bytes, bytes, .. } = verdict {
        assert!(offset_bytes + bytes <= file.len());
    }
}

/// A log of two segments; the first two bytes say where the second begins.
pub fn segment(bytes: &[u8]) {
    let [low, high, both @ ..] = bytes else { return };
    let (one, other) = both.split_at(both.len().min(usize::from(u16::from_le_bytes([*low, *high]))));
    let files = MemoryFiles::default();
    for (number, frames) in [(1, one), (2, other)] {
        create(&files, SegmentNumber(number), frames);
    }
    let verified = verify(&files, &mut |_| {}).expect("files in memory");
    let _ = verified.all_faults().map(|fault| fault.to_string()).collect::<Vec<_>>();
    let _ = statistics(&files, &mut |_| {}).expect("files in memory");
    let mut exported = 0;
    let written = export(
        &files,
        &Selection::All,
        &mut |found| {
            exported += u64::from(matches!(found, Exported::Message(_)));
            Ok(())
        },
        &mut |_| {},
    );
    assert_eq!(written.expect("files in memory").records, exported);
    dump(&files, None, None, &mut |_, _| Ok(())).expect("files in memory").expect("a sink that takes all");
    let has_faults = verified.all_faults().next().is_some();
    match recover(&files, 1, 64) {
        Ok(recovered) => {
            assert!(!has_faults, "a damaged log is not started on");
            for room in &recovered.rooms {
                assert!(room.head.0 > 0);
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let _ = plan_repair;
}

fn create(files: &MemoryFiles, segment: SegmentNumber, frames: &[u8]) {
    let capacity_bytes = SEGMENT_BYTES_MIN;
    files.create(&SegmentHeader {
        shard: ShardId(0),
        shard_count: 1,
        segment,
        created_us: 0,
        capacity_bytes,
        generation: 0,
    });
    files.edit(ShardId(0), segment, |file| {
        // A short segment reads as a sealed one does, and takes less time than one of full length.
        file.truncate(HEADER_BYTES);
        file.extend_from_slice(frames);
        mending::frames(file, 0, segment.0);
    });
}
