//! What a room decides. Pure: no socket, file, channel or clock; time is handed in and what
//! follows from a decision comes out as events for shards.
//!
//! **Invariant:** events come out in the room's one order. The shard that owns the room holds them
//! back until what they report is committed, and sends them on in that order.

mod drafts;
mod fan_out;
mod machine;
mod member;
mod members;
mod more_sessions;
mod recent;

pub use drafts::{DraftVerdict, Drafts, KnownDraft};
pub use fan_out::{FanOut, ShardEvent};
pub use machine::{RecentPage, Room, RoomKind, RoomLimits, draft_of};
pub use member::Member;
pub use recent::Recent;

#[cfg(test)]
mod tests;
