//! The last words of a connection.

use super::line;
use madang_shards::connection::{CloseReason, Style};

/// What everyone is told when the server is about to stop.
pub const GOING_DOWN: &str = "* server is going down";

/// For a peer that cannot be given a connection at all.
pub const SERVER_FULL: &[u8] =
    b"! the server is full: it has all the connections it can have; try again later\n";

/// For a peer that speaks HTTP: a status line that a person can read as well (RFC 9112, section 4).
/// The greeting was sent before it, so that no client takes it for more than it is.
pub const WRONG_PROTOCOL: &str =
    "HTTP/1.1 400 this port is for chat in plain lines: connect with nc or telnet, not with HTTP";

/// Writes why a connection ends. Nothing for one that is gone, or was told before.
pub fn farewell(reason: &CloseReason, style: Style, out: &mut Vec<u8>) {
    match reason {
        CloseReason::Quit => line(out, style, format_args!("bye")),
        CloseReason::SlowReader { outbox_bytes_max } => line(
            out,
            style,
            format_args!(
                "! closed: slow reader: more than {outbox_bytes_max} bytes were waiting; \
                 reconnect and use /history after N, with the last number you saw"
            ),
        ),
        CloseReason::LoginTimeout { login_seconds } => line(
            out,
            style,
            format_args!("! closed: no name within {login_seconds} s; reconnect and type a name first"),
        ),
        CloseReason::EndlessLine { bytes_max } => line(
            out,
            style,
            format_args!(
                "! closed: {bytes_max} bytes came without the end of a line; end lines with Enter (LF)"
            ),
        ),
        // An empty line ends the head of an HTTP response (RFC 9112, section 2.1), always in CRLF.
        CloseReason::WrongProtocol(words) => {
            out.extend_from_slice(words.as_bytes());
            out.extend_from_slice(b"\r\n\r\n");
        }
        CloseReason::TooManyFromAddress { connections_max } => line(
            out,
            style,
            format_args!(
                "! closed: your address has {connections_max} connections already, which is the most; \
                 close one and try again"
            ),
        ),
        CloseReason::Kicked { reason } if reason.is_empty() => {
            line(out, style, format_args!("! closed by the operator"))
        }
        CloseReason::Kicked { reason } => {
            line(out, style, format_args!("! closed by the operator: {reason}"))
        }
        CloseReason::NotCarried => line(
            out,
            style,
            format_args!(
                "! closed: the server is replaced by another, which cannot go on with this connection; reconnect"
            ),
        ),
        CloseReason::GoingDown | CloseReason::Lost => {}
    }
}
