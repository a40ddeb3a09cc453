//! How a measurement tells how far it is, and hears that it should stop.

use std::sync::atomic::{AtomicBool, Ordering};

/// Set to ask every measurement under way to stop with what it has; Ctrl-C does.
#[derive(Debug, Default)]
pub struct Stop(AtomicBool);

impl Stop {
    /// Nobody has asked yet.
    pub const fn new() -> Stop {
        Stop(AtomicBool::new(false))
    }

    /// Asks. It stays asked.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether somebody has asked.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Where progress is shown.
pub trait Progress {
    /// What is done now (`10 rooms x 10: joining`), and which share of this measurement is behind,
    /// from 0.0 to 1.0. Called a few times a second at most.
    fn show(&mut self, what: &str, share: f64);
}

/// Shows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn show(&mut self, _what: &str, _share: f64) {}
}
