//! The endpoint of `telemetry.metrics`: `/metrics`, `/healthz`, `/readyz`.

use super::disk::Disk;
use super::http::{HttpAnswer, serve_connection};
use super::text;
use crate::server::{OperatorListener, Readiness, ServerState, Threads};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

/// Each serves one request at a time; more wait in the listener's backlog.
const THREADS: Threads = Threads { count: 3, name: "madang-metrics" };
/// The name by which the new process identifies the listener.
pub const NAME: &str = "metrics";

/// Why there is no endpoint.
#[derive(thiserror::Error, Debug)]
pub enum MetricsError {
    /// The address cannot be used.
    #[error(
        "cannot listen for metrics on {address}: {source}; set telemetry.metrics to a free address of this \
         machine, or to \"\" for none"
    )]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// The error of the system.
        source: io::Error,
    },
    /// A thread cannot be started.
    #[error("cannot start a thread for metrics: {0}; raise the limit of tasks (ulimit -u, TasksMax)")]
    Thread(io::Error),
}

impl MetricsError {
    /// Whether another process uses the address, which may end soon.
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

/// Serves connections from now on, on its own threads.
///
/// # Errors
/// [`MetricsError::Thread`].
pub fn serve(listener: TcpListener, state: &Arc<ServerState>) -> Result<OperatorListener, MetricsError> {
    let disk = Disk::new(state.data());
    let state = Arc::clone(state);
    let work = move |stream| serve_connection(stream, |path| answer(path, &state, &disk));
    OperatorListener::open(NAME, listener, THREADS, work).map_err(MetricsError::Thread)
}

fn answer(path: &str, state: &ServerState, disk: &Disk) -> Option<HttpAnswer> {
    match path {
        "/metrics" => Some(HttpAnswer::Metrics(text::encode(state, disk))),
        "/healthz" => {
            let faults = state.faults();
            Some(if faults.is_empty() {
                HttpAnswer::Well(well(state))
            } else {
                HttpAnswer::Unwell(lines(&faults))
            })
        }
        "/readyz" => Some(match state.readiness() {
            Readiness::Ready => HttpAnswer::Well("ready\n".into()),
            Readiness::Recovering => HttpAnswer::Unwell("recovering: the log is being opened\n".into()),
            Readiness::Draining => HttpAnswer::Unwell("draining: the server is about to stop\n".into()),
        }),
        _ => None,
    }
}

/// Without an edge everyone is connected as before: it is no fault that a restart would mend.
fn well(state: &ServerState) -> String {
    let has_none = state.edge().status().is_some_and(|edge| !edge.is_serving);
    let edge = if has_none { "no edge serves HTTP at the moment\n" } else { "" };
    format!("ok\n{edge}")
}

fn lines(faults: &[String]) -> String {
    faults.iter().map(|fault| format!("{fault}\n")).collect()
}
