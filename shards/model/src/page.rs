//! Which stored messages are asked for.

use super::id::Seq;
use super::time::Timestamp;

/// Which stored messages of a room are asked for. Pages hold at most [`Page::MESSAGES_MAX`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Page {
    /// The newest `count`.
    Last {
        /// How many, at most.
        count: u32,
    },
    /// The newest `count` below `seq`.
    Before {
        /// Not this one.
        seq: Seq,
        /// How many, at most.
        count: u32,
    },
    /// The oldest `count` above `seq`.
    After {
        /// Not this one.
        seq: Seq,
        /// How many, at most.
        count: u32,
    },
    /// `count` with `seq` in their middle, as far as there are so many on both sides.
    Around {
        /// This one, too.
        seq: Seq,
        /// How many, at most.
        count: u32,
    },
    /// The oldest `count` that were said at `time` or later.
    Since {
        /// When.
        time: Timestamp,
        /// How many, at most.
        count: u32,
    },
    /// The newest `count` that were said before `time`.
    Until {
        /// When.
        time: Timestamp,
        /// How many, at most.
        count: u32,
    },
}

impl Page {
    /// The most messages one page holds.
    pub const MESSAGES_MAX: u32 = 500;

    /// The oldest `count` above `after` and below `before`.
    pub fn between(after: Seq, before: Seq, count: u32) -> Page {
        let between = before.0.saturating_sub(after.0).saturating_sub(1);
        Page::After { seq: after, count: u32::try_from(between).unwrap_or(u32::MAX).min(count) }
    }

    /// How many messages are asked for, at most.
    pub fn count(self) -> u32 {
        let (Page::Last { count }
        | Page::Before { count, .. }
        | Page::After { count, .. }
        | Page::Around { count, .. }
        | Page::Since { count, .. }
        | Page::Until { count, .. }) = self;
        count.min(Page::MESSAGES_MAX)
    }

    /// The time by which messages are asked for, if they are.
    pub fn time(self) -> Option<Timestamp> {
        match self {
            Page::Since { time, .. } | Page::Until { time, .. } => Some(time),
            Page::Last { .. } | Page::Before { .. } | Page::After { .. } | Page::Around { .. } => None,
        }
    }

    /// The same page by numbers, where the first message of its time or later is `first`, or would be.
    #[must_use]
    pub fn at(self, first: Seq) -> Page {
        match self {
            Page::Since { count, .. } => Page::After { seq: Seq(first.0.saturating_sub(1)), count },
            Page::Until { count, .. } => Page::Before { seq: first, count },
            Page::Last { .. } | Page::Before { .. } | Page::After { .. } | Page::Around { .. } => self,
        }
    }

    /// The first and the last number of this page in a room with this head. `None` when there are none; a page by time
    /// has [none yet](Self::at).
    pub fn range(self, head: Seq) -> Option<(Seq, Seq)> {
        let count = u64::from(self.count());
        let ending_at = |last: Seq| (Seq(last.0.saturating_sub(count).saturating_add(1)), last);
        let (first, last) = match self {
            Page::Last { .. } => ending_at(head),
            Page::Before { seq, .. } => ending_at(Seq(seq.0.saturating_sub(1)).min(head)),
            Page::After { seq, .. } => {
                (Seq(seq.0.saturating_add(1)), Seq(seq.0.saturating_add(count)).min(head))
            }
            Page::Around { seq, .. } => {
                let first = seq.0.saturating_sub(count / 2).max(1);
                ending_at(Seq(first.saturating_add(count).saturating_sub(1)).min(head))
            }
            Page::Since { .. } | Page::Until { .. } => return None,
        };
        (count > 0 && first <= last).then_some((first, last))
    }
}
