//! Why an edge cannot serve.

use madang_directory::DirectoryError;
use madang_engine::runtime::TlsError;
use madang_http::tokens::KeyFileError;
use std::io;
use std::path::PathBuf;

/// Why an edge cannot serve.
#[derive(thiserror::Error, Debug)]
pub enum EdgeError {
    /// There is no data directory.
    #[error("there is no data directory '{}'; start the server (`madang serve`), or pass its data directory with --data or MADANG_DATA", .0.display())]
    NoData(PathBuf),
    /// The lock cannot be had.
    #[error("cannot lock '{}': {source}; run as the user that runs the server", path.display())]
    Lock {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is wrong where accounts are.
    #[error("{0}")]
    Place(String),
    /// The directory of accounts cannot be opened.
    #[error("the directory of accounts cannot be opened: {0}")]
    Directory(DirectoryError),
    /// The keys of access tokens cannot be used.
    #[error(transparent)]
    Keys(KeyFileError),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A certificate is needed and not named.
    #[error("listen.https needs tls.certificate and tls.key; name two PEM files, or leave out listen.https")]
    NoCertificate,
    /// The system refuses.
    #[error("the edge cannot be started: {0}")]
    System(io::Error),
}

impl EdgeError {
    /// Whether another start would fail in the same way, until somebody corrects the cause.
    pub fn is_lasting(&self) -> bool {
        !matches!(self, EdgeError::Directory(_) | EdgeError::System(_))
    }
}
