//! A line that shows that work goes on, for those who watch.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

const QUIET: Duration = Duration::from_secs(2);
const BETWEEN: Duration = Duration::from_millis(200);

/// Shown on standard error when that is a terminal and the work takes longer than two seconds.
pub struct Progress {
    began: Instant,
    shown: Option<Instant>,
    is_watched: bool,
    bytes: u64,
}

impl Progress {
    /// Begins to measure.
    pub fn begin() -> Progress {
        Progress { began: Instant::now(), shown: None, is_watched: io::stderr().is_terminal(), bytes: 0 }
    }

    /// Counts bytes that were read.
    pub fn read(&mut self, bytes: u64) {
        self.bytes += bytes;
        let is_due = self.shown.is_none_or(|shown| shown.elapsed() >= BETWEEN);
        if self.is_watched && is_due && self.began.elapsed() >= QUIET {
            self.shown = Some(Instant::now());
            let megabytes = self.bytes / 1_000_000;
            let each_second = self.bytes as f64 / 1e6 / self.began.elapsed().as_secs_f64();
            eprint!("\r\x1b[K{megabytes} MB read, {each_second:.0} MB/s");
        }
    }

    /// Removes the line.
    pub fn clear(&mut self) {
        if self.shown.take().is_some() {
            eprint!("\r\x1b[K");
        }
    }
}
