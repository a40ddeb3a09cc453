//! Requests to stop the server. During the last step of a handover no stop can be requested: so a stop is either
//! known before, and cancels the handover, or reaches the process that owns the server afterwards.

use madang_engine::runtime::Stop;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Requests that may wait: handovers and stops; more of them would change nothing.
const WAITING_MAX: usize = 4;

/// Requests stops of the server.
#[derive(Clone, Debug)]
pub struct Stops {
    sender: flume::Sender<Stop>,
    /// Whether a stop is being prepared: it is not known yet whether it is a restart.
    is_coming: Arc<Mutex<bool>>,
}

/// No stop can be requested while this is held.
#[derive(Debug)]
pub struct HeldStops<'a> {
    stops: &'a Stops,
    is_coming: MutexGuard<'a, bool>,
}

impl Stops {
    /// Returns also the receiver of the requests.
    pub fn new() -> (Stops, flume::Receiver<Stop>) {
        let (sender, stops) = flume::bounded(WAITING_MAX);
        (Stops { sender, is_coming: Arc::default() }, stops)
    }

    /// Until this is dropped, requests wait.
    pub fn hold(&self) -> HeldStops<'_> {
        HeldStops { stops: self, is_coming: self.is_coming.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    /// Requests a stop.
    pub fn ask(&self, stop: Stop) {
        self.hold().ask(stop);
    }

    /// Requests a handover. Returns whether the request was accepted.
    pub fn ask_to_hand_over(&self, stop: Stop) -> bool {
        self.sender.try_send(stop).is_ok()
    }
}

impl HeldStops<'_> {
    /// Requests a stop.
    pub fn ask(&self, stop: Stop) {
        // Full only if a stop was requested already.
        let _ = self.stops.sender.try_send(stop);
    }

    /// Announces that a stop will be requested.
    pub fn announce(&mut self) {
        *self.is_coming = true;
    }

    /// Whether a stop waits for the shards, which are paused.
    pub fn is_asked(&self) -> bool {
        !self.stops.sender.is_empty()
    }

    /// Whether a stop waits or was announced.
    pub fn is_coming(&self) -> bool {
        *self.is_coming || self.is_asked()
    }
}
