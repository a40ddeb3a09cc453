//! Erasing in a log that no server has open, as in one that was restored from a backup.

use super::list::ErasureList;
use super::rules::Erasures;
use super::{PassOptions, PassOutcome};
use crate::files::{ErasureListFiles, FilesError, IndexFiles};
use crate::read::{OpenLogError, open_log};
use madang_model::{PARTITIONS, Timestamp};

/// Why something that is to be erased is not.
#[derive(Debug, thiserror::Error)]
pub enum ErasePendingError {
    /// A pass ended early.
    #[error("{0}; what is not erased yet is remembered: repeat this, or start the server")]
    Pass(FilesError),
    /// The log cannot be opened, and what is open in it cannot be finished.
    #[error(transparent)]
    Open(#[from] OpenLogError),
    /// A directory cannot be listed, or the list cannot be written.
    #[error(transparent)]
    Files(#[from] FilesError),
}

/// Erases what a list has and what is not done, and notes in the list's file what is done. `pass` does one pass, as
/// [`erase`](super::erase).
///
/// # Errors
/// [`ErasePendingError`]; what is not erased yet stays in the list.
pub fn erase_pending<F: IndexFiles + ErasureListFiles>(
    files: &F,
    list: &mut ErasureList,
    now: Timestamp,
    pass: &mut dyn FnMut(&Erasures, PassOptions) -> Result<PassOutcome, FilesError>,
) -> Result<PassOutcome, ErasePendingError> {
    // No server has a file open.
    let options = PassOptions { is_served: false, is_last_call: false, is_opened: false };
    let mut outcome = pass(&list.pending_erasures(), options).map_err(ErasePendingError::Pass)?;
    if !outcome.open.is_empty() {
        // What a crash or a backup left open is finished.
        let shards = files.shards()?.last().map_or(1, |last| last.0.saturating_add(1).min(PARTITIONS));
        open_log(files, shards)?;
        let erased = (outcome.entries, outcome.files);
        let options = PassOptions { is_opened: true, ..options };
        outcome = pass(&list.pending_erasures(), options).map_err(ErasePendingError::Pass)?;
        outcome.entries += erased.0;
        outcome.files += erased.1;
    }
    if outcome.is_complete() {
        let pending: Vec<i64> = list.pending().map(|entry| entry.id).collect();
        list.done(files, &pending, now)?;
    }
    Ok(outcome)
}
