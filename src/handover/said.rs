//! What a trial says on standard error: it goes where this process writes, and its last error to the operator.

use crate::telemetry;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The longest line that is passed on in one piece, in bytes.
const LINE_BYTES_MAX: u64 = 16 * 1024;
/// How long reading the rest may take.
const READ_TIME_MAX: Duration = Duration::from_millis(500);
/// Precede the words of an event in the text form of the journal.
const ERROR: &str = " ERROR ";
const OTHER_LEVELS: [&str; 2] = [" INFO ", " WARN "];
/// More of an error is left out, in bytes.
const ERROR_BYTES_MAX: usize = 4096;

/// What a process says, until it ends.
#[derive(Debug)]
pub struct Said {
    last: Arc<Mutex<Last>>,
    /// Has an end when all is read.
    is_read: flume::Receiver<()>,
}

impl Said {
    /// Reads it on a thread of its own.
    ///
    /// # Errors
    /// If there can be no more threads.
    pub fn listen(output: impl Read + Send + 'static) -> io::Result<Said> {
        let last = Arc::new(Mutex::new(Last::default()));
        let noted = Arc::clone(&last);
        let (reads, is_read) = flume::bounded(0);
        std::thread::Builder::new().name("madang-trial".into()).spawn(move || {
            let mut output = BufReader::new(output);
            let mut line = Vec::new();
            while output
                .by_ref()
                .take(LINE_BYTES_MAX)
                .read_until(b'\n', &mut line)
                .is_ok_and(|count| count > 0)
            {
                telemetry::pass_on(&line);
                noted.lock().unwrap_or_else(PoisonError::into_inner).note(&String::from_utf8_lossy(&line));
                line.clear();
            }
            drop(reads);
        })?;
        Ok(Said { last, is_read })
    }

    /// Its last error, without time and level; or, if there is none, its last line. The process has ended.
    pub fn last(&self) -> Option<String> {
        // Another process may have inherited the pipe, and keep it open.
        let _ = self.is_read.recv_timeout(READ_TIME_MAX);
        let words = self.last.lock().unwrap_or_else(PoisonError::into_inner).words.clone();
        (!words.is_empty()).then_some(words)
    }
}

/// The last error, or the last line while there is none.
#[derive(Default, Debug)]
struct Last {
    words: String,
    has_error: bool,
    /// Whether what follows belongs to the error.
    is_in_error: bool,
}

impl Last {
    fn note(&mut self, line: &str) {
        let trimmed = line.trim();
        if let Some((_, words)) = line.split_once(ERROR) {
            (self.has_error, self.is_in_error) = (true, true);
            words.trim().clone_into(&mut self.words);
        } else if OTHER_LEVELS.iter().any(|level| line.contains(level)) {
            self.is_in_error = false;
        } else if self.is_in_error && !trimmed.is_empty() {
            if self.words.len() + trimmed.len() < ERROR_BYTES_MAX {
                self.words.push(' ');
                self.words.push_str(trimmed);
            }
        } else if !self.has_error && !trimmed.is_empty() {
            trimmed.clone_into(&mut self.words);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_error_is_told_without_its_time_and_with_all_its_lines() {
        let said: &[u8] =
            b"2026-11-30T21:00:00Z  INFO madang starts\n2026-11-30T21:00:01Z ERROR it is newer:\n  2.seg\n\n";
        assert_eq!(Said::listen(said).expect("a thread").last().as_deref(), Some("it is newer: 2.seg"));
        let and_more = [said, b"2026-11-30T21:00:02Z  WARN little space\nend\n"].concat();
        let last = Said::listen(std::io::Cursor::new(and_more)).expect("a thread").last();
        assert_eq!(last.as_deref(), Some("it is newer: 2.seg"));
        assert_eq!(Said::listen(&b"Killed"[..]).expect("a thread").last().as_deref(), Some("Killed"));
        assert_eq!(Said::listen(&b""[..]).expect("a thread").last(), None);
    }
}
