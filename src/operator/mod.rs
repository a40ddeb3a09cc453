//! The control socket: how the operator's commands reach the server that runs. What both ends need, and the
//! operator's end.
//!
//! `DIR/control.sock` in the data directory takes one JSON object a line and answers each with one.
//! Only its owner and root may talk to it.

mod client;
mod protocol;

pub use client::{ClientError, Connection, ask_whoever_serves, is_end, is_nobody, reach, status};
pub use protocol::{Answer, Command, RoomLine, ShardLine, SlowLine, Status};

use std::path::{Path, PathBuf};

/// The name of the socket in the data directory.
const SOCKET_FILE: &str = "control.sock";
/// The longest path of a local socket on Linux, in bytes (unix(7)).
const PATH_BYTES_MAX: usize = 107;
/// The longest request, in bytes, with the end of its line.
pub const REQUEST_BYTES_MAX: usize = 16 * 1024;

/// Where the socket of a data directory is.
///
/// # Errors
/// A sentence, when the path is longer than the path of a socket can be.
pub fn socket_path(data: &Path) -> Result<PathBuf, String> {
    let path = data.join(SOCKET_FILE);
    let bytes = path.as_os_str().len();
    if bytes > PATH_BYTES_MAX {
        return Err(format!(
            "'{}' is too long for a control socket: {bytes} bytes, at most {PATH_BYTES_MAX} are possible; \
             use a shorter --data, or a symbolic link to it",
            path.display()
        ));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_too_long_for_a_socket_is_told_with_the_remedy() {
        assert_eq!(socket_path(Path::new("/var/lib/madang")), Ok("/var/lib/madang/control.sock".into()));
        let error = socket_path(Path::new(&format!("/{}", "x".repeat(100)))).unwrap_err();
        assert!(error.contains("114 bytes") && error.contains("107") && error.contains("--data"), "{error}");
    }
}
