//! Whether a stored message can become one again.

use crate::format::{RecordError, StoredMessage};
use hashbrown::HashSet;
use madang_model::Text;

/// Names seen and found good: parsing one costs more than everything else about a message.
const NAMES_KEPT_MAX: usize = 65_536;

/// Checks everything of a message but its room, which its reader looks up anyway.
#[derive(Debug, Default)]
pub struct Readable {
    authors: HashSet<Box<str>>,
}

impl Readable {
    /// # Errors
    /// [`RecordError`] when this program would not have stored it.
    pub fn check(&mut self, message: &StoredMessage<'_>) -> Result<(), RecordError> {
        if message.is_erased {
            return Ok(());
        }
        if !self.authors.contains(message.author.name) {
            message.author_name()?;
            if self.authors.len() >= NAMES_KEPT_MAX {
                self.authors.clear();
            }
            self.authors.insert(message.author.name.into());
        }
        message.draft_id()?;
        let seq = message.seq;
        // Visible ASCII needs no copy to be known as good.
        let is_plain =
            message.text.bytes().all(|b| b.is_ascii()) && message.text.bytes().any(|b| b.is_ascii_graphic());
        if is_plain || Text::restore(message.text).is_some() {
            return Ok(());
        }
        Err(RecordError::Text { seq })
    }
}
