//! From bytes to lines, however the network cut them up.

mod image;
pub(crate) mod telnet;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use telnet::{Filtered, Telnet};

const LINE_FEED: u8 = b'\n';
const CARRIAGE_RETURN: u8 = b'\r';
const NUL: u8 = 0;
/// What a terminal in raw mode sends for Ctrl-C and Ctrl-D.
const LEAVING: [u8; 2] = [0x03, 0x04];

/// A line without an end that reaches this many bytes closes the connection.
pub const ENDLESS_LINE_BYTES: u32 = 64 * 1024;

/// What was found in the input.
#[derive(PartialEq, Eq, Debug)]
pub enum Token<'a> {
    /// A line, without its end.
    Line(Cow<'a, [u8]>),
    /// A line that was longer than allowed came to its end; nothing of it was kept.
    TooLong {
        /// How long it was, in bytes, without its end.
        bytes: usize,
    },
    /// No line may be as long as this one already is.
    Endless,
    /// The peer wants to go: Ctrl-C or Ctrl-D.
    Leave,
    /// Telnet asks whether anyone is there.
    AreYouThere,
    /// Telnet bytes that must go back to the peer.
    Answer([u8; 3]),
}

/// Splits what one peer sends into lines.
///
/// Invariant: `partial` is the line so far as long as that has at most `bytes_max + 1` bytes (the
/// last may be the `\r` of its end), and empty, without capacity, from then on to its end.
#[derive(Default, Debug)]
pub struct Decoder {
    partial: Vec<u8>,
    /// The length of the line so far, in bytes, stored or not.
    line_bytes: u32,
    ends_in_return: bool,
    telnet: Telnet,
}

impl Decoder {
    /// Whether the peer speaks telnet, so that lines to it end in CRLF.
    pub fn is_telnet(&self) -> bool {
        self.telnet.is_seen()
    }

    /// Finds the first token of `input`, and says how many bytes it took. All of them without a
    /// token: the line goes on. A whole line inside `input` is lent, not copied.
    pub fn next<'a>(&mut self, input: &'a [u8], bytes_max: usize) -> (usize, Option<Token<'a>>) {
        if self.telnet.is_seen() {
            return self.next_of_telnet(input, bytes_max);
        }
        let end = memchr::memchr2(LINE_FEED, Telnet::COMMAND, input);
        let piece = &input[..end.unwrap_or(input.len())];
        if self.line_bytes == 0 && piece.first().is_some_and(|byte| LEAVING.contains(byte)) {
            return (1, Some(Token::Leave));
        }
        match end {
            Some(at) if input[at] == LINE_FEED && self.line_bytes == 0 => {
                (at + 1, Some(whole_line(piece, bytes_max)))
            }
            Some(at) if input[at] == LINE_FEED => {
                let token = self.extend(piece, bytes_max).unwrap_or_else(|| self.finish(bytes_max));
                (at + 1, Some(token))
            }
            Some(at) => match self.extend(piece, bytes_max) {
                Some(endless) => (at, Some(endless)),
                None => {
                    let (taken, token) = self.next_of_telnet(&input[at..], bytes_max);
                    (at + taken, token)
                }
            },
            None => (input.len(), self.extend(piece, bytes_max)),
        }
    }

    /// The line that was begun and not ended, when the peer will send no more.
    pub fn rest(&mut self, bytes_max: usize) -> Option<Token<'static>> {
        (self.line_bytes > 0).then(|| self.finish(bytes_max))
    }

    /// The same byte by byte, for the few peers that speak telnet: there a line also ends in CR NUL
    /// (RFC 854, "The NVT Printer and Keyboard").
    fn next_of_telnet<'a>(&mut self, input: &'a [u8], bytes_max: usize) -> (usize, Option<Token<'a>>) {
        for (at, raw) in input.iter().enumerate() {
            let token = match self.telnet.filter(*raw, ENDLESS_LINE_BYTES) {
                Filtered::Byte(byte) => self.push(byte, bytes_max),
                Filtered::Nothing => None,
                Filtered::Answer(answer) => Some(Token::Answer(answer)),
                Filtered::AreYouThere => Some(Token::AreYouThere),
                Filtered::Leave => Some(Token::Leave),
                Filtered::Endless => Some(Token::Endless),
            };
            if token.is_some() {
                return (at + 1, token);
            }
        }
        (input.len(), None)
    }

    fn push(&mut self, byte: u8, bytes_max: usize) -> Option<Token<'static>> {
        if byte == LINE_FEED || (byte == NUL && self.ends_in_return) {
            return Some(self.finish(bytes_max));
        }
        if self.line_bytes == 0 && LEAVING.contains(&byte) {
            return Some(Token::Leave);
        }
        self.extend(&[byte], bytes_max)
    }

    fn extend(&mut self, piece: &[u8], bytes_max: usize) -> Option<Token<'static>> {
        let last = piece.last()?;
        self.ends_in_return = *last == CARRIAGE_RETURN;
        let piece_bytes = u32::try_from(piece.len()).unwrap_or(u32::MAX);
        self.line_bytes = self.line_bytes.saturating_add(piece_bytes);
        if self.line_bytes >= ENDLESS_LINE_BYTES {
            self.partial = Vec::new();
            return Some(Token::Endless);
        }
        if self.line_bytes as usize <= bytes_max + 1 {
            self.partial.extend_from_slice(piece);
        } else {
            self.partial = Vec::new();
        }
        None
    }

    fn finish(&mut self, bytes_max: usize) -> Token<'static> {
        let bytes = self.line_bytes as usize - usize::from(self.ends_in_return);
        self.line_bytes = 0;
        self.ends_in_return = false;
        let mut line = std::mem::take(&mut self.partial);
        if bytes > bytes_max {
            return Token::TooLong { bytes };
        }
        line.truncate(bytes);
        Token::Line(Cow::Owned(line))
    }
}

fn whole_line(piece: &[u8], bytes_max: usize) -> Token<'_> {
    if piece.len() >= ENDLESS_LINE_BYTES as usize {
        return Token::Endless;
    }
    let line = piece.strip_suffix(&[CARRIAGE_RETURN]).unwrap_or(piece);
    if line.len() > bytes_max {
        return Token::TooLong { bytes: line.len() };
    }
    Token::Line(Cow::Borrowed(line))
}
