//! Why nothing is taken over.

use madang_model::connection::CodingError;
use std::io;
use std::path::PathBuf;

/// Why nothing could be taken over. The old process carries on.
#[derive(thiserror::Error, Debug)]
pub enum TakeError {
    /// Nobody is there.
    #[error(
        "no server runs on '{}' that could be taken over; start without --takeover, or name its directory \
         with --data",
        .0.display()
    )]
    NotRunning(PathBuf),
    /// The path of the socket.
    #[error("{0}")]
    Path(String),
    /// It says no.
    #[error("the running server refused the handover: {0}")]
    Refused(String),
    /// The way to it is broken.
    #[error("cannot take over from the running server: {0}")]
    Broken(#[from] io::Error),
    /// What it says makes no sense.
    #[error("cannot take over from the running server: {0}")]
    Coding(#[from] CodingError),
}
