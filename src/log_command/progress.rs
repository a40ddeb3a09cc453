//! A line that shows that work goes on, for those who watch.

use madang_shards::log::{Files, StdFiles};
use std::fs;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

const QUIET: Duration = Duration::from_secs(2);
const BETWEEN: Duration = Duration::from_millis(200);
const BAR_CHARS: u64 = 24;

/// Shown on standard error when that is a terminal and the work takes longer than two seconds. It
/// uses no escapes, so that every terminal can show it.
pub struct Progress {
    began: Instant,
    shown: Option<Instant>,
    shown_chars: usize,
    is_watched: bool,
    read_bytes: u64,
    total_bytes: u64,
}

impl Progress {
    /// Begins to measure the reading of `passes` times the whole log.
    pub fn begin(files: &StdFiles, passes: u64) -> Progress {
        let is_watched = io::stderr().is_terminal();
        Progress {
            began: Instant::now(),
            shown: None,
            shown_chars: 0,
            is_watched,
            read_bytes: 0,
            total_bytes: if is_watched { log_bytes(files) * passes } else { 0 },
        }
    }

    /// Like [`begin`](Self::begin), for work that prints while it goes on: a terminal that shows
    /// that needs no other sign.
    pub fn begin_beside_output(files: &StdFiles) -> Progress {
        let mut progress = Progress::begin(files, 1);
        progress.is_watched &= !io::stdout().is_terminal();
        progress
    }

    /// Counts bytes that were read.
    pub fn read(&mut self, bytes: u64) {
        self.read_bytes += bytes;
        let is_due = self.shown.is_none_or(|shown| shown.elapsed() >= BETWEEN);
        if self.is_watched && is_due && self.began.elapsed() >= QUIET {
            self.shown = Some(Instant::now());
            let line = line(self.read_bytes, self.total_bytes, self.began.elapsed());
            eprint!("\r{line:<width$}", width = self.shown_chars);
            self.shown_chars = line.len();
        }
    }

    /// Removes the line.
    pub fn clear(&mut self) {
        if self.shown.take().is_some() {
            eprint!("\r{:width$}\r", "", width = self.shown_chars);
        }
    }
}

/// What the segments of a log have together; 0 when nobody can tell.
fn log_bytes(files: &StdFiles) -> u64 {
    let shards = files.shards().unwrap_or_default();
    let of_shard = |shard| {
        let segments = files.segments(shard).unwrap_or_default();
        segments.into_iter().map(move |segment| files.path(shard, segment))
    };
    shards.into_iter().flat_map(of_shard).filter_map(|path| Some(fs::metadata(path).ok()?.len())).sum()
}

fn line(read_bytes: u64, total_bytes: u64, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64().max(0.001);
    let bytes_per_second = read_bytes as f64 / seconds;
    let (read_mb, speed_mb) = (read_bytes / 1_000_000, bytes_per_second / 1e6);
    // A log that grows, or is read a second time, has no end that is known.
    if total_bytes < read_bytes.max(1) {
        return format!("{read_mb} MB read, {speed_mb:.0} MB/s");
    }
    let done = (read_bytes * BAR_CHARS / total_bytes) as usize;
    let (bar, percent) = ("#".repeat(done), read_bytes * 100 / total_bytes);
    let left = (total_bytes - read_bytes) as f64 / bytes_per_second;
    let (total_mb, width) = (total_bytes / 1_000_000, BAR_CHARS as usize);
    format!(
        "[{bar:-<width$}] {percent:>3} %  {read_mb} of {total_mb} MB, {speed_mb:.0} MB/s, {left:.0} s left"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_far_how_fast_and_how_long_still() {
        let shown = line(250_000_000, 1_000_000_000, Duration::from_secs(5));
        assert_eq!(shown, "[######------------------]  25 %  250 of 1000 MB, 50 MB/s, 15 s left");
        assert_eq!(line(20_000_000, 0, Duration::from_secs(4)), "20 MB read, 5 MB/s");
    }
}
