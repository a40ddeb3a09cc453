//! What can be wrong with a log.

use crate::files::{Files, FilesError};
use crate::format::{HeaderFault, RecordError, SegmentNumber};
use madang_model::{FactsFault, Revision, Seq, ShardId, counted, is_or_are, numbered};
use std::fmt;
use std::path::{Path, PathBuf};

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
    /// It cannot be read or written: what the system says, and what to do.
    #[error("{0}")]
    Unusable(String),
    /// The start of the file.
    #[error("{0}")]
    Header(HeaderFault),
    /// Bytes that were on disk once are no longer what they were.
    #[error("{} {} damaged: every message in them is lost", counted(*bytes, "byte"), is_or_are(*bytes == 1))]
    Damage {
        /// How many.
        bytes: u64,
    },
    /// A later segment was begun, so that this one must have been sealed.
    #[error(
        "it ends without a seal although a later segment holds messages or the snapshot covers it: its end is lost"
    )]
    Unsealed,
    /// Its index lists more.
    #[error(
        "it was cut off here: its index proves that it was whole up to byte {proven_bytes}, {} {} \
         missing; restore the file from a copy",
        counted(*messages, "message"),
        is_or_are(*messages == 1)
    )]
    Cut {
        /// Where it ended, without its seal.
        proven_bytes: u64,
        /// How many messages are gone.
        messages: u64,
    },
    /// The snapshot covers it, so that it had a seal.
    #[error("it was cut off here: the snapshot proves that it was sealed; restore the file from a copy")]
    CutOff,
    /// The seal counts other than what is there.
    #[error("its seal counts {}, {found} {} there", counted(*sealed, "message"), is_or_are(*found == 1))]
    Miscounted {
        /// What the seal says.
        sealed: u64,
        /// How many there are.
        found: u64,
    },
    /// Numbers of segments that have no file.
    #[error(
        "before it, {} {} missing; restore the {}",
        numbered(first, last, "segment", ""),
        is_or_are(first == last),
        if first == last { "file" } else { "files" }
    )]
    MissingSegments {
        /// The first that is missing.
        first: SegmentNumber,
        /// The last.
        last: SegmentNumber,
    },
    /// Segments behind all others that have an index, or that the snapshot covers, and no file.
    #[error(
        "{} {} missing: an index or the snapshot proves that {} there; restore the {}",
        numbered(first, last, "segment", ""),
        is_or_are(first == last),
        if first == last { "it was" } else { "they were" },
        if first == last { "file" } else { "files" }
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
    #[error("{} of room '{room}' {} missing", numbered(first, last, "message", "#"), is_or_are(first == last))]
    Lost {
        /// The room.
        room: String,
        /// The first that is missing.
        first: Seq,
        /// The last.
        last: Seq,
    },
    /// A checksum is right, and yet the facts cannot be such.
    #[error("the facts of room '{room}' are not as they must be: {fault}")]
    Facts {
        /// The room.
        room: String,
        /// What is wrong.
        fault: FactsFault,
    },
    /// Changes of facts that must have been there.
    #[error("{} of the facts of room '{room}' {} missing", numbered(first, last, "revision", ""), is_or_are(first == last))]
    FactsLost {
        /// The room.
        room: String,
        /// The first that is missing.
        first: Revision,
        /// The last.
        last: Revision,
    },
    /// A record is missing that the newest facts are read with.
    #[error(
        "the facts of room '{room}' at revision {revision} cannot be read: a record that they are behind is missing"
    )]
    FactsIncomplete {
        /// The room.
        room: String,
        /// The newest revision.
        revision: Revision,
    },
    /// The snapshot is not as it must be, nor is its copy, and something has expired.
    #[error(
        "{lack}, and so is its copy, though the segments before {first} have expired: nothing else holds the \
         numbers of rooms whose messages have all expired, and they would be reused; restore the file from \
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
    #[error("message #{seq} of room '{room}' is stored twice")]
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
    #[error("it covers segments up to {covers} only")]
    Behind {
        /// The last segment that it covers.
        covers: SegmentNumber,
    },
}

impl Fault {
    pub(crate) fn new(files: &dyn Files, at: Location, kind: FaultKind) -> Fault {
        Fault { path: files.path(at.shard, at.segment), offset_bytes: at.offset_bytes, kind }
    }

    /// A file that cannot be read or written.
    pub(crate) fn unusable(error: FilesError) -> Fault {
        let kind = FaultKind::Unusable(error.to_string());
        Fault { path: error.path, offset_bytes: 0, kind }
    }

    /// Whether it is that a file cannot be read or written: what is in it may be whole.
    pub fn is_unusable(&self) -> bool {
        matches!(self.kind, FaultKind::Unusable(_))
    }
}

/// How to see more of what is wrong, and what can be done: what to say behind a fault in a file of the log.
pub struct NextStep<'a>(pub &'a Path);

impl fmt::Display for NextStep<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The file is in its shard's directory, which is in that of data.
        let data = self.0.parent().and_then(Path::parent).unwrap_or(Path::new("."));
        let data = if data.as_os_str().is_empty() { Path::new(".") } else { data }.display();
        write!(
            f,
            "see all with `madang log verify --data {data}`; restore the files from a copy, and then run `madang log \
             erase --again --data {data}`, or keep what is intact with `madang log repair --data {data}`"
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FaultKind::Unusable(words) => f.write_str(words),
            kind => write!(f, "{} at byte {}: {kind}", self.path.display(), self.offset_bytes),
        }
    }
}

impl fmt::Display for SnapshotNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SnapshotNote { path, offset_bytes, lack } = self;
        write!(f, "{} at byte {offset_bytes}: {lack}; nothing is lost, and it is rebuilt", path.display())
    }
}
