//! SIGTERM: the server drains; or, if systemd restarts the service, leaves everything to the new process.

use crate::handover;
use crate::server::{HeldStops, Readiness, ServerState, Stops};
use crate::systemd::{is_restart, notify};
use madang_engine::runtime::Stop;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a process that has just taken over may take until it serves.
const ADOPTION_TIME_MAX: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(1);

/// Handles SIGTERM. If systemd restarts the service, everything is left to the new process, and nobody is
/// disconnected; otherwise, or if that is impossible, the server drains.
pub fn terminate(state: &Arc<ServerState>, stops: &Stops, held: &mut HeldStops<'_>) {
    if !notify::has_service_manager() {
        return held.ask(Stop::Signal("SIGTERM"));
    }
    held.announce();
    let (state, their_stops) = (Arc::clone(state), stops.clone());
    // On a thread of its own: a second signal still ends the process.
    let work = move || {
        await_adoption(&state);
        if is_restart() {
            let reason = handover::deposit(&state, &their_stops);
            tracing::warn!(%reason, "nothing can be left to the next process: everyone is disconnected");
        }
        their_stops.ask(Stop::Signal("SIGTERM"));
    };
    if std::thread::Builder::new().name("madang-restart".into()).spawn(work).is_err() {
        held.ask(Stop::Signal("SIGTERM"));
    }
}

/// Waits until a process that has just taken over serves.
fn await_adoption(state: &ServerState) {
    let started = Instant::now();
    while state.readiness() == Readiness::Recovering && started.elapsed() < ADOPTION_TIME_MAX {
        std::thread::sleep(LOOK);
    }
}
