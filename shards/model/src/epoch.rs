//! The life of a log.

use std::fmt;

/// Names one life of a log, by a random number. Whoever knows message numbers knows them of an epoch: an older copy
/// that is served again gives the same numbers to other messages, and so has another epoch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LogEpoch(pub u128);

impl LogEpoch {
    /// Characters of its text.
    const DIGITS: usize = 32;

    /// Reads what [`Display`](fmt::Display) writes; `None` for anything else.
    pub fn parse(text: &str) -> Option<LogEpoch> {
        let is_written_so = text.len() == LogEpoch::DIGITS
            && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_written_so.then(|| u128::from_str_radix(text, 16).ok().map(LogEpoch)).flatten()
    }
}

impl fmt::Display for LogEpoch {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_text_is_read_as_it_was_written_and_no_other() {
        let epoch = LogEpoch(0x00ab_cdef);
        assert_eq!(epoch.to_string(), "00000000000000000000000000abcdef");
        assert_eq!(LogEpoch::parse(&epoch.to_string()), Some(epoch));
        for wrong in ["", "abcdef", "00000000000000000000000000ABCDEF", "+0000000000000000000000000abcdef"] {
            assert_eq!(LogEpoch::parse(wrong), None, "{wrong}");
        }
    }
}
