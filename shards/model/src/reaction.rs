//! Reactions to messages, as sums.

use super::id::Seq;
use std::fmt;
use std::fmt::Write;

/// How a reader reacted: a short mark, an emoji as a rule. 1 to [`Reaction::BYTES_MAX`] bytes without spaces and
/// control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Reaction(Box<str>);

impl Reaction {
    /// The longest, in bytes: an emoji of a family with skin tones has 41.
    pub const BYTES_MAX: usize = 48;

    /// Checks a reaction; `None` when it is empty, too long, or has a space or a control character.
    pub fn parse(raw: &str) -> Option<Reaction> {
        let is_mark = raw.chars().all(|c| !c.is_whitespace() && !c.is_control());
        ((1..=Self::BYTES_MAX).contains(&raw.len()) && is_mark).then(|| Reaction(raw.into()))
    }

    /// The mark.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Reaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How many have reacted to a message in each way.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReactionSums(Vec<(Reaction, u32)>);

impl ReactionSums {
    /// The most ways in which a message can have been reacted to.
    pub const KINDS_MAX: usize = 20;

    /// Each way, in the order in which it came first, with how many.
    pub fn iter(&self) -> impl Iterator<Item = (&Reaction, u32)> {
        self.0.iter().map(|(reaction, count)| (reaction, *count))
    }

    /// Whether nobody reacts.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One more, or one fewer, reacts so. Whether that changes anything: not where there are too many ways, or nobody
    /// reacted so.
    pub fn count(&mut self, reaction: &Reaction, is_added: bool) -> bool {
        let place = self.0.iter().position(|(known, _)| known == reaction);
        match (place, is_added) {
            (Some(place), true) => self.0[place].1 = self.0[place].1.saturating_add(1),
            (Some(place), false) if self.0[place].1 > 1 => self.0[place].1 -= 1,
            (Some(place), false) => drop(self.0.remove(place)),
            (None, true) if self.0.len() < Self::KINDS_MAX => self.0.push((reaction.clone(), 1)),
            (None, _) => return false,
        }
        true
    }
}

/// The sums of one message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessageReactions {
    /// Which message.
    pub message: Seq,
    /// All its sums.
    pub sums: ReactionSums,
}

impl MessageReactions {
    /// The most messages that one entry has the sums of.
    pub const MESSAGES_MAX: usize = 40;

    /// As entries store them: a line for each message, with its number, and each reaction with its sum.
    pub fn encode(of: &[MessageReactions]) -> String {
        let mut text = String::new();
        for MessageReactions { message, sums } in of {
            // Memory can be written to.
            let _ = write!(text, "{message}");
            for (reaction, count) in sums.iter() {
                let _ = write!(text, " {reaction} {count}");
            }
            text.push('\n');
        }
        text
    }

    /// Reads what [`encode`](Self::encode) wrote; `None` when it never did.
    pub fn decode(stored: &str) -> Option<Vec<MessageReactions>> {
        let of: Option<Vec<MessageReactions>> = stored.lines().map(MessageReactions::decode_line).collect();
        of.filter(|of| of.len() <= Self::MESSAGES_MAX)
    }

    fn decode_line(line: &str) -> Option<MessageReactions> {
        let mut words = line.split(' ');
        let message = Seq(words.next()?.parse().ok().filter(|number| *number > 0)?);
        let mut sums = ReactionSums::default();
        while let Some(reaction) = words.next() {
            let count = words.next()?.parse().ok().filter(|count| *count > 0)?;
            sums.0.push((Reaction::parse(reaction)?, count));
        }
        (sums.0.len() <= ReactionSums::KINDS_MAX).then_some(MessageReactions { message, sums })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reaction(mark: &str) -> Reaction {
        Reaction::parse(mark).expect("a reaction")
    }

    #[test]
    fn sums_follow_who_reacts_and_who_no_longer_does() {
        let mut sums = ReactionSums::default();
        assert!(!sums.count(&reaction("👍"), false), "nobody did");
        for (mark, is_added) in [("👍", true), ("🎉", true), ("👍", true), ("🎉", false)] {
            assert!(sums.count(&reaction(mark), is_added));
        }
        assert_eq!(sums.iter().map(|(mark, count)| (mark.as_str(), count)).collect::<Vec<_>>(), [("👍", 2)]);
        for number in 0..ReactionSums::KINDS_MAX {
            assert_eq!(
                sums.count(&reaction(&number.to_string()), true),
                number + 1 < ReactionSums::KINDS_MAX
            );
        }
    }

    #[test]
    fn sums_are_read_as_they_were_stored_and_fit_into_an_entry() {
        let mut sums = ReactionSums::default();
        for number in 0..ReactionSums::KINDS_MAX {
            sums.count(&reaction(&format!("{number:0width$}", width = Reaction::BYTES_MAX)), true);
        }
        let of = |seq| MessageReactions { message: Seq(seq), sums: sums.clone() };
        let mut all: Vec<_> = (0..MessageReactions::MESSAGES_MAX as u64).map(|n| of(u64::MAX - n)).collect();
        all[3].sums = ReactionSums::default();
        let stored = MessageReactions::encode(&all);
        assert!(stored.len() <= 64 * 1024, "{} bytes", stored.len());
        assert_eq!(MessageReactions::decode(&stored), Some(all));
    }

    #[test]
    fn what_is_no_sum_is_none() {
        for wrong in ["x", "0 👍 1", "1 👍", "1 👍 0", "1  1", "1 👍 -1", "-1 👍 1", "1 👍 1 "] {
            assert_eq!(MessageReactions::decode(wrong), None, "{wrong:?}");
        }
        assert_eq!(MessageReactions::decode(""), Some(Vec::new()));
        for wrong in ["", "a b", "a\n", "\u{7}"] {
            assert_eq!(Reaction::parse(wrong), None);
        }
    }
}
