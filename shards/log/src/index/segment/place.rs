//! The file of an index.

use crate::format::SegmentNumber;
use crate::index::bytes::{FORMAT_VERSION, FileIdentity, FileKind};
use madang_model::ShardId;

/// The file of a segment's index; it lies beside the segment.
pub fn index_file_name(segment: SegmentNumber) -> String {
    format!("{:020}.idx", segment.0)
}

/// The segment whose index has this name, if it is one.
pub fn index_file_segment(name: &str) -> Option<SegmentNumber> {
    let segment = SegmentNumber(name.strip_suffix(".idx")?.parse().ok()?);
    (segment.0 > 0 && index_file_name(segment) == name).then_some(segment)
}

/// What the checksums of an index cover besides its bytes.
pub fn identity(directory: ShardId, segment: SegmentNumber) -> FileIdentity {
    FileIdentity { kind: FileKind::Index, directory, number: segment.0, version: FORMAT_VERSION }
}
