//! Other protocols on this port: what browsers and clients with TLS send where a name is due.
//!
//! Any web page can have a browser send an HTTP request to any address, with a body of its choice:
//! none of it may become a name, or be said.

/// The first letters of a request or answer (RFC 9112, sections 3 and 4; RFC 9113, section 3.4), whose
/// first space is followed by what [`is_target`] knows. HTTP/0.9 has nothing else.
const FIRST_WORDS: [&[u8]; 10] =
    [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"CONNECT", b"TRACE", b"PATCH", b"PRI"];
/// What the end of a request line begins with.
const VERSION: [u8; 6] = *b" HTTP/";
/// So many bytes of a line are looked at for how it begins: `OPTIONS https://`.
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
    is_request || start.get(..5).is_some_and(|word| word.eq_ignore_ascii_case(&VERSION[1..]))
}

fn is_target(start: &[u8]) -> bool {
    start.first() == Some(&b'/') || start.windows(3).any(|three| three == b"://")
}

/// Whether this is how TLS begins: the header of a record of any kind (RFC 8446, section 5.1), or the hello
/// of SSL 2 that old clients begin with (RFC 5246, appendix E.2).
pub fn is_tls(mut start: impl Iterator<Item = u8>) -> bool {
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
                (VersionAtEnd::BEHIND, b'H') => 2,
                (at, byte) if VERSION.get(usize::from(at)) == Some(&byte) => at + 1,
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
        ] {
            assert!(!is_http(line.as_bytes()), "{line}");
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
            assert!(is_tls(start.iter().copied()), "{start:?}");
        }
        // The last two are Korean in EUC-KR and in UTF-8.
        for start in [&[0x16][..], b"alice", &[0xc1, 0xf6], &[0xec, 0xa7, 0x80], &[]] {
            assert!(!is_tls(start.iter().copied()), "{start:?}");
        }
    }
}
