//! Why stored messages cannot be shown.

use super::request::StoredFile;
use crate::format::{RecordError, SegmentNumber};
use crate::index::amendments::RunRange;
use madang_model::{FactsFault, Seq, ShardId};

/// Why a query has no answer. Never a wrong one.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum QueryFault {
    /// A segment is there and its index is not. Make it again, and ask again.
    #[error("segment {segment} of shard {directory} has no index; it is rebuilt from the segment")]
    IndexMissing {
        /// Whose directory.
        directory: ShardId,
        /// Which segment.
        segment: SegmentNumber,
    },
    /// An index is not what was written. Make it again, and ask again.
    #[error(
        "the index of segment {segment} of shard {directory} is damaged at byte {offset_bytes}; it is rebuilt from the segment"
    )]
    IndexDamaged {
        /// Whose directory.
        directory: ShardId,
        /// Which segment.
        segment: SegmentNumber,
        /// Where the damaged part begins.
        offset_bytes: u64,
    },
    /// An index was written by a release that knew less. It is made again, and asked again.
    #[error("the index of segment {segment} of shard {directory} knows nothing but messages; it is rebuilt")]
    IndexOutdated {
        /// Whose directory.
        directory: ShardId,
        /// Which segment.
        segment: SegmentNumber,
    },
    /// A run is missing or not what was written. The indexes of its segments say the same.
    #[error(
        "what the amendments of {run} of shard {directory} amend is missing or damaged at byte {offset_bytes}; the indexes say it, too, until it is rebuilt"
    )]
    RunDamaged {
        /// Whose directory.
        directory: ShardId,
        /// Which segments.
        run: RunRange,
        /// Where the damaged part begins.
        offset_bytes: u64,
    },
    /// A snapshot is missing or not what was written. Make it again from the indexes.
    #[error(
        "the snapshot of shard {directory} is missing or damaged at byte {offset_bytes}; it is rebuilt from the indexes"
    )]
    SnapshotDamaged {
        /// Whose directory.
        directory: ShardId,
        /// Where the damaged part begins.
        offset_bytes: u64,
    },
    /// A message is not what was written.
    #[error(
        "message #{seq} is damaged: segment {segment} of shard {directory} at byte {offset_bytes}; see all with `madang log verify`, and restore the file from a copy"
    )]
    MessageDamaged {
        /// Whose directory.
        directory: ShardId,
        /// Which segment.
        segment: SegmentNumber,
        /// Where the message begins.
        offset_bytes: u64,
        /// Its number.
        seq: Seq,
    },
    /// Records of facts are not what was written.
    #[error(
        "the facts of room '{room}' are damaged: segment {segment} of shard {directory} at byte {offset_bytes}; see all with `madang log verify`, and restore the file from a copy"
    )]
    FactsDamaged {
        /// The room.
        room: String,
        /// Whose directory.
        directory: ShardId,
        /// Which segment.
        segment: SegmentNumber,
        /// Where the record begins.
        offset_bytes: u64,
    },
    /// The checksums of records of facts are right, and yet they do not belong together.
    #[error(
        "the facts of room '{room}' in segment {segment} of shard {directory} at byte {offset_bytes} are not as they must be: {fault}; see all with `madang log verify`"
    )]
    Facts {
        /// The room.
        room: String,
        /// Whose directory.
        directory: ShardId,
        /// Which segment.
        segment: SegmentNumber,
        /// Where the record begins.
        offset_bytes: u64,
        /// What is wrong.
        fault: FactsFault,
    },
    /// The segment of facts has expired: they are in a later one by now. Look up where they are, and ask again.
    #[error(
        "segment {segment} of shard {directory} with facts has expired, or is lost; see `madang log verify`"
    )]
    FactsGone {
        /// Whose directory.
        directory: ShardId,
        /// Which segment.
        segment: SegmentNumber,
    },
    /// A checksum is right, and yet the message cannot be one.
    #[error(transparent)]
    Unreadable(#[from] RecordError),
    /// Neither the sealed segments nor the open one hold these numbers: who asked knows a newer
    /// head than was committed, or an older tail.
    #[error("messages #{first} to #{last} are not in the log yet; ask for them later")]
    NotStored {
        /// The first.
        first: Seq,
        /// The last.
        last: Seq,
    },
}

impl QueryFault {
    /// The file that can be made again from others, so that the query can be asked again.
    pub fn mendable(&self) -> Option<(ShardId, StoredFile)> {
        match self {
            QueryFault::IndexMissing { directory, segment }
            | QueryFault::IndexOutdated { directory, segment }
            | QueryFault::IndexDamaged { directory, segment, .. } => {
                Some((*directory, StoredFile::Index(*segment)))
            }
            QueryFault::RunDamaged { directory, run, .. } => Some((*directory, StoredFile::Run(*run))),
            QueryFault::SnapshotDamaged { directory, .. } => Some((*directory, StoredFile::Snapshot)),
            _ => None,
        }
    }
}
