//! The last words of a connection.

use super::line;
use crate::line::decode::ENDLESS_LINE_BYTES;
use crate::line::foreign::Foreign;
use madang_model::connection::{CloseReason, Style};

/// What everyone is told when the server is about to stop.
pub const GOING_DOWN: &str = "* server is going down";

/// For a peer that cannot be given a connection at all.
pub const SERVER_FULL: &[u8] =
    b"! the server is full: it has all the connections it can have; try again later\n";

/// An answer that clients of HTTP show, and that a person can read as well (RFC 9112, section 4).
const NO_HTTP: &str = "HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Connection: close\r\n\
    Content-Length: 86\r\n\
    \r\n\
    ! this port is for chat in plain lines: connect with nc or telnet, not with a browser\n";
const NO_TLS: &str = "! this port is for chat in plain lines: connect with nc or telnet, without TLS\n";
const NO_PROXY: &str = "! this port is for chat in plain lines and reads no PROXY header from your address: add it to \
    listen.proxy_from, or have the proxy send none (HAProxy: no send-proxy)\n";
const NO_OTHER: &str =
    "! this port is for chat in plain lines, not for SSH, mail, SIP or Redis: connect with nc or telnet\n";

/// What a peer is told that speaks another protocol.
fn not_spoken(protocol: Foreign) -> &'static str {
    match protocol {
        Foreign::Http => NO_HTTP,
        Foreign::Tls => NO_TLS,
        Foreign::Proxy => NO_PROXY,
        Foreign::Other => NO_OTHER,
    }
}

/// Whether there is anything to say: not to one that is gone, or was told before.
pub fn has_farewell(reason: &CloseReason) -> bool {
    !matches!(reason, CloseReason::GoingDown | CloseReason::Lost)
}

/// Writes why a connection ends, if anything is to be said.
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
        CloseReason::Protocol(reason) => match Foreign::of_detail(reason.detail()) {
            Some(protocol) => out.extend_from_slice(not_spoken(protocol).as_bytes()),
            None => line(
                out,
                style,
                format_args!(
                    "! closed: {ENDLESS_LINE_BYTES} bytes came without the end of a line; end lines with Enter (LF)"
                ),
            ),
        },
        CloseReason::TooManyFromAddress { connections_max } => line(
            out,
            style,
            format_args!(
                "! closed: your address has {connections_max} connections already, which is the limit; \
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
                "! closed: the server is replaced by another, which cannot resume this connection; reconnect"
            ),
        ),
        CloseReason::GoingDown | CloseReason::Lost => {}
    }
}
