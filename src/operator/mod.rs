//! The control socket, through which the operator's commands reach the running server: what both ends need, and the
//! client.
//!
//! `DIR/control.sock` in the data directory accepts one JSON object a line and answers each with one. Only its
//! owner and root may use it.

mod client;
mod protocol;

pub use client::{
    ClientError, Connection, ask_current_server, connect, is_disconnect, is_not_listening, status,
};
pub use protocol::{Answer, ControlCommand, RoomLine, ShardLine, SlowLine, Status, UNKNOWN_COMMAND};

use std::path::{Path, PathBuf};

/// The name of the socket in the data directory.
const SOCKET_FILE: &str = "control.sock";
/// The longest path of a local socket on Linux, in bytes (unix(7)).
const PATH_BYTES_MAX: usize = 107;
/// The longest request, in bytes, with its line end.
pub const REQUEST_BYTES_MAX: usize = 16 * 1024;

/// Where the socket of a data directory is.
///
/// # Errors
/// A sentence, if the path is too long for a socket.
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
    fn a_path_too_long_for_a_socket_is_reported_with_the_remedy() {
        assert_eq!(socket_path(Path::new("/var/lib/madang")), Ok("/var/lib/madang/control.sock".into()));
        let error = socket_path(Path::new(&format!("/{}", "x".repeat(100)))).unwrap_err();
        assert!(error.contains("114 bytes") && error.contains("107") && error.contains("--data"), "{error}");
    }
}
