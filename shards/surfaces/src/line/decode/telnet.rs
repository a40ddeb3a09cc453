//! The telnet commands among the bytes of a line (RFC 854): understood, answered and taken out.

use super::answer::Answer;
use super::charset::CharsetReader;
use super::codes::{DO, DONT, IAC, SUBNEGOTIATION, SUBNEGOTIATION_END, WILL, WONT};
use super::options::Options;
use madang_model::connection::{CodingError, Decoder, Encoder};

const ERASE_LINE: u8 = 248;
const ERASE_CHARACTER: u8 = 247;
const ARE_YOU_THERE: u8 = 246;
const ABORT_OUTPUT: u8 = 245;
const INTERRUPT_PROCESS: u8 = 244;
const BREAK: u8 = 243;
/// From linemode (RFC 1184, section 2.5).
const ABORT: u8 = 238;
/// From linemode: what Ctrl-Z becomes.
const SUSPEND: u8 = 237;
/// From linemode: what Ctrl-D becomes.
const END_OF_FILE: u8 = 236;

/// What one byte turned out to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Filtered {
    /// A byte of text.
    Byte(u8),
    /// Part of a command that needs nothing done.
    Nothing,
    /// A command that the peer waits to be answered, with the answer.
    Answer(Answer),
    /// The peer asks whether anyone is there.
    AreYouThere,
    /// A key was pressed that means nothing here; or telnet took a byte of the text for it.
    Key,
    /// The same, and by the key the peer wants to go.
    Leave,
    /// A subnegotiation went on for as long as no line may.
    Endless,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum State {
    #[default]
    Text,
    Command,
    Option(u8),
    Subnegotiation,
    SubnegotiationCommand,
}

/// Takes telnet commands out of a stream, one byte at a time. Nothing of them is stored.
#[derive(Default, Debug)]
pub struct Telnet {
    options: Options,
    /// Bytes of the subnegotiation that is being skipped.
    skipped_bytes: u32,
    state: State,
    is_seen: bool,
    /// What the subnegotiation asks for so far.
    charset: CharsetReader,
}

impl Telnet {
    /// Of a peer that is known to speak it, and is asked for all options as it comes.
    pub fn opened() -> Telnet {
        Telnet { options: Options::opened(), is_seen: true, ..Telnet::default() }
    }

    /// Whether the peer was known to speak it as it came.
    pub fn is_opened(&self) -> bool {
        self.options.is_opened()
    }

    /// Writes where it stands.
    pub fn write(&self, out: &mut Encoder) {
        out.flag(self.is_seen);
        let (state, verb) = match self.state {
            State::Text => (0, 0),
            State::Command => (1, 0),
            State::Option(verb) => (2, verb),
            State::Subnegotiation => (3, 0),
            State::SubnegotiationCommand => (4, 0),
        };
        out.byte(state);
        out.byte(verb);
        out.number(u64::from(self.skipped_bytes));
        self.options.write_refused(out);
    }

    /// Writes which options are on.
    pub fn write_options(&self, out: &mut Encoder) {
        self.options.write_binary(out);
    }

    /// Reads which options are on.
    ///
    /// # Errors
    /// [`CodingError`] when it says nothing of the kind.
    pub fn read_options(&mut self, from: &mut Decoder<'_>) -> Result<(), CodingError> {
        self.options.read_binary(from)
    }

    /// Writes what is only there of a peer that was known to speak it as it came.
    pub fn write_opened(&self, out: &mut Encoder) {
        self.options.write_asked(out);
        self.charset.write(out);
    }

    /// Reads that.
    ///
    /// # Errors
    /// [`CodingError`] when it is none.
    pub fn read_opened(&mut self, from: &mut Decoder<'_>) -> Result<(), CodingError> {
        self.options.read_asked(from)?;
        self.charset = CharsetReader::read(from)?;
        Ok(())
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`CodingError`] when it stands nowhere.
    pub fn read(from: &mut Decoder<'_>) -> Result<Telnet, CodingError> {
        let is_seen = from.flag()?;
        let state = match (from.byte()?, from.byte()?) {
            (0, _) => State::Text,
            (1, _) => State::Command,
            (2, verb) => State::Option(verb),
            (3, _) => State::Subnegotiation,
            (4, _) => State::SubnegotiationCommand,
            _ => return Err(CodingError("there is no such place in a telnet command")),
        };
        let skipped_bytes = from.small()?;
        let options = Options::read_refused(from)?;
        Ok(Telnet { options, skipped_bytes, state, is_seen, charset: CharsetReader::default() })
    }

    /// Whether what the peer sends is BINARY: its telnet leaves every byte as it is.
    pub fn is_binary(&self) -> bool {
        self.options.is_peer_binary()
    }

    /// Whether what we send is: its telnet shows every byte as it is, and so does its terminal.
    pub fn is_output_binary(&self) -> bool {
        self.options.is_our_binary()
    }

    /// Asks a peer that may speak telnet to send BINARY, once.
    pub fn offer(&mut self) -> Option<Answer> {
        self.options.offer()
    }

    /// Whether the peer has shown that it speaks telnet.
    pub fn is_seen(&self) -> bool {
        self.is_seen
    }

    /// The byte that only [`Telnet::filter`] may judge.
    pub const COMMAND: u8 = IAC;

    /// Judges the next byte. A subnegotiation of `bytes_max` bytes is endless.
    pub fn filter(&mut self, byte: u8, bytes_max: u32) -> Filtered {
        match self.state {
            State::Text if byte == IAC => {
                self.state = State::Command;
                // The first time, the peer has shown that it can be asked.
                let offer = if std::mem::replace(&mut self.is_seen, true) { None } else { self.offer() };
                offer.map_or(Filtered::Nothing, Filtered::Answer)
            }
            State::Text => Filtered::Byte(byte),
            State::Command => self.command(byte),
            State::Option(verb) => {
                self.state = State::Text;
                answered(self.options.negotiate(verb, byte))
            }
            State::Subnegotiation | State::SubnegotiationCommand => self.skip(byte, bytes_max),
        }
    }

    fn command(&mut self, byte: u8) -> Filtered {
        self.state = State::Text;
        match byte {
            IAC => Filtered::Byte(IAC),
            WILL | WONT | DO | DONT => {
                self.state = State::Option(byte);
                Filtered::Nothing
            }
            SUBNEGOTIATION => {
                self.state = State::Subnegotiation;
                self.skipped_bytes = 0;
                self.charset = CharsetReader::default();
                Filtered::Nothing
            }
            ARE_YOU_THERE => Filtered::AreYouThere,
            INTERRUPT_PROCESS | ABORT | END_OF_FILE => Filtered::Leave,
            BREAK | SUSPEND | ABORT_OUTPUT | ERASE_CHARACTER | ERASE_LINE => Filtered::Key,
            _ => Filtered::Nothing,
        }
    }

    fn skip(&mut self, byte: u8, bytes_max: u32) -> Filtered {
        self.state = match (self.state, byte) {
            (State::SubnegotiationCommand, SUBNEGOTIATION_END) => State::Text,
            (State::Subnegotiation, IAC) => State::SubnegotiationCommand,
            _ => State::Subnegotiation,
        };
        self.skipped_bytes += 1;
        match self.state {
            _ if self.skipped_bytes >= bytes_max => Filtered::Endless,
            State::Text if self.options.has_charset() => {
                answered(self.charset.answer().map(Answer::of).unwrap_or_default())
            }
            State::Subnegotiation => {
                self.charset.take(byte);
                Filtered::Nothing
            }
            _ => Filtered::Nothing,
        }
    }
}

fn answered(answer: Answer) -> Filtered {
    answer.given().map_or(Filtered::Nothing, Filtered::Answer)
}
