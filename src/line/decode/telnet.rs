//! The telnet commands among the bytes of a line (RFC 854): understood, answered and taken out.

use madang_shards::connection::{CodingError, Decoder, Encoder};

const IAC: u8 = 255;
const DONT: u8 = 254;
const DO: u8 = 253;
const WONT: u8 = 252;
const WILL: u8 = 251;
const SUBNEGOTIATION: u8 = 250;
const ARE_YOU_THERE: u8 = 246;
const INTERRUPT_PROCESS: u8 = 244;
const BREAK: u8 = 243;
const SUBNEGOTIATION_END: u8 = 240;
/// From linemode (RFC 1184, section 2.5).
const ABORT: u8 = 238;
/// From linemode: what Ctrl-D becomes.
const END_OF_FILE: u8 = 236;
/// RFC 860: the one option that is agreed to, each time, because the peer waits for the answer.
const TIMING_MARK: u8 = 6;

/// What one byte turned out to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Filtered {
    /// A byte of text.
    Byte(u8),
    /// Part of a command that needs nothing done.
    Nothing,
    /// A command that the peer waits to be answered, with the answer.
    Answer([u8; 3]),
    /// The peer asks whether anyone is there.
    AreYouThere,
    /// The peer wants to go.
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
    /// Options that were refused already, so that no two ends can answer each other for ever
    /// (RFC 1143): one bit each for the peer's offers, then for its demands.
    refused: Option<Box<[u8; 64]>>,
    /// Bytes of the subnegotiation that is being skipped.
    skipped_bytes: u32,
    state: State,
    is_seen: bool,
}

impl Telnet {
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
        out.option(self.refused.as_deref(), |out, refused| out.bytes(refused));
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
        let refused = from.option(|from| {
            let refused = <[u8; 64]>::try_from(from.bytes()?);
            refused.map(Box::new).map_err(|_| CodingError("refused options are 512 bits"))
        })?;
        Ok(Telnet { refused, skipped_bytes, state, is_seen })
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
                self.is_seen = true;
                self.state = State::Command;
                Filtered::Nothing
            }
            State::Text => Filtered::Byte(byte),
            State::Command => self.command(byte),
            State::Option(verb) => {
                self.state = State::Text;
                self.negotiate(verb, byte)
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
                Filtered::Nothing
            }
            ARE_YOU_THERE => Filtered::AreYouThere,
            INTERRUPT_PROCESS | BREAK | ABORT | END_OF_FILE => Filtered::Leave,
            _ => Filtered::Nothing,
        }
    }

    /// Refuses every option but the timing mark. Refusals by the peer are never answered: nothing
    /// is on that could be turned off (RFC 854, "General Considerations").
    fn negotiate(&mut self, verb: u8, option: u8) -> Filtered {
        let (answer, half) = match verb {
            DO if option == TIMING_MARK => return Filtered::Answer([IAC, WILL, TIMING_MARK]),
            WILL => (DONT, 0),
            DO => (WONT, 32),
            _ => return Filtered::Nothing,
        };
        let refused = self.refused.get_or_insert_with(|| Box::new([0; 64]));
        let (place, bit) = (half + usize::from(option / 8), 1 << (option % 8));
        if refused[place] & bit != 0 {
            return Filtered::Nothing;
        }
        refused[place] |= bit;
        Filtered::Answer([IAC, answer, option])
    }

    fn skip(&mut self, byte: u8, bytes_max: u32) -> Filtered {
        self.state = match (self.state, byte) {
            (State::SubnegotiationCommand, SUBNEGOTIATION_END) => State::Text,
            (State::Subnegotiation, IAC) => State::SubnegotiationCommand,
            _ => State::Subnegotiation,
        };
        self.skipped_bytes += 1;
        if self.skipped_bytes >= bytes_max { Filtered::Endless } else { Filtered::Nothing }
    }
}
