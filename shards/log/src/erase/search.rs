//! What would be erased, without changing anything.

use super::rules::{ErasureMatcher, Erasures};
use crate::files::{Files, FilesError};
use crate::format::StoredEntry;
use crate::read::{Fault, read_messages};

/// Shows every entry that would be erased, in no order of rooms, also while a server writes. Returns what is wrong with
/// segments. `progress` receives the bytes that were read.
///
/// # Errors
/// When a file cannot be read.
pub fn find_erasable(
    files: &dyn Files,
    erasures: &Erasures,
    visit: &mut dyn FnMut(&StoredEntry<'_>),
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<Fault>, FilesError> {
    let mut matcher = ErasureMatcher::new(erasures);
    let mut look = |entry: &StoredEntry<'_>| {
        if matcher.wants_entry(entry) {
            visit(entry);
        }
    };
    read_messages(files, &mut look, progress)
}
