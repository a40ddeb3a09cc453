//! What a command of telnet is answered with.

/// Bytes of telnet for the peer: everything that one of its commands leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Answer {
    /// Behind `count`, all are 0.
    bytes: [u8; Answer::BYTES_MAX],
    count: u8,
}

impl Answer {
    /// The longest: an agreement, and the request for a character set.
    const BYTES_MAX: usize = 16;

    /// These bytes.
    pub fn of(bytes: &[u8]) -> Answer {
        Answer::default().and(bytes)
    }

    /// The same, and these bytes.
    #[must_use]
    pub fn and(mut self, bytes: &[u8]) -> Answer {
        let start = usize::from(self.count);
        let end = start + bytes.len();
        assert!(end <= Answer::BYTES_MAX, "an answer has at most {} bytes", Answer::BYTES_MAX);
        self.bytes[start..end].copy_from_slice(bytes);
        self.count = end as u8;
        self
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.count)]
    }

    /// Itself, unless it is empty: then the peer's command needs no answer.
    pub fn given(self) -> Option<Answer> {
        (self.count > 0).then_some(self)
    }
}
