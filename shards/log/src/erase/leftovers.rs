//! What an interrupted pass or repair left: it is wiped, whatever it was.
//!
//! A file under the name that only a replacement has is either a new one that has no place yet, or an old one whose place
//! another has taken. Nobody needs either. What is read may be in memory only, where the last process was killed: so the
//! names are synced first, as an old file must stay whole until the new one has its name for good.

use super::Eraser;
use super::replacing::REPLACED_SUFFIX;
use crate::files::{ErasureFiles, FilesError};

/// Of what a repair wrote that was killed: nobody else removes it.
const REPAIR_SUFFIX: &str = ".repair";

/// Of files that have no place yet.
const NEW_SUFFIX: &str = ".new";

impl<F: ErasureFiles> Eraser<'_, F> {
    /// Wipes and removes what is left over. What a program holds that reads it stays for a later pass, unless it
    /// `is_last_call`.
    pub(super) fn finish_leftovers(&mut self, is_last_call: bool) -> Result<(), FilesError> {
        let names = self.names()?;
        // A server is about to use those that it prepares; without one they are of an import that was killed.
        let is_served = self.is_served;
        let is_new = |name: &String| !is_served && name.ends_with(NEW_SUFFIX);
        let is_leftover =
            |name: &&String| name.ends_with(REPLACED_SUFFIX) || name.ends_with(REPAIR_SUFFIX) || is_new(name);
        let mut synced = "";
        for name in names.iter().filter(is_leftover) {
            let directory = name.rsplit_once('/').map_or("", |(directory, _)| directory);
            if directory != synced {
                self.files.sync_directory_of(name).map_err(self.failed(name))?;
                synced = directory;
            }
            let wiped = self.wipe_leftover(name, is_last_call);
            if self.noted(wiped)? == Some(false) {
                self.outcome.held += 1;
            }
        }
        Ok(())
    }

    /// Whether it is wiped, and no program holds it.
    fn wipe_leftover(&mut self, name: &str, is_last_call: bool) -> Result<bool, FilesError> {
        // What a link leads to nobody has left here.
        self.files.refuse_link(name).map_err(self.failed(name))?;
        let is_alone = {
            let file = self.files.open_file(name).map_err(self.failed(name))?;
            self.files.take_alone(&file)
        };
        if is_alone || is_last_call {
            self.wipe_named(name)?;
        }
        Ok(is_alone || is_last_call)
    }
}
