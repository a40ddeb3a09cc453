//! Why a server does not come up, or does not end as it should.

use crate::handover::TakeError;
use crate::serve::checks::ListenError;
use crate::telemetry::metrics::MetricsError;
use madang_engine::runtime::{AdoptError, StartError};
use madang_log::OpenLogError;
use std::time::Duration;

/// Why serving ended otherwise than asked.
#[derive(thiserror::Error, Debug)]
pub enum EngineError {
    /// The log cannot be resumed from.
    #[error(transparent)]
    Log(#[from] OpenLogError),
    /// The address was taken since it was looked at.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Metrics cannot be served.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// What systemd passed is no TCP listener.
    #[error(transparent)]
    Adopt(#[from] AdoptError),
    /// What was passed or handed over is for those who speak TLS alone, and there is no certificate.
    #[error("nobody could come in: every socket is for TLS, which needs tls.certificate and tls.key")]
    NoEntrance,
    /// Threads or rings cannot be had.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The running server takes everything back.
    #[error(transparent)]
    TakeOver(#[from] TakeError),
    /// What was taken over is not in its place in time; the running server takes it back.
    #[error("what the running server handed over was not restored within {} s", .0.as_secs())]
    NotAdopted(Duration),
    /// A shard ended by itself.
    #[error("{0}")]
    Shard(String),
}

impl EngineError {
    /// Whether another start would fail alike: somebody has to see to it first.
    pub fn is_lasting(&self) -> bool {
        match self {
            EngineError::Log(error) => error.is_lasting(),
            EngineError::Metrics(MetricsError::Listen { .. }) | EngineError::Adopt(_) => true,
            _ => false,
        }
    }
}
