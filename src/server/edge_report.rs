//! What is known of the edge, for the operator.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// What an edge reports of itself once a second. Fields that are added have defaults: an edge may be of another release.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EdgeFigures {
    /// Connections that are open.
    pub connections: u64,
    /// Connections that were accepted.
    pub accepted: u64,
    /// How often the system refused to accept one.
    pub accept_errors: u64,
    /// How often nobody was accepted until a connection ended.
    pub waits_when_full: u64,
    /// Requests whose head came.
    pub requests: u64,
    /// Requests that their client gave up.
    pub given_up: u64,
    /// What was refused, by reason.
    pub refused: BTreeMap<String, u64>,
}

/// How edges that this server started have ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EdgeEnd {
    /// With 0.
    Success,
    /// With another code.
    Failure,
    /// By a signal.
    Signal,
}

impl EdgeEnd {
    /// All of them.
    pub const ALL: [EdgeEnd; 3] = [EdgeEnd::Success, EdgeEnd::Failure, EdgeEnd::Signal];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            EdgeEnd::Success => "success",
            EdgeEnd::Failure => "failure",
            EdgeEnd::Signal => "signal",
        }
    }
}

/// What is known of the edge.
#[derive(Clone, Debug, Default)]
pub struct EdgeStatus {
    /// Whether an edge has the listeners of HTTP.
    pub is_serving: bool,
    /// Edges that this server started.
    pub starts: u64,
    /// How they ended, by [`EdgeEnd::ALL`].
    pub ends: [u64; EdgeEnd::ALL.len()],
    /// What the one that serves has reported last.
    pub figures: EdgeFigures,
}

/// The latest of it; where no HTTP is configured, `/metrics` shows zeros.
#[derive(Debug, Default)]
pub struct EdgeReport(Mutex<Option<EdgeStatus>>);

impl EdgeReport {
    /// Changes it.
    pub fn set(&self, change: impl FnOnce(&mut EdgeStatus)) {
        change(self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default());
    }

    /// What is known; `None` where no HTTP is configured.
    pub fn status(&self) -> Option<EdgeStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
