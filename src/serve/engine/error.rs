//! Why a server does not start, or does not end cleanly.

use crate::handover::TakeError;
use crate::serve::checks::ListenError;
use crate::server::UnreadableErasures;
use crate::telemetry::metrics::MetricsError;
use madang_engine::runtime::{AdoptError, StartError};
use madang_log::OpenLogError;
use std::time::Duration;

/// Why serving ended without a request.
#[derive(thiserror::Error, Debug)]
pub enum EngineError {
    /// The log cannot be opened.
    #[error(transparent)]
    Log(#[from] OpenLogError),
    /// It is not known what must not be shown.
    #[error(transparent)]
    Erasures(#[from] UnreadableErasures),
    /// The address was taken since the check.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The configuration names an address, and this process could not move there.
    #[error("{0}")]
    Move(String),
    /// Metrics cannot be served.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// An inherited socket is no TCP listener.
    #[error(transparent)]
    Adopt(#[from] AdoptError),
    /// All inherited listeners are for TLS, and there is no certificate.
    #[error("no client could connect: every socket is for TLS, which needs tls.certificate and tls.key")]
    NoEntrance,
    /// Threads or rings cannot be created.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The running server takes everything back.
    #[error(transparent)]
    TakeOver(#[from] TakeError),
    /// The state that was taken over was not restored in time; the running server takes it back.
    #[error("what the running server handed over was not restored within {} s", .0.as_secs())]
    NotAdopted(Duration),
    /// A shard ended by itself.
    #[error("{0}")]
    Shard(String),
}

impl EngineError {
    /// Whether another start would fail in the same way, until somebody corrects the cause.
    pub fn is_lasting(&self) -> bool {
        match self {
            EngineError::Log(error) => error.is_lasting(),
            EngineError::Erasures(_)
            | EngineError::Metrics(MetricsError::Listen { .. })
            | EngineError::Adopt(_) => true,
            _ => false,
        }
    }
}
