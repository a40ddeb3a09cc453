//! Standard output and standard error.

use std::io::{self, Write};

/// Prints to standard output. A reader that has left, as `head` does, is no error.
pub fn show(text: &str) {
    let mut output = io::stdout().lock();
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
}

/// Prints a line to standard error, if that is still there.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
