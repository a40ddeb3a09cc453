//! Results as JSON, in a schema that stays: docs/performance.md describes it.

mod convert;
mod document;
mod read;
#[cfg(test)]
mod tests;

pub use document::{Document, ServerRecord, ServerRounds, WorkloadRecord};
pub use read::read;

use crate::results::{Figure, Run};

impl Document {
    /// All of a run.
    ///
    /// # Errors
    /// In words, when a histogram cannot be encoded.
    pub fn of(run: &Run) -> Result<Document, String> {
        convert::document(run)
    }

    /// As a file holds it: indented, and with an end of line.
    ///
    /// # Errors
    /// In words.
    pub fn text(&self) -> Result<String, String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n").map_err(|error| error.to_string())
    }
}

impl ServerRounds {
    /// Its figures, each with its value in every round.
    pub fn figures(&self) -> Vec<Figure> {
        convert::figures(self)
    }
}
