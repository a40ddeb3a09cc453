//! Other protocols on this port: what browsers, clients with TLS, proxies, mail programs, phones and databases send
//! where a name is due.
//!
//! Any web page can have a browser send an HTTP request to any address, with a body of its choice:
//! none of it may become a name, or be said.

use super::WRONG_PROTOCOL;
use madang_model::connection::ProtocolReason;

/// A protocol that is not spoken here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Foreign {
    /// HTTP, or RTSP, which has its form.
    Http,
    Tls,
    /// The header by which a proxy says whose connection it passes on, of either version.
    Proxy,
    /// SSH, mail, SIP or Redis: a client that begins.
    Other,
}

impl Foreign {
    const ALL: [Foreign; 4] = [Foreign::Http, Foreign::Tls, Foreign::Proxy, Foreign::Other];

    /// The reason to close a connection that speaks it.
    pub fn reason(self) -> ProtocolReason {
        WRONG_PROTOCOL.with_detail(1 + self as u8)
    }

    /// The protocol that a reason's detail is of; `None` when it is of another reason.
    pub fn of_detail(detail: u8) -> Option<Foreign> {
        Foreign::ALL.get(usize::from(detail).checked_sub(1)?).copied()
    }
}

/// Which protocol a line is of, if it is of one of these. Nothing that identifies one can be a name, but for that of
/// SSH (RFC 4253, section 4.2), which nobody has.
pub fn of_line(line: &[u8]) -> Option<Foreign> {
    if is_http(line) {
        Some(Foreign::Http)
    } else if line.starts_with(b"PROXY TCP") || line.starts_with(b"PROXY UNKNOWN") || is_nul(line) {
        Some(Foreign::Proxy)
    } else if is_ssh(line) || is_mail(line) || is_sip(line) || is_redis(line) {
        Some(Foreign::Other)
    } else {
        None
    }
}

/// The same of bytes that are no line.
pub fn of_bytes(start: impl Iterator<Item = u8> + Clone) -> Option<Foreign> {
    if is_tls(start.clone()) {
        Some(Foreign::Tls)
    } else if start.take(PROXY_SIGNATURE.len()).eq(PROXY_SIGNATURE) {
        Some(Foreign::Proxy)
    } else {
        None
    }
}

/// What clients of SMTP and LMTP begin with (RFC 5321, section 4.1.1.1; RFC 2033, section 4.1).
const HELLOS: [&[u8]; 3] = [b"EHLO", b"HELO", b"LHLO"];

/// Whether a line is the hello of a mail program and nothing more. Somebody may want it for a name, so that it is
/// refused as one.
pub fn is_hello(line: &[u8]) -> bool {
    HELLOS.iter().any(|hello| line.trim_ascii().eq_ignore_ascii_case(hello))
}

/// As they are sent: the letters of RFC 4253, section 4.2.
fn is_ssh(line: &[u8]) -> bool {
    [&b"SSH-2.0-"[..], b"SSH-1.99-", b"SSH-1.5-"].iter().any(|start| line.starts_with(start))
}

/// In any case (RFC 5321, section 2.4).
fn is_mail(line: &[u8]) -> bool {
    let begins = |with: &[u8]| line.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    let is_hello = HELLOS.iter().any(|hello| begins(hello) && line.get(hello.len()) == Some(&b' '));
    is_hello || begins(b"MAIL FROM:") || begins(b"RCPT TO:")
}

/// A request or an answer (RFC 3261, sections 7.1 and 7.2).
fn is_sip(line: &[u8]) -> bool {
    let is_version = |word: &[u8]| word.eq_ignore_ascii_case(b"SIP/2.0");
    let mut words = line.trim_ascii_end().split(|byte| *byte == b' ');
    let (first, last) = (words.next(), words.next_back());
    last.is_some_and(|last| is_version(last) || first.is_some_and(is_version))
}

/// How many parts a command of Redis has (RESP): `*1`.
fn is_redis(line: &[u8]) -> bool {
    line.strip_prefix(b"*").is_some_and(|count| !count.is_empty() && count.iter().all(u8::is_ascii_digit))
}

/// The line in the header of version 2 that no key gives. Where the header comes in pieces, its empty lines have
/// been answered before.
fn is_nul(line: &[u8]) -> bool {
    !line.is_empty() && line.iter().all(|byte| *byte == 0)
}

/// Of version 2 (`proxy-protocol.txt` of HAProxy, section 2.2). Made of ends of lines, so that it is no line.
const PROXY_SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// The first letters of a request or answer (RFC 9112, sections 3 and 4; RFC 9113, section 3.4), whose
/// first space is followed by what [`is_target`] knows. HTTP/0.9 has nothing else.
const FIRST_WORDS: [&[u8]; 10] =
    [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"CONNECT", b"TRACE", b"PATCH", b"PRI"];
/// What the end of a request line begins with, letter by letter: ` HTTP/`, or ` RTSP/` (RFC 7826, section 20).
const VERSION: [&[u8]; 6] = [b" ", b"HR", b"T", b"TS", b"P", b"/"];
/// The bytes of a line that are looked at for how it begins: `OPTIONS https://`.
pub const START_BYTES: usize = 16;

/// Whether a line is a request line of HTTP, or an answer.
pub fn is_http(line: &[u8]) -> bool {
    let mut end = VersionAtEnd::default();
    end.follow(line);
    begins_as_http(&line[..line.len().min(START_BYTES)]) || end.is_there()
}

/// Whether these first bytes of a line are those of a request in any case of its letters, or of an answer.
pub fn begins_as_http(start: &[u8]) -> bool {
    let is_request = start.iter().position(|byte| *byte == b' ').is_some_and(|at| {
        let (word, target) = (&start[..at], start[at..].trim_ascii_start());
        FIRST_WORDS.iter().any(|known| known.eq_ignore_ascii_case(word)) && is_target(target)
    });
    is_request || start.get(..5).is_some_and(begins_version)
}

/// Whether it is `HTTP/` or `RTSP/`, in any case.
fn begins_version(word: &[u8]) -> bool {
    word.iter().zip(&VERSION[1..]).all(|(byte, known)| known.contains(&byte.to_ascii_uppercase()))
}

fn is_target(start: &[u8]) -> bool {
    start.first() == Some(&b'/') || start.windows(3).any(|three| three == b"://")
}

/// Whether this is how TLS begins: the header of a record of any kind (RFC 8446, section 5.1), or the hello
/// of SSL 2 that old clients begin with (RFC 5246, appendix E.2).
fn is_tls(mut start: impl Iterator<Item = u8>) -> bool {
    matches!(
        (start.next(), start.next(), start.next()),
        (Some(0x14..=0x17), Some(3), _) | (Some(0x80), Some(_), Some(1))
    )
}

/// Finds `HTTP/` and a number as the last word of a line, of which nothing is kept.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct VersionAtEnd(pub u8);

impl VersionAtEnd {
    /// In the number, and behind it.
    const NUMBER: u8 = VERSION.len() as u8 + 1;
    const BEHIND: u8 = VersionAtEnd::NUMBER + 1;

    /// Takes the next bytes of the line.
    pub fn follow(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = match (self.0, byte.to_ascii_uppercase()) {
                (VersionAtEnd::NUMBER.., b' ' | b'\t' | b'\r') => VersionAtEnd::BEHIND,
                (_, b' ') => 1,
                // What is behind the number begins with a space, too.
                (VersionAtEnd::BEHIND, b'H' | b'R') => 2,
                (at, byte) if VERSION.get(usize::from(at)).is_some_and(|known| known.contains(&byte)) => {
                    at + 1
                }
                (at @ 6..=VersionAtEnd::NUMBER, b'0'..=b'9' | b'.') => at.max(VersionAtEnd::NUMBER),
                _ => 0,
            };
        }
    }

    /// Whether the line so far ends so.
    pub fn is_there(self) -> bool {
        self.0 >= VersionAtEnd::NUMBER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_every_kind_are_known() {
        for line in [
            &b"GET / HTTP/1.1"[..],
            b"get /x http/1.1",
            b"M-SEARCH * HTTP/1.1",
            b"PRI * HTTP/2.0",
            b"GET /",
            b"get  /old",
            b"POST /\xff\xe9 HTTP/1.1",
            b"GET http://127.0.0.1:8080/ HTTP/1.1",
            b"options HTTPS://x",
            b"CONNECT chat:8080 HTTP/1.1",
            b"x y z HTTP/1.0 ",
            b"a HTTP/1.1\r",
            b"a HTTP/1.1 HTTP/2",
            b"HTTP/1.1 200 OK",
            b"OPTIONS rtsp://camera/1 RTSP/1.0",
            b"DESCRIBE rtsp://camera/1 RTSP/1.0",
            b"describe * rtsp/2.0",
            b"RTSP/1.0 200 OK",
        ] {
            assert!(is_http(line), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn what_people_type_is_not_taken_for_one() {
        for line in [
            "",
            "alice",
            "get",
            "GET",
            "/help",
            "alice /channel r1",
            "get me in",
            "http",
            "HTTP",
            "a HTTP/",
            "a HTTP/x",
            "a HTTP/1.1x",
            "see HTTP/1.1 for it",
            "지혜",
            "put * in",
            "EHLO",
            "helo",
            "helot",
            "ehlo-a",
            "mail",
            "mail from bob",
            "sip",
            "SIP/2.0",
            "sip 2.0",
            "*",
            "*1 a",
            "1*",
            "PROXY",
            "ssh-2.0-x",
            "SSH-2.0",
        ] {
            assert_eq!(of_line(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn a_version_is_found_however_the_line_is_cut() {
        let line = b"POST /aaaa HTTP/0.9 and HTTP/1.1";
        for at in 0..line.len() {
            let mut end = VersionAtEnd::default();
            end.follow(&line[..at]);
            end.follow(&line[at..]);
            assert!(end.is_there(), "cut at {at}");
        }
    }

    #[test]
    fn hellos_of_tls_are_known_by_their_first_bytes() {
        for start in [&[0x16, 3, 1, 2][..], &[0x16, 3], &[0x80, 0x2e, 1, 3, 1]] {
            assert_eq!(of_bytes(start.iter().copied()), Some(Foreign::Tls), "{start:?}");
        }
        // The last two are Korean in EUC-KR and in UTF-8.
        for start in [&[0x16][..], b"alice", &[0xc1, 0xf6], &[0xec, 0xa7, 0x80], &[]] {
            assert_eq!(of_bytes(start.iter().copied()), None, "{start:?}");
        }
    }

    #[test]
    fn other_protocols_are_known_by_their_first_line() {
        for (line, protocol) in [
            (&b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 8080"[..], Foreign::Proxy),
            (b"PROXY TCP6 ::1 ::1 1 2", Foreign::Proxy),
            (b"PROXY UNKNOWN", Foreign::Proxy),
            (b"EHLO mail.example", Foreign::Other),
            (b"HELO localhost", Foreign::Other),
            (b"ehlo a", Foreign::Other),
            (b"Helo there", Foreign::Other),
            (b"lhlo x", Foreign::Other),
            (b"MAIL FROM:<a@b.example>", Foreign::Other),
            (b"mail from:<>", Foreign::Other),
            (b"RCPT TO:<a@b.example>", Foreign::Other),
            (b"INVITE sip:bob@chat.example SIP/2.0", Foreign::Other),
            (b"options sip:x sip/2.0 ", Foreign::Other),
            (b"SIP/2.0 200 OK", Foreign::Other),
            (b"*1", Foreign::Other),
            (b"*20", Foreign::Other),
            (b"\0", Foreign::Proxy),
            (b"\0\0", Foreign::Proxy),
            (b"SSH-2.0-OpenSSH_9.6", Foreign::Other),
            (b"SSH-1.99-x y", Foreign::Other),
        ] {
            assert_eq!(of_line(line), Some(protocol), "{}", line.escape_ascii());
        }
        let header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c";
        assert_eq!(of_bytes(header.iter().copied()), Some(Foreign::Proxy));
        for part in 0..PROXY_SIGNATURE.len() {
            assert_eq!(of_bytes(header[..part].iter().copied()), None, "{part} bytes of it");
        }
    }
}
