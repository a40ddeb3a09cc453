//! What messages take on disk, and how much of it is padding.

use super::{files, metric};
use crate::error::BenchError;
use crate::results::{Better, Measurement};
use madang_log::{HEADER_BYTES, Scan, ScanItem, SegmentId, SegmentNumber};
use madang_model::ShardId;
use rkyv::util::AlignedVec;
use std::fs;
use std::path::Path;

/// What a directory of data holds.
#[derive(Default)]
struct Weight {
    messages: u64,
    /// Frames of messages, notes and seals.
    frame_bytes: u64,
    /// Zeros that bring frames to a multiple of 16.
    padding_bytes: u64,
    /// Zeros behind the last frame of a segment.
    unused_bytes: u64,
    segment_bytes: u64,
    /// Segments that were made ready and hold nothing yet.
    prepared_bytes: u64,
    index_bytes: u64,
}

/// The keys of what is reported of a directory: bytes a message, of index, the padding, zeros, ready.
type Keys = [&'static str; 5];

/// A log that was appended to one message a commit, while it is open.
pub(super) const REST_OPEN: Keys = [
    "rest_open_bytes_per_message",
    "rest_open_index_bytes_per_message",
    "rest_open_padding_share",
    "rest_open_zero_bytes",
    "rest_open_prepared_bytes",
];
/// The same, sealed.
pub(super) const REST_SEALED: Keys = [
    "rest_sealed_bytes_per_message",
    "rest_sealed_index_bytes_per_message",
    "rest_sealed_padding_share",
    "rest_sealed_zero_bytes",
    "rest_sealed_prepared_bytes",
];
/// One that was appended to at saturation, sealed.
pub(super) const LOAD_SEALED: Keys = [
    "load_sealed_bytes_per_message",
    "load_sealed_index_bytes_per_message",
    "load_sealed_padding_share",
    "load_sealed_zero_bytes",
    "load_sealed_prepared_bytes",
];
/// The large log that the appender wrote.
pub(super) const LARGE: Keys = [
    "large_bytes_per_message",
    "large_index_bytes_per_message",
    "large_padding_share",
    "large_zero_bytes",
    "large_prepared_bytes",
];

/// Adds bytes a message, and the share that is padding.
pub(super) fn weigh(
    data: &Path,
    keys: Keys,
    how: &str,
    measurement: &mut Measurement,
) -> Result<(), BenchError> {
    let weight = weighed(data)?;
    let messages = weight.messages.max(1) as f64;
    let used_bytes = weight.segment_bytes - weight.unused_bytes;
    let each = |bytes_all: u64| bytes_all as f64 / messages;
    let share = 100.0 * weight.padding_bytes as f64 / weight.frame_bytes.max(1) as f64;
    let rows = [
        ("bytes per 64-byte message in segments", each(used_bytes), "bytes"),
        ("bytes of index per message", each(weight.index_bytes), "bytes"),
        ("share of padding in frames", share, "%"),
        ("zeros after the last frames", weight.unused_bytes as f64, "bytes"),
        ("prepared, empty segments", weight.prepared_bytes as f64, "bytes"),
    ];
    for (key, (label, value, unit)) in keys.into_iter().zip(rows) {
        measurement.metrics.push(metric(key, &format!("{label}, {how}"), value, unit, Better::Lower));
    }
    Ok(())
}

fn weighed(data: &Path) -> Result<Weight, BenchError> {
    let mut weight = Weight { index_bytes: files::bytes(&files::ending(data, "idx")?), ..Weight::default() };
    let mut aligned = AlignedVec::<16>::new();
    for path in files::ending(data, "seg")? {
        let bytes = fs::read(&path).map_err(BenchError::system(format!("read '{}'", path.display())))?;
        let Some(place) = place_of(&path) else { continue };
        aligned.clear();
        aligned.extend_from_slice(&bytes);
        let mut end_bytes = HEADER_BYTES;
        for found in Scan::new(&aligned, place, None) {
            let frame = match found {
                ScanItem::Entry(frame, _) => {
                    weight.messages += 1;
                    frame
                }
                ScanItem::Note(frame, _) => frame,
                ScanItem::Damage { .. } => continue,
            };
            const FRAME_HEADER_BYTES: usize = 16;
            let frame_bytes = frame.end_bytes - frame.offset_bytes;
            weight.frame_bytes += frame_bytes as u64;
            weight.padding_bytes += (frame_bytes - FRAME_HEADER_BYTES - frame.payload.len()) as u64;
            end_bytes = frame.end_bytes;
        }
        if end_bytes == HEADER_BYTES {
            weight.prepared_bytes += bytes.len() as u64;
            continue;
        }
        weight.segment_bytes += bytes.len() as u64;
        weight.unused_bytes += (bytes.len() - end_bytes.min(bytes.len())) as u64;
    }
    Ok(weight)
}

fn place_of(path: &Path) -> Option<SegmentId> {
    let segment = SegmentNumber(path.file_stem()?.to_str()?.parse().ok()?);
    let directory = path.parent()?.file_name()?.to_str()?;
    Some(SegmentId { shard: ShardId(directory.strip_prefix("shard-")?.parse().ok()?), segment })
}
