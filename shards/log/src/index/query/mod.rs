//! Finding rooms, and pages of their stored messages at any depth.

mod chain;
mod drafts;
mod entries;
mod facts;
mod file_names;
mod frame;
mod messages;
mod outcome;
mod page;
mod pieces;
mod placed;
mod room;
mod room_amendments;
mod sources;
mod stored_room;
mod stretch;
mod unread;
mod window;

pub use drafts::{DraftOutcome, DraftQuery};
pub use entries::{EntriesQuery, FoundEntries};
pub use facts::FactsQuery;
pub use messages::FoundDraft;
pub use outcome::{QueryOutcome, StoredQuery};
pub use page::{FoundPage, PageQuery};
pub use room::RoomQuery;
pub use sources::AmendmentSource;
pub use stored_room::StoredRoomPlaces;
pub use unread::{UnreadCount, UnreadQuery};
