//! From bytes to lines, however the network cut them up.

mod answer;
mod charset;
mod codes;
mod image;
mod options;
pub mod telnet;
#[cfg(test)]
mod tests;

use super::foreign::{self, START_BYTES, VersionAtEnd};
pub use answer::Answer;
use options::OPENING;
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
        /// It was a request line of HTTP, as far as can be said.
        is_http: bool,
    },
    /// A line in which telnet took bytes for keys came to its end; nothing of it is sound.
    Mangled,
    /// No line may be as long as this one already is.
    Endless,
    /// The peer wants to go: Ctrl-C or Ctrl-D.
    Leave,
    /// Telnet asks whether anyone is there.
    AreYouThere,
    /// Telnet bytes that must go back to the peer.
    Answer(Answer),
}

impl Token<'_> {
    /// Whether the peer has come to the end of a line.
    pub fn ends_line(&self) -> bool {
        matches!(self, Token::Line(_) | Token::TooLong { .. } | Token::Mangled)
    }
}

/// Splits what one peer sends into lines.
///
/// Invariant: `partial` is the line so far as long as that has at most `bytes_max + 1` bytes (the
/// last may be the `\r` of its end), and empty, without capacity, from then on to its end.
#[derive(Default, Debug)]
pub struct LineDecoder {
    partial: Vec<u8>,
    /// The length of the line so far, in bytes, stored or not.
    line_bytes: u32,
    ends_in_return: bool,
    /// The line before was ended by a carriage return: what may belong to that is no line.
    follows_return: bool,
    /// The line that was found last ended in CRLF.
    has_ended_in_crlf: bool,
    /// Telnet took a byte of the line for a key.
    is_mangled: bool,
    /// Of a line of which nothing is kept: how it began, and how it ends so far.
    begins_as_http: bool,
    version_at_end: VersionAtEnd,
    telnet: Telnet,
}

impl LineDecoder {
    /// Of a peer that is known to speak telnet, and is sent [`LineDecoder::opening`] as it comes.
    pub fn of_telnet() -> LineDecoder {
        LineDecoder { telnet: Telnet::opened(), ..LineDecoder::default() }
    }

    /// What the peer is sent before anything else.
    pub fn opening(&self) -> &'static [u8] {
        if self.is_of_telnet() { &OPENING } else { &[] }
    }

    /// Whether the peer was known to speak telnet as it came.
    pub fn is_of_telnet(&self) -> bool {
        self.telnet.is_opened()
    }

    /// Whether the peer speaks telnet, so that lines to it end in CRLF.
    pub fn is_telnet(&self) -> bool {
        self.telnet.is_seen()
    }

    /// Whether a terminal that shows what is typed by itself now moves down at Enter, and not to the left: its
    /// telnet has switched off what makes a new line of a line feed, as what we send is BINARY.
    pub fn needs_return_at_line_end(&self) -> bool {
        self.is_of_telnet() && self.telnet.is_output_binary()
    }

    /// The first bytes of the line that goes on with `input`; none where they were not kept.
    pub fn line_start<'a>(&'a self, input: &'a [u8]) -> impl Iterator<Item = u8> + Clone + 'a {
        let input = if self.is_kept() { input } else { &[] };
        self.partial.iter().chain(input).copied()
    }

    /// What to send behind a line that was not UTF-8, so that the next one may be: telnet drops bytes that it
    /// takes for keys of its own. Whether the peer speaks it is shown by its answer; that a line of it ended
    /// in CRLF says that it may.
    pub fn offer_for_broken_line(&mut self) -> Option<Answer> {
        std::mem::take(&mut self.has_ended_in_crlf).then(|| self.telnet.offer()).flatten()
    }

    /// Whether all of the line so far is kept.
    fn is_kept(&self) -> bool {
        self.partial.len() == self.line_bytes as usize
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
                self.has_ended_in_crlf = piece.last() == Some(&CARRIAGE_RETURN);
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
    /// (RFC 854, "The NVT Printer and Keyboard"), and from one that sends BINARY (RFC 856) in CR, which is
    /// all that its key for the end of a line sends.
    fn next_of_telnet<'a>(&mut self, input: &'a [u8], bytes_max: usize) -> (usize, Option<Token<'a>>) {
        for (at, raw) in input.iter().enumerate() {
            let token = match self.telnet.filter(*raw, ENDLESS_LINE_BYTES) {
                Filtered::Byte(byte) => self.push(byte, bytes_max),
                Filtered::Nothing => None,
                Filtered::Answer(answer) => Some(Token::Answer(answer)),
                Filtered::AreYouThere => Some(Token::AreYouThere),
                // Within a line nobody presses such a key in a terminal that keeps lines: it was a byte of it.
                Filtered::Key | Filtered::Leave if self.line_bytes > 0 => {
                    self.is_mangled = true;
                    None
                }
                Filtered::Key => None,
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
        if std::mem::take(&mut self.follows_return) && matches!(byte, LINE_FEED | NUL) {
            return None;
        }
        if byte == CARRIAGE_RETURN && self.telnet.is_binary() {
            self.follows_return = true;
            return Some(self.finish(bytes_max));
        }
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
        let was_kept = self.is_kept();
        self.line_bytes = self.line_bytes.saturating_add(piece_bytes);
        if self.line_bytes >= ENDLESS_LINE_BYTES {
            self.partial = Vec::new();
            return Some(Token::Endless);
        }
        if was_kept && self.line_bytes as usize <= bytes_max + 1 {
            self.partial.extend_from_slice(piece);
            return None;
        }
        let kept = std::mem::take(&mut self.partial);
        if was_kept {
            let start: Vec<u8> = kept.iter().chain(piece).copied().take(START_BYTES).collect();
            self.begins_as_http = foreign::begins_as_http(&start);
            self.version_at_end.follow(&kept);
        }
        self.version_at_end.follow(piece);
        None
    }

    fn finish(&mut self, bytes_max: usize) -> Token<'static> {
        let bytes = self.line_bytes as usize - usize::from(self.ends_in_return);
        let is_kept = self.is_kept();
        let was_http = std::mem::take(&mut self.begins_as_http) | self.version_at_end.is_there();
        let is_mangled = std::mem::take(&mut self.is_mangled);
        self.has_ended_in_crlf = self.ends_in_return;
        self.line_bytes = 0;
        self.ends_in_return = false;
        self.version_at_end = VersionAtEnd::default();
        let mut line = std::mem::take(&mut self.partial);
        if is_mangled {
            return Token::Mangled;
        }
        if !is_kept || bytes > bytes_max {
            return Token::TooLong {
                bytes,
                is_http: if is_kept { foreign::is_http(&line) } else { was_http },
            };
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
        return Token::TooLong { bytes: line.len(), is_http: foreign::is_http(line) };
    }
    Token::Line(Cow::Borrowed(line))
}
