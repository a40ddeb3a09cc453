//! What can be wrong with what the other end sends.

use super::kind::Kind;

/// A fault of the other end. It ends the link.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WireFault {
    /// A batch does not begin as one.
    #[error("a batch begins with {found:02x?}; is the other end a madang?")]
    Magic {
        /// What it begins with.
        found: [u8; 4],
    },
    /// A batch is longer than batches may be, or holds nothing.
    #[error("a batch of {bytes} bytes; a batch has 1 to {bytes_max}")]
    BatchBytes {
        /// What it says.
        bytes: u64,
        /// The bound.
        bytes_max: usize,
    },
    /// A batch has more envelopes than batches may have, or none.
    #[error("a batch of {envelopes} envelopes; a batch has 1 to {envelopes_max}")]
    BatchEnvelopes {
        /// What it says.
        envelopes: u32,
        /// The bound.
        envelopes_max: usize,
    },
    /// An envelope does not end within its batch, or something is left behind the last one.
    #[error("the envelopes of a batch do not fill it")]
    BatchFill,
    /// Bytes that must be zero are not.
    #[error("bytes that are zero in this format are not")]
    NotZero,
    /// An envelope of an unknown kind.
    #[error("an envelope of kind {kind}, which this version does not have")]
    UnknownKind {
        /// Its kind.
        kind: u16,
    },
    /// An envelope of a version that was not agreed on.
    #[error("an envelope of version {version}, where version {agreed} was agreed on")]
    Version {
        /// Its version.
        version: u16,
        /// The agreed version; 0 until there is one.
        agreed: u16,
    },
    /// An envelope that does not belong here: of the other direction, or at another time.
    #[error("{kind:?} at a time at which it cannot come")]
    Unexpected {
        /// Its kind.
        kind: Kind,
    },
    /// A body is no archive of its kind.
    #[error("a body that is no {kind:?}")]
    Body {
        /// Its kind.
        kind: Kind,
    },
    /// A value in a body is none that it can have.
    #[error("{what} in {kind:?} is none: {found:?}")]
    Value {
        /// The kind of the envelope.
        kind: Kind,
        /// What it should be.
        what: &'static str,
        /// What it is, shortened.
        found: Box<str>,
    },
    /// More came than the window allows.
    #[error("{bytes} bytes beyond the window of {window_bytes}")]
    Credit {
        /// How much too much.
        bytes: u64,
        /// The window.
        window_bytes: u64,
    },
    /// The other end reports that it has taken what was never sent.
    #[error("{taken_bytes} bytes taken of {sent_bytes} that were sent")]
    Taken {
        /// What it says.
        taken_bytes: u64,
        /// What was sent.
        sent_bytes: u64,
    },
    /// A session that was never opened, or is opened twice.
    #[error("session {session} is not the one that comes next, {last} was the last that was opened")]
    Session {
        /// Which.
        session: u32,
        /// The last that was opened.
        last: u32,
    },
    /// More sessions are open than there may be.
    #[error("more than {sessions_max} sessions")]
    Sessions {
        /// The bound.
        sessions_max: u32,
    },
}

impl WireFault {
    /// A value that is none, with what was found in its place.
    pub fn value(kind: Kind, what: &'static str, found: &str) -> WireFault {
        /// Enough to recognise it by.
        const SHOWN_CHARS_MAX: usize = 40;
        WireFault::Value { kind, what, found: found.chars().take(SHOWN_CHARS_MAX).collect() }
    }
}
