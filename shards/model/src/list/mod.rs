//! Lists of members and rooms: the first of them, and all, page by page.
//!
//! What has pages is in the order of keys, which neither a join nor a leave nor a new spelling of a name changes: whoever is
//! there throughout is on exactly one page, whoever comes or goes meanwhile on at most one. It is not the order of
//! names: who shows a whole list sorts it.

mod cursor;
mod merge;
mod page;
mod summary;

pub use cursor::{Cursor, CursorFault};
pub use merge::{RoomsList, RoomsMerge, RoomsMissing};
pub use page::{ListStart, MembersPage, RoomsPart};
pub use summary::{RoomSummary, RoomsPage, WhoMember, WhoPage};

#[cfg(test)]
mod tests;
