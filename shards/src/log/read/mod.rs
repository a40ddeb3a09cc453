//! Reading logs back: at start, and by tools.

mod export;
mod fault;
mod plan;
mod recovered;
mod recovery;
mod rooms;
mod segment;
mod tails;
#[cfg(test)]
mod tests;
mod verify;
mod walk;

pub use export::{Export, ExportError, export_room};
pub use fault::{Fault, FaultKind, Location};
pub use recovered::{RECENT_DRAFTS_MAX, RecentDraft, Recovered, RecoveredRoom, Summary};
pub use recovery::{RecoveryError, recover};
pub use tails::{IndexError, Tails, load_tails, rebuild_index};
pub use verify::{Verification, verify};
pub use walk::{Role, SegmentReport};
