//! What the operator comes in by: metrics and the control socket, at a start and behind another process.
//!
//! A start that cannot have what is configured is refused. Who goes on with the people of another process never
//! ends for the operator's sake: it takes over the listeners, too, or tries again and again.

use super::plan::Plan;
use crate::control::{self, ControlSocket};
use crate::server::{ServerState, Stops};
use crate::telemetry::metrics::{self, MetricsError};
use rustix::fd::OwnedFd;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

/// How soon an address that is in use is tried again, and how seldom in the end.
const RETRY_MIN: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// A way in for the operator, before anyone is served there.
#[derive(Debug)]
pub enum Opening {
    /// Nobody wants it.
    Closed,
    /// There is its listener.
    At(TcpListener),
    /// The address is another's, perhaps that of the process before, which ends.
    Later(SocketAddr),
}

impl Opening {
    /// Metrics as configured, at the listener of the process before where that is there.
    ///
    /// # Errors
    /// When the address cannot be had, and not because it is in use.
    pub fn of_metrics(
        wanted: Option<SocketAddr>,
        doors: Vec<(String, OwnedFd)>,
    ) -> Result<Opening, MetricsError> {
        let Some(wanted) = wanted else { return Ok(Opening::Closed) };
        let is_it = |listener: &TcpListener| {
            let there = listener.local_addr();
            there.is_ok_and(|there| there.ip() == wanted.ip() && [there.port(), 0].contains(&wanted.port()))
        };
        let found = doors.into_iter().filter(|(name, _)| name == metrics::NAME);
        match found.map(|(_, listener)| TcpListener::from(listener)).find(is_it) {
            Some(listener) => Ok(Opening::At(listener)),
            None => Opening::at(wanted),
        }
    }

    fn at(address: SocketAddr) -> Result<Opening, MetricsError> {
        match metrics::bind(address) {
            Ok(listener) => Ok(Opening::At(listener)),
            Err(error) if error.is_in_use() => Ok(Opening::Later(address)),
            Err(error) => Err(error),
        }
    }

    /// Serves there from now on; or later, on a thread that tries until it can.
    pub fn open_or_retry(self, state: &Arc<ServerState>) {
        let address = match self {
            Opening::Closed => return,
            Opening::At(listener) => {
                if let Err(error) = serve_metrics(listener, state) {
                    tracing::error!("{error}; nobody can read metrics until the server is started again");
                }
                return;
            }
            Opening::Later(address) => address,
        };
        tracing::warn!(%address, "metrics: the address is in use; it is tried again until it is free");
        let state = Arc::clone(state);
        let work = move || {
            let mut pause = RETRY_MIN;
            let listener = loop {
                match metrics::bind(address) {
                    Ok(listener) => break listener,
                    Err(error) if error.is_in_use() => {}
                    Err(error) => tracing::error!("{error}; it is tried again"),
                }
                std::thread::sleep(pause);
                pause = (2 * pause).min(RETRY_MAX);
            };
            Opening::At(listener).open_or_retry(&state);
        };
        if let Err(error) = std::thread::Builder::new().name("madang-operator".into()).spawn(work) {
            tracing::error!(%error, "no thread to try it: nobody can read metrics until the server is started again");
        }
    }
}

/// Metrics as configured, at a start.
///
/// # Errors
/// [`MetricsError`].
pub fn start_metrics(plan: &Plan, state: &Arc<ServerState>) -> Result<(), MetricsError> {
    match plan.config.telemetry.metrics.0 {
        Some(address) => serve_metrics(metrics::bind(address)?, state),
        None => Ok(()),
    }
}

fn serve_metrics(listener: TcpListener, state: &Arc<ServerState>) -> Result<(), MetricsError> {
    let door = metrics::serve(listener, state)?;
    if let Ok(address) = door.address() {
        tracing::info!(%address, "metrics");
    }
    state.opens(door);
    Ok(())
}

/// The control socket. The server can do without: those who serve cannot be kept waiting for who looks at them.
pub fn start_control(plan: &Plan, state: &Arc<ServerState>, stops: &Stops) -> Option<ControlSocket> {
    let control = control::start(plan.data.path(), state, stops);
    if let Err(error) = &control {
        tracing::warn!("{error}; `madang status`, `upgrade`, `drain`, `kick` and `broadcast` do not work");
    }
    control.ok()
}
