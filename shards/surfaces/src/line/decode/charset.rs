//! Which character set a peer asks for (RFC 2066), read byte by byte: nothing of its list is kept.

use super::codes::{CHARSET, IAC, SUBNEGOTIATION, SUBNEGOTIATION_END};
use madang_model::connection::{CodingError, Decoder, Encoder};

const REQUEST: u8 = 1;
const ACCEPTED: u8 = 2;
const REJECTED: u8 = 3;
/// The only one that is spoken here, in any case of its letters.
const UTF_8: [u8; 5] = *b"UTF-8";
/// What stands before the list of a peer that would also take a table of its own: this, and a byte. Tables are not
/// spoken here.
const TABLE: [u8; 9] = *b"[TTABLE ]";

/// Asks for UTF-8: a list of one name.
pub const ASK_FOR_UTF_8: [u8; 12] =
    [IAC, SUBNEGOTIATION, CHARSET, REQUEST, b' ', b'U', b'T', b'F', b'-', b'8', IAC, SUBNEGOTIATION_END];
const ACCEPT_UTF_8: [u8; 11] =
    [IAC, SUBNEGOTIATION, CHARSET, ACCEPTED, b'U', b'T', b'F', b'-', b'8', IAC, SUBNEGOTIATION_END];
const REJECT: [u8; 6] = [IAC, SUBNEGOTIATION, CHARSET, REJECTED, IAC, SUBNEGOTIATION_END];

/// Where in a subnegotiation a reader stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
enum Place {
    /// Before the option that it is about.
    #[default]
    Option,
    /// Before what is said about CHARSET.
    Command,
    /// Before the list, which begins with the byte that separates its names, unless a table is offered first.
    List,
    /// In the offer of a table.
    Table,
    /// Before the list that follows the offer of a table.
    ListBehindTable,
    /// In a name, or before it.
    Name,
    /// It is no request for a character set.
    Other,
}

/// Reads one subnegotiation, without the IAC SB before it and the IAC SE behind it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CharsetReader {
    place: Place,
    /// What stands before each name.
    separator: u8,
    /// Bytes of the offer of a table, or of the name so far that are those of UTF-8; past its length, it is another.
    matched: u8,
    is_found: bool,
}

/// The name so far is another than UTF-8.
const OTHER_NAME: u8 = UTF_8.len() as u8 + 1;

impl CharsetReader {
    /// Takes the next byte.
    pub fn take(&mut self, byte: u8) {
        self.place = match self.place {
            Place::Option if byte == CHARSET => Place::Command,
            Place::Command if byte == REQUEST => Place::List,
            Place::Option | Place::Command | Place::Other => Place::Other,
            Place::List if byte == TABLE[0] => {
                self.matched = 1;
                Place::Table
            }
            // Behind the words there is the version of the table, a byte.
            Place::Table if usize::from(self.matched) == TABLE.len() => Place::ListBehindTable,
            Place::Table => {
                self.matched += 1;
                Place::Table
            }
            Place::List | Place::ListBehindTable => {
                self.separator = byte;
                self.matched = 0;
                Place::Name
            }
            Place::Name if byte == self.separator => {
                self.is_found |= self.is_utf_8();
                self.matched = 0;
                Place::Name
            }
            Place::Name => {
                let is_next = UTF_8
                    .get(usize::from(self.matched))
                    .is_some_and(|expected| byte.eq_ignore_ascii_case(expected));
                self.matched = if is_next { self.matched + 1 } else { OTHER_NAME };
                Place::Name
            }
        };
    }

    /// What a request is to be answered with, at its end; `None` when it was none. Where both ends ask at once the
    /// server should refuse (RFC 2066, section 5), so that they agree on one: here they cannot agree on two.
    pub fn answer(&self) -> Option<&'static [u8]> {
        match self.place {
            Place::Option | Place::Command | Place::Other => None,
            Place::Name if self.is_found || self.is_utf_8() => Some(&ACCEPT_UTF_8),
            Place::List | Place::Table | Place::ListBehindTable | Place::Name => Some(&REJECT),
        }
    }

    fn is_utf_8(&self) -> bool {
        usize::from(self.matched) == UTF_8.len()
    }

    /// Writes it.
    pub fn write(&self, out: &mut Encoder) {
        out.byte(self.place as u8);
        out.byte(self.separator);
        out.byte(self.matched);
        out.flag(self.is_found);
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`CodingError`] when it is none.
    pub fn read(from: &mut Decoder<'_>) -> Result<CharsetReader, CodingError> {
        let place = match from.byte()? {
            0 => Place::Option,
            1 => Place::Command,
            2 => Place::List,
            3 => Place::Table,
            4 => Place::ListBehindTable,
            5 => Place::Name,
            6 => Place::Other,
            _ => return Err(CodingError("there is no such place in the request for a character set")),
        };
        let (separator, matched) = (from.byte()?, from.byte()?);
        if usize::from(matched) > TABLE.len() {
            return Err(CodingError("no name of a character set is that long"));
        }
        Ok(CharsetReader { place, separator, matched, is_found: from.flag()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(bytes: &[u8]) -> Option<&'static [u8]> {
        let mut reader = CharsetReader::default();
        bytes.iter().for_each(|byte| reader.take(*byte));
        reader.answer()
    }

    #[test]
    fn a_list_with_utf_8_in_it_is_accepted_and_another_refused() {
        for list in [
            &b" UTF-8"[..],
            b";utf-8",
            b";US-ASCII;UTF-8",
            b" UTF-8 ISO-8859-1",
            b"[TTABLE ]\x01;EUC-KR;UTF-8",
            b"|a|Utf-8|",
        ] {
            assert_eq!(
                answer(&[&[42, 1], list].concat()),
                Some(&ACCEPT_UTF_8[..]),
                "{}",
                list.escape_ascii()
            );
        }
        for list in [
            &b""[..],
            b" ",
            b" EUC-KR",
            b";UTF-16;UTF-88;UTF-",
            b"[TTABLE ]",
            b"[TTABLE ]\x01",
            b"[x",
            b"UTF-8",
        ] {
            assert_eq!(answer(&[&[42, 1], list].concat()), Some(&REJECT[..]), "{}", list.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_request_is_not_answered() {
        for other in [&b""[..], b"\x2a", b"\x2a\x02UTF-8", b"\x2a\x03", b"\x18\x01 UTF-8", b"\x22\x01\x07"] {
            assert_eq!(answer(other), None, "{}", other.escape_ascii());
        }
    }

    #[test]
    fn no_answer_is_longer_than_the_request() {
        for list in [&b""[..], b" UTF-8"] {
            let request = [&[255, 250, 42, 1], list, &[255, 240]].concat();
            let given = answer(&request[2..request.len() - 2]).map(<[u8]>::len);
            assert!(given.is_some_and(|bytes| bytes <= request.len()), "{}", list.escape_ascii());
        }
    }
}
