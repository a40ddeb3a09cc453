//! Finding rooms, and pages of their stored messages at any depth.

mod chain;
mod facts;
mod frame;
mod messages;
mod outcome;
mod page;
mod pieces;
mod room;

pub use facts::FactsQuery;
pub use outcome::{QueryOutcome, StoredQuery};
pub use page::{FoundPage, OpenRun, PageQuery};
pub use room::RoomQuery;
