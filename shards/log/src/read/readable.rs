//! Whether a stored entry can become one again.

use crate::format::{RecordError, StoredEntry};
use hashbrown::HashSet;

/// Names seen and found good: parsing one costs more than everything else about a message.
const NAMES_KEPT_MAX: usize = 65_536;

/// Checks everything of an entry but its room, which its reader looks up anyway.
#[derive(Debug, Default)]
pub struct Readable {
    authors: HashSet<Box<str>>,
}

impl Readable {
    /// # Errors
    /// [`RecordError`] when this program would not have stored it.
    pub fn check(&mut self, entry: &StoredEntry<'_>) -> Result<(), RecordError> {
        let name = entry.author().name;
        if !entry.is_erased() && !self.authors.contains(name) {
            entry.author_name()?;
            if self.authors.len() >= NAMES_KEPT_MAX {
                self.authors.clear();
            }
            self.authors.insert(name.into());
        }
        if let StoredEntry::Message(message) = entry {
            // Visible ASCII needs no copy to be known as good.
            let is_plain = message.text.bytes().all(|b| b.is_ascii())
                && message.text.bytes().any(|b| b.is_ascii_graphic());
            if is_plain {
                return message.draft_id().map(|_| ());
            }
        }
        entry.check()
    }
}
