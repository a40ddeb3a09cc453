//! Text that is safe for a terminal, and a status line that is overwritten.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

const BETWEEN: Duration = Duration::from_millis(200);
/// Columns of a terminal that the status line may use: a wrapped line cannot be overwritten.
const LINE_CHARS_MAX: usize = 79;

/// Whether a character controls a terminal or changes the direction of the text after it. Our stored texts have
/// none; the log of another program, or the output of a measured server, may.
pub fn is_harmful(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text with a � for each harmful character.
pub fn visible(text: &str) -> Cow<'_, str> {
    // Printable ASCII is the common case.
    if text.bytes().all(|b| (0x20..0x7f).contains(&b)) || !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if is_harmful(c) { '\u{fffd}' } else { c }).collect())
}

/// Whether `output` may have colours and bold text: it is a terminal that supports escapes, and NO_COLOR is not
/// set (<https://no-color.org>).
pub fn is_styled(output: &impl IsTerminal) -> bool {
    let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_none_or(|terminal| terminal == "dumb");
    output.is_terminal() && !is_unwanted && !is_dumb
}

/// A status line on standard error that shows progress. It is shown on a terminal only, at most five times a
/// second, and uses no escapes, so that every terminal can show it.
#[derive(Debug)]
pub struct StatusLine {
    shown_at: Option<Instant>,
    shown_chars: usize,
    is_watched: bool,
}

impl StatusLine {
    /// Nothing is shown yet.
    pub fn new() -> StatusLine {
        StatusLine { shown_at: None, shown_chars: 0, is_watched: io::stderr().is_terminal() }
    }

    /// Whether it is shown on a terminal.
    pub fn is_watched(&self) -> bool {
        self.is_watched
    }

    /// Shows nothing from now on.
    pub fn hide(&mut self) {
        self.is_watched = false;
    }

    /// Shows the line that `line` returns, unless the last one was shown a moment ago.
    pub fn show(&mut self, line: impl FnOnce() -> String) {
        if !self.is_watched || self.shown_at.is_some_and(|shown| shown.elapsed() < BETWEEN) {
            return;
        }
        self.shown_at = Some(Instant::now());
        let line: String = line().chars().take(LINE_CHARS_MAX).collect();
        // Nothing to do if the terminal is gone.
        let _ = write!(io::stderr(), "\r{line:<width$}", width = self.shown_chars);
        self.shown_chars = line.chars().count();
    }

    /// Removes the line.
    pub fn clear(&mut self) {
        if self.shown_at.take().is_some() {
            let _ = write!(io::stderr(), "\r{:width$}\r", "", width = self.shown_chars);
            self.shown_chars = 0;
        }
    }
}

/// A progress bar of `chars` characters for `share`, from 0 to 1: `[###---] 50 %`.
pub fn bar(share: f64, chars: usize) -> String {
    let share = share.clamp(0.0, 1.0);
    let done = (share * chars as f64) as usize;
    format!("[{:-<chars$}] {:>3} %", "#".repeat(done), (share * 100.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_not_shown() {
        assert_eq!(visible("안녕\u{1b}[31m\u{202e}x"), "안녕\u{fffd}[31m\u{fffd}x");
        assert!(matches!(visible("plain"), Cow::Borrowed("plain")));
    }

    #[test]
    fn a_bar_is_as_full_as_the_work_is_done() {
        assert_eq!(bar(0.25, 24), "[######------------------]  25 %");
        assert_eq!(bar(7.0, 4), "[####] 100 %");
    }
}
