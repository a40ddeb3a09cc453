//! What the command needs of the program that it belongs to.

use super::streams::say;
use std::borrow::Cow;
use std::fmt::Debug;
use std::io;
use std::path::PathBuf;

/// The program that has this command: where it is, and what it knows of terminals.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Where it is, to be run with `serve`.
    pub path: fn() -> io::Result<PathBuf>,
    /// Whether standard output may have bold text.
    pub is_output_styled: fn() -> bool,
    /// The text without what steers a terminal.
    pub visible: fn(&str) -> Cow<'_, str>,
    /// A bar of so many characters, of which a share, from 0 to 1, is done.
    pub bar: fn(f64, usize) -> String,
    /// A line that shows that work is under way.
    pub status_line: fn() -> Box<dyn StatusLine>,
}

/// A line on standard error that is written over again and again.
pub trait StatusLine: Debug {
    /// Whether anybody can see it.
    fn is_watched(&self) -> bool;

    /// Shows what `line` makes, when it is time for it.
    fn show(&mut self, line: &dyn Fn() -> String);

    /// Removes the line.
    fn clear(&mut self);
}

impl Program {
    /// What a server said, without what steers a terminal; lines stay lines.
    pub(super) fn visible_lines(&self, text: &str, separator: &str) -> String {
        text.lines().map(self.visible).collect::<Vec<_>>().join(separator)
    }

    /// Prints to standard error; what a server said may be in it.
    pub(super) fn complain(&self, message: &str) {
        say(&format!("madang bench: {}", self.visible_lines(message, "\n")));
    }
}

#[cfg(test)]
impl Program {
    /// One whose terminal nobody watches.
    pub(super) fn of_test() -> Program {
        #[derive(Debug)]
        struct Nowhere;
        impl StatusLine for Nowhere {
            fn is_watched(&self) -> bool {
                false
            }
            fn show(&mut self, _line: &dyn Fn() -> String) {}
            fn clear(&mut self) {}
        }
        Program {
            path: || Ok(PathBuf::from("madang")),
            is_output_styled: || false,
            visible: |text| Cow::Borrowed(text),
            bar: |share, chars| format!("{:.0} of 100 in {chars}", 100.0 * share),
            status_line: || Box::new(Nowhere),
        }
    }
}
