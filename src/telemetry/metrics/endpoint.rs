//! The endpoint of `telemetry.metrics`: `/metrics`, `/healthz`, `/readyz`.

use super::disk::Disk;
use super::http::{Answer, serve_connection};
use super::text;
use crate::server::{OperatorListener, Readiness, ServerState};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

/// Requests served at once; more wait in the listener's backlog.
const WORKERS: usize = 3;
/// By what the next process knows the listener.
pub const NAME: &str = "metrics";

/// Why there is no endpoint.
#[derive(thiserror::Error, Debug)]
pub enum MetricsError {
    /// The address cannot be had.
    #[error(
        "cannot listen for metrics on {address}: {source}; set telemetry.metrics to a free address of this \
         machine, or to \"\" for none"
    )]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// No thread.
    #[error("cannot start a thread for metrics: {0}; raise the limit of tasks (ulimit -u, TasksMax)")]
    Thread(io::Error),
}

impl MetricsError {
    /// Whether somebody else has the address, who may go.
    pub fn is_in_use(&self) -> bool {
        matches!(self, MetricsError::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse)
    }
}

/// Listens there.
///
/// # Errors
/// [`MetricsError::Listen`].
pub fn bind(address: SocketAddr) -> Result<TcpListener, MetricsError> {
    TcpListener::bind(address).map_err(|source| MetricsError::Listen { address, source })
}

/// Serves who comes there from now on, on threads of its own.
///
/// # Errors
/// [`MetricsError::Thread`] when one cannot be had.
pub fn serve(listener: TcpListener, state: &Arc<ServerState>) -> Result<OperatorListener, MetricsError> {
    let disk = Disk::new(state.data());
    let state = Arc::clone(state);
    let work = move |stream| serve_connection(stream, |path| answer(path, &state, &disk));
    OperatorListener::open(NAME, listener, (WORKERS, "madang-metrics"), work).map_err(MetricsError::Thread)
}

fn answer(path: &str, state: &ServerState, disk: &Disk) -> Option<Answer> {
    match path {
        "/metrics" => Some(Answer::Metrics(text::encode(state, disk))),
        "/healthz" => {
            let faults = state.faults();
            Some(if faults.is_empty() { Answer::Well("ok\n".into()) } else { Answer::Unwell(lines(&faults)) })
        }
        "/readyz" => Some(match state.readiness() {
            Readiness::Ready => Answer::Well("ready\n".into()),
            Readiness::Recovering => Answer::Unwell("recovering: the log is being opened\n".into()),
            Readiness::Draining => Answer::Unwell("draining: the server is about to stop\n".into()),
        }),
        _ => None,
    }
}

fn lines(faults: &[String]) -> String {
    faults.iter().map(|fault| format!("{fault}\n")).collect()
}
