//! A status line that shows progress.

use crate::terminal::{StatusLine, bar};
use madang_log::{Files, StdFiles};
use std::fs;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

const QUIET: Duration = Duration::from_secs(2);
const BAR_CHARS: usize = 24;

/// Shown on standard error when that is a terminal and the work takes longer than two seconds.
pub struct Progress {
    began: Instant,
    line: StatusLine,
    read_bytes: u64,
    total_bytes: u64,
}

impl Progress {
    /// Starts to measure `passes` reads of the whole log.
    pub fn begin(files: &StdFiles, passes: u64) -> Progress {
        Progress::begin_of(|| log_bytes(files) * passes)
    }

    /// The same for a total of bytes, which is asked for only if the line is shown.
    pub fn begin_of(total_bytes: impl FnOnce() -> u64) -> Progress {
        let line = StatusLine::new();
        let total_bytes = if line.is_watched() { total_bytes() } else { 0 };
        Progress { began: Instant::now(), line, read_bytes: 0, total_bytes }
    }

    /// Like [`begin`](Self::begin), for work that prints while it runs: a terminal that shows the output needs no
    /// progress.
    pub fn begin_beside_output(files: &StdFiles) -> Progress {
        let mut progress = Progress::begin(files, 1);
        if io::stdout().is_terminal() {
            progress.line.hide();
        }
        progress
    }

    /// Counts bytes that were read.
    pub fn read(&mut self, bytes: u64) {
        self.read_bytes += bytes;
        if self.began.elapsed() >= QUIET {
            self.line.show(|| line(self.read_bytes, self.total_bytes, self.began.elapsed()));
        }
    }

    /// Removes the line.
    pub fn clear(&mut self) {
        self.line.clear();
    }
}

/// The size of all segments of a log; 0 if unknown.
pub fn log_bytes(files: &StdFiles) -> u64 {
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
    // The total is unknown if the log grows or is read again.
    if total_bytes < read_bytes.max(1) {
        return format!("{read_mb} MB read, {speed_mb:.0} MB/s");
    }
    let bar = bar(read_bytes as f64 / total_bytes as f64, BAR_CHARS);
    let left = (total_bytes - read_bytes) as f64 / bytes_per_second;
    let total_mb = total_bytes / 1_000_000;
    format!("{bar}  {read_mb} of {total_mb} MB, {speed_mb:.0} MB/s, {left:.0} s left")
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
