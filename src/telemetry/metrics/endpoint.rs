//! The endpoint of `telemetry.metrics`: `/metrics`, `/healthz`, `/readyz`.

use super::disk::Disk;
use super::http::{Answer, serve_connection};
use super::text;
use crate::serve::{Readiness, ServerState};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

/// Requests served at once; more wait in the listener's backlog.
const WORKERS: usize = 3;
/// A worker that cannot accept (no descriptor left) waits so long before it tries again.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

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

/// Serves from now on, on threads of its own that end with the process. Returns the address, with
/// the port that port 0 became.
///
/// # Errors
/// [`MetricsError`] when the address or a thread cannot be had.
pub fn start(address: SocketAddr, state: &Arc<ServerState>) -> Result<SocketAddr, MetricsError> {
    let failed = |source| MetricsError::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let disk = Arc::new(Disk::new(state.data()));
    for _ in 0..WORKERS {
        let listener = listener.try_clone().map_err(failed)?;
        let (state, disk) = (Arc::clone(state), Arc::clone(&disk));
        let work = move || {
            loop {
                match listener.accept() {
                    Ok((stream, _)) => serve_connection(stream, |path| answer(path, &state, &disk)),
                    Err(_) => std::thread::sleep(ACCEPT_RETRY),
                }
            }
        };
        std::thread::Builder::new()
            .name("madang-metrics".into())
            .spawn(work)
            .map_err(MetricsError::Thread)?;
    }
    Ok(bound)
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
