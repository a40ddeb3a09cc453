//! Taking what was said out of every file, though everything else of the log stays as it is.
//!
//! An entry that is erased keeps its head and its length: offsets, indexes, numbers and proofs of what was on disk stay
//! valid. A finished segment is replaced as a whole by one in which its body is zeros and the generation is another.
//! Whenever that is interrupted, each segment is wholly the old or wholly the new one, and the next pass does what is left.

mod deletions;
mod leftovers;
mod list;
mod pass;
mod replacing;
mod rewriting;
mod rules;
#[cfg(test)]
mod tests;
mod unserved;

pub use deletions::{DeletionSearch, FoundDeletions};
pub use list::{ErasureEntry, ErasureList, ErasureListError};
pub use rules::{ErasureMatcher, ErasureRule, Erasures};
pub use unserved::{ErasePendingError, erase_pending};

use crate::files::{ErasureFiles, FilesError};
use crate::read::Fault;
use std::path::PathBuf;

/// How much is written between two pauses.
const CHUNK_BYTES: usize = 1024 * 1024;

/// What a pass has just done. Whoever paces it waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PassStep {
    /// So many bytes were read.
    Read(u64),
    /// So many bytes were written.
    Wrote(u64),
    /// A file has another's place now. Programs that have the old one open should have the time to close it.
    ReadersMayHaveIt,
}

/// How a pass is done.
#[derive(Clone, Copy, Debug, Default)]
pub struct PassOptions {
    /// A server appends to the log meanwhile. Then segments whose index lists nothing of what is to be erased are not read;
    /// without one, files may have been put back from a copy, with indexes that say other things.
    pub is_served: bool,
    /// Old files are wiped even where a program holds them to read them.
    pub is_last_call: bool,
    /// The log was opened before, and nobody appends to any of its segments any more: those that still have no seal, as
    /// older copies have none, are erased in as they are, without one.
    pub is_opened: bool,
}

/// A segment without a seal, in which nothing is erased.
#[derive(Clone, Debug)]
pub struct UnfinishedSegment {
    /// Its file.
    pub path: PathBuf,
    /// Whether a later one was begun, so that no server finishes it any more: it is damaged, or from an older copy.
    pub is_followed: bool,
}

/// What a pass came to.
#[derive(Clone, Debug, Default)]
pub struct PassOutcome {
    /// Entries that were erased.
    pub entries: u64,
    /// Files in which something was erased.
    pub files: u64,
    /// Bytes that were written.
    pub written_bytes: u64,
    /// Segments that hold some of it, or may, and are not finished.
    pub open: Vec<UnfinishedSegment>,
    /// Old files that a program holds, and which still hold what was erased.
    pub held: u64,
    /// What is damaged, or cannot be read or written: nobody can say what is in there.
    pub faults: Vec<Fault>,
}

impl PassOutcome {
    /// Whether nothing of what was to be erased is left in any file.
    pub fn is_complete(&self) -> bool {
        self.open.is_empty() && self.held == 0 && self.faults.is_empty()
    }
}

/// Erases in every file of a log. What interrupted passes have left is finished first.
///
/// No other pass may run on these files, and nothing may remove, rebuild or repair anything between two calls of `step`
/// than what was also possible before this began.
///
/// # Errors
/// [`FilesError`] when nothing more can be done now: a directory cannot be listed, or the disk is full. What was done until
/// then holds; another pass does the rest. What one file alone does not allow is among the faults.
pub fn erase<F: ErasureFiles>(
    files: &F,
    erasures: &Erasures,
    options: PassOptions,
    step: &mut dyn FnMut(PassStep),
) -> Result<PassOutcome, FilesError> {
    let mut eraser = Eraser::new(files, options, step);
    eraser.finish_leftovers(options.is_last_call)?;
    if !erasures.is_empty() {
        eraser.erase_all(erasures)?;
    }
    Ok(eraser.outcome)
}

struct Eraser<'a, F: ErasureFiles> {
    files: &'a F,
    is_served: bool,
    is_opened: bool,
    chunk_bytes: usize,
    step: &'a mut dyn FnMut(PassStep),
    outcome: PassOutcome,
}

impl<'a, F: ErasureFiles> Eraser<'a, F> {
    fn new(files: &'a F, options: PassOptions, step: &'a mut dyn FnMut(PassStep)) -> Eraser<'a, F> {
        let outcome = PassOutcome::default();
        let PassOptions { is_served, is_opened, is_last_call: _ } = options;
        Eraser { files, is_served, is_opened, chunk_bytes: CHUNK_BYTES, step, outcome }
    }
}
