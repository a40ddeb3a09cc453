//! Reading logs back: at start, and by tools.

mod dump;
mod evidence;
mod expired;
mod export;
mod facts_check;
mod fault;
mod heads;
mod live_facts;
mod looks;
mod lost;
mod messages;
mod moment;
mod newest;
mod opened;
mod pass;
mod plan;
mod readable;
mod recovered;
mod recovery;
mod retention;
mod room_facts;
mod rooms;
mod runs;
mod segment;
mod snapshots;
mod standing;
mod stats;
mod tails;
#[cfg(test)]
mod tests;
mod verify;
mod walk;

pub use dump::{Dumped, DumpedSegment, dump};
pub use export::{Export, ExportError, Exported, Selection, export};
pub use fault::{Fault, FaultKind, Location, SnapshotLack, SnapshotNote};
pub use live_facts::{FactsRenewal, NoRenewal, SegmentAt};
pub use looks::{LooksReading, StoredLooks};
pub use lost::{LostRange, MissingRange};
pub use messages::read_messages;
pub use moment::{HeldSegment, LogMoment, MomentError, ShardMoment};
pub use newest::{StoredTail, read_tails};
pub use opened::{OpenLogError, OpenedLog, open_log};
pub use recovered::{RECENT_DRAFTS_MAX, RecentDraft, Recovered, RecoveredRoom, Summary};
pub use recovery::{RecoveryError, recover};
pub use retention::{Removed, Retention, retain};
pub use room_facts::{ReadFactsError, read_all_facts, read_facts};
pub use runs::{mend_run, renew_runs};
pub use snapshots::{mend_snapshot, renew_snapshot};
pub use standing::{Extent, StandingSegment, standing};
pub use stats::{Statistics, statistics};
pub use tails::{IndexError, rebuild_index};
pub use verify::{Verification, verify, verify_believing};
pub use walk::{Role, SegmentReport};

/// What a repair reads with.
pub(super) mod for_repair {
    pub use super::evidence::{Proven, ProvenFacts};
    pub use super::expired::snapshot_of_expired;
    pub use super::heads::covered;
    pub use super::plan::ReadPlan;
    pub use super::readable::Readable;
    pub use super::recovery::begin_late;
    pub use super::tails::{read_table, start_of};
}

/// What an erasure reads with.
pub(super) mod for_erasure {
    pub use super::plan::ReadPlan;
    pub use super::segment::{READS_OF_A_RUNNING_LOG, with_segment};
    pub use super::tails::{read_own_header, read_own_table, start_of};
}
