//! Reading logs back: at start, and by tools.

mod export;
mod fault;
mod plan;
mod recovery;
mod rooms;
mod segment;
#[cfg(test)]
mod tests;
mod verify;
mod walk;

pub use export::{Export, ExportError, export_room};
pub use fault::{Fault, FaultKind, Location};
pub use recovery::{
    RECENT_DRAFTS_MAX, RecentDraft, Recovered, RecoveredRoom, RecoveryError, Summary, recover,
};
pub use verify::{Verification, verify};
pub use walk::{Role, SegmentReport};
