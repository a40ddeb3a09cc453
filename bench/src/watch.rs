//! How a measurement reports how far it is, and learns that it should stop.

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
#[cfg(test)]
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProgress;

#[cfg(test)]
impl Progress for NoProgress {
    fn show(&mut self, _what: &str, _share: f64) {}
}

/// Progress is shown this often, in nanoseconds.
const SHOW_NS: u64 = 200_000_000;

/// Somebody who watches one measurement.
pub(crate) struct Watch<'a> {
    progress: &'a mut dyn Progress,
    stop: &'a Stop,
    title: &'static str,
    /// The share of the whole that the present phase begins at and ends at.
    phase: (f64, f64),
    shown_at_ns: Option<u64>,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(title: &'static str, progress: &'a mut dyn Progress, stop: &'a Stop) -> Watch<'a> {
        progress.show(&format!("{title}: starting"), 0.0);
        Watch { progress, stop, title, phase: (0.0, 1.0), shown_at_ns: None }
    }

    /// What follows takes the measurement from one share of the whole to another.
    pub(crate) fn begin(&mut self, from: f64, to: f64) {
        self.phase = (from, to);
        self.shown_at_ns = None;
    }

    /// Shows what is done now and how far it is, when it is time to. Returns whether to stop.
    pub(crate) fn look(&mut self, now_ns: u64, what: &str, share: f64) -> bool {
        if self.shown_at_ns.is_none_or(|shown_at_ns| now_ns.saturating_sub(shown_at_ns) >= SHOW_NS) {
            let (from, to) = self.phase;
            self.progress
                .show(&format!("{}: {what}", self.title), from + (to - from) * share.clamp(0.0, 1.0));
            self.shown_at_ns = Some(now_ns);
        }
        self.is_stopped()
    }

    /// It is done.
    pub(crate) fn finish(&mut self) {
        self.progress.show(&format!("{}: done", self.title), 1.0);
    }

    /// Whether somebody asked to stop.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.is_asked()
    }
}
