//! The metrics listener: at a start, and after a takeover.
//!
//! A start fails if the configured address cannot be used. A process that has taken over clients never ends because
//! of metrics: it takes over the listener, too, or retries until it can listen.

use crate::server::ServerState;
use crate::telemetry::metrics::{self, MetricsError};
use madang_config::{Telemetry, is_at};
use rustix::fd::OwnedFd;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

/// The first and the longest pause before an address that is in use is tried again.
const RETRY_MIN: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// The metrics listener before it serves.
#[derive(Debug)]
pub enum MetricsListener {
    /// None: the configuration names no address.
    Off,
    /// This listener.
    Ready(TcpListener),
    /// The address is in use by another process, perhaps the old one, which is ending.
    InUse(SocketAddr),
}

impl MetricsListener {
    /// As configured, with the inherited listener if it has the configured address.
    ///
    /// # Errors
    /// If the address cannot be used for another reason than being in use.
    pub fn inherited(
        wanted: Option<SocketAddr>,
        inherited: Vec<(String, OwnedFd)>,
    ) -> Result<MetricsListener, MetricsError> {
        let Some(wanted) = wanted else { return Ok(MetricsListener::Off) };
        let is_it = |listener: &TcpListener| listener.local_addr().is_ok_and(|there| is_at(there, wanted));
        let found = inherited.into_iter().filter(|(name, _)| name == metrics::NAME);
        match found.map(|(_, listener)| TcpListener::from(listener)).find(is_it) {
            Some(listener) => Ok(MetricsListener::Ready(listener)),
            None => MetricsListener::at(wanted),
        }
    }

    fn at(address: SocketAddr) -> Result<MetricsListener, MetricsError> {
        match metrics::bind(address) {
            Ok(listener) => Ok(MetricsListener::Ready(listener)),
            Err(error) if error.is_in_use() => Ok(MetricsListener::InUse(address)),
            Err(error) => Err(error),
        }
    }

    /// Serves now; or later, on a thread that retries until the address is free.
    pub fn serve_or_retry(self, state: &Arc<ServerState>) {
        let address = match self {
            MetricsListener::Off => return,
            MetricsListener::Ready(listener) => {
                if let Err(error) = serve(listener, state) {
                    tracing::error!("{error}; metrics are unavailable until the server is restarted");
                }
                return;
            }
            MetricsListener::InUse(address) => address,
        };
        tracing::warn!(%address, "metrics: the address is in use; retrying until it is free");
        let state = Arc::clone(state);
        let work = move || {
            let mut pause = RETRY_MIN;
            let listener = loop {
                match metrics::bind(address) {
                    Ok(listener) => break listener,
                    Err(error) if error.is_in_use() => {}
                    Err(error) => tracing::error!("{error}; retrying"),
                }
                std::thread::sleep(pause);
                pause = (2 * pause).min(RETRY_MAX);
            };
            MetricsListener::Ready(listener).serve_or_retry(&state);
        };
        if let Err(error) = std::thread::Builder::new().name("madang-operator".into()).spawn(work) {
            tracing::error!(%error, "cannot start a thread that retries: metrics are unavailable until the server is restarted");
        }
    }
}

/// Metrics as configured, at a start.
///
/// # Errors
/// [`MetricsError`].
pub fn serve_at_start(telemetry: &Telemetry, state: &Arc<ServerState>) -> Result<(), MetricsError> {
    match telemetry.metrics.0 {
        Some(address) => serve(metrics::bind(address)?, state),
        None => Ok(()),
    }
}

fn serve(listener: TcpListener, state: &Arc<ServerState>) -> Result<(), MetricsError> {
    let listener = metrics::serve(listener, state)?;
    if let Ok(address) = listener.address() {
        tracing::info!(%address, "serving metrics");
    }
    state.add_operator_listener(listener);
    Ok(())
}
