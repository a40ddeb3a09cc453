//! The log: what was said, on disk before anyone sees it.
//!
//! Sans-I/O: [`Appender`] decides what bytes go where, and the runtime writes and syncs them;
//! reading goes through the seam [`Files`]. `docs/durability.md` has the format and the reasons.

mod append;
mod coding;
mod epoch;
mod erase;
mod facts;
mod files;
mod format;
mod index;
mod read;
mod repair;
#[cfg(test)]
mod testing;
mod write;

pub use append::{Appender, Batch, BatchId, Durability, DurabilityError, Position, SealedSegment};
pub use append::{INTERVAL_MAX, INTERVAL_MIN};
pub use epoch::{EpochOrigin, begin_or_continue};
pub use erase::{
    DeletionSearch, ErasePendingError, ErasureEntry, ErasureList, ErasureListError, ErasureMatcher,
    ErasureRule, Erasures, FoundDeletions, PassOptions, PassOutcome, PassStep, UnfinishedSegment, erase,
    erase_pending,
};
pub use facts::{
    FactsAppended, FactsBody, FactsLedger, FactsLink, FactsNotAppended, FactsPointer, FactsVersion,
    LoadedFacts, LostRevisions,
};
pub use files::{
    EPOCH_FILE, ERASURES_FILE, EpochFiles, EpochPlaces, ErasureFiles, ErasureListFile, ErasureListFiles,
    FileOperation, Files, FilesError, FoundEpochFile, HoldingFiles, IndexFiles, InodeIdentity, MemoryFiles,
    SegmentFiles, StdFiles, open_regular, open_regular_by, open_to_hold,
};
pub use format::{
    AbandonedRecord, AuthorKind, FORMAT_VERSION, Frame, HEADER_BYTES, HeaderFault, NewEntry, Record,
    RecordError, RecordKind, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN, Scan, ScanItem, SealRecord, SegmentHeader,
    SegmentId, SegmentNumber, SegmentVerdict, StoredAmendment, StoredAuthor, StoredChange, StoredEntry,
    StoredFacts, StoredLost, StoredMessage, StoredRecord, TEXT_BYTES_MAX, author_hash, author_of,
    directory_name, draft_hash, file_name, frame_bytes, stored_record,
};
pub use index::{
    AmendmentSource, DraftOutcome, DraftQuery, EntriesQuery, EntryDetails, EntryLink, FactsEntry, FactsQuery,
    FoundDraft, FoundEntries, FoundPage, FramePosition, IndexBuilder, IndexFault, OpenRun, PageQuery,
    QueryFault, QueryOutcome, ReadAnswer, ReadRequest, RebuildFault, RoomEntry, RoomQuery, RoomTail,
    RunRange, SNAPSHOT_BLOCK_BYTES, SNAPSHOT_FILE_NAME, SealFault, SegmentIndex, SegmentTable, SnapshotFault,
    SnapshotFile, SnapshotInfo, SnapshotLookup, SnapshotReader, SnapshotRoom, SnapshotScope, SnapshotWriter,
    Step, StoredFile, StoredQuery, StoredRoomPlaces, UnreadCount, UnreadQuery, index_file_name,
    index_file_segment, merge_snapshots, run_file_name,
};
pub use read::{
    Dumped, DumpedSegment, Export, ExportError, Exported, Extent, FactsRenewal, Fault, FaultKind,
    HeldSegment, IndexError, Location, LogMoment, LooksReading, LostRange, MissingRange, MomentError,
    NoRenewal, OpenLogError, OpenedLog, RECENT_DRAFTS_MAX, ReadFactsError, RecentDraft, Recovered,
    RecoveredRoom, RecoveryError, Removed, Retention, Role, SegmentAt, SegmentReport, Selection, ShardMoment,
    SnapshotLack, SnapshotNote, StandingSegment, Statistics, StoredLooks, StoredTail, Summary, Verification,
    dump, export, mend_run, mend_snapshot, open_log, read_all_facts, read_facts, read_messages, read_tails,
    rebuild_index, recover, renew_runs, renew_snapshot, retain, standing, statistics, verify,
    verify_believing,
};
pub use repair::{
    Keeper, LostMessages, RepairChange, RepairError, RepairPlan, RepairedFacts, SegmentChange, StdKeeper,
    plan as plan_repair,
};
pub use write::{HistoryWriter, NewSegments, WriteError};
