//! The index of one segment.

pub mod builder;
mod details;
mod entry;
mod facts;
mod facts_scan;
mod fault;
mod header;
mod open_run;
mod place;
mod position;
mod rebuild;
mod table;

pub use builder::{IndexBuilder, SealFault, SegmentIndex};
pub use details::{DetailRun, EntryDetails, ReadDetails, StoredDetails};
pub use entry::{RoomEntry, RoomPositions, stored_name};
pub use facts::FactsEntry;
pub use fault::RebuildFault;
pub use header::{INDEX_HEADER_BYTES, IndexFault, IndexHeader};
pub use open_run::{OpenRun, RoomChanges};
pub use place::{identity, index_file_name, index_file_segment};
pub use position::{FramePosition, PositionRun, push_packed, read_packed};
pub use table::SegmentTable;
