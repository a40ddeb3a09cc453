//! What a room decides. Pure: no socket, file, channel or clock; time is handed in and what
//! follows from a decision comes out as events for shards.
//!
//! **Invariant:** events come out in the room's one order. The shard that owns the room holds them
//! back until what they report is committed, and sends them on in that order.

mod amending;
mod drafts;
mod fan_out;
mod machine;
mod member;
mod members;
mod more_sessions;
mod reactions;
mod recent;

pub use amending::{Amended, LookedUpTarget, lacks_account};
pub use drafts::{DraftVerdict, Drafts, KnownDraft};
pub use fan_out::{FanOut, ShardEvent};
pub use machine::{PageReader, Room, RoomHistory, RoomKind, RoomLimits};
pub use member::Member;
pub use recent::{PageRest, Recent, RecentPage};

#[cfg(test)]
mod tests;
