//! Messages that are to be amended and have to be looked up first.

use madang_log::BatchId;
use madang_model::{RoomName, Seq, SessionId};

/// A message that is to be amended and is not in memory.
#[derive(Debug)]
pub struct TargetLookup {
    /// Who asks.
    pub session: SessionId,
    /// The room.
    pub room: RoomName,
    /// Its newest entry.
    pub head: Seq,
    /// The message.
    pub target: Seq,
    /// The last batch that carries something of the room.
    pub after: BatchId,
}
