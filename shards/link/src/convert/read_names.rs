//! Names, draft ids and texts that the core has sent, read by the edge.

use crate::format::{Kind, WireFault};
use madang_model::{DraftId, RoomName, Text, UserName};

/// A user's name.
pub fn user_of(name: &str) -> Result<UserName, WireFault> {
    UserName::parse(name).map_err(|_| WireFault::value(Kind::Event, "a user's name", name))
}

/// A room's name, a direct room's too.
pub fn room_of(name: &str) -> Result<RoomName, WireFault> {
    RoomName::from_log(name).map_err(|_| WireFault::value(Kind::Event, "a room's name", name))
}

/// A draft id, or none.
pub fn draft_of(draft: &str) -> Result<Option<DraftId>, WireFault> {
    if draft.is_empty() {
        return Ok(None);
    }
    let none = || WireFault::value(Kind::Event, "a draft id", draft);
    DraftId::parse(draft).map(Some).ok_or_else(none)
}

/// A text that the core has cleaned.
pub fn text_of(text: &str) -> Result<Text, WireFault> {
    Text::restore(text).ok_or_else(|| WireFault::value(Kind::Event, "a text", text))
}
