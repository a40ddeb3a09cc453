//! The facts of a room: its settings, its members with their roles and read positions, who is muted, banned or
//! invited, its topic. They are what its home has decided, in one order, and are stored in the room's own log.
//!
//! Pure. Each [`FactChange`] makes the next [`Revision`]: 1, 2, 3 … without a gap. Read positions do not: they
//! change every few seconds, and the revision is what clients compare.

mod change;
mod coding;
mod settings;
mod state;
#[cfg(test)]
mod tests;

pub use change::{DatedChange, FactChange, FactRefusal, FactsNotChanged};
pub use settings::{
    DiscussionRoom, GuestPolicy, HistoryPolicy, InvitePolicy, PostPolicy, RoomAccess, RoomRole, RoomSetting,
    RoomSettings,
};
pub use state::{FactsFault, Invitation, Restriction, Revision, RoomFacts, RoomMember};
