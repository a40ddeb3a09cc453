//! Where every room's newest entry is: what makes a start quick, and rooms that are not in memory
//! cheap.

mod block;
mod lookup;
mod merge;
mod reader;
mod room;
mod writer;

pub use block::{
    SNAPSHOT_BLOCK_BYTES, SNAPSHOT_FILE_NAME, SnapshotFault, SnapshotFile, SnapshotInfo, SnapshotScope,
};
pub use lookup::SnapshotLookup;
pub use merge::merge_snapshots;
pub use reader::SnapshotReader;
pub use room::SnapshotRoom;
pub use writer::SnapshotWriter;
