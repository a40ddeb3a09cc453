//! Why two runs cannot be compared.

use std::path::PathBuf;

/// What differs, and where. Figures of different work are not compared.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "--baseline '{}' cannot be compared with this run: {}; run with the options it was measured with: {command}",
    path.display(),
    differences.join("; ")
)]
pub struct NotComparable {
    /// The file of the earlier run.
    pub path: PathBuf,
    /// Each difference, with the value here and there.
    pub differences: Vec<String>,
    /// What was typed then.
    pub command: String,
}
