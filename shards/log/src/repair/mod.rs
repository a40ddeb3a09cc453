//! Making a damaged log one that a server starts from, without destroying anything.
//!
//! [`plan`] only reads. [`RepairPlan::apply`] keeps aside whatever it replaces or cuts, then moves
//! the frames that are intact into a segment of the same number, and records what is lost, so that
//! the gaps in the numbers of messages are known ones from then on. Each step leaves a log that can
//! be repaired again.

mod apply;
mod facts;
mod intact;
mod keeper;
mod numbers;
mod survey;
#[cfg(test)]
mod tests;

pub use facts::RepairedFacts;
pub use keeper::{Keeper, StdKeeper};
pub use survey::plan;

use crate::files::FilesError;
use crate::format::SegmentNumber;
use crate::read::{Fault, MissingRange, SegmentReport};
use facts::FactsSegment;
use hashbrown::HashSet;
use madang_model::{RoomName, ShardId};
use std::path::PathBuf;

/// What a repair would do.
#[derive(Debug, Default)]
pub struct RepairPlan {
    /// What is wrong: everything that `verify` says.
    pub faults: Vec<Fault>,
    /// What would be done to segments, in the order of shards and numbers.
    pub changes: Vec<SegmentChange>,
    /// What would be recorded as lost.
    pub lost: Vec<LostMessages>,
    /// Facts that would be stored once more, as they are damaged or what they are read from is moved.
    facts: Vec<FactsSegment>,
    /// Whether all that is wrong is what a copy shows that was taken while a server wrote.
    pub is_of_a_copy: bool,
    /// Whether a copy looks so only where segments have expired while it was taken.
    pub needs_expiry: bool,
    /// The directories of which nobody knows any more what numbers the rooms had whose messages have all expired.
    /// Once it is done, nothing says that they are unknown.
    pub unknown_heads: Vec<ShardId>,
    /// The rooms that have messages in each directory, by the number of their key.
    living: HashSet<(ShardId, u64)>,
    /// The records of losses go to these: each directory's next segment.
    next_segments: Vec<NextSegment>,
}

#[derive(Clone, Copy, Debug)]
struct NextSegment {
    shard: ShardId,
    segment: SegmentNumber,
    shard_count: u16,
}

/// Messages that are gone.
#[derive(Clone, Debug)]
pub struct LostMessages {
    /// Of which room.
    pub room: RoomName,
    /// Their numbers.
    pub gap: MissingRange,
    /// In whose directory they were.
    pub shard: ShardId,
}

/// What would be done to one segment.
#[derive(Debug)]
pub struct SegmentChange {
    /// Whose.
    pub shard: ShardId,
    /// Which.
    pub segment: SegmentNumber,
    /// Its file.
    pub path: PathBuf,
    /// What.
    pub change: RepairChange,
}

/// What can be done to a segment.
#[derive(Debug)]
pub enum RepairChange {
    /// The whole file is kept aside; what is intact in it goes to a new one of the same name.
    Rewrite {
        /// The length of the file.
        file_bytes: u64,
        /// How many messages are intact and continue the numbers.
        messages: u64,
        /// Frames that are intact and yet do not continue the numbers, by offset: messages that are there twice or
        /// cannot be messages.
        dropped: Vec<usize>,
    },
    /// It ends where the last good frame does, and is sealed there.
    Cut {
        /// How it was found.
        report: Box<SegmentReport>,
        /// Bytes of an unfinished write, which are kept aside; none when only the seal is missing.
        torn_bytes: u64,
    },
    /// Nothing in it was ever acknowledged: it is removed, as a start would.
    Remove {
        /// Where the unfinished write begins, which is kept aside.
        torn_offset_bytes: u64,
        /// How long that is.
        torn_bytes: u64,
    },
    /// Its file is missing: an empty one takes its place.
    Fill {
        /// How many shards there were.
        shard_count: u16,
        /// Whether its index, or a snapshot, lists which numbers were in it.
        is_proven: bool,
    },
}

impl RepairChange {
    /// Whether records are elsewhere afterwards, or no more.
    fn moves_records(&self) -> bool {
        match self {
            RepairChange::Rewrite { .. } | RepairChange::Fill { .. } => true,
            RepairChange::Cut { report, .. } => {
                !report.lacks_seal && report.faults.iter().any(survey::is_end_lost)
            }
            RepairChange::Remove { .. } => false,
        }
    }
}

impl RepairPlan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
            && self.lost.is_empty()
            && self.facts.is_empty()
            && self.unknown_heads.is_empty()
    }

    /// The rooms whose facts would be stored once more.
    pub fn repaired_facts(&self) -> impl Iterator<Item = &RepairedFacts> {
        self.facts.iter().flat_map(|segment| &segment.rooms)
    }
}

/// Why a log cannot be repaired. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// A file could not be used.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// A later program wrote it, and only that can say what is wrong.
    #[error("{0}; nothing was changed")]
    FutureVersion(Fault),
    /// Too many segments are missing: more likely the name of a file is wrong.
    #[error(
        "{fault}: that is too many to record as lost; if '{}' does not belong there, move it away, then repair \
         again; nothing was changed",
        fault.path.display()
    )]
    TooManyMissing {
        /// The range that is missing.
        fault: Fault,
    },
}
