//! Which options of telnet are on, and how that is agreed (RFC 854, RFC 1143).
//!
//! BINARY (RFC 856) is: a telnet that is not in it takes the highest bit off each byte to look for its keys,
//! and so takes some bytes of Korean for Ctrl-C, Ctrl-O, Ctrl-Z or Ctrl-\\ (inetutils 2.4). It is agreed to
//! both ways. Only what the peer sends is asked for: for what we send nothing is gained by it, and a terminal
//! whose telnet has agreed no longer begins a line at the left when Enter is pressed.

use madang_model::connection::{CodingError, Decoder, Encoder};

pub const IAC: u8 = 255;
pub const DONT: u8 = 254;
pub const DO: u8 = 253;
pub const WONT: u8 = 252;
pub const WILL: u8 = 251;
/// RFC 856.
const BINARY: u8 = 0;
/// RFC 860: agreed to each time, because the peer waits for the answer.
const TIMING_MARK: u8 = 6;

/// Asks the peer to send BINARY.
pub const OFFER: [u8; 3] = [IAC, DO, BINARY];

/// One direction of an option, as RFC 1143 names it. Nothing that is on is ever asked to be off.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Side {
    #[default]
    No,
    /// We have asked for it.
    WantYes,
    Yes,
}

/// Where an end of a connection stands with all options.
#[derive(Default, Debug)]
pub struct Options {
    /// Options that were refused already, so that no two ends can answer each other for ever
    /// (RFC 1143): one bit each for the peer's offers, then for its demands.
    refused: Option<Box<[u8; 64]>>,
    /// BINARY of what the peer sends.
    theirs: Side,
    /// BINARY of what we send: nothing changes by it.
    ours: Side,
    /// It was asked for; who has refused is not asked again.
    has_offered: bool,
}

impl Options {
    /// Whether what the peer sends is BINARY.
    pub fn is_peer_binary(&self) -> bool {
        self.theirs == Side::Yes
    }

    /// What asks the peer to send BINARY, the first time.
    pub fn offer(&mut self) -> Option<[u8; 3]> {
        if std::mem::replace(&mut self.has_offered, true) || self.theirs != Side::No {
            return None;
        }
        self.theirs = Side::WantYes;
        Some(OFFER)
    }

    /// Takes what the peer says about an option, and says what is to be answered.
    pub fn negotiate(&mut self, verb: u8, option: u8) -> Option<[u8; 3]> {
        if option == BINARY {
            return match verb {
                WILL | WONT => agree(&mut self.theirs, verb == WILL, (DO, DONT)),
                _ => agree(&mut self.ours, verb == DO, (WILL, WONT)),
            };
        }
        // Refusals are never answered: nothing else is on that could be turned off (RFC 854, "General
        // Considerations").
        let (answer, half) = match verb {
            DO if option == TIMING_MARK => return Some([IAC, WILL, TIMING_MARK]),
            WILL => (DONT, 0),
            DO => (WONT, 32),
            _ => return None,
        };
        let refused = self.refused.get_or_insert_with(|| Box::new([0; 64]));
        let (place, bit) = (half + usize::from(option / 8), 1 << (option % 8));
        if refused[place] & bit != 0 {
            return None;
        }
        refused[place] |= bit;
        Some([IAC, answer, option])
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
        out.byte(self.theirs as u8);
        out.byte(self.ours as u8);
        out.flag(self.has_offered);
    }

    /// Reads that.
    ///
    /// # Errors
    /// [`CodingError`] when it is none.
    pub fn read_binary(&mut self, from: &mut Decoder<'_>) -> Result<(), CodingError> {
        (self.theirs, self.ours) = (side(from)?, side(from)?);
        self.has_offered = from.flag()?;
        Ok(())
    }
}

/// The peer wants one direction on or off. Only a change that we did not ask for is answered.
fn agree(side: &mut Side, is_wanted: bool, (yes, no): (u8, u8)) -> Option<[u8; 3]> {
    let before = std::mem::replace(side, if is_wanted { Side::Yes } else { Side::No });
    match (before, is_wanted) {
        (Side::No, true) => Some([IAC, yes, BINARY]),
        (Side::Yes, false) => Some([IAC, no, BINARY]),
        _ => None,
    }
}

fn side(from: &mut Decoder<'_>) -> Result<Side, CodingError> {
    match from.byte()? {
        0 => Ok(Side::No),
        1 => Ok(Side::WantYes),
        2 => Ok(Side::Yes),
        _ => Err(CodingError("an option of telnet is neither on nor off")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_want_is_on_and_only_changes_are_answered() {
        let mut options = Options::default();
        assert_eq!(options.negotiate(WILL, BINARY), Some([IAC, DO, BINARY]));
        assert_eq!(options.negotiate(WILL, BINARY), None);
        assert!(options.is_peer_binary());
        assert_eq!(options.negotiate(DO, BINARY), Some([IAC, WILL, BINARY]));
        assert_eq!(options.negotiate(DO, BINARY), None);
        assert_eq!(options.negotiate(DONT, BINARY), Some([IAC, WONT, BINARY]));
        assert_eq!(options.negotiate(WONT, BINARY), Some([IAC, DONT, BINARY]));
        assert_eq!(options.negotiate(WONT, BINARY), None);
        assert!(!options.is_peer_binary());
    }

    #[test]
    fn an_offer_is_made_once_and_its_answer_is_not_answered() {
        for (answer, is_on) in [(WILL, true), (WONT, false)] {
            let mut options = Options::default();
            assert_eq!(options.offer(), Some(OFFER));
            assert_eq!(options.negotiate(answer, BINARY), None);
            assert_eq!(options.is_peer_binary(), is_on);
            assert_eq!(options.offer(), None);
        }
    }

    #[test]
    fn two_of_us_agree_and_fall_silent() {
        let mut ends = [Options::default(), Options::default()];
        let mut waiting = [ends[0].offer(), ends[1].offer()];
        for round in 0.. {
            assert!(round < 4, "two ends answer each other for ever");
            let [one, other] = waiting;
            waiting = [
                other.and_then(|[_, verb, option]| ends[0].negotiate(verb, option)),
                one.and_then(|[_, verb, option]| ends[1].negotiate(verb, option)),
            ];
            if waiting == [None, None] {
                break;
            }
        }
        assert!(ends.iter().all(Options::is_peer_binary));
    }
}
