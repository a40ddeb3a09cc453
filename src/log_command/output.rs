//! Standard output whose reader may leave.

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
