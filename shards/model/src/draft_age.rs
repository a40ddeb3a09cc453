//! How long a draft id stands for its draft.
//!
//! A room knows an author's latest drafts by their ids. A repeat that comes later is looked for in the log, if its id
//! says when it was made: as a UUID of version 7 does (RFC 9562, section 5.7). Any other id is a new one by then.

use super::message::DraftId;
use super::time::Timestamp;

/// Rooms know drafts for this long, 10 minutes, in microseconds.
pub const DRAFT_WINDOW_US: i64 = 600_000_000;
/// The oldest draft that is looked for in the log: 7 days, in microseconds.
pub const DRAFT_AGE_US_MAX: i64 = 7 * 86_400_000_000;
/// How far the clock of an author may be from the server's: a minute, in microseconds.
pub const DRAFT_CLOCK_US_MAX: i64 = 60_000_000;
/// What a message costs of its author's rate when its draft may have to be looked for in the log.
pub const OLD_DRAFT_COST: u32 = 10;

/// Bytes of a UUID as text: 8, 4, 4, 4 and 12 hexadecimal digits with `-` between.
const UUID_BYTES: usize = 36;

impl DraftId {
    /// When it was made, by the clock of its author; `None` unless it is a UUID of version 7.
    pub fn made_at(&self) -> Option<Timestamp> {
        let text = self.as_str().as_bytes();
        let is_dash = |place: usize| matches!(place, 8 | 13 | 18 | 23);
        let is_uuid = text.len() == UUID_BYTES
            && text.iter().enumerate().all(|(place, byte)| match is_dash(place) {
                true => *byte == b'-',
                false => byte.is_ascii_hexdigit(),
            });
        let is_of_version_7 =
            is_uuid && text[14] == b'7' && matches!(text[19] | 32, b'8' | b'9' | b'a' | b'b');
        if !is_of_version_7 {
            return None;
        }
        let milliseconds =
            u64::from_str_radix(&format!("{}{}", &self.as_str()[..8], &self.as_str()[9..13]), 16);
        // 48 bits: a thousand times that fits.
        milliseconds.ok().and_then(|milliseconds| i64::try_from(milliseconds * 1000).ok()).map(Timestamp)
    }

    /// What a message with this id costs of its author's rate, in messages: more where it is so old that it may have to
    /// be looked for in the log.
    pub fn cost(&self, now: Timestamp) -> u32 {
        let is_old = |made: Timestamp| made.0.saturating_sub(DRAFT_CLOCK_US_MAX) < now.0 - DRAFT_WINDOW_US;
        if self.made_at().is_some_and(is_old) { OLD_DRAFT_COST } else { 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made_at(id: &str) -> Option<i64> {
        DraftId::parse(id).expect("a draft id").made_at().map(|time| time.0)
    }

    #[test]
    fn only_a_uuid_of_version_7_says_when_it_was_made() {
        // The example of RFC 9562, appendix A.6: 2022-02-22 19:22:22 UTC.
        let example = "017F22E2-79B0-7CC3-98C4-DC0C0C07398F";
        assert_eq!(made_at(example), Some(1_645_557_742_000_000));
        assert_eq!(made_at(&example.to_lowercase()), Some(1_645_557_742_000_000));
        assert_eq!(made_at("ffffffff-ffff-7fff-bfff-ffffffffffff"), Some(((1 << 48) - 1) * 1000));
        for other in [
            "7f3a",
            // Of version 4, of another variant, with other digits, without dashes, and too long.
            "017f22e2-79b0-4cc3-98c4-dc0c0c07398f",
            "017f22e2-79b0-7cc3-18c4-dc0c0c07398f",
            "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
            "+17f22e2-79b0-7cc3-98c4-dc0c0c07398f",
            "017f22e279b07cc398c4dc0c0c07398f",
            "017f22e2-79b0-7cc3-98c4-dc0c0c07398f0",
        ] {
            assert_eq!(made_at(other), None, "{other}");
        }
    }

    #[test]
    fn a_message_costs_more_when_its_draft_may_be_in_the_log_only() {
        let id = DraftId::parse("017f22e2-79b0-7cc3-98c4-dc0c0c07398f").expect("a draft id");
        let made = id.made_at().expect("a time").0;
        let after = |microseconds: i64| id.cost(Timestamp(made + microseconds));
        assert_eq!([after(0), after(540_000_000), after(540_000_001)], [1, 1, OLD_DRAFT_COST]);
        assert_eq!(DraftId::parse("7f3a").expect("a draft id").cost(Timestamp(made + DRAFT_AGE_US_MAX)), 1);
    }
}
