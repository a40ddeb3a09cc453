//! Which options of telnet are on, and how that is agreed (RFC 854, RFC 1143).
//!
//! BINARY (RFC 856) is: a telnet that is not in it takes the highest bit off each byte to look for its keys,
//! and so takes some bytes of Korean for Ctrl-C, Ctrl-O, Ctrl-Z or Ctrl-\\ (inetutils 2.4). It is agreed to
//! both ways, and asked for in one: for what we send nothing is gained by it, and a terminal whose telnet has
//! agreed no longer begins a line at the left when Enter is pressed.
//!
//! A peer that is known to be telnet is asked for all of [`OPENING`] as it comes. SGA (RFC 858) alone would take
//! the editing of its line away from its user: telnets send each key by itself then (inetutils, PuTTY), and leave
//! echo and erasing to the server. So it is agreed to for what we send only behind LINEMODE (RFC 1184), in
//! which a line is edited where it is typed. CHARSET (RFC 2066) names UTF-8.

use super::answer::Answer;
use super::charset::ASK_FOR_UTF_8;
use super::codes::{
    BINARY, CHARSET, DO, DONT, IAC, LINEMODE, SUBNEGOTIATION, SUBNEGOTIATION_END, SUPPRESS_GO_AHEAD,
    TIMING_MARK, WILL, WONT,
};
use madang_model::connection::{CodingError, Decoder, Encoder};

/// Asks the peer to send BINARY.
pub const OFFER: [u8; 3] = [IAC, DO, BINARY];

/// Asks a peer that is telnet for everything.
pub const OPENING: [u8; 12] =
    [IAC, DO, BINARY, IAC, DO, SUPPRESS_GO_AHEAD, IAC, DO, LINEMODE, IAC, WILL, CHARSET];

/// MODE with EDIT and TRAPSIG (RFC 1184, section 2.2): the line is edited, and keys become commands, at the
/// peer's end.
const EDIT_THERE: [u8; 7] = [IAC, SUBNEGOTIATION, LINEMODE, 1, 0b11, IAC, SUBNEGOTIATION_END];

/// One direction of an option, as RFC 1143 names it. Nothing that is on is ever asked to be off.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Side {
    #[default]
    No,
    /// We have asked for it.
    WantYes,
    Yes,
}

impl Side {
    fn read(from: &mut Decoder<'_>) -> Result<Side, CodingError> {
        match from.byte()? {
            0 => Ok(Side::No),
            1 => Ok(Side::WantYes),
            2 => Ok(Side::Yes),
            _ => Err(CodingError("an option of telnet is neither on nor off")),
        }
    }
}

/// Both directions of an option.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Sides {
    /// Of what the peer sends.
    theirs: Side,
    /// Of what we send.
    ours: Side,
}

impl Sides {
    /// The peer wants one direction on or off. Only a change that we did not ask for is answered.
    fn agree(&mut self, verb: u8, option: u8) -> Answer {
        let is_wanted = matches!(verb, WILL | DO);
        let (side, yes, no) = match verb {
            WILL | WONT => (&mut self.theirs, DO, DONT),
            _ => (&mut self.ours, WILL, WONT),
        };
        let before = std::mem::replace(side, if is_wanted { Side::Yes } else { Side::No });
        match (before, is_wanted) {
            (Side::No, true) => Answer::of(&[IAC, yes, option]),
            (Side::Yes, false) => Answer::of(&[IAC, no, option]),
            _ => Answer::default(),
        }
    }

    fn write(self, out: &mut Encoder) {
        out.byte(self.theirs as u8);
        out.byte(self.ours as u8);
    }

    fn read(from: &mut Decoder<'_>) -> Result<Sides, CodingError> {
        Ok(Sides { theirs: Side::read(from)?, ours: Side::read(from)? })
    }
}

/// Where the ends stand with what a peer is asked that is known to be telnet, besides BINARY.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct AskedOptions {
    go_ahead: Sides,
    /// The peer has demanded that we suppress go-ahead, and waits for an answer until it has answered LINEMODE.
    awaits_go_ahead: bool,
    /// Whether the peer edits its line and says so. Who has left it is not in it again.
    line_mode: Side,
    charset: Sides,
    /// UTF-8 was asked for, which is done once.
    has_asked_for_utf_8: bool,
}

impl AskedOptions {
    /// Behind [`OPENING`].
    const OPENED: AskedOptions = AskedOptions {
        go_ahead: Sides { theirs: Side::WantYes, ours: Side::No },
        awaits_go_ahead: false,
        line_mode: Side::WantYes,
        charset: Sides { theirs: Side::No, ours: Side::WantYes },
        has_asked_for_utf_8: false,
    };

    /// The peer is in LINEMODE: it learns how, and now go-ahead can be suppressed.
    fn enter_line_mode(&mut self) -> Answer {
        self.line_mode = Side::Yes;
        let answer = Answer::of(&EDIT_THERE);
        if self.go_ahead.ours != Side::No {
            return answer;
        }
        self.go_ahead.ours =
            if std::mem::take(&mut self.awaits_go_ahead) { Side::Yes } else { Side::WantYes };
        answer.and(&[IAC, WILL, SUPPRESS_GO_AHEAD])
    }

    fn charset(&mut self, verb: u8) -> Answer {
        let answer = self.charset.agree(verb, CHARSET);
        if self.charset.ours == Side::Yes && !std::mem::replace(&mut self.has_asked_for_utf_8, true) {
            return answer.and(&ASK_FOR_UTF_8);
        }
        answer
    }

    fn write(&self, out: &mut Encoder) {
        self.go_ahead.write(out);
        out.flag(self.awaits_go_ahead);
        out.byte(self.line_mode as u8);
        self.charset.write(out);
        out.flag(self.has_asked_for_utf_8);
    }

    fn read(from: &mut Decoder<'_>) -> Result<AskedOptions, CodingError> {
        Ok(AskedOptions {
            go_ahead: Sides::read(from)?,
            awaits_go_ahead: from.flag()?,
            line_mode: Side::read(from)?,
            charset: Sides::read(from)?,
            has_asked_for_utf_8: from.flag()?,
        })
    }
}

/// Where an end of a connection stands with all options.
#[derive(Default, Debug)]
pub struct Options {
    /// Options that were refused already, so that no two ends can answer each other for ever
    /// (RFC 1143): one bit each for the peer's offers, then for its demands.
    refused: Option<Box<[u8; 64]>>,
    binary: Sides,
    /// BINARY was asked for; who has refused is not asked again.
    has_offered: bool,
    /// The rest of what a peer was asked that is known to be telnet.
    asked: Option<AskedOptions>,
}

impl Options {
    /// Where it stands once the peer was sent [`OPENING`].
    pub fn opened() -> Options {
        Options {
            refused: None,
            binary: Sides { theirs: Side::WantYes, ours: Side::No },
            has_offered: true,
            asked: Some(AskedOptions::OPENED),
        }
    }

    /// Whether the peer was sent [`OPENING`].
    pub fn is_opened(&self) -> bool {
        self.asked.is_some()
    }

    /// Whether what the peer sends is BINARY.
    pub fn is_peer_binary(&self) -> bool {
        self.binary.theirs == Side::Yes
    }

    /// Whether what we send is.
    pub fn is_our_binary(&self) -> bool {
        self.binary.ours == Side::Yes
    }

    /// Whether either end may ask the other for a character set.
    pub fn has_charset(&self) -> bool {
        self.asked.is_some_and(|asked| [asked.charset.theirs, asked.charset.ours].contains(&Side::Yes))
    }

    /// What asks the peer to send BINARY, the first time.
    pub fn offer(&mut self) -> Option<Answer> {
        if std::mem::replace(&mut self.has_offered, true) || self.binary.theirs != Side::No {
            return None;
        }
        self.binary.theirs = Side::WantYes;
        Some(Answer::of(&OFFER))
    }

    /// Takes what the peer says about an option, and says what is to be answered.
    pub fn negotiate(&mut self, verb: u8, option: u8) -> Answer {
        match (option, verb, &mut self.asked) {
            (BINARY, ..) => self.binary.agree(verb, BINARY),
            (TIMING_MARK, DO, _) => Answer::of(&[IAC, WILL, TIMING_MARK]),
            (CHARSET, _, Some(asked)) => asked.charset(verb),
            (SUPPRESS_GO_AHEAD, DO, Some(asked)) if asked.go_ahead.ours == Side::No => {
                match asked.line_mode {
                    Side::No => self.refuse(verb, option),
                    Side::WantYes => {
                        asked.awaits_go_ahead = true;
                        Answer::default()
                    }
                    Side::Yes => asked.go_ahead.agree(verb, SUPPRESS_GO_AHEAD),
                }
            }
            (SUPPRESS_GO_AHEAD, _, Some(asked)) => asked.go_ahead.agree(verb, SUPPRESS_GO_AHEAD),
            (LINEMODE, WILL, Some(asked)) => match asked.line_mode {
                Side::No => self.refuse(verb, option),
                Side::WantYes => asked.enter_line_mode(),
                Side::Yes => Answer::default(),
            },
            (LINEMODE, WONT, Some(asked)) => match std::mem::take(&mut asked.line_mode) {
                Side::Yes => Answer::of(&[IAC, DONT, LINEMODE]),
                _ if std::mem::take(&mut asked.awaits_go_ahead) => self.refuse(DO, SUPPRESS_GO_AHEAD),
                _ => Answer::default(),
            },
            _ => self.refuse(verb, option),
        }
    }

    /// Refusals are never answered: nothing is on of these that could be turned off (RFC 854, "General
    /// Considerations").
    fn refuse(&mut self, verb: u8, option: u8) -> Answer {
        let (answer, half) = match verb {
            WILL => (DONT, 0),
            DO => (WONT, 32),
            _ => return Answer::default(),
        };
        let refused = self.refused.get_or_insert_with(|| Box::new([0; 64]));
        let (place, bit) = (half + usize::from(option / 8), 1 << (option % 8));
        if refused[place] & bit != 0 {
            return Answer::default();
        }
        refused[place] |= bit;
        Answer::of(&[IAC, answer, option])
    }

    /// Writes what was refused.
    pub fn write_refused(&self, out: &mut Encoder) {
        out.option(self.refused.as_deref(), |out, refused| out.bytes(refused));
    }

    /// Reads that, with nothing on.
    ///
    /// # Errors
    /// [`CodingError`] when it is none.
    pub fn read_refused(from: &mut Decoder<'_>) -> Result<Options, CodingError> {
        let refused = from.option(|from| {
            let refused = <[u8; 64]>::try_from(from.bytes()?);
            refused.map(Box::new).map_err(|_| CodingError("refused options are 512 bits"))
        })?;
        Ok(Options { refused, ..Options::default() })
    }

    /// Writes how it stands with BINARY.
    pub fn write_binary(&self, out: &mut Encoder) {
        self.binary.write(out);
        out.flag(self.has_offered);
    }

    /// Reads that.
    ///
    /// # Errors
    /// [`CodingError`] when it is none.
    pub fn read_binary(&mut self, from: &mut Decoder<'_>) -> Result<(), CodingError> {
        self.binary = Sides::read(from)?;
        self.has_offered = from.flag()?;
        Ok(())
    }

    /// Writes how it stands with what a peer was asked that is known to be telnet; nothing where it was not.
    pub fn write_asked(&self, out: &mut Encoder) {
        if let Some(asked) = &self.asked {
            asked.write(out);
        }
    }

    /// Reads that, of a peer that was asked.
    ///
    /// # Errors
    /// [`CodingError`] when it is none.
    pub fn read_asked(&mut self, from: &mut Decoder<'_>) -> Result<(), CodingError> {
        self.asked = Some(AskedOptions::read(from)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
