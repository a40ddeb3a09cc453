//! Where each room's messages lie: at any depth, in few reads, without keeping it in memory.
//!
//! Sans-I/O. A sealed segment has a *segment index* beside it: a table of its rooms and of the
//! places of their messages. A room's entry links to its entries in earlier segments, like a skip
//! list, so that any number is found in a logarithm of steps. *Runs* say the same of many segments at
//! once: then it takes three. A *snapshot* of each directory says
//! where every room's newest entry is. [`PageQuery`] and [`SnapshotLookup`] say what to read, and
//! are fed it. `docs/durability.md` has the formats and the reasons.

mod amendments;
mod bytes;
mod key;
mod link;
mod query;
mod reads;
mod segment;
mod snapshot;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub use amendments::write_run_of_version;
pub use amendments::{
    KeyedGroups, RunRange, RunReader, SegmentGroups, due_runs, groups_of_buckets, merge_tables,
    run_file_name, run_file_range, write_run,
};
pub use key::key_bits;
pub use link::{EntryLink, RoomTail};
pub use query::{
    AmendmentSource, DraftOutcome, DraftQuery, EntriesQuery, FactsQuery, FoundDraft, FoundEntries, FoundPage,
    PageQuery, QueryOutcome, RoomQuery, StoredQuery, StoredRoomPlaces, UnreadCount, UnreadQuery,
};
pub use reads::{QueryFault, ReadAnswer, ReadRequest, Step, StoredFile};
pub use segment::{
    EntryDetails, FactsEntry, FramePosition, INDEX_HEADER_BYTES, IndexBuilder, IndexFault, IndexHeader,
    OpenRun, RebuildFault, RoomEntry, SealFault, SegmentIndex, SegmentTable, index_file_name,
    index_file_segment,
};
pub use snapshot::{
    SNAPSHOT_BLOCK_BYTES, SNAPSHOT_FILE_NAME, SnapshotFault, SnapshotFile, SnapshotInfo, SnapshotLookup,
    SnapshotReader, SnapshotRoom, SnapshotScope, SnapshotWriter, merge_snapshots,
};
