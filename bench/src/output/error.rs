//! What can go wrong with files of results.

use std::io;
use std::path::PathBuf;

/// Why a file of results was not written or not read. Each says which, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// It cannot be written there.
    #[error("cannot write '{}': {source}; name a file in a directory that exists and that you may write to", path.display())]
    CannotWrite {
        /// What was asked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It cannot be read.
    #[error("cannot read '{}': {source}; name a file that `madang bench --json FILE` wrote", path.display())]
    CannotRead {
        /// What was asked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not what `--json` writes.
    #[error("'{}' holds no results of `madang bench --json`: {what}; name a file that it wrote", path.display())]
    NotResults {
        /// What was read.
        path: PathBuf,
        /// What is wrong with it, and where.
        what: String,
    },
    /// It is of another version of the schema.
    #[error(
        "'{}' has results in version {found} of their schema, and this program reads version {expected}; \
         measure the old version again with --json of this program",
        path.display()
    )]
    OtherSchema {
        /// What was read.
        path: PathBuf,
        /// The version that it names.
        found: u64,
        /// The version that can be read.
        expected: u64,
    },
}
