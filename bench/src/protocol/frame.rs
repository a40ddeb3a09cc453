//! What servers say, whatever they speak, and what stands around what is said to them.

/// One thing that a server said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Frame<'a> {
    /// Talk in a room, or a whisper.
    Said {
        /// Whose name stands before it; empty where the protocol names nobody.
        author: &'a [u8],
        /// To whom it was whispered; empty for talk in a room.
        whispered_to: &'a [u8],
        /// What was said.
        text: &'a [u8],
    },
    /// A stored message with its number.
    Stored {
        /// Its place in the room's order.
        number: u64,
        /// Who said it.
        author: &'a [u8],
        /// What was said.
        text: &'a [u8],
    },
    /// Anything else that is well formed: answers, notices.
    Answer(&'a [u8]),
    /// An error, in the server's words.
    Refusal(&'a [u8]),
    /// It asks for a name.
    Prompt,
    /// It asks whether we are there.
    Ping(&'a [u8]),
    /// Bytes that no server of this protocol sends.
    Foreign,
}

/// What stands before and behind a text of a fixed size.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Envelope {
    /// Before it.
    pub(crate) before: Box<[u8]>,
    /// Behind it.
    pub(crate) behind: &'static [u8],
}

impl Envelope {
    pub(super) fn new(before: String, behind: &'static [u8]) -> Envelope {
        Envelope { before: before.into_bytes().into_boxed_slice(), behind }
    }
}

/// The first line and how many bytes it takes with its end; `None` when its end has not come.
pub(super) fn line_of(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let end = memchr::memchr(b'\n', bytes)?;
    let line = &bytes[..end];
    Some((end + 1, line.strip_suffix(b"\r").unwrap_or(line)))
}

/// A number in decimal digits, and nothing else.
pub(super) fn number_of(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    digits
        .iter()
        .try_fold(0_u64, |value, digit| digit.is_ascii_digit().then(|| value * 10 + u64::from(digit - b'0')))
}
