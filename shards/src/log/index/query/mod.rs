//! A page of a room's stored messages, at any depth.

mod chain;
mod frame;
mod messages;
mod page;
mod pieces;
mod range;

pub use page::{FoundPage, OpenRun, PageQuery};
