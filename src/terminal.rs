//! What a terminal may be shown, and a line on it that is written over and over.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

const BETWEEN: Duration = Duration::from_millis(200);
/// Columns of a terminal that a line which is written over may use: a wrapped one cannot be.
const LINE_CHARS_MAX: usize = 79;

/// Whether a character steers a terminal or turns the direction of what follows. Nothing that we
/// stored has one; a log that someone else wrote, or a server that is measured, may.
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

/// Whether what is written to `output` may have colours and bold text: it is a terminal that knows
/// escapes, and nobody said no (<https://no-color.org>).
pub fn is_styled(output: &impl IsTerminal) -> bool {
    let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_none_or(|terminal| terminal == "dumb");
    output.is_terminal() && !is_unwanted && !is_dumb
}

/// A line on standard error that shows that work goes on. It is shown on a terminal only, at most
/// five times a second, and uses no escapes, so that every terminal can show it.
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

    /// Whether anybody can see it.
    pub fn is_watched(&self) -> bool {
        self.is_watched
    }

    /// Shows nothing from now on.
    pub fn hide(&mut self) {
        self.is_watched = false;
    }

    /// Shows what `line` makes, when it is time for it.
    pub fn show(&mut self, line: impl FnOnce() -> String) {
        if !self.is_watched || self.shown_at.is_some_and(|shown| shown.elapsed() < BETWEEN) {
            return;
        }
        self.shown_at = Some(Instant::now());
        let line: String = line().chars().take(LINE_CHARS_MAX).collect();
        // A terminal that has gone needs no line.
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

/// A bar of `chars` characters of which `share`, from 0 to 1, is done: `[###---]  50 %`.
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
