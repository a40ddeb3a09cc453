//! The bytes of a segment.

mod archive;
mod body;
mod entry;
mod erased;
mod frame;
mod head;
mod new_entry;
mod record;
mod scan;
mod segment;
#[cfg(test)]
mod tests;
mod version_2;

pub use entry::StoredEntry;
pub use erased::erase_frame;
pub use frame::{ABANDONED_FRAME_BYTES, FRAME_BYTES_MAX, Frame, SEAL_FRAME_BYTES, SegmentId, TEXT_BYTES_MAX};
pub use frame::{aligned, declared_bytes, read_frame_at};
pub use frame::{
    counts_of, draft_and_time, entry_of, frame_bytes, kind_of, lengths, push_frame, read_frame, stamp_frames,
    stored_record, unchecked_record,
};
pub use head::{AuthorKind, RecordKind, author_hash, author_of, draft_hash};
pub use new_entry::NewEntry;
pub use record::{
    AbandonedRecord, Record, RecordError, SealRecord, StoredAmendment, StoredAuthor, StoredChange,
    StoredFacts, StoredLost, StoredMessage, StoredRecord,
};
pub use scan::{Scan, ScanItem, SegmentVerdict, next_frame};
pub use segment::{
    FORMAT_VERSION, HEADER_BYTES, HeaderFault, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN, SegmentHeader,
    SegmentNumber, directory_name, directory_shard, file_name, file_segment,
};

/// What format 2 wrote, for tests.
#[cfg(test)]
pub mod old {
    pub use super::version_2::{OldMessage, OldRecord, OldSeal, push_old_frame};
}
