//! The index of one segment.

mod builder;
mod entry;
mod facts;
mod facts_scan;
mod fault;
mod header;
mod place;
mod position;
mod rebuild;
mod table;

pub use builder::{IndexBuilder, SealFault, SegmentIndex};
pub use entry::{RoomEntry, RoomPositions, stored_name};
pub use facts::FactsEntry;
pub use fault::RebuildFault;
pub use header::{INDEX_HEADER_BYTES, IndexFault, IndexHeader};
pub use place::{identity, index_file_name, index_file_segment};
pub use position::{FramePosition, PositionRun};
pub use table::SegmentTable;
