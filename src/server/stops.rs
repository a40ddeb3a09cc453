//! Where the server is asked to stop. Whoever gives it away does that while nobody can ask: so a stop is either known
//! before, and calls that off, or heard by whoever has the server then.

use madang_engine::runtime::Stop;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What may wait to be heard: handovers and stops, of which more are the same.
const WAITING_MAX: usize = 4;

/// Asks the server to stop.
#[derive(Clone, Debug)]
pub struct Stops {
    sender: flume::Sender<Stop>,
    /// Whether a stop is on its way: it is being found out of which kind.
    is_coming: Arc<Mutex<bool>>,
}

/// Nobody asks for a stop while this is held.
#[derive(Debug)]
pub struct HeldStops<'a> {
    stops: &'a Stops,
    is_coming: MutexGuard<'a, bool>,
}

impl Stops {
    /// And where the server hears of them.
    pub fn new() -> (Stops, flume::Receiver<Stop>) {
        let (sender, stops) = flume::bounded(WAITING_MAX);
        (Stops { sender, is_coming: Arc::default() }, stops)
    }

    /// Until this is dropped nobody asks; who wants to waits.
    pub fn hold(&self) -> HeldStops<'_> {
        HeldStops { stops: self, is_coming: self.is_coming.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    /// Asks.
    pub fn ask(&self, stop: Stop) {
        self.hold().ask(stop);
    }

    /// Asks for something else than an end. Whether it will be heard.
    pub fn ask_to_hand_over(&self, stop: Stop) -> bool {
        self.sender.try_send(stop).is_ok()
    }
}

impl HeldStops<'_> {
    /// Asks.
    pub fn ask(&self, stop: Stop) {
        // Full only when a stop was asked for already.
        let _ = self.stops.sender.try_send(stop);
    }

    /// A stop will be asked for.
    pub fn announce(&mut self) {
        *self.is_coming = true;
    }

    /// Whether a stop waits for the shards, which stand still.
    pub fn is_asked(&self) -> bool {
        !self.stops.sender.is_empty()
    }

    /// Whether one waits or is on its way.
    pub fn is_coming(&self) -> bool {
        *self.is_coming || self.is_asked()
    }
}
