//! SIGTERM: the server drains; or, where systemd starts the service again, leaves everything to the next process.

use crate::handover;
use crate::server::{HeldStops, Readiness, ServerState, Stops};
use crate::systemd::{is_restart, notify};
use madang_engine::runtime::Stop;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a start that has taken everything over may take until it serves.
const ADOPTION_TIME_MAX: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(1);

/// SIGTERM has come. Where systemd starts the service again, everything is left to the next process, and nobody
/// is disconnected; else, or where that cannot be, the server drains.
pub fn terminate(state: &Arc<ServerState>, stops: &Stops, held: &mut HeldStops<'_>) {
    if !notify::is_heard() {
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

/// Whoever has just taken everything over first serves.
fn await_adoption(state: &ServerState) {
    let started = Instant::now();
    while state.readiness() == Readiness::Recovering && started.elapsed() < ADOPTION_TIME_MAX {
        std::thread::sleep(LOOK);
    }
}
