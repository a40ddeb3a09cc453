//! The seam between the log and the files it lies in.
//!
//! It blocks. [`Files`] is for starting and for tools, [`IndexFiles`] for the threads beside the shards, and
//! [`SegmentFiles`] for the writer, which carries to the disk what [`Appender`](super::Appender) gives it.

mod epoch;
mod erasure;
mod erasure_list;
mod holding;
mod identity;
mod indexes;
mod memory;
mod opening;
mod owner;
mod segments;
mod standard;
mod write_out;

pub use epoch::{EPOCH_FILE, EpochFiles, EpochPlaces, FoundEpochFile};
pub use erasure::ErasureFiles;
pub use erasure_list::{ERASURES_FILE, ErasureListFile, ErasureListFiles};
pub use holding::HoldingFiles;
pub use identity::InodeIdentity;
pub use indexes::IndexFiles;
pub use memory::MemoryFiles;
pub use opening::{open_regular, open_regular_by, open_to_hold};
pub use segments::SegmentFiles;
pub use standard::StdFiles;

use crate::format::SegmentNumber;
use madang_model::ShardId;
use rkyv::util::AlignedVec;
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// The segments under one directory of data.
pub trait Files: Sync {
    /// The shards that have a directory, in order.
    ///
    /// # Errors
    /// When the directory of data cannot be listed.
    fn shards(&self) -> Result<Vec<ShardId>, FilesError>;

    /// The segments of a shard, in order; none when it has no directory.
    ///
    /// # Errors
    /// When its directory cannot be listed.
    fn segments(&self, shard: ShardId) -> Result<Vec<SegmentNumber>, FilesError>;

    /// Reads a whole segment in place of what `into` holds. The buffer is used again for the next,
    /// so that reading many costs the memory of one.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn read(&self, shard: ShardId, segment: SegmentNumber, into: &mut AlignedVec) -> Result<(), FilesError> {
        self.read_start(shard, segment, usize::MAX, into)
    }

    /// Reads at most `bytes_max` from the start of a segment in place of what `into` holds.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn read_start(
        &self,
        shard: ShardId,
        segment: SegmentNumber,
        bytes_max: usize,
        into: &mut AlignedVec,
    ) -> Result<(), FilesError>;

    /// Cuts a segment at `end_bytes`, makes sure what is left is on disk, then adds `frame` and
    /// makes sure of that too. What stands behind `synced_bytes` is written again before: after a
    /// sync that failed the kernel shows it, counts it as clean, and a later sync skips it.
    ///
    /// # Errors
    /// When any of that fails.
    fn seal(
        &self,
        shard: ShardId,
        segment: SegmentNumber,
        synced_bytes: u64,
        end_bytes: u64,
        frame: &[u8],
    ) -> Result<(), FilesError>;

    /// Writes what stands behind `from_bytes` again as it is, and makes sure of it: reads may show it though
    /// it is not on disk, as after a sync that failed. Whatever fails, nothing that was on disk is lost.
    ///
    /// # Errors
    /// When that fails.
    fn make_sure(&self, shard: ShardId, segment: SegmentNumber, from_bytes: u64) -> Result<(), FilesError>;

    /// Removes a segment that holds nothing.
    ///
    /// # Errors
    /// When that fails.
    fn remove(&self, shard: ShardId, segment: SegmentNumber) -> Result<(), FilesError>;

    /// Removes the segments of a shard from this one on, which hold nothing. The last one first, each for
    /// good: should the power be cut in between, none is missing before one that is there.
    ///
    /// # Errors
    /// When one cannot be removed; those before it stay.
    fn remove_from(&self, shard: ShardId, first: SegmentNumber) -> Result<(), FilesError> {
        let segments = self.segments(shard)?.into_iter().rev();
        segments.take_while(|segment| *segment >= first).try_for_each(|segment| self.remove(shard, segment))
    }

    /// Where a segment lies, for people to read.
    fn path(&self, shard: ShardId, segment: SegmentNumber) -> PathBuf;

    /// Keeps these segments readable from now on, as far as that can be done, should they be removed.
    fn hold(&self, _shard: ShardId, _segments: &[SegmentNumber]) {}

    /// The indexes and snapshots beside the segments, where there can be any.
    fn beside(&self) -> Option<&dyn IndexFiles> {
        None
    }
}

/// What was tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileOperation {
    /// Listing a directory.
    List,
    /// Reading a segment.
    Read,
    /// Writing a new segment.
    Write,
    /// Cutting, writing or syncing a segment.
    Seal,
    /// Removing a segment.
    Remove,
    /// Writing an index.
    Index,
    /// Keeping a copy of what a repair takes away.
    Keep,
    /// Putting a repaired segment in place.
    Replace,
    /// Erasing what was said.
    Erase,
    /// Reading the list of what was to be erased.
    ReadErasures,
    /// Writing that list.
    WriteErasures,
}

/// A file could not be used.
#[derive(Debug)]
pub struct FilesError {
    /// Which.
    pub path: PathBuf,
    /// What was tried.
    pub operation: FileOperation,
    /// What the system says.
    pub source: io::Error,
}

impl FilesError {
    /// Whether the file is gone: to a tool that reads a running server's log, retention took it
    /// between the listing and the reading.
    pub fn is_gone(&self) -> bool {
        self.operation == FileOperation::Read && self.source.kind() == io::ErrorKind::NotFound
    }

    /// Whether something that is no regular file has the name of a part of the log: it does not go away by
    /// itself.
    pub fn is_no_file(&self) -> bool {
        self.source.kind() == io::ErrorKind::InvalidInput
    }

    fn read_what(&self) -> &'static str {
        match self.path.extension().and_then(OsStr::to_str) {
            Some("seg") => "read segment",
            Some("idx") => "read index",
            Some("run") => "read run",
            _ => "read snapshot",
        }
    }
}

impl fmt::Display for FilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tried, remedy) = match self.operation {
            FileOperation::List => {
                ("list log directory", "check that it exists, or pass another with --data")
            }
            FileOperation::Read => (self.read_what(), "check the disk with dmesg and smartctl"),
            FileOperation::Write => ("write segment", "make its directory writable and free some space"),
            FileOperation::Seal => ("finish segment", "make the directory writable and free some space"),
            FileOperation::Remove => ("remove empty segment", "make its directory writable"),
            FileOperation::Index => ("write index", "make its directory writable and free some space"),
            FileOperation::Keep => ("set aside a copy as", "free some space, and repair again"),
            FileOperation::Replace => ("replace segment", "free some space, and repair again"),
            FileOperation::Erase => ("erase in", "make its directory writable and free some space"),
            FileOperation::ReadErasures => ("read", "check the disk with dmesg and smartctl"),
            FileOperation::WriteErasures => ("write", "make its directory writable and free some space"),
        };
        let is_error = |error: Errno| self.source.raw_os_error() == Some(error.raw_os_error());
        let remedy = match self.source.kind() {
            _ if is_error(Errno::IO) => "check the disk with dmesg and smartctl",
            _ if is_error(Errno::PERM) => {
                "see with lsattr whether it is immutable, and run as the user that owns it"
            }
            io::ErrorKind::InvalidInput if self.operation == FileOperation::Erase => {
                "move it away; in the place of a link put the file that it leads to"
            }
            io::ErrorKind::PermissionDenied => "run as the user that owns it, or pass another with --data",
            io::ErrorKind::StorageFull => "free some space on its file system",
            io::ErrorKind::InvalidInput => "move it away, and restore the log's own file from a copy",
            io::ErrorKind::InvalidData => "see `madang log verify`, and restore the file from a copy",
            io::ErrorKind::WouldBlock => "end that program, and try again",
            io::ErrorKind::ReadOnlyFilesystem => "mount its file system writable",
            _ => remedy,
        };
        write!(f, "cannot {tried} '{}': {}; {remedy}", self.path.display(), self.source)
    }
}

impl std::error::Error for FilesError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
