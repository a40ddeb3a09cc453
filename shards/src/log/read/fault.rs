//! What can be wrong with a log.

use crate::log::files::Files;
use crate::log::format::{HeaderFault, RecordError, SegmentNumber};
use crate::types::{Seq, ShardId};
use std::fmt;
use std::path::PathBuf;

/// A byte of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Location {
    /// Whose directory.
    pub shard: ShardId,
    /// Which of its segments.
    pub segment: SegmentNumber,
    /// Where in it.
    pub offset_bytes: u64,
}

/// Something wrong, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// In which file.
    pub path: PathBuf,
    /// Where in it.
    pub offset_bytes: u64,
    /// What.
    pub kind: FaultKind,
}

/// What is wrong.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FaultKind {
    /// The start of the file.
    #[error("{0}")]
    Header(HeaderFault),
    /// Bytes that were on disk once are no longer what they were.
    #[error("{bytes} bytes are damaged: every message in them is lost")]
    Damage {
        /// How many.
        bytes: u64,
    },
    /// A later segment was begun, so that this one must have been sealed.
    #[error(
        "it ends without a seal although a later segment holds messages or the snapshot covers it: its end is lost"
    )]
    Unsealed,
    /// Its index tells of more.
    #[error(
        "it was cut off here: its index proves that it was whole up to byte {proven_bytes}, {messages} messages \
         are missing; put the file back from a copy"
    )]
    Cut {
        /// Where it ended, without its seal.
        proven_bytes: u64,
        /// How many messages are gone.
        messages: u64,
    },
    /// The snapshot covers it, so that it had a seal.
    #[error("it was cut off here: the snapshot proves that it was sealed; put the file back from a copy")]
    CutOff,
    /// The seal counts other than what is there.
    #[error("its seal counts {sealed} messages, {found} are there")]
    Miscounted {
        /// What the seal says.
        sealed: u64,
        /// How many there are.
        found: u64,
    },
    /// Numbers of segments that have no file.
    #[error("before it, segments {first} to {last} are missing; put the files back")]
    MissingSegments {
        /// The first that is missing.
        first: SegmentNumber,
        /// The last.
        last: SegmentNumber,
    },
    /// Segments behind all others that have an index, or that the snapshot covers, and no file.
    #[error(
        "segments {first} to {last} are missing: their indexes or the snapshot prove that they were there; put \
         the files back"
    )]
    MissingNewest {
        /// The first that is missing.
        first: SegmentNumber,
        /// The last.
        last: SegmentNumber,
        /// Whether one of them has an index: it was there when its directory was listed, so that no copy that
        /// was taken of it lacks it.
        is_indexed: bool,
    },
    /// A checksum is right, and yet the message cannot be one.
    #[error("{0}")]
    Unreadable(RecordError),
    /// Messages that must have been there.
    #[error("messages #{first} to #{last} of room '{room}' are missing")]
    Lost {
        /// The room.
        room: String,
        /// The first that is missing.
        first: Seq,
        /// The last.
        last: Seq,
    },
    /// The snapshot is not as it must be, nor is its copy, and something has expired.
    #[error(
        "{lack}, and so is its copy, though the segments before {first} have expired: nothing else knows the \
         numbers of rooms whose messages have all expired, and they would be given again; put the file back from \
         a copy"
    )]
    HeadsUnknown {
        /// Whose.
        shard: ShardId,
        /// The oldest segment that is there.
        first: SegmentNumber,
        /// What is wrong with it.
        lack: SnapshotLack,
    },
    /// A message number that was given twice.
    #[error("message #{seq} of room '{room}' is there twice")]
    Repeated {
        /// The room.
        room: String,
        /// The number.
        seq: Seq,
    },
}

/// A snapshot, or its copy, that is not as it must be, with nothing lost: it is made again. No fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotNote {
    /// Its file.
    pub path: PathBuf,
    /// Where in it.
    pub offset_bytes: u64,
    /// What it lacks.
    pub lack: SnapshotLack,
}

/// What can be wrong with a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SnapshotLack {
    /// There is none.
    #[error("it is missing")]
    Missing,
    /// It is not whole, or another program's.
    #[error("it is damaged")]
    Damaged,
    /// It is older than what has expired.
    #[error("it tells of segments up to {covers} only")]
    Behind {
        /// The last segment that it tells of.
        covers: SegmentNumber,
    },
}

impl Fault {
    pub(super) fn new(files: &dyn Files, at: Location, kind: FaultKind) -> Fault {
        Fault { path: files.path(at.shard, at.segment), offset_bytes: at.offset_bytes, kind }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}: {}", self.path.display(), self.offset_bytes, self.kind)
    }
}

impl fmt::Display for SnapshotNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SnapshotNote { path, offset_bytes, lack } = self;
        write!(f, "{} at byte {offset_bytes}: {lack}; nothing is lost, and it is made again", path.display())
    }
}
