//! What the thread of the link shows the operator.

use madang_link::LinkCounters;
use std::sync::{Mutex, PoisonError};

/// Figures of the link to the edge.
#[derive(Clone, Debug, Default)]
pub struct LinkFigures {
    /// Whether an edge is connected and speaks a version that this server does.
    pub is_connected: bool,
    /// Its sessions.
    pub sessions: u64,
    /// Requests that came and wait until shards take them.
    pub waiting_requests: u64,
    /// Bytes of events that wait until the edge takes them.
    pub waiting_event_bytes: u64,
    /// Entries of shards that the thread has not taken yet.
    pub waiting_entries: u64,
    /// Entries that shards dropped as it did not take them in time.
    pub dropped_entries: u64,
    /// What happened so far.
    pub counters: LinkCounters,
}

/// The latest figures; all are 0 if no edge can connect.
#[derive(Debug, Default)]
pub struct LinkReport(Mutex<LinkFigures>);

impl LinkReport {
    /// Changes the figures.
    pub fn set(&self, change: impl FnOnce(&mut LinkFigures)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The figures.
    pub fn figures(&self) -> LinkFigures {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
