//! What would be erased, without changing anything.

use super::rules::{ErasureMatcher, Erasures};
use crate::files::{Files, FilesError};
use crate::format::StoredMessage;
use crate::read::{Fault, read_messages};

/// Shows every message that would be erased, in no order of rooms, also while a server writes. Returns what is wrong with
/// segments. `progress` receives the bytes that were read.
///
/// # Errors
/// When a file cannot be read.
pub fn find_erasable(
    files: &dyn Files,
    erasures: &Erasures,
    visit: &mut dyn FnMut(&StoredMessage<'_>),
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<Fault>, FilesError> {
    let mut matcher = ErasureMatcher::new(erasures);
    let mut look = |message: &StoredMessage<'_>| {
        if matcher.wants_message(message) {
            visit(message);
        }
    };
    read_messages(files, &mut look, progress)
}
