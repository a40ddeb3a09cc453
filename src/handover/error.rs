//! Why a takeover failed.

use madang_model::connection::CodingError;
use std::io;
use std::path::PathBuf;

/// Why a takeover failed. The old process continues.
#[derive(thiserror::Error, Debug)]
pub enum TakeError {
    /// No server runs.
    #[error(
        "no server runs on '{}' that could be taken over; start without --takeover, or name its directory \
         with --data",
        .0.display()
    )]
    NotRunning(PathBuf),
    /// The path of the socket is too long.
    #[error("{0}")]
    Path(String),
    /// The old process refused.
    #[error("the running server refused the handover: {0}")]
    Refused(String),
    /// The connection failed.
    #[error("cannot take over from the running server: {0}")]
    Broken(#[from] io::Error),
    /// Its data cannot be decoded.
    #[error("cannot take over from the running server: {0}")]
    Coding(#[from] CodingError),
}
