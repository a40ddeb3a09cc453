//! Standard output whose reader may leave.

use crate::terminal::is_harmful;
pub use crate::terminal::visible;
use serde::Serialize;
use serde_json::ser::Formatter;
use std::io::{self, BufWriter, StdoutLock, Write};

/// Buffered standard output.
pub type Output = BufWriter<StdoutLock<'static>>;

/// Standard output, to be ended with [`finish`].
pub fn standard_output() -> Output {
    BufWriter::with_capacity(256 * 1024, io::stdout().lock())
}

/// Writes out what is buffered. A reader that has left, as `head` does, is no error.
pub fn finish(mut output: Output, result: io::Result<()>) -> Result<(), String> {
    match result.and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("cannot write to standard output: {error}; check what it is sent to"))
        }
        _ => {
            // What could not be written to a closed pipe shall not be tried again.
            let (_, _) = output.into_parts();
            Ok(())
        }
    }
}

/// Writes an object and the end of its line. JSON itself escapes only C0; here everything harmful
/// is, so that a terminal that shows the line is safe and a program that reads it loses nothing.
pub fn write_json_line(output: &mut impl Write, object: &impl Serialize) -> io::Result<()> {
    object.serialize(&mut serde_json::Serializer::with_formatter(&mut *output, Escaping))?;
    output.write_all(b"\n")
}

struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        // Every harmful character that JSON leaves as it is begins with one of these bytes.
        while let Some(at) = rest.bytes().position(|b| matches!(b, 0x7f | 0xc2 | 0xe2)) {
            let (before, from) = rest.split_at(at);
            let Some(c) = from.chars().next() else { break };
            writer.write_all(before.as_bytes())?;
            if is_harmful(c) {
                write!(writer, "\\u{:04x}", u32::from(c))?;
            } else {
                writer.write_all(&from.as_bytes()[..c.len_utf8()])?;
            }
            rest = &from[c.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}
