//! Standard error, written by its own thread: no thread that logs waits for the reader. A stopped pager, a full
//! pipe, or a terminal after Ctrl-S may accept no lines for hours.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tracing_subscriber::fmt::MakeWriter;

/// Bytes that wait to be written, in addition to as many that are being written. A line that does not fit is
/// dropped and counted.
const WAITING_BYTES_MAX: usize = 1 << 20;
/// How long the end of the process waits for unwritten lines.
const FLUSH_TIME_MAX: Duration = Duration::from_secs(1);

/// Lines on their way to standard error.
#[derive(Default, Debug)]
pub struct Lines {
    waiting: Mutex<Waiting>,
    has_more: Condvar,
    is_done: Condvar,
    dropped: AtomicU64,
}

#[derive(Default, Debug)]
struct Waiting {
    text: Vec<u8>,
    is_writing: bool,
    /// Lines dropped since the last report.
    dropped: u64,
}

impl Lines {
    /// Starts the thread that writes, for the life of the process.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn start() -> io::Result<Arc<Lines>> {
        let lines = Arc::new(Lines::default());
        let written = Arc::clone(&lines);
        let write = move || written.write(write_all, Self::report_dropped);
        std::thread::Builder::new().name("madang-journal".into()).spawn(write)?;
        Ok(lines)
    }

    /// Queues lines, with their line ends. Never waits.
    pub fn push(&self, text: &[u8]) {
        let mut waiting = self.waiting();
        if waiting.text.len() + text.len() > WAITING_BYTES_MAX {
            self.drop_lines(&mut waiting, 1);
            return;
        }
        waiting.text.extend_from_slice(text);
        self.has_more.notify_one();
    }

    /// The number of dropped lines.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Returns when all lines are written, or after a time limit.
    pub fn flush(&self) {
        let began = Instant::now();
        let mut waiting = self.waiting();
        while !waiting.text.is_empty() || waiting.is_writing {
            let left = FLUSH_TIME_MAX.saturating_sub(began.elapsed());
            if left.is_zero() {
                return;
            }
            waiting = self.is_done.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Writes queued lines. `report` gets the number of lines that were dropped while writing was blocked.
    fn write(&self, write: impl Fn(&[u8]) -> Result<(), Errno>, report: impl Fn(u64)) {
        let mut text = Vec::new();
        loop {
            let mut waiting = self.waiting();
            while waiting.text.is_empty() {
                waiting = self.has_more.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            std::mem::swap(&mut text, &mut waiting.text);
            waiting.is_writing = true;
            drop(waiting);
            let result = write(&text);
            let mut waiting = self.waiting();
            waiting.is_writing = false;
            let dropped = match result {
                Ok(()) => std::mem::take(&mut waiting.dropped),
                Err(_) => {
                    // The terminal or the reader is gone, or the disk is full.
                    let lines = text.iter().filter(|byte| **byte == b'\n').count();
                    self.drop_lines(&mut waiting, lines as u64);
                    0
                }
            };
            self.is_done.notify_all();
            drop(waiting);
            text.clear();
            if dropped > 0 {
                report(dropped);
            }
        }
    }

    fn drop_lines(&self, waiting: &mut Waiting, count: u64) {
        waiting.dropped += count;
        self.dropped.fetch_add(count, Ordering::Relaxed);
    }

    fn report_dropped(count: u64) {
        tracing::warn!(count, "lines were dropped here, because nobody read or stored them");
    }

    /// Nothing panics while it is held, and a poisoned lock must not suppress the last lines.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without the lock of [`io::Stderr`], because the write may block: other users of the lock would block, too.
fn write_all(mut text: &[u8]) -> Result<(), Errno> {
    let stderr = io::stderr();
    while !text.is_empty() {
        match rustix::io::write(&stderr, text) {
            Ok(count) => text = &text[count..],
            Err(Errno::INTR) => {}
            // Another process that shares it has made it non-blocking.
            Err(Errno::AGAIN) => {
                let _ = poll(&mut [PollFd::new(&stderr, PollFlags::OUT)], None);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes a line to standard output, if that is possible without waiting.
pub fn say(line: &str) {
    let stdout = io::stdout();
    let mut asked = [PollFd::new(&stdout, PollFlags::OUT)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    if matches!(poll(&mut asked, Some(&at_once)), Ok(1..)) {
        // A ready pipe accepts a page (pipe(7)). A reader that does not read needs no line.
        let _ = rustix::io::write(&stdout, format!("{line}\n").as_bytes());
    }
}

/// The writer for events.
#[derive(Clone, Debug)]
pub struct Handle(pub Arc<Lines>);

/// The writer for one event.
#[derive(Debug)]
pub struct Line<'a>(&'a Lines);

impl<'a> MakeWriter<'a> for Handle {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(&self.0)
    }
}

impl Write for Line<'_> {
    /// An event arrives in one piece.
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.push(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// Lines, what is written of them, and reports of what was dropped. Each write ends when the test says how.
    struct Stage {
        lines: Arc<Lines>,
        written: Receiver<String>,
        go_on: Sender<Result<(), Errno>>,
        reported: Receiver<u64>,
    }

    fn stage() -> Stage {
        let (lines, (writes, written)) = (Arc::new(Lines::default()), channel());
        let ((go_on, goes_on), (reports, reported)) = (channel(), channel());
        let writing = Arc::clone(&lines);
        std::thread::spawn(move || {
            let write = |text: &[u8]| {
                let _ = writes.send(String::from_utf8_lossy(text).into_owned());
                goes_on.recv().unwrap_or(Ok(()))
            };
            writing.write(write, |count| {
                let _ = reports.send(count);
            });
        });
        Stage { lines, written, go_on, reported }
    }

    #[test]
    fn what_does_not_fit_while_nobody_reads_is_dropped_and_reported_when_somebody_does() {
        let Stage { lines, written, go_on, reported } = stage();
        lines.push(b"first\n");
        assert_eq!(written.recv().as_deref(), Ok("first\n"));
        let line = vec![b'x'; WAITING_BYTES_MAX / 4];
        (0..7).for_each(|_| lines.push(&line));
        assert_eq!(lines.dropped(), 3);
        let began = Instant::now();
        lines.flush();
        assert!((FLUSH_TIME_MAX..2 * FLUSH_TIME_MAX).contains(&began.elapsed()), "{:?}", began.elapsed());
        go_on.send(Ok(())).expect("it is awaited");
        assert_eq!(reported.recv(), Ok(3));
        assert_eq!(written.recv().map(|text| text.len()), Ok(WAITING_BYTES_MAX));
        go_on.send(Ok(())).expect("it is awaited");
        lines.flush();
        assert!(reported.try_recv().is_err(), "it is told once");
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_reported_with_the_next_that_can() {
        let Stage { lines, written, go_on, reported } = stage();
        lines.push(b"one\ntwo\n");
        written.recv().expect("it is tried");
        go_on.send(Err(Errno::NOSPC)).expect("it is awaited");
        lines.flush();
        assert_eq!(lines.dropped(), 2);
        lines.push(b"three\n");
        assert_eq!(written.recv().as_deref(), Ok("three\n"));
        go_on.send(Ok(())).expect("it is awaited");
        assert_eq!(reported.recv(), Ok(2));
    }
}
