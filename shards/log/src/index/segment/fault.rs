//! Why a segment gives no index.

use crate::format::RecordError;
use madang_model::{FactsFault, Seq, counted, is_or_are};

/// Why a segment gives no index.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RebuildFault {
    /// The segment itself is damaged.
    #[error("{} at byte {offset_bytes} {} damaged", counted(*bytes, "byte"), is_or_are(*bytes == 1))]
    Damaged {
        /// Where.
        offset_bytes: u64,
        /// How much.
        bytes: u64,
    },
    /// A checksum is right, and yet the message cannot be one.
    #[error(transparent)]
    Unreadable(#[from] RecordError),
    /// The same of facts.
    #[error("the facts of room '{room}' at byte {offset_bytes} are not as they must be: {fault}")]
    Facts {
        /// The room.
        room: String,
        /// Where.
        offset_bytes: u64,
        /// What is wrong.
        fault: FactsFault,
    },
    /// Messages of a room do not follow one another.
    #[error("room '{room}' has #{found} where #{expected} belongs")]
    OutOfOrder {
        /// The room.
        room: String,
        /// What follows the message before.
        expected: Seq,
        /// What is there.
        found: Seq,
    },
}
