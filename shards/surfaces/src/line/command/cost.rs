//! What a line costs of the allowance.

use super::Command;
use madang_model::{DraftId, Page, Timestamp};

/// A page of history costs one more for this many messages.
const MESSAGES_A_TOKEN: u32 = 100;

impl Command {
    /// As many messages as it counts for: what is looked up, listed or announced to a whole room by one line is more
    /// work than saying it.
    pub fn cost(&self, now: Timestamp) -> u32 {
        match self {
            Command::Quit => 0,
            Command::Who(_) => 4,
            Command::Rooms(pattern) if pattern.is_empty() => 4,
            Command::Rooms(_) => 10,
            Command::Channel(_) | Command::Nick(_) => 2,
            Command::History(
                Page::Last { count } | Page::Before { count, .. } | Page::After { count, .. },
            ) => 1 + count / MESSAGES_A_TOKEN,
            // A draft may be looked for in the log.
            Command::Talk { draft, .. } => draft.as_ref().map_or(1, |draft| DraftId::cost(draft, now)),
            _ => 1,
        }
    }
}
