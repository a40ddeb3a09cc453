//! Reads, as they are asked for.

use super::fault::QueryFault;
use crate::format::SegmentNumber;
use crate::index::amendments::RunRange;
use madang_model::ShardId;

/// A file of a directory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum StoredFile {
    /// A segment.
    Segment(SegmentNumber),
    /// The index of a segment.
    Index(SegmentNumber),
    /// What the amendments of some segments amend.
    Run(RunRange),
    /// The snapshot.
    Snapshot,
    /// The snapshot that is there now, opened anew, from its end: `offset_bytes` is 0, and the last
    /// `bytes` are read. Reads of [`StoredFile::Snapshot`] that follow are of the same file, unless
    /// it was replaced again meanwhile.
    SnapshotEnd,
}

/// Bytes that are needed to continue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReadRequest {
    /// The shard whose directory holds the file.
    pub directory: ShardId,
    /// Which file.
    pub file: StoredFile,
    /// Where to begin.
    pub offset_bytes: u64,
    /// How many.
    pub bytes: usize,
}

/// What a read gave.
#[derive(Clone, Copy, Debug)]
pub enum ReadAnswer<'a> {
    /// The bytes; fewer than were asked for when the file ends before.
    Bytes(&'a [u8]),
    /// There is no such file.
    NoFile,
}

/// What a machine needs next.
#[derive(Debug)]
pub enum Step<T> {
    /// These reads, issued together and answered together, in this order.
    Read(Vec<ReadRequest>),
    /// Nothing: this is the end.
    Done(Result<T, QueryFault>),
}
